// Fan-out: which node is asked for which partitions of a request, and what happens when it does not answer.
//
//   begin ──► asks ──► replies ──► complete          each partition answered by exactly one reply
//               │
//               ├── refused, link down ──► the same partitions asked of other holders
//               ├── late ──► hedged: asked elsewhere within a budget, but the late reply still counts if it comes first
//               ├── silent ──► the same without budget, and the node is left
//               └── no holder left ──► behind everywhere: once more without needs; else without these partitions,
//                                      where that is allowed; else fail
//
// One machine for each event loop of a router, used on that loop alone. It reads no clock and opens no socket: each
// event is a method, and what is to be done is appended to `actions`. Time is monotonic nanoseconds.
//
//   FanOut.swift          requests: begin, replies, refusals, deadlines
//   FanOut+Assign.swift   whom to ask
//   FanOut+Hedge.swift    asks that are late or silent
//   FanOut+Nodes.swift    what is known of each node: up, left, ramping, its load and lag
//   FanOut+End.swift      how a request ends, and why
//
// The asks of a request form trees: an ask that fails or falls silent is replaced by asks for exactly its own
// unanswered partitions. So two asks of one request are either disjoint or one contains the other, and accepting a
// reply never leaves a partition of another ask behind unanswered and unasked. Only asks of last resort (`stopWaiting`)
// may overlap others; what one of them leaves behind the next tick asks for again.

public import Model

/// One request in flight.
public struct RequestID: Hashable, Sendable, BitwiseCopyable {
    /// Below `FanOutRules.requestsMax`; the request's own until it is released.
    public let slot: Int
    let life: UInt32
}

/// One ask of one request. It travels as the frame's request id; whatever comes back with an old one is ignored.
public struct AskID: Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    init(_ request: RequestID, ask: Int) {
        rawValue = UInt64(request.life) << 32 | UInt64(request.slot) << 16 | UInt64(ask)
    }

    /// Of the request it belongs to.
    public var slot: Int { Int(rawValue >> 16 & 0xFFFF) }
    var ask: Int { Int(rawValue & 0xFFFF) }
    var life: UInt32 { UInt32(rawValue >> 32) }
}

public struct FanOut: ~Copyable {
    enum AskState {
        /// The local node's share waits until all others are in.
        case deferred
        case open
        /// Late or silent, and asked elsewhere; its reply still counts.
        case late
        case answered
        case behind
        /// Refused or lost.
        case failed
        /// Another ask answered some of its partitions. Its node counts as not asked.
        case superseded
    }

    struct Ask {
        var node: NodeIndex
        var partitions: PartitionSet
        var state: AskState
        var askedNs: UInt64
        var isHedge = false
        /// Whether it is put since a holder shed the one before.
        var isAfterShed = false
        /// Whether it was found later than most.
        var isOverdue = false
        /// Of an ask that failed.
        var why: NoHolderReason?
        /// Of one that was refused as stale.
        var freshnessMs: UInt32 = 0

        var isAwaited: Bool { state == .open || state == .late }
    }

    struct RequestState {
        var life: UInt32 = 0
        var isActive = false
        /// Its place in `active`.
        var place = 0
        /// No partitions, any node: `needed` is then a stand-in that every node holds.
        var isAnyNode = false
        /// All their holders were behind: they are asked for once more, without needs.
        var dropped = PartitionSet()
        var ids = 1
        /// By `ReplyTimes`.
        var size = 0
        var neededCount = 1
        var needed = PartitionSet()
        var answered = PartitionSet()
        /// Given up: nobody is left to answer for them.
        var missing = PartitionSet()
        var why = NoHolderReasons()
        var deadlineNs: UInt64 = 0
        /// Its time is over; what the local node has is still to come.
        var isOver = false
        /// Of the control topic, when it began.
        var position = Offset(0)
        var asks: [Ask] = []
    }

    /// Remaining time travels in whole milliseconds, rounded down, so a node sees it end up to one too early.
    static let remainingStepNs: UInt64 = 1_000_000

    public let rules: FanOutRules
    public private(set) var snapshot = RoutingSnapshot.empty
    public internal(set) var counters = FanOutCounters()
    /// Requests begun and not released.
    public var requestCount: Int { requests.count - free.count }

    var nodes: [Node] = []
    var requests: [RequestState] = []
    var free: [Int] = []
    /// The slots of the requests in flight, in no order.
    var active: [Int] = []
    var rotation = 0
    private var position = Offset(0)
    /// Of the latest request: which holders on a ramp count for it. 0 to 1023.
    var dice = 0
    var times: ReplyTimes
    var budget: HedgeBudget
    /// Used again from hedge to hedge.
    var plan: [(node: Int, partitions: PartitionSet)] = []
    /// Asks that nodes owe a reply to.
    var inFlight = 0
    var failsOpen = false
    var settledNs: UInt64 = 0
    /// Holders that come up before this time are as new as all others: none of them has to be spared.
    var rampsFromNs: UInt64?

