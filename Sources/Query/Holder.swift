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
        part: (borrowing Part, ShownPosition?) -> Void,
        refused: (HolderRefusal) -> Void
    )
}
