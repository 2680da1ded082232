// Decides when the cluster gets another node and when one goes. A value without clock and without calls: looks at the
// members come in, decisions with their reasons come out; a shell calls the hook and says how that ended.
//
//   view, time ─► look ─► decision ─► (shell) hook ─► machines ─► members ─► view …
//
// It keeps no state that another one of its kind could not see in the view too, save its window and its own call. So
// several may run: each decides the same about the same generation, under the same key, and the hook acts once.
//
// 1. One change at a time. A change is under way from the hook's call until a new node serves or the old one is gone,
//    or until the deadline; and, whoever began it, while a node loads, drains, or lacks what is placed on it.
// 2. The window holds looks at one settled topology alone, by figures that were told since it is. A new generation
//    clears it, so nothing is decided within a window of any change, and two that run beside each other see each
//    other's change before they decide again. So does a time in which this machine did not look.
// 3. What is not known never counts as idle: with a figure missing, stale, or a node silent, no node is taken away.
//    With a missing or stale figure none is added either; a silent node's part is served by the others, and they are
//    measured.
// 4. No flapping: a node is taken away only where the others stay below the upper bound by a margin afterwards, and
//    after every change both directions wait for their cool-downs.

public import Membership
public import Model
import Placement

public struct Autoscaler: Sendable {
    public let rules: AutoscaleRules
    private var window: LoadWindow
    /// The work of all, in thousandths of what a node of weight 1 can do.
    private var work: LoadWindow
    private var generation = Generation.none
    private var generationSinceMs: Int64 = 0
    private var position: Sighting?
    private var lookedMs: Int64?
    /// How far the log was read when the topology was first seen settled; nil while it is not.
    private var settledAt: Offset?
    /// Of each node, its newest record and when it was first seen here.
    private var sightings: [ID: Sighting] = [:]
    private var nodeIDs: Set<ID> = []
    /// The own call that is under way.
    private var order: Order?
    /// Since when something is under way, whoever began it.
    private var unsettledSinceMs: Int64?
    /// When the nodes were last seen to change, a call ended, or this machine began.
    private var lastChangeMs: Int64?
    /// Both of `generation`; computed once.
    private var placement: Placement?
    private var leaver: Leaver?

    private struct Sighting: Sendable {
        var offset: Offset
        var sinceMs: Int64
    }

    private struct Order: Sendable {
        var call: AutoscaleCall
        var sinceMs: Int64
        var known: Set<ID>
    }

    public init(rules: AutoscaleRules) {
        self.rules = rules
        window = LoadWindow(windowMs: rules.windowMs, gapMaxMs: rules.staleMs)
        work = window
    }

    // MARK: - Events

    /// Looks at the cluster. To be called about once a second; more often does no harm. `nowMs` is of a clock that
    /// never goes back. Where another member is in charge nothing is called, but everything is followed.
    public mutating func look(at view: MembershipView, nowMs: Int64, isInCharge: Bool = true) -> AutoscaleDecision {
        let nodes = view.members.filter { $0.heartbeat.kind.isNode && $0.heartbeat.state != .gone }
        let staying = nodes.filter { $0.heartbeat.state != .draining }
        let overdue = note(view, nodes, staying, nowMs: nowMs)
        let (action, reason) = find(view, nodes, staying, nowMs: nowMs)
        var decision = AutoscaleDecision(
            reason: reason, load: window.mean, nodes: staying.count, overdue: overdue)
        guard let action else { return decision }
        guard isInCharge else {
            decision.reason = .notInCharge
            return decision
        }
        let call = AutoscaleCall(
            generation: view.generation, action: action, nodes: staying.count,
            load: reason == .belowMinimum ? nil : window.mean)
        order = Order(call: call, sinceMs: nowMs, known: nodeIDs)
        decision.call = call
        return decision
    }

    /// The hook was not called, or failed, or nobody knows what became of it. It is called again after the cool-down,
    /// under the same key while the topology is the same.
    public mutating func failed(_ call: AutoscaleCall, nowMs: Int64) {
        guard order?.call == call else { return }
        order = nil
        lastChangeMs = nowMs
    }

    // MARK: - What changed since the last look