    public init(rules: FanOutRules = FanOutRules()) {
        precondition(rules.requestsMax <= 1 << 16 && rules.asksMax <= 1 << 16)
        precondition(rules.askTimeoutNs <= rules.requestTimeoutNs)
        self.rules = rules
        times = ReplyTimes(minNs: rules.hedgeMinNs, maxNs: rules.askTimeoutNs / 2, defaultNs: rules.hedgeDefaultNs)
        budget = HedgeBudget(percent: rules.hedgePercent, countMax: rules.hedgesMax)
    }

    /// How soon `tick` is to be called again while requests are in flight.
    public var tickNs: UInt64 { min(max(times.shortestNs, 1_000_000), 5_000_000) }

    // MARK: - The cluster changes

    /// Takes a new snapshot. Nodes are known again by their ids; asks to nodes that are gone are put to others.
    public mutating func update(_ next: RoutingSnapshot, nowNs: UInt64, actions: inout [FanOutAction]) {
        let renamed = snapshot.nodes.map { next.index(of: $0.id) }
        takeNodes(next, renamed, nowNs: nowNs)
        snapshot = next
        forEachActive { machine, slot in
            for ask in machine.requests[slot].asks.indices {
                // An ask of a node that is gone keeps no index, so that it is not taken for another node's.
                let node = machine.requests[slot].asks[ask].node
                machine.requests[slot].asks[ask].node = renamed[safe: node] ?? .gone
            }
        }
        countInFlight()
        forEachActive { machine, slot in
            let deferred = machine.takeDeferred(slot)
            machine.loseAsks(of: .gone, slot: slot, nowNs: nowNs, actions: &actions)
            guard machine.requests[slot].isActive else { return }
            machine.replace(deferred, slot: slot, nowNs: nowNs, actions: &actions)
        }
    }

    /// Requests begun from now on go by what the control topic says below `position`.
    public mutating func goBy(_ position: Offset) { self.position = position }

    /// Every request in flight goes by the control topic up to here at least. Others may then drop what older ones might
    /// have asked them for.
    public var settledPosition: Offset {
        var settled = position
        for slot in active { settled = min(settled, requests[slot].position) }
        return settled
    }

    /// Visits the requests in flight. The one that is visited may end; none may begin.
    mutating func forEachActive(_ body: (inout FanOut, Int) -> Void) {
        // Backwards: the place of one that ends is taken by the last one, which was visited.
        var place = active.count - 1
        while place >= 0 {
            let slot = active[place]
            body(&self, slot)
            place -= 1
        }
    }

    // MARK: - A request

    /// Begins a request for these partitions, or where they are nil for any one node. `ids` is the number of ids that it
    /// names. Nil where too many are in flight. The request may have ended, by `actions`, when this returns. Whoever
    /// gets its `complete` or `fail` releases it.
    public mutating func begin(
        _ partitions: PartitionSet?, ids: Int = 1, nowNs: UInt64, actions: inout [FanOutAction]
    ) -> RequestID? {
        guard let slot = takeSlot() else { return nil }
        settle(nowNs)
        budget.earn()
        rotation &+= 1
        // The golden ratio's bits spread the numbers evenly, whatever the pattern of the requests.
        dice = Int(truncatingIfNeeded: (UInt64(truncatingIfNeeded: rotation) &* 0x9E37_79B9_7F4A_7C15) >> 54)
        start(slot, partitions, ids: ids, nowNs: nowNs)
        let id = RequestID(slot: slot, life: requests[slot].life)
        guard !requests[slot].needed.isEmpty else {
            // The number of partitions is not known yet.
            requests[slot].why.insert(.nonePlaced)
            fail(slot, .noHolder(PartitionSet()), actions: &actions)
            return id
        }
        assign(requests[slot].needed, slot: slot, isFirst: true, nowNs: nowNs, actions: &actions)
        askLocalLast(slot, nowNs: nowNs, actions: &actions)
        return id
    }

    private mutating func start(_ slot: Int, _ partitions: PartitionSet?, ids: Int, nowNs: UInt64) {
        requests[slot].isActive = true
        requests[slot].place = active.count
        active.append(slot)
        requests[slot].isAnyNode = partitions == nil
        requests[slot].dropped = PartitionSet()
        requests[slot].ids = ids
        requests[slot].size = ReplyTimes.size(ids: ids)
        requests[slot].needed = partitions ?? PartitionSet(below: 1)
        requests[slot].neededCount = requests[slot].needed.count
        requests[slot].answered = PartitionSet()
        requests[slot].missing = PartitionSet()
        requests[slot].why = NoHolderReasons()
        requests[slot].deadlineNs = nowNs + rules.requestTimeoutNs
        requests[slot].isOver = false
        requests[slot].position = position
        requests[slot].asks.removeAll(keepingCapacity: true)
    }

