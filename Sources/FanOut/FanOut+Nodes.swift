// What is known of each node, and what follows for whom to ask.
//
//   up ──► doubted ──► up           an ask is overdue: a sign of life is asked for, and others are preferred until it comes
//    │        └──────► left ──► up  none came: left, until one does
//    ├──► left ──► up               three failures on end: left for a second, longer each time
//    └──► down ──► up               the link is closed
//
// Whoever comes back from left or down, and whoever is new, is on a ramp: it counts as a holder for few requests at first
// and for all after `rampNs`. Nobody is left for good: where no better holder is, a worse one is asked, and one that the
// control topic has not heard of for a while only where no other has an open link. And where all
// nodes have been left, that says more of this router than of them: it then counts for none, until more than half of
// them have come back (fail open).

import Model

extension FanOut {
    struct Node {
        let id: ID
        let holds: PartitionSet
        let isLocal: Bool
        let isSilent: Bool
        var isUp: Bool
        /// Asks that it owes a reply to.
        var inFlight = 0
        /// What it was asked for lately, by `work`; halves every second.
        var work = 0.0
        /// What a piece of work costs there: more where it is loaded, less where it is large.
        var price: Double
        var weight: Double
        var lagMs: UInt32 = 0
        /// When it last said so.
        var heardNs: UInt64 = 0
        var lags = false
        /// Since when a sign of life is waited for.
        var probedNs: UInt64?
        var isLeft = false
        /// It is left until then at least.
        var leftUntilNs: UInt64 = 0
        /// Failures since its last reply.
        var failures = 0
        /// Times it was left for failures, since it was last taken back for good.
        var ejections: UInt64 = 0
        /// Partitions on the ramp.
        var ramping = PartitionSet()
        var isRamping = false
        var rampedNs: UInt64 = 0
        /// Of 1024 requests, those that it counts for while ramping.
        var rampShare = 1024
        /// Partitions that it said lately it does not hold.
        var refused = PartitionSet()
        var refusedNs: UInt64?
    }

    /// How good a node looks. A worse one is asked where no better one is left.
    enum Standing: Int {
        case good
        /// Doubted, lagging, crowded, or on a ramp.
        case second
        case left
        /// The cluster has not heard of it for a while.
        case silent
        case down
    }

    static let settleNs: UInt64 = 125_000_000
    /// 2^(-1/8): work halves in a second.
    static let decay = 0.917
    private static let failuresMax = 3
    private static let ejectNs: UInt64 = 1_000_000_000
    /// The longest: 16 s.
    private static let ejectDoublingsMax: UInt64 = 4
    /// What a node said, or refused, counts for this long.
    private static let rememberNs: UInt64 = 1_000_000_000
    private static let lagMsMax: UInt32 = 1_000
    private static let rampShareMin = 51
    /// More asks in flight than this, and than twice those of the others: crowded.
    private static let crowdMin = 8

    // MARK: - Standing

    /// Whether the node is there, behind a link.
    func isRemote(_ node: NodeIndex) -> Bool { nodes.indices.contains(node.slot) && !nodes[node.slot].isLocal }

    func standing(_ node: Int) -> Standing {
        if nodes[node].isLocal { return .good }
        guard nodes[node].isUp else { return .down }
        if nodes[node].isSilent { return .silent }
        if failsOpen { return .second }
        if nodes[node].isLeft { return .left }
        return nodes[node].probedNs != nil || nodes[node].lags || isCrowded(node) ? .second : .good
    }

    private func isCrowded(_ node: Int) -> Bool {
        let own = nodes[node].inFlight
        return own > Self.crowdMin && (own - Self.crowdMin) * (nodes.count - 1) > 2 * (inFlight - own)
    }

    /// What it may be asked for by a request that has a choice.
    func preferred(_ node: Int) -> PartitionSet {
        var preferred = nodes[node].holds
        if nodes[node].refusedNs != nil { preferred = preferred.subtracting(nodes[node].refused) }
        if nodes[node].isRamping, dice >= nodes[node].rampShare {
            preferred = preferred.subtracting(nodes[node].ramping)
        }
        return preferred
    }

    /// Whether all of it is on a ramp, and this request is none of those that it counts for.
    func isSpared(_ node: Int) -> Bool {
        nodes[node].isRamping && dice >= nodes[node].rampShare && nodes[node].ramping == nodes[node].holds
    }

    // MARK: - The cluster changes

    mutating func takeNodes(_ next: RoutingSnapshot, _ renamed: [NodeIndex?], nowNs: UInt64) {
        if rampsFromNs == nil, !next.nodes.isEmpty { rampsFromNs = nowNs + 2_000_000_000 }
        let last = nodes
        nodes = next.nodes.map { node in
            Node(
                id: node.id, holds: node.holds, isLocal: node.isLocal, isSilent: node.isSilent, isUp: node.isLocal,
                price: 1 / Double(node.weight), weight: Double(node.weight))
        }
        for (slot, index) in renamed.enumerated() {
            guard let index else { continue }
            let node = nodes[index.slot]
            nodes[index.slot] = node.after(last[slot])
            let new = node.holds.subtracting(last[slot].holds)
            if nodes[index.slot].isUp, !new.isEmpty { ramp(index.slot, new, nowNs: nowNs) }
        }
        judgeAll()
    }

