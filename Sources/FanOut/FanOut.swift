// Fan-out: which node is asked for which partitions of a request, and what happens when it does not answer.
//
//   begin ──► asks ──► replies ──► complete          each partition answered by exactly one reply
//               │
//               ├── refused, link down ──► the same partitions asked of other holders
//               ├── silent ──► asked elsewhere, but a late reply still counts if it comes first
//               └── no holder left ──► behind everywhere: once more without needs; else fail
//
// One machine for each event loop of a router, used on that loop alone. It reads no clock and opens no socket: each
// event is a method, and what is to be done is appended to `actions`. Time is monotonic nanoseconds.
//
// The asks of a request form trees: an ask that fails or falls silent is replaced by asks for exactly its own
// unanswered partitions. So two asks of one request are either disjoint or one contains the other, and accepting a
// reply never leaves a partition of another ask behind unanswered and unasked.

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

public struct FanOutRules: Sendable {
    /// From begin to failure.
    public var requestTimeoutNs: UInt64 = 1_000_000_000
    /// After this time without a reply an ask is put to another holder, and the node is left until a probe answers.
    public var askTimeoutNs: UInt64 = 200_000_000
    /// Requests in flight on one loop; more are refused at once. At 1 ms each, 4,096 are four million a second.
    public var requestsMax = 4096
    /// Asks of one request, first and repeated ones; a request that needs more fails as overloaded. Every member asked
    /// twice.
    public var asksMax = 2 * Limits.membersMax

    public init() {}
}

public enum FanOutFailure: Error, Sendable, Equatable {
    /// No holder is left for these partitions; empty where no node at all is known.
    case noHolder(PartitionSet)
    case deadline
    /// Too many requests in flight, or too many asks for one.
    case overloaded
    case answerTooLarge
    /// No holder is as fresh as the query wants; the best answer there is is this old.
    case stale(freshnessMs: UInt32)
}

public enum AskRefusal: Sendable, Equatable {
    case notHeld(PartitionSet)
    case behind
    case notReady
    case answerTooLarge
    case expired
    /// The link could not take the ask.
    case linkFull
    /// The holder sheds load, or its reply has no room here.
    case overloaded
    /// The holder is not as fresh as the query wants.
    case stale(freshnessMs: UInt32)
}

public enum FanOutAction: Sendable, Equatable {
    /// `partitions` is empty where any node will do. Where `dropsNeeds`, the answer may be older than one shown before.
    case ask(AskID, node: NodeIndex, partitions: PartitionSet, remainingNs: UInt64, dropsNeeds: Bool)
    /// All partitions are answered, by the replies that were accepted.
    case complete(RequestID)
    case fail(RequestID, FanOutFailure)
    /// Ask the node for a sign of life.
    case probe(NodeIndex)
}

public struct FanOutCounters: Sendable, Equatable {
    /// Answers that may show something older than shown before, since no holder reached it.
    public var monotonicViolations: UInt64 = 0
    public var askTimeouts: UInt64 = 0
    public var asksRepeated: UInt64 = 0
    /// Asks to a node that looked bad, since no other was left.
    public var failedOpen: UInt64 = 0
}

public struct FanOut {
    struct Node {
        let id: ID
        let holds: PartitionSet
        let isLocal: Bool
        var isUp: Bool
        /// It was silent, and no probe has been answered since.
        var isSuspect = false

        var looksGood: Bool { isLocal || (isUp && !isSuspect) }
    }

    enum AskState {
        /// The local node's share waits until all others are in.
        case deferred
        case open
        /// Silent, and asked elsewhere; its reply still counts.
        case late
        case answered
        case behind
        /// Refused or lost.
        case failed
        /// Refused by a holder that sheds load.
        case shed
        /// Refused by a holder that is not fresh enough.
        case stale
        /// Another ask answered some of its partitions. Its node counts as not asked.
        case superseded
    }

    struct Ask {
        var node: NodeIndex
        var partitions: PartitionSet
        var state: AskState
        var askedNs: UInt64
        /// Of one that was refused as stale.
        var freshnessMs: UInt32 = 0

        var isAwaited: Bool { state == .open || state == .late }
    }

    struct RequestState {
        var life: UInt32 = 0
        var isActive = false
        /// No partitions, any node: `needed` is then a stand-in that every node holds.
        var isAnyNode = false
        /// All their holders were behind: they are asked for once more, without needs.
        var dropped = PartitionSet()
        var needed = PartitionSet()
        var answered = PartitionSet()
        var deadlineNs: UInt64 = 0
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
    var rotation = 0
    private var position = Offset(0)

    public init(rules: FanOutRules = FanOutRules()) {
        precondition(rules.requestsMax <= 1 << 16 && rules.asksMax <= 1 << 16)
        precondition(rules.askTimeoutNs <= rules.requestTimeoutNs)
        self.rules = rules
    }

    // MARK: - The cluster changes

    /// Takes a new snapshot. Nodes are known again by their ids; asks to nodes that are gone are put to others.
    public mutating func update(_ next: RoutingSnapshot, nowNs: UInt64, actions: inout [FanOutAction]) {
        let renamed = snapshot.nodes.map { next.index(of: $0.id) }
        let last = nodes
        nodes = next.nodes.map { node in
            Node(id: node.id, holds: node.holds, isLocal: node.isLocal, isUp: node.isLocal)
        }
        for (slot, index) in renamed.enumerated() {
            guard let index else { continue }
            nodes[index.slot].isUp = nodes[index.slot].isLocal || last[slot].isUp
            nodes[index.slot].isSuspect = last[slot].isSuspect
        }
        snapshot = next
        for slot in requests.indices where requests[slot].isActive {
            for ask in requests[slot].asks.indices {
                // An ask of a node that is gone keeps no index, so that it is not taken for another node's.
                requests[slot].asks[ask].node = renamed[safe: requests[slot].asks[ask].node] ?? .gone
            }
            let deferred = takeDeferred(slot)
            loseAsks(of: .gone, slot: slot, nowNs: nowNs, actions: &actions)
            guard requests[slot].isActive else { continue }
            replace(deferred, slot: slot, nowNs: nowNs, actions: &actions)
        }
    }

