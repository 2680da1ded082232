import Foundation
import Model
import TestSupport
import Testing

struct PartitionSetTests {
    @Test func edges() {
        var set = PartitionSet()
        #expect(set.isEmpty && set.partitions.isEmpty && set.count == 0)
        for partition in [0, 63, 64, 511] {
            set.insert(PartitionID(partition))
            #expect(set.contains(PartitionID(partition)))
        }
        #expect(set.partitions.map { Int($0.rawValue) } == [0, 63, 64, 511])
        #expect(!set.contains(PartitionID(-1)) && !set.contains(PartitionID(512)))
        set.remove(PartitionID(-1))
        set.remove(PartitionID(512))
        #expect(set.count == 4)
        #expect(Limits.partitionsMax == 512)
    }

    @Test(arguments: [0, 1, 63, 64, 65, 511, 512])
    func below(_ count: Int) {
        let set = PartitionSet(below: count)
        #expect(set.count == count)
        #expect(set.partitions.map { Int($0.rawValue) } == Array(0..<count))
    }

    /// Against `Set`, operation by operation.
    @Test func likeSet() {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        var sets = [PartitionSet(), PartitionSet()]
        var models: [Set<Int>] = [[], []]
        for _ in 0..<5_000 {
            let side = Int.random(in: 0..<2, using: &random)
            let partition = Int.random(in: 0..<512, using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<6:
                sets[side].insert(PartitionID(partition))
                models[side].insert(partition)
            case 6..<9:
                sets[side].remove(PartitionID(partition))
                models[side].remove(partition)
            case 9:
                sets[side] = sets[side].union(sets[1 - side])
                models[side].formUnion(models[1 - side])
            case 10:
                sets[side] = sets[side].intersection(sets[1 - side])
                models[side].formIntersection(models[1 - side])
            default:
                sets[side] = sets[side].subtracting(sets[1 - side])
                models[side].subtract(models[1 - side])
            }
            #expect(sets[side].partitions.map { Int($0.rawValue) } == models[side].sorted(), "seed \(random.seed)")
            #expect(sets[side].count == models[side].count && sets[side].isEmpty == models[side].isEmpty)
            #expect(sets[side].contains(PartitionID(partition)) == models[side].contains(partition))
            #expect(sets[0].isSubset(of: sets[1]) == models[0].isSubset(of: models[1]), "seed \(random.seed)")
            #expect((sets[0] == sets[1]) == (models[0] == models[1]), "seed \(random.seed)")
            if sets[0] == sets[1] { #expect(sets[0].hashValue == sets[1].hashValue) }
        }
    }
}