    /// Gives the slot of a request that has ended back.
    public mutating func release(_ request: RequestID) {
        precondition(!requests[request.slot].isActive && requests[request.slot].life == request.life)
        requests[request.slot].life &+= 1
        free.append(request.slot)
    }

    /// How many partitions the ask is for, as far as a reply to it is still wanted; else nil. Of an ask for any node 0.
    public func partitionCount(of ask: AskID) -> Int? {
        guard let slot = find(ask), requests[slot].asks[ask.ask].isAwaited else { return nil }
        return requests[slot].isAnyNode ? 0 : requests[slot].asks[ask.ask].partitions.count
    }

    /// Whom the ask was put to, as far as a reply is still wanted; else nil.
    public func node(of ask: AskID) -> NodeIndex? {
        guard let slot = find(ask), requests[slot].asks[ask.ask].isAwaited else { return nil }
        return requests[slot].asks[ask.ask].node
    }

    public func partitions(of ask: AskID) -> PartitionSet {
        guard let slot = find(ask), !requests[slot].isAnyNode else { return PartitionSet() }
        return requests[slot].asks[ask.ask].partitions
    }

    /// A reply came. Whether it is part of the answer; else it is to be thrown away.
    public mutating func replied(_ ask: AskID, nowNs: UInt64, actions: inout [FanOutAction]) -> Bool {
        guard let slot = find(ask), requests[slot].asks[ask.ask].isAwaited else { return false }
        let partitions = requests[slot].asks[ask.ask].partitions
        took(slot, ask.ask, nowNs: nowNs)
        close(slot, ask.ask, as: .answered)
        requests[slot].answered = requests[slot].answered.union(partitions)
        supersede(partitions, slot: slot, nowNs: nowNs)
        guard requests[slot].answered != requests[slot].needed else {
            complete(slot, actions: &actions)
            return true
        }
        let lost = unanswered(slot).subtracting(asked(slot) { $0 == .deferred || $0 == .open || $0 == .late })
        if !lost.isEmpty { assign(lost, slot: slot, isFirst: false, nowNs: nowNs, actions: &actions) }
        askLocalLast(slot, nowNs: nowNs, actions: &actions)
        return true
    }

    public mutating func refused(
        _ ask: AskID, _ refusal: AskRefusal, nowNs: UInt64, actions: inout [FanOutAction]
    ) {
        guard let slot = find(ask), requests[slot].asks[ask.ask].isAwaited else { return }
        let wasLate = requests[slot].asks[ask.ask].state == .late
        var partitions = requests[slot].asks[ask.ask].partitions
        note(refusal, slot, ask.ask, nowNs: nowNs)
        close(slot, ask.ask, as: refusal == .behind ? .behind : .failed)
        switch refusal {
        case .answerTooLarge: return fail(slot, .answerTooLarge, actions: &actions)
        case .expired where nowNs + Self.remainingStepNs >= requests[slot].deadlineNs:
            return end(slot, nowNs: nowNs, actions: &actions)
        case .overloaded where requests[slot].asks[ask.ask].isAfterShed:
            return fail(slot, .overloaded, actions: &actions)
        case .notHeld(let missing):
            // The rest may be asked of the same node again. A refusal that names none of ours counts for all.
            let ours = partitions.intersection(missing)
            if !requests[slot].isAnyNode, !ours.isEmpty { requests[slot].asks[ask.ask].partitions = ours }
        case .behind, .notReady, .expired, .linkFull, .overloaded, .stale: break
        }
        if wasLate {
            // It was asked elsewhere when it was late; only what nobody was left for is lost now.
            partitions = partitions.subtracting(asked(slot) { $0 == .deferred || $0 == .open || $0 == .late })
        }
        let count = requests[slot].asks.count
        replace(partitions, slot: slot, nowNs: nowNs, actions: &actions)
        guard refusal == .overloaded else { return }
        for ask in count..<requests[slot].asks.count { requests[slot].asks[ask].isAfterShed = true }
    }

    /// To be called every `tickNs` while requests are in flight.
    public mutating func tick(nowNs: UInt64, actions: inout [FanOutAction]) {
        settle(nowNs)
        forEachActive { machine, slot in
            guard nowNs < machine.requests[slot].deadlineNs else {
                return machine.end(slot, nowNs: nowNs, actions: &actions)
            }
            if nowNs + machine.rules.requestTimeoutNs / 2 >= machine.requests[slot].deadlineNs {
                machine.stopWaiting(slot, nowNs: nowNs, actions: &actions)
            }
            machine.lookAtAsks(slot, nowNs: nowNs, actions: &actions)
        }
    }
}
