// The other candidate of docs/decisions/0001-placement.md, kept so that its figures can be measured again: the members
// in `replicas` groups of equal size, each group holding everything, by a ring of its own.

import Model

@testable import Placement

func placeInGroups(_ members: [PlacementMember], partitions: Int, replicas: Int) -> [[ID]] {
    let ranked = members.sorted { ($0.id.hash, $0.id) < ($1.id.hash, $1.id) }
    let groups = min(replicas, ranked.count)
    var holders = [[ID]](repeating: [], count: partitions)
    for group in 0..<groups {
        let first = group * ranked.count / groups
        let end = (group + 1) * ranked.count / groups
        let placement = Placement.place(
            members: Array(ranked[first..<end]), partitions: partitions, replicas: .count(1))
        for partition in 0..<partitions { holders[partition] += placement.holders(of: PartitionID(partition)) }
    }
    return holders
}