    private mutating func note(
        _ view: MembershipView, _ nodes: [Member], _ staying: [Member], nowMs: Int64
    ) -> AutoscaleCall? {
        if let offset = view.position, position?.offset != offset {
            position = Sighting(offset: offset, sinceMs: nowMs)
        }
        var seen: [ID: Sighting] = [:]
        for node in nodes {
            let former = sightings[node.heartbeat.id]
            seen[node.heartbeat.id] =
                former?.offset == node.offset ? former : Sighting(offset: node.offset, sinceMs: nowMs)
        }
        sightings = seen
        // After a time without looks the view may be as old as the last one, though it is new here.
        let stoodStill = nowMs - (lookedMs ?? nowMs) > rules.staleMs
        lookedMs = nowMs
        if generation != view.generation || stoodStill {
            generation = view.generation
            generationSinceMs = nowMs
            placement = nil
            leaver = nil
            beginAnew()
        }
        let ids = Set(staying.map(\.heartbeat.id))
        if lastChangeMs == nil || ids != nodeIDs { lastChangeMs = nowMs }
        nodeIDs = ids
        return noteOrder(nodes, staying, nowMs: nowMs)
    }

    private mutating func beginAnew() {
        clearWindows()
        settledAt = nil
    }

    private mutating func clearWindows() {
        window.clear()
        work.clear()
    }

    /// Ends the own call where what it asked for is seen, or its time is over; then it is returned.
    private mutating func noteOrder(_ nodes: [Member], _ staying: [Member], nowMs: Int64) -> AutoscaleCall? {
        guard let order else { return nil }
        let isDone =
            switch order.call.action {
            case .scaleOut:
                staying.contains {
                    !order.known.contains($0.heartbeat.id) && $0.heartbeat.state == .serving && !$0.isSilent
                }
            case .scaleIn(let node): !nodes.contains { $0.heartbeat.id == node }
            }
        guard isDone || nowMs - order.sinceMs >= rules.changeDeadlineMs else { return nil }
        self.order = nil
        lastChangeMs = nowMs
        return isDone ? nil : order.call
    }

    // MARK: - What is to be done

    /// What is to be done, and the reason for it; or the reason why nothing is.
    private mutating func find(
        _ view: MembershipView, _ nodes: [Member], _ staying: [Member], nowMs: Int64
    ) -> (action: AutoscaleAction?, reason: AutoscaleReason) {
        guard view.generation != .none, let position, nowMs - position.sinceMs <= rules.staleMs else {
            beginAnew()
            return (nil, .nothingHeard)
        }
        guard Set(staying.map(\.heartbeat.configuration)).count <= 1 else {
            beginAnew()
            return (nil, .disagreement)
        }
        let unsettled = noteUnsettled(nodes, staying, nowMs: nowMs)
        if let unsettled, nowMs - (unsettledSinceMs ?? nowMs) < rules.changeDeadlineMs {
            beginAnew()
            return (nil, .unsettled(unsettled))
        }
        settledAt = settledAt ?? position.offset
        if let reason = sample(staying, nowMs: nowMs) { return (nil, reason) }
        if let order { return (nil, .called(order.call.action)) }
        guard staying.count >= rules.nodesMin else { return refill(nowMs: nowMs) }
        guard let load = window.mean, window.isFull(nowMs: nowMs) else { return (nil, .measuring) }
        if load > rules.scaleOutAbove { return grow(staying, load, nowMs: nowMs) }
        guard load < rules.scaleInBelow else { return (nil, .steady) }
        // A node that never got ready, or one that is silent, may hold what the others lack.
        if let unsettled { return (nil, .unsettled(unsettled)) }
        if let silent = nodes.first(where: \.isSilent) { return (nil, .silentNode(silent.heartbeat.id)) }
        return shrink(staying, load, nowMs: nowMs)
    }

    /// A node with which the topology is not yet what it shall be: one that has never served, or goes, heard or not; and one
    /// that is heard and lacks something.
    private mutating func noteUnsettled(_ nodes: [Member], _ staying: [Member], nowMs: Int64) -> ID? {
        let placement = placed(staying)
        let unsettled = nodes.first { node in
            guard node.heartbeat.state == .serving else { return true }
            return !node.isSilent && !placement.partitions(of: node.heartbeat.id).isSubset(of: node.heartbeat.ready)
        }
        if unsettled == nil, unsettledSinceMs != nil { lastChangeMs = nowMs }
        unsettledSinceMs = unsettled == nil ? nil : unsettledSinceMs ?? nowMs
        return unsettled?.heartbeat.id
    }