    /// Counts anew what each node owes a reply to.
    mutating func countInFlight() {
        inFlight = 0
        for node in nodes.indices { nodes[node].inFlight = 0 }
        for slot in active {
            for ask in requests[slot].asks.indices where requests[slot].asks[ask].isAwaited {
                guard isRemote(requests[slot].asks[ask].node) else { continue }
                nodes[requests[slot].asks[ask].node.slot].inFlight += 1
                inFlight += 1
            }
        }
    }

    public mutating func linkUp(_ node: NodeIndex, nowNs: UInt64) {
        nodes[node.slot].isUp = true
        comeBack(node.slot, nowNs: nowNs)
    }

    /// The link is closed; whatever it was asked is put to others.
    public mutating func linkDown(_ node: NodeIndex, nowNs: UInt64, actions: inout [FanOutAction]) {
        nodes[node.slot].isUp = false
        nodes[node.slot].probedNs = nil
        nodes[node.slot].isLeft = false
        judgeAll()
        forEachActive { machine, slot in machine.loseAsks(of: node, slot: slot, nowNs: nowNs, actions: &actions) }
    }

    public mutating func probeAnswered(_ node: NodeIndex, nowNs: UInt64) {
        nodes[node.slot].probedNs = nil
        if nodes[node.slot].isLeft, nowNs >= nodes[node.slot].leftUntilNs { comeBack(node.slot, nowNs: nowNs) }
    }

    /// What a node says of itself with a reply: the lag of its worst partition, and its load in thousandths.
    public mutating func heard(_ node: NodeIndex, lagMs: UInt32, loadPermille: UInt32, nowNs: UInt64) {
        nodes[node.slot].heardNs = nowNs
        // A price of three at most: the more steeply it rises, the more likely all turn from one node to the other.
        nodes[node.slot].price = Double(1000 + 2 * min(loadPermille, 1000)) / 1000 / nodes[node.slot].weight
        let had = nodes[node.slot].lagMs
        nodes[node.slot].lagMs = lagMs
        if max(had, lagMs) > Self.lagMsMax { judgeLags() }
    }

    // MARK: - Doubt and trust

    /// Asks for a sign of life, unless one is waited for.
    mutating func doubt(_ node: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        guard nodes[node].isUp, !nodes[node].isLocal, nodes[node].probedNs == nil else { return }
        nodes[node].probedNs = nowNs
        actions.append(.probe(NodeIndex(node)))
    }

    mutating func leave(_ node: Int, untilNs: UInt64) {
        guard nodes[node].isUp, !nodes[node].isLocal, !nodes[node].isLeft else { return }
        nodes[node].isLeft = true
        nodes[node].leftUntilNs = untilNs
        counters.nodesLeft += 1
        judgeAll()
    }

    private mutating func comeBack(_ node: Int, nowNs: UInt64) {
        nodes[node].isLeft = false
        nodes[node].probedNs = nil
        nodes[node].failures = 0
        ramp(node, nodes[node].holds, nowNs: nowNs)
        judgeAll()
    }

    private mutating func ramp(_ node: Int, _ partitions: PartitionSet, nowNs: UInt64) {
        guard !nodes[node].isLocal, let rampsFromNs, nowNs >= rampsFromNs else { return }
        nodes[node].ramping = nodes[node].ramping.union(partitions)
        nodes[node].isRamping = true
        nodes[node].rampedNs = nowNs
        nodes[node].rampShare = Self.rampShareMin
    }

    /// Whether it is one of those that others are compared with.
    private func isJudged(_ node: Int) -> Bool {
        nodes[node].isUp && !nodes[node].isLocal && !nodes[node].isSilent
    }

    /// Whether all nodes have been left, with hysteresis.
    private mutating func judgeAll() {
        var up = 0
        var left = 0
        for node in nodes.indices where isJudged(node) {
            up += 1
            if nodes[node].isLeft { left += 1 }
        }
        if failsOpen {
            failsOpen = up > 0 && 2 * (up - left) <= up
        } else if up > 0, left == up {
            failsOpen = true
            counters.failOpenings += 1
        }
    }

    private mutating func judgeLags() {
        var least = UInt32.max
        for node in nodes.indices where isJudged(node) {
            least = min(least, nodes[node].lagMs)
        }
        for node in nodes.indices {
            // Against the others: where all lag, say since Kafka is away, none is worse.
            nodes[node].lags = UInt64(nodes[node].lagMs) > UInt64(Self.lagMsMax) + 2 * UInt64(least)
        }
    }

    // MARK: - Replies and refusals

