// What this node should hold. Make before break: a partition that is no longer placed here is kept until those it is
// placed on answer for it. One per node, fed on the cluster's thread whenever the view, the own holdings or the time
// have moved on.

public import Model
public import Placement

/// What to do now.
public struct HoldActions: Sendable, Hashable {
    /// Placed here and not held: begin to load.
    public var load = PartitionSet()
    /// Held, and safe to give up once the queries that run on it are answered.
    public var drop = PartitionSet()
    /// Held, not placed here, and still needed.
    public var keep = PartitionSet()

    public init() {}

    /// Whether the node can be taken away: nothing it holds is placed here or still needed.
    public func isSafeToRemove(holding held: PartitionSet) -> Bool { held == drop }
}

public struct HoldPlan: Sendable, Equatable {
    /// Since when, and by which generation, a held partition is placed elsewhere.
    private struct Surplus: Sendable, Equatable {
        let partition: PartitionID
        let generation: Generation
        let sinceMs: Int64
    }

    /// How long routers and slow new holders are waited for. After it one ready holder elsewhere is enough; without
    /// any, the partition is kept however long it takes.
    public let deadlineMs: Int64
    private let node: ID
    /// At most one for each partition.
    private var surplus: [Surplus] = []

    public init(node: ID, deadlineMs: Int64 = 60_000) {
        self.node = node
        self.deadlineMs = deadlineMs
    }

    /// `held` is what this node holds, ready or loading; `placement` that of the view's generation; `nowMs` a clock
    /// that never goes back.
    public mutating func update(
        view: MembershipView, placement: Placement, held: PartitionSet, nowMs: Int64
    ) -> HoldActions {
        let placed = placement.partitions(of: node)
        let others = view.readyHolders.filter { $0.node != node }
        let seen = view.routerGenerations.min()
        note(held.subtracting(placed), generation: view.generation, nowMs: nowMs)
        var actions = HoldActions()
        actions.load = placed.subtracting(held)
        for entry in surplus {
            let ready = Set(others.filter { $0.partitions.contains(entry.partition) }.map(\.node))
            let holders = placement.holders(of: entry.partition)
            let isHandedOver = !holders.isEmpty && holders.allSatisfy(ready.contains)
            let isSeen = seen.map { $0 >= entry.generation } ?? true
            let isOverdue = nowMs - entry.sinceMs >= deadlineMs && !ready.isEmpty
            if (isHandedOver && isSeen) || isOverdue {
                actions.drop.insert(entry.partition)
            } else {
                actions.keep.insert(entry.partition)
            }
        }
        return actions
    }

    private mutating func note(_ partitions: PartitionSet, generation: Generation, nowMs: Int64) {
        var fresh = partitions
        surplus.removeAll { !partitions.contains($0.partition) }
        for entry in surplus { fresh.remove(entry.partition) }
        for partition in fresh.partitions {
            surplus.append(Surplus(partition: partition, generation: generation, sinceMs: nowMs))
        }
    }
}
