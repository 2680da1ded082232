// What a router needs of a holder, whether it stands in the same process or behind a link.

public import Model

/// What a holder must have applied before it may answer, so that a router never shows something older than it showed
/// before.
public struct PositionNeeds: Sendable, Equatable {
    /// One for each partition of the query, in rising order of partitions; empty where nothing is needed.
    public var offsets: [Offset]
    /// Nil where nothing is needed.
    public var globals: GlobalPosition?

    public init(offsets: [Offset] = [], globals: GlobalPosition? = nil) {
        self.offsets = offsets
        self.globals = globals
    }
}

/// Why a holder did not answer. A refusal is no failure: the router asks another holder.
public enum HolderRefusal: Sendable, Equatable {
    /// These partitions are not held here, or not ready.
    case notHeld(PartitionSet)
    /// The needs are not reached yet.
    case behind
    /// The global topics have not been read to their end yet.
    case notReady
    /// The answer would be over `Limits.answerBytesMax`.
    case answerTooLarge
    /// What is here is this old, which is over the query's bound.
    case stale(ageMs: UInt32)
    /// Too much else is to be answered.
    case overloaded
}

/// How old what a holder shows may be.
@frozen
public struct Freshness: Sendable, Equatable, BitwiseCopyable {
    /// Everything that was in the logs this long before the holder read its memory is shown: that of the worst of the
    /// query's partitions and the global ones. The largest number where nothing is known.
    public var ageMs: UInt32
    /// Kafka's timestamp of the newest message that the node has applied, whatever its partition; 0 before the first.
    public var newestMs: Int64

    public init(ageMs: UInt32, newestMs: Int64) {
        self.ageMs = ageMs
        self.newestMs = newestMs
    }

    /// Of nothing at all.
    public static let best = Freshness(ageMs: 0, newestMs: 0)

    /// Both in one answer.
    public mutating func join(_ other: Freshness) {
        ageMs = max(ageMs, other.ageMs)
        newestMs = max(newestMs, other.newestMs)
    }
}

/// How far a holder's answer shows: nothing in it is newer.
public struct ShownPosition: Sendable, Equatable {
    /// One for each partition of the query, in rising order of partitions.
    public var offsets: [Offset]
    public var globals: GlobalPosition
    /// Rises whenever `globals` changes, so that a link sends them only then.
    public var globalsVersion: UInt64

    public init(offsets: [Offset], globals: GlobalPosition, globalsVersion: UInt64) {
        self.offsets = offsets
        self.globals = globals
        self.globalsVersion = globalsVersion
    }
}

/// A holder of partitions, as one event loop sees it. One instance for each loop; used on that loop alone.
public protocol Holder: AnyObject {
    /// Rises before anything newer can be seen in an answer.
    var progress: UInt64 { get }

    /// Calls exactly one of the closures, before it returns. The part's views are valid until `part` returns. The
    /// position is left out where `progress` is what the caller knows: nothing newer is shown than then.
    func answer(
        _ query: HolderQuery,
        needs: PositionNeeds,
        knowing progress: UInt64?,
        part: (borrowing Part, ShownPosition?, Freshness) -> Void,
        refused: (HolderRefusal) -> Void
    )
}
