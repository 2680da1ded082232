import Foundation
import Model
import TestSupport
import Testing

struct GlobalPositionTests {
    static let counts = [3, 1, 2, 1, 4]

    /// Each partition of each topic has a place of its own, in the order of topics.
    @Test func places() {
        var position = GlobalPosition(partitionCounts: Self.counts)
        #expect(position.offsets == Array(repeating: Offset(0), count: 11))
        var index = 0
        for (kind, count) in zip(GlobalPosition.kinds, Self.counts) {
            for partition in 0..<count {
                #expect(position.index(kind, PartitionID(partition)) == index)
                position[kind, PartitionID(partition)] = Offset(Int64(100 + index))
                index += 1
            }
        }
        #expect(position.offsets.map(\.rawValue) == Array(100..<111))
        #expect(position[.season, PartitionID(1)] == Offset(105))
        position.set(Offset(7), at: 5)
        #expect(position[.season, PartitionID(1)] == Offset(7))
        #expect(GlobalPosition.kinds == ModelKind.allCases.filter { $0 != .event })
    }

    @Test func otherShapes() {
        let position = GlobalPosition(partitionCounts: Self.counts)
        #expect(!position.reaches(GlobalPosition(partitionCounts: [1, 3, 2, 1, 4])))
        #expect(position != GlobalPosition(partitionCounts: [1, 3, 2, 1, 4]))
    }

    @Test func order() {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        for _ in 0..<1_000 {
            let left = Self.random(&random)
            let right = Self.random(&random)
            let reaches = zip(left.offsets, right.offsets).allSatisfy { $0.rawValue >= $1.rawValue }
            #expect(left.reaches(right) == reaches, "seed \(random.seed)")
            #expect(left.reaches(left))
            var highest = left
            highest.formMaximum(right)
            #expect(highest.reaches(left) && highest.reaches(right), "seed \(random.seed)")
            #expect(zip(highest.offsets, zip(left.offsets, right.offsets)).allSatisfy { $0 == $1.0 || $0 == $1.1 })
        }
    }

    private static func random(_ random: inout SeededGenerator) -> GlobalPosition {
        var position = GlobalPosition(partitionCounts: counts)
        for index in position.offsets.indices {
            position.set(Offset(Int64.random(in: 0..<3, using: &random)), at: index)
        }
        return position
    }
}
