import Model
import Testing

@testable import Node

struct HoldKeeperTests {
    static func set(_ partitions: [Int]) -> PartitionSet {
        var set = PartitionSet()
        for partition in partitions { set.insert(PartitionID(partition)) }
        return set
    }

    @Test(arguments: [[], [0], [3, 1, 2], Array(0..<Limits.partitionsMax)])
    func comesBack(_ partitions: [Int]) {
        #expect(HoldKeeper.decode(HoldKeeper.encode(Self.set(partitions))) == Self.set(partitions))
        #expect(HoldKeeper.encode(Self.set(partitions)).count <= HoldKeeper.bytesMax)
    }

    @Test(arguments: [
        "", "\n\n", "favorites held 1\n1", "favorites held 1\n1 2\n\n", "favorites held 2\n1\n",
        "favorites held 1\n2 1\n", "favorites held 1\n1 1\n", "favorites held 1\n-1\n", "favorites held 1\n01\n",
        "favorites held 1\n1,2\n", "favorites held 1\n1  2\n", "favorites held 1\n\(Limits.partitionsMax)\n",
        "favorites held 1\n99999999999999999999\n",
    ])
    func whatIsNotExactlyWhatWasWrittenIsRefused(_ text: String) {
        #expect(HoldKeeper.decode(Array(text.utf8)) == nil)
    }
}
