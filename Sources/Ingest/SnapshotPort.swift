// Between the writer's thread and the files of snapshots. No call of the port waits: what takes time is done elsewhere,
// and its outcome is taken in a later turn.

public import Model
public import Snapshot

/// A file that was asked for.
public struct SnapshotRead: Sendable {
    public var scope: SnapshotScope
    /// Checked blocks.
    public var result: Result<[SnapshotBlock], SnapshotError>

    public init(scope: SnapshotScope, result: Result<[SnapshotBlock], SnapshotError>) {
        self.scope = scope
        self.result = result
    }
}

/// What a walk is wanted for.
public struct SnapshotOrder: Sendable {
    public var scope: SnapshotScope
    public var topic: String
    public var clusterID: String
    /// The ends of the logs of the scope's partitions, asked for at `caughtUpMs`: the walk begins when everything below
    /// them is applied, so that all messages behind its position are younger than that.
    public var ends: [Offset]
    public var caughtUpMs: Int64

    public init(scope: SnapshotScope, topic: String, clusterID: String, ends: [Offset], caughtUpMs: Int64) {
        self.scope = scope
        self.topic = topic
        self.clusterID = clusterID
        self.ends = ends
        self.caughtUpMs = caughtUpMs
    }
}

public protocol SnapshotPort: AnyObject {
    // Loading.

    /// The header of the scope's file; nil where there is none to use.
    func header(_ scope: SnapshotScope) -> SnapshotHeader?
    /// How the scope comes back. A file that it refuses is told of and not offered again.
    func choose(_ scope: SnapshotScope, _ bounds: [LogBounds]) -> BootChoice
    /// Asks for the file's blocks.
    func read(_ scope: SnapshotScope)
    /// A file that has been read, or could not be.
    func takeRead() -> SnapshotRead?
    /// The file is in the store.
    func restored(_ header: SnapshotHeader, rerendered: Int, nanoseconds: UInt64)
    /// The file must not be used.
    func refused(_ scope: SnapshotScope, _ reason: BootRefusal)

    // Writing. One order at a time; it ends by `finish` or `abandon`.

    func takeOrder() -> SnapshotOrder?
    /// Whether the order under way is wanted no more. Then neither `finish` nor `abandon` is called.
    var isOrderCancelled: Bool { get }
    /// `createdMs` is the port's to fill in: this thread has no such clock.
    func begin(_ header: SnapshotHeader)
    /// Whether a block may be handed over. The limit of blocks that wait is the port's.
    var hasRoom: Bool { get }
    func add(_ block: SnapshotBlock)
    func finish(newest: [Offset], globalsNewest: GlobalPosition?)
    func abandon(_ reason: String)
}
