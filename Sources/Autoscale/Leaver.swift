// Which node goes: the one whose leave moves the fewest copies, by the placement itself.

import Membership
import Model
import Placement

struct Leaver: Sendable, Equatable {
    var id: ID
    /// The mean load of those that stay, as a part of the work of all (that of a full node of weight 1): who holds more
    /// copies for its weight has more of it.
    var loadOfOthers: Double

    /// `staying` are at least two. Of several that move as little the one of the highest id.
    static func choose(of staying: [Member], in placement: Placement) -> Leaver {
        let moves = staying.map { node in
            (node: node.heartbeat, copies: copies(movedWithout: node.heartbeat.id, in: placement))
        }
        guard let best = moves.min(by: { ($0.copies, $1.node.id) < ($1.copies, $0.node.id) }) else {
            preconditionFailure("nobody is left to go")
        }
        let others = left(without: best.node.id, in: placement)
        var (held, loads) = (0.0, 0.0)
        for member in others.members {
            let copies = Double(others.partitions(of: member.id).count)
            held += copies
            loads += copies / Double(member.weight)
        }
        return Leaver(id: best.node.id, loadOfOthers: loads / (held * Double(others.members.count)))
    }

    private static func left(without node: ID, in placement: Placement) -> Placement {
        Placement.place(
            members: placement.members.filter { $0.id != node }, partitions: placement.partitionCount,
            replicas: .count(max(placement.replicas, 1)))
    }

    /// The copies that would stand where none stands now.
    private static func copies(movedWithout node: ID, in placement: Placement) -> Int {
        let others = left(without: node, in: placement)
        return placement.members.filter { $0.id != node }.reduce(0) {
            $0 + others.partitions(of: $1.id).subtracting(placement.partitions(of: $1.id)).count
        }
    }
}