    /// Requests begun from now on go by what the control topic says below `position`.
    public mutating func goBy(_ position: Offset) { self.position = position }

    /// Every request in flight goes by the control topic up to here at least. Others may then drop what older ones might
    /// have asked them for.
    public var settledPosition: Offset {
        requests.reduce(position) { $1.isActive ? min($0, $1.position) : $0 }
    }

    public mutating func linkUp(_ node: NodeIndex) {
        nodes[node.slot].isUp = true
        nodes[node.slot].isSuspect = false
    }

    /// The link is closed; whatever it was asked is put to others.
    public mutating func linkDown(_ node: NodeIndex, nowNs: UInt64, actions: inout [FanOutAction]) {
        nodes[node.slot].isUp = false
        for slot in requests.indices where requests[slot].isActive {
            loseAsks(of: node, slot: slot, nowNs: nowNs, actions: &actions)
        }
    }

    public mutating func probeAnswered(_ node: NodeIndex) { nodes[node.slot].isSuspect = false }

    public func looksGood(_ node: NodeIndex) -> Bool { nodes[node.slot].looksGood }

    // MARK: - A request

    /// Begins a request for these partitions, or where they are nil for any one node. Nil where too many are in
    /// flight. The request may have ended, by `actions`, when this returns. Whoever gets its `complete` or `fail`
    /// releases it.
    public mutating func begin(
        _ partitions: PartitionSet?, nowNs: UInt64, actions: inout [FanOutAction]
    ) -> RequestID? {
        guard let slot = takeSlot() else { return nil }
        rotation &+= 1
        requests[slot].isActive = true
        requests[slot].isAnyNode = partitions == nil
        requests[slot].dropped = PartitionSet()
        requests[slot].needed = partitions ?? PartitionSet(below: 1)
        requests[slot].answered = PartitionSet()
        requests[slot].deadlineNs = nowNs + rules.requestTimeoutNs
        requests[slot].position = position
        requests[slot].asks.removeAll(keepingCapacity: true)
        let id = RequestID(slot: slot, life: requests[slot].life)
        guard !requests[slot].needed.isEmpty else {
            // The number of partitions is not known yet.
            fail(slot, .noHolder(PartitionSet()), actions: &actions)
            return id
        }
        assign(requests[slot].needed, slot: slot, isFirst: true, nowNs: nowNs, actions: &actions)
        askLocalLast(slot, nowNs: nowNs, actions: &actions)
        return id
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
        requests[slot].asks[ask.ask].state = .answered
        requests[slot].answered = requests[slot].answered.union(partitions)
        supersede(partitions, slot: slot)
        guard requests[slot].answered != requests[slot].needed else {
            if !requests[slot].dropped.isEmpty { counters.monotonicViolations += 1 }
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
        switch refusal {
        case .answerTooLarge:
            fail(slot, .answerTooLarge, actions: &actions)
            return
        case .notHeld(let missing):
            // The rest may be asked of the same node again. A refusal that names none of ours counts for all.
            let ours = partitions.intersection(missing)
            if !requests[slot].isAnyNode, !ours.isEmpty { requests[slot].asks[ask.ask].partitions = ours }
            requests[slot].asks[ask.ask].state = .failed
        case .behind: requests[slot].asks[ask.ask].state = .behind
        case .expired where nowNs + Self.remainingStepNs >= requests[slot].deadlineNs:
            fail(slot, .deadline, actions: &actions)
            return
        case .overloaded: requests[slot].asks[ask.ask].state = .shed
        case .stale(let freshnessMs):
            requests[slot].asks[ask.ask].state = .stale
            requests[slot].asks[ask.ask].freshnessMs = freshnessMs
        case .notReady, .expired, .linkFull: requests[slot].asks[ask.ask].state = .failed
        }
        if wasLate {
            // It was asked elsewhere when it fell silent; only what nobody was left for is lost now.
            partitions = partitions.subtracting(asked(slot) { $0 == .deferred || $0 == .open || $0 == .late })
        }
        replace(partitions, slot: slot, nowNs: nowNs, actions: &actions)
    }

    /// To be called every few milliseconds while requests are in flight.
    public mutating func tick(nowNs: UInt64, actions: inout [FanOutAction]) {
        for slot in requests.indices where requests[slot].isActive {
            if nowNs >= requests[slot].deadlineNs {
                fail(slot, .deadline, actions: &actions)
                continue
            }
            if nowNs + rules.requestTimeoutNs / 2 >= requests[slot].deadlineNs {
                stopWaiting(slot, nowNs: nowNs, actions: &actions)
            }
            var ask = 0
            while requests[slot].isActive, ask < requests[slot].asks.count {
                let isDue = nowNs >= requests[slot].asks[ask].askedNs + rules.askTimeoutNs
                if isDue, requests[slot].asks[ask].state == .open {
                    fellSilent(slot, ask, nowNs: nowNs, actions: &actions)
                }
                ask += 1
            }
        }
    }
}
