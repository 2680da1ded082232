import Model
import Placement
import TestSupport
import Testing

struct CoversTests {
    static func holders(_ placement: Placement) -> [ReadyHolder] {
        placement.members.map { ReadyHolder(node: $0.id, partitions: placement.partitions(of: $0.id)) }
    }

    static func covers(_ count: Int, partitions: Int, replicas: Replicas) -> Covers {
        let members = makeMembers(count, seed: 1)
        let placement = Placement.place(members: members, partitions: partitions, replicas: replicas)
        return Covers(holders: holders(placement), partitions: partitions, seed: 7)
    }

    static func check(_ parts: [CoverPart], of covers: Covers, wanted: PartitionSet, _ note: Comment) {
        var seen = PartitionSet()
        for part in parts {
            #expect(!part.partitions.isEmpty, note)
            #expect(part.partitions.isSubset(of: covers.holders[part.holder].partitions), note)
            #expect(part.partitions.intersection(seen).isEmpty, note)
            seen = seen.union(part.partitions)
        }
        #expect(seen == wanted, note)
        #expect(Set(parts.map(\.holder)).count == parts.count, note)
    }

    @Test(arguments: [3, 4, 6, 12, 24], [2, 3])
    func coversAreWholeSmallAndEven(count: Int, replicas: Int) {
        let partitions = 128
        let members = makeMembers(count, seed: 1)
        let placement = Placement.place(members: members, partitions: partitions, replicas: .count(replicas))
        let covers = Covers(holders: Self.holders(placement), partitions: partitions, seed: 7)
        let smallest = PlacementMeasures(placement).coverSize
        #expect(covers.missing.isEmpty)
        #expect(covers.plans.count >= 8)
        var work = [Int](repeating: 0, count: count)
        for plan in covers.plans {
            Self.check(plan, of: covers, wanted: PartitionSet(below: partitions), "N \(count) R \(replicas)")
            #expect(plan.count <= smallest + 1 + smallest / 8)
            for part in plan { work[part.holder] += part.partitions.count }
        }
        let mean = Double(work.reduce(0, +)) / Double(count)
        #expect(Double(work.max() ?? 0) / mean <= 1.25, "N \(count) R \(replicas): \(work)")
    }

    @Test(arguments: [1, 2, 3, 8, 24, 256])
    func withEverythingEverywhereOneNodeAnswersInTurn(count: Int) {
        let covers = Self.covers(count, partitions: 12, replicas: .all)
        var turns = [Int](repeating: 0, count: count)
        for turn in covers.plans.indices {
            let cover = covers.cover(turn: turn)
            #expect(cover.count == 1)
            turns[cover[0].holder] += 1
        }
        #expect((turns.max() ?? 0) - (turns.min() ?? 0) <= 1)
    }

    @Test func aPartitionWithoutHolderIsMissingAndTheRestCovered() {
        var held = PartitionSet(below: 12)
        held.remove(PartitionID(5))
        let holders = makeMembers(2, seed: 1).map { ReadyHolder(node: $0.id, partitions: held) }
        let covers = Covers(holders: holders, partitions: 12, seed: 1)
        #expect(covers.missing.partitions == [PartitionID(5)])
        Self.check(covers.cover(turn: 3), of: covers, wanted: held, "missing")
        let nobody = Covers(holders: [], partitions: 12, seed: 1)
        #expect(nobody.missing == PartitionSet(below: 12))
        #expect(nobody.cover(turn: 1).isEmpty)
        #expect(nobody.assign(held, turn: 1) { _ in Issue.record("nobody to ask") } == held)
    }

    @Test func randomSubsetsGoToHoldersThatHaveThem() {
        var random = SeededGenerator.forTest()
        for round in 0..<300 {
            let count = Int.random(in: 1...24, using: &random)
            let covers = Self.covers(count, partitions: 48, replicas: .count(Int.random(in: 1...3, using: &random)))
            var subset = PartitionSet()
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                subset.insert(PartitionID(Int.random(in: 0..<48, using: &random)))
            }
            let bad = Int.random(in: 0..<count, using: &random)
            var parts: [CoverPart] = []
            let turn = Int.random(in: 0...1_000_000, using: &random)
            let left = covers.assign(subset, turn: turn, usable: { $0 != bad }) { parts.append($0) }
            #expect(!parts.contains { $0.holder == bad }, "seed \(random.seed) round \(round)")
            Self.check(parts, of: covers, wanted: subset.subtracting(left), "seed \(random.seed) round \(round)")
            for (index, holder) in covers.holders.enumerated() where index != bad {
                #expect(left.intersection(holder.partitions).isEmpty, "seed \(random.seed) round \(round)")
            }
        }
    }

    @Test func orderOfHoldersDoesNotCount() {
        let placement = Placement.place(members: makeMembers(7, seed: 3), partitions: 48, replicas: .count(2))
        let holders = Self.holders(placement)
        let covers = Covers(holders: holders, partitions: 48, seed: 9)
        #expect(Covers(holders: holders.reversed(), partitions: 48, seed: 9) == covers)
    }
}
