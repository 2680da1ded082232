// Between the writer's thread and the files of snapshots. No call of the port waits: what takes time is done elsewhere,
// and its outcome is taken in a later turn.

public import Model
public import Snapshot
public import Store

/// A file that was asked for.
public struct SnapshotRead: Sendable {
    /// As it was chosen.
    public var header: SnapshotHeader
    /// Checked blocks, of a file with this header.
    public var result: Result<[SnapshotBlock], SnapshotError>

    public init(header: SnapshotHeader, result: Result<[SnapshotBlock], SnapshotError>) {
        self.header = header
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

/// How a scope comes back.
public enum SnapshotChoice: Equatable, Sendable {
    /// It is not known yet: peers are being asked. The scope is asked for again, with the bounds of then.
    case wait
    /// Out of a file with this header, which a peer has or the own disk.
    case file(SnapshotHeader, isPeers: Bool)
    /// The whole log is read.
    case log
}

public protocol SnapshotPort: AnyObject {
    // Loading.

    /// How the scope comes back. A file that it refuses is told of and not offered again. `together`: how many scopes are
    /// waiting, this one among them.
    func choose(_ scope: SnapshotScope, _ bounds: [LogBounds], together: Int) -> SnapshotChoice
    /// Asks for the blocks of a file that was chosen.
    func read(_ header: SnapshotHeader)
    /// A file that has been read, or could not be.
    func takeRead() -> SnapshotRead?
    /// Fills the stock on another thread.
    func fill(_ stock: RegionStock)
    /// The file is in the store.
    func restored(_ header: SnapshotHeader, rerendered: Int, nanoseconds: UInt64)
    /// The file that was chosen must not be used.
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
