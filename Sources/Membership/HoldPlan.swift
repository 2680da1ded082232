// What this node should hold. Make before break: a partition that is no longer placed here is kept until those it is
// placed on answer for it, and every router knows that they do. One per node, fed on the cluster's thread whenever the
// view or the own holdings have moved on.
//
// Time is the log's clock: while Kafka is away it stands, so nobody drops anything by what was true before.

public import Model
public import Placement

/// What to do now.
public struct HoldActions: Sendable, Hashable {
    /// Placed here and not held: begin to load.
    public var load = PartitionSet()
    /// Held, and safe to give up.
    public var drop = PartitionSet()
    /// Held, not placed here, and still needed.
    public var keep = PartitionSet()

    public init() {}
}

public struct HoldPlan: Sendable, Equatable {
    /// Since when, and by which generation, a held partition is placed elsewhere.
    private struct Surplus: Sendable, Equatable {
        let partition: PartitionID
        let generation: Generation
        var sinceMs: Int64
    }

    /// How long routers and slow new holders are waited for. After it one new holder that is ready is enough; without
    /// any, the partition is kept however long it takes.
    public let deadlineMs: Int64
    private let node: ID
    /// At most one for each partition.
    private var surplus: [Surplus] = []

    public init(node: ID, deadlineMs: Int64 = 60_000) {
        self.node = node
        self.deadlineMs = deadlineMs
    }

    /// `held` is what this node holds, ready or loading; `placement` that of the view's generation.
    public mutating func update(view: MembershipView, placement: Placement, held: PartitionSet) -> HoldActions {
        let placed = placement.partitions(of: node)
        note(held.subtracting(placed), view)
        var actions = HoldActions()
        actions.load = placed.subtracting(held)
        guard !surplus.isEmpty else { return actions }
        let ready = view.readyHolders
        let slowest = view.routerPositions.min()
        for entry in surplus {
            if isHandedOver(entry, view, placement, ready, slowest) {
                actions.drop.insert(entry.partition)
            } else {
                actions.keep.insert(entry.partition)
            }
        }
        return actions
    }

    /// Other nodes that are to drop the partition too do not count: each would go by the other.
    private func isHandedOver(
        _ entry: Surplus, _ view: MembershipView, _ placement: Placement, _ ready: [ReadyHolder], _ slowest: Offset?
    ) -> Bool {
        let holders = placement.holders(of: entry.partition)
        let able = holders.filter { holder in
            ready.contains { $0.node == holder && $0.partitions.contains(entry.partition) }
        }
        guard !able.isEmpty else { return false }
        if view.clockMs - entry.sinceMs >= deadlineMs { return true }
        guard able.count == holders.count else { return false }
        // Readiness is no generation: a router must have read the record that tells it, too.
        let news = able.compactMap { view.member($0)?.changedAt.rawValue }.max() ?? 0
        return slowest.map { $0.rawValue > max(news, entry.generation.rawValue) } ?? true
    }

    private mutating func note(_ partitions: PartitionSet, _ view: MembershipView) {
        var fresh = partitions
        surplus.removeAll { !partitions.contains($0.partition) }
        for index in surplus.indices {
            fresh.remove(surplus[index].partition)
            // The log was made anew, and its clock with it.
            surplus[index].sinceMs = min(surplus[index].sinceMs, view.clockMs)
        }
        for partition in fresh.partitions {
            surplus.append(Surplus(partition: partition, generation: view.generation, sinceMs: view.clockMs))
        }
    }
}
