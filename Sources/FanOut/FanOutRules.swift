// What fan-out goes by, and what it says: rules, refusals, failures, actions, counters.

public import Model

public struct FanOutRules: Sendable {
    /// From begin to failure.
    public var requestTimeoutNs: UInt64 = 1_000_000_000
    /// After this time without a reply an ask is put to another holder at the latest.
    public var askTimeoutNs: UInt64 = 200_000_000
    /// Requests in flight on one loop; more are refused at once. At 1 ms each, 4,096 are four million a second.
    public var requestsMax = 4096
    /// Asks of one request, first and repeated ones; a request that needs more fails as overloaded. Every member asked
    /// twice.
    public var asksMax = 2 * Limits.membersMax
    /// A holder that is new, or back, gets its full share of requests after this time, and more from moment to moment.
    public var rampNs: UInt64 = 5_000_000_000
    /// Whether a request whose partitions have no holder left is answered without them.
    public var givesPartial = false

    // Hedges: asks put to a second holder since the first is later than most.

    /// Of 100 requests, how many may be hedged.
    public var hedgePercent = 10
    /// Hedges saved up: what a node has in flight when it stops, 10,000 requests a second for 5 ms.
    public var hedgesMax = 64
    /// Nobody is asked again sooner: the tick of the loop is no finer.
    public var hedgeMinNs: UInt64 = 1_000_000
    /// While too few replies were seen to know better.
    public var hedgeDefaultNs: UInt64 = 20_000_000
    /// A node that owes a reply and a sign of life for this long, or four times the hedge's delay, is left.
    public var silentNs: UInt64 = 20_000_000

    public init() {}
}

public enum FanOutFailure: Error, Sendable, Equatable {
    /// No holder is left for these partitions; empty where no node at all is known.
    case noHolder(PartitionSet)
    case deadline
    /// Too many requests in flight, or too many asks for one, or two holders shed it.
    case overloaded
    case answerTooLarge
    /// No holder is as fresh as the request demands; the best that there is.
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
    /// The node sheds load. Another holder is asked once.
    case overloaded
    /// The node is not as fresh as the request demands.
    case stale(freshnessMs: UInt32)
}

public enum FanOutAction: Sendable, Equatable {
    /// `partitions` is empty where any node will do. Where `dropsNeeds`, the answer may be older than one shown before.
    case ask(AskID, node: NodeIndex, partitions: PartitionSet, remainingNs: UInt64, dropsNeeds: Bool)
    /// All partitions are answered, by the replies that were accepted; but for `FanOut.missing`.
    case complete(RequestID)
    case fail(RequestID, FanOutFailure)
    /// Ask the node for a sign of life.
    case probe(NodeIndex)
}

/// Why a holder did not answer for a partition, as far as that ended a request.
public enum NoHolderReason: UInt8, CaseIterable, Sendable {
    /// No live node says that it holds the partition and has it ready.
    case nonePlaced
    case linkDown
    case linkFull
    /// It owes the reply.
    case silent
    case notHeld
    case notReady
    case behind
    case expired
    case overloaded
    case stale

    /// As the metric's label and the log have it.
    public var name: StaticString {
        switch self {
        case .nonePlaced: "none placed"
        case .linkDown: "link down"
        case .linkFull: "link full"
        case .silent: "silent"
        case .notHeld: "not held"
        case .notReady: "not ready"
        case .behind: "behind"
        case .expired: "expired"
        case .overloaded: "overloaded"
        case .stale: "stale"
        }
    }
}

public struct NoHolderReasons: Hashable, Sendable, BitwiseCopyable {
    var bits: UInt16 = 0

    public init() {}

    public init(_ reasons: NoHolderReason...) { for reason in reasons { insert(reason) } }

    public mutating func insert(_ reason: NoHolderReason) { bits |= 1 << UInt16(reason.rawValue) }

    public func contains(_ reason: NoHolderReason) -> Bool { bits & 1 << UInt16(reason.rawValue) != 0 }

    public var reasons: [NoHolderReason] { NoHolderReason.allCases.filter(contains) }
}

public struct FanOutCounters: Sendable, Equatable {
    /// Answers that may show something older than shown before, since no holder reached it.
    public var monotonicViolations: UInt64 = 0
    public var askTimeouts: UInt64 = 0
    /// Asks put again after a refusal, a closed link or silence.
    public var asksRepeated: UInt64 = 0
    public var hedges: UInt64 = 0
    /// Hedges whose reply came first.
    public var hedgesWon: UInt64 = 0
    /// Asks that were late, and no hedge was left in the budget.
    public var hedgesWithheld: UInt64 = 0
    /// How often a node was left since it failed or was silent.
    public var nodesLeft: UInt64 = 0
    /// How often all nodes had been left, so that it counted for none.
    public var failOpenings: UInt64 = 0
    /// Asks to a node that looked bad, since no other was left.
    public var failedOpen: UInt64 = 0
    public var partialAnswers: UInt64 = 0
    /// By `NoHolderReason`: requests that ended without all partitions, and that as one of the reasons.
    public var noHolder = [UInt64](repeating: 0, count: NoHolderReason.allCases.count)
}
