// A node's part in the cluster, from its first heartbeat to its last:
//
//   joining ──placed──► warming ──something ready──► serving ──SIGTERM──► draining ──safe, or the deadline──► gone
//
// It decides what the writer's thread is to hold and which state the heartbeat tells. Draining gives nothing up: what
// is held answers to the end, and goes into snapshots then.

public import Model
import Placement

public struct NodeLife: Sendable {
    private let node: ID
    private var plan: HoldPlan
    /// What the node is to hold.
    public private(set) var held = PartitionSet()
    /// Whether the node has ever stood in a placement. Before its own heartbeat is read it does not, and must not take
    /// that for a reason to drop everything.
    public private(set) var isPlaced = false
    public private(set) var isDraining = false
    /// Draining, and nobody loses anything when the node goes now.
    public private(set) var isSafeToRemove = false

    /// `deadlineMs`: how long routers and slow new holders are waited for.
    public init(node: ID, deadlineMs: Int64 = 60_000) {
        self.node = node
        plan = HoldPlan(node: node, deadlineMs: deadlineMs)
    }

    /// Takes the cluster's state in. `ready` is what this node may be asked for. Returns what is to be held from now
    /// on, where that has changed, and the first time that it is known.
    public mutating func update(_ state: ClusterState, ready: PartitionSet) -> PartitionSet? {
        guard isPlaced || state.placement.members.contains(where: { $0.id == node }) else { return nil }
        let isFirst = !isPlaced
        isPlaced = true
        let actions = plan.update(view: state.view, placement: state.placement, held: held)
        guard !isDraining else {
            isSafeToRemove = isSafe(state.view, ready.intersection(held).subtracting(actions.drop))
            return nil
        }
        let wish = held.union(actions.load).subtracting(isHeard(state.view) ? actions.drop : PartitionSet())
        guard isFirst || wish != held else { return nil }
        held = wish
        return wish
    }

    /// Whether this node has been heard all through the silent time. One that was cut off reads of routers that are gone:
    /// they may have been cut off with it. They still ask it, and are heard again as soon as it is.
    private func isHeard(_ view: MembershipView) -> Bool {
        guard let member = view.member(node), !member.isSilent else { return false }
        return view.clockMs - member.sinceMs >= view.timeouts.silentMs
    }

    /// From now on others take over. What was never placed here is safe at once.
    public mutating func drain() {
        isDraining = true
        isSafeToRemove = !isPlaced
    }

    /// `needed` is what this node alone can answer for. Where no other node stays, nobody can take over; else the others
    /// must have been able to read that this one drains.
    private func isSafe(_ view: MembershipView, _ needed: PartitionSet) -> Bool {
        let stays = view.members.map(\.heartbeat).contains {
            $0.id != node && $0.kind.isNode && $0.state != .draining
        }
        return !stays || (needed.isEmpty && view.member(node)?.heartbeat.state == .draining)
    }

    public func state(ready: PartitionSet) -> MemberState {
        if isDraining { return .draining }
        if !isPlaced { return .joining }
        return ready.isEmpty && !held.isEmpty ? .warming : .serving
    }
}