    /// Adds a look to the window, or says why that is impossible. A figure from before the topology was settled is of
    /// another share of the work, so the window begins when all have told another one.
    private mutating func sample(_ staying: [Member], nowMs: Int64) -> AutoscaleReason? {
        let serving = staying.filter { !$0.isSilent && $0.heartbeat.state == .serving }
        var (sum, workSum) = (0, 0)
        for node in serving {
            let id = node.heartbeat.id
            guard let load = node.heartbeat.servingLoad, let sighting = sightings[id],
                nowMs - sighting.sinceMs <= rules.staleMs
            else {
                clearWindows()
                return .notMeasured(id)
            }
            sum += load
            workSum += load * node.heartbeat.weight
        }
        let areNew = serving.allSatisfy { $0.offset >= settledAt ?? $0.offset }
        if serving.isEmpty || !areNew {
            clearWindows()
        } else {
            window.add(sum / serving.count, nowMs: nowMs)
            work.add(workSum, nowMs: nowMs)
        }
        return nil
    }

    private func refill(nowMs: Int64) -> (action: AutoscaleAction?, reason: AutoscaleReason) {
        // Nodes that are started one after the other are not too few yet.
        guard nowMs - generationSinceMs >= rules.windowMs else { return (nil, .measuring) }
        if let left = coolDown(rules.scaleOutCoolDownMs, nowMs: nowMs) { return (nil, left) }
        return (.scaleOut, .belowMinimum)
    }

    private func grow(
        _ staying: [Member], _ load: Int, nowMs: Int64
    ) -> (action: AutoscaleAction?, reason: AutoscaleReason) {
        guard staying.count < rules.nodesMax else { return (nil, .atMaximum) }
        if let left = coolDown(rules.scaleOutCoolDownMs, nowMs: nowMs) { return (nil, left) }
        return (.scaleOut, .loadAbove(load))
    }

    private mutating func shrink(
        _ staying: [Member], _ load: Int, nowMs: Int64
    ) -> (action: AutoscaleAction?, reason: AutoscaleReason) {
        var fewest = max(rules.nodesMin, 1)
        if case .count(let replicas)? = staying.first?.heartbeat.configuration.replicas {
            fewest = max(fewest, replicas)
        }
        guard staying.count > fewest else { return (nil, .atMinimum) }
        if let left = coolDown(rules.scaleInCoolDownMs, nowMs: nowMs) { return (nil, left) }
        let leaver = leaver ?? Leaver.choose(of: staying, in: placed(staying))
        self.leaver = leaver
        // By the work, not by the mean: a node of twice the weight does twice as much at the same load.
        let work = work.mean ?? load * staying.reduce(0) { $0 + $1.heartbeat.weight }
        let others = Int((Double(work) * leaver.loadOfOthers).rounded())
        guard others < rules.scaleOutAbove - rules.headroom else { return (nil, .othersWouldBeFull(others)) }
        return (.scaleIn(leaver.id), .loadBelow(load))
    }

    private func coolDown(_ coolDownMs: Int64, nowMs: Int64) -> AutoscaleReason? {
        let left = (lastChangeMs ?? nowMs) + coolDownMs - nowMs
        return left > 0 ? .coolDown(leftMs: left) : nil
    }

    /// The placement of the generation, as every member computes it.
    private mutating func placed(_ staying: [Member]) -> Placement {
        if let placement { return placement }
        let members = staying.map(\.heartbeat).map { PlacementMember(id: $0.id, weight: $0.weight, zone: $0.zone) }
        let configuration = staying.first?.heartbeat.configuration
        let placed = Placement.place(
            members: members, partitions: configuration?.partitions ?? 1, replicas: configuration?.replicas ?? .all)
        placement = placed
        return placed
    }
}

extension MembershipView {
    /// Whether `router` is the live router of the lowest id, which decides for all.
    public func isLeadingRouter(_ router: ID) -> Bool {
        members.first {
            !$0.isSilent && $0.heartbeat.kind.isRouter && ![.draining, .gone].contains($0.heartbeat.state)
        }?
        .heartbeat.id == router
    }
}
