// Which node goes: the one whose leave moves the fewest copies, by the placement itself.

import Membership
import Model
import Placement

struct Leaver: Sendable, Equatable {
    var id: ID
    var weight: Int

    /// `staying` are at least two. Of several that move as little the one of the highest id.
    static func choose(of staying: [Member], in placement: Placement) -> Leaver {
        let moves = staying.map { node in
            (node: node.heartbeat, copies: copies(movedWithout: node.heartbeat.id, in: placement))
        }
        guard let best = moves.min(by: { ($0.copies, $1.node.id) < ($1.copies, $0.node.id) }) else {
            preconditionFailure("nobody is left to go")
        }
        return Leaver(id: best.node.id, weight: best.node.weight)
    }

    /// The copies that would stand where none stands now.
    private static func copies(movedWithout node: ID, in placement: Placement) -> Int {
        let left = Placement.place(
            members: placement.members.filter { $0.id != node }, partitions: placement.partitionCount,
            replicas: .count(max(placement.replicas, 1)))
        return placement.members.filter { $0.id != node }.reduce(0) {
            $0 + left.partitions(of: $1.id).subtracting(placement.partitions(of: $1.id)).count
        }
    }
}
