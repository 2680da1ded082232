// What a placement is judged by: the size of its smallest cover, its balance, and what a change moves.

import Model
import Placement
import TestSupport

struct PlacementMeasures {
    let holders: [[ID]]
    let members: [PlacementMember]

    init(_ holders: [[ID]], members: [PlacementMember]) {
        self.holders = holders
        self.members = members
    }

    init(_ placement: Placement) {
        holders = (0..<placement.partitionCount).map { placement.holders(of: PartitionID($0)) }
        members = placement.members
    }

    var sets: [PartitionSet] {
        members.map { member in
            var set = PartitionSet()
            for (partition, nodes) in holders.enumerated() where nodes.contains(member.id) {
                set.insert(PartitionID(partition))
            }
            return set
        }
    }

    var loads: [Int] { sets.map(\.count) }

    var maxOverMean: Double { Double(loads.max() ?? 0) * Double(loads.count) / Double(max(loads.reduce(0, +), 1)) }

    /// The size of a smallest cover: exact up to 12 members, greedy above.
    var coverSize: Int { members.count <= 12 ? exactCoverSize : greedyCoverSize }

    var exactCoverSize: Int {
        let sets = self.sets
        let all = PartitionSet(below: holders.count)
        var best = sets.count
        for chosen in 1..<(1 << sets.count) where chosen.nonzeroBitCount < best {
            var covered = PartitionSet()
            for index in sets.indices where chosen >> index & 1 == 1 { covered = covered.union(sets[index]) }
            if covered == all { best = chosen.nonzeroBitCount }
        }
        return best
    }

    var greedyCoverSize: Int {
        let sets = self.sets
        var left = PartitionSet(below: holders.count)
        var size = 0
        while !left.isEmpty, let best = sets.max(by: { left.intersection($0).count < left.intersection($1).count }) {
            left = left.subtracting(best)
            size += 1
        }
        return size
    }

    /// How many copies stand in `after` where `before` had none.
    static func moved(from before: PlacementMeasures, to after: PlacementMeasures) -> Int {
        zip(before.holders, after.holders).reduce(0) { sum, pair in sum + Set(pair.1).subtracting(pair.0).count }
    }
}

/// Members with ids as operators give them.
func makeMembers(_ count: Int, seed: UInt64) -> [PlacementMember] {
    (0..<count).compactMap { ID("node-\(seed)-\($0)").map { PlacementMember(id: $0) } }
}