    /// A reply came for this ask.
    mutating func took(_ slot: Int, _ ask: Int, nowNs: UInt64) {
        let (node, askedNs) = (requests[slot].asks[ask].node, requests[slot].asks[ask].askedNs)
        if requests[slot].asks[ask].isHedge { counters.hedgesWon += 1 }
        guard isRemote(node) else { return }
        nodes[node.slot].failures = 0
        times.observe(size: requests[slot].size, ns: nowNs - min(askedNs, nowNs))
    }

    /// What a refusal says of the node that sent it.
    mutating func note(_ refusal: AskRefusal, _ slot: Int, _ ask: Int, nowNs: UInt64) {
        requests[slot].asks[ask].why = refusal.reason
        if case .stale(let freshnessMs) = refusal { requests[slot].asks[ask].freshnessMs = freshnessMs }
        guard isRemote(requests[slot].asks[ask].node) else { return }
        let node = requests[slot].asks[ask].node.slot
        switch refusal {
        case .notHeld(let partitions):
            nodes[node].refused = nodes[node].refused.union(partitions)
            nodes[node].refusedNs = nowNs
        case .notReady, .expired: failed(node, nowNs: nowNs)
        case .overloaded: heard(NodeIndex(node), lagMs: nodes[node].lagMs, loadPermille: 1000, nowNs: nowNs)
        // A link that is full, or down, says nothing of the node behind it that the link itself does not tell.
        case .behind, .answerTooLarge, .stale, .linkFull: break
        }
    }

    mutating func failed(_ node: Int, nowNs: UInt64) {
        nodes[node].failures += 1
        guard nodes[node].failures >= Self.failuresMax, !nodes[node].isLeft else { return }
        leave(node, untilNs: nowNs + Self.ejectNs << min(nodes[node].ejections, Self.ejectDoublingsMax))
        nodes[node].ejections += 1
    }

    // MARK: - Time

    /// Forgets as time goes by. Cheap but for once in `settleNs`.
    mutating func settle(_ nowNs: UInt64) {
        guard nowNs >= settledNs + Self.settleNs else { return }
        var decay = 1.0
        for _ in 0..<min((nowNs - settledNs) / Self.settleNs, 64) { decay *= Self.decay }
        settledNs = nowNs
        for node in nodes.indices { settle(node, decay: decay, nowNs) }
    }

    private mutating func settle(_ node: Int, decay: Double, _ nowNs: UInt64) {
        nodes[node].work *= decay
        if nodes[node].isRamping {
            let passed = nowNs - min(nodes[node].rampedNs, nowNs)
            nodes[node].isRamping = passed < rules.rampNs
            if nodes[node].isRamping {
                nodes[node].rampShare = max(Int(passed * 1024 / rules.rampNs), Self.rampShareMin)
            } else {
                nodes[node].ramping = PartitionSet()
                nodes[node].ejections = 0
            }
        }
        if let refusedNs = nodes[node].refusedNs, nowNs >= refusedNs + Self.rememberNs {
            nodes[node].refused = PartitionSet()
            nodes[node].refusedNs = nil
        }
        if let probedNs = nodes[node].probedNs, nowNs >= probedNs + rules.askTimeoutNs { leave(node, untilNs: nowNs) }
        if nodes[node].isLeft, nodes[node].probedNs == nil, nowNs >= nodes[node].leftUntilNs {
            comeBack(node, nowNs: nowNs)
        }
        if nodes[node].lags, nowNs >= nodes[node].heardNs + Self.rememberNs {
            // Nobody asks it, so nobody hears how it is by now: a few requests find out.
            nodes[node].lagMs = 0
            judgeLags()
            ramp(node, nodes[node].holds, nowNs: nowNs)
        }
    }
}

extension FanOut.Node {
    /// The same node by a new snapshot.
    func after(_ last: FanOut.Node) -> FanOut.Node {
        var node = self
        node.isUp = isLocal || last.isUp
        node.work = last.work
        node.price = last.price * last.weight / weight
        node.lagMs = last.lagMs
        node.heardNs = last.heardNs
        node.lags = last.lags
        node.probedNs = last.probedNs
        node.isLeft = last.isLeft
        node.leftUntilNs = last.leftUntilNs
        node.failures = last.failures
        node.ejections = last.ejections
        node.ramping = last.ramping.intersection(holds)
        node.isRamping = last.isRamping
        node.rampedNs = last.rampedNs
        node.rampShare = last.rampShare
        // What it refused under the last snapshot says nothing of this one.
        return node
    }
}

extension AskRefusal {
    /// As far as it can be why a request ends without all partitions.
    var reason: NoHolderReason? {
        switch self {
        case .notHeld: .notHeld
        case .behind: .behind
        case .notReady: .notReady
        case .expired: .expired
        case .linkFull: .linkFull
        case .overloaded: .overloaded
        case .stale: .stale
        case .answerTooLarge: nil
        }
    }
}
