// A reply that waits for the others of its request.

internal import Model
internal import NIOCore
internal import Query
internal import Wire

/// A decoded part frame with the memory its views point into. Pooled, for its arrays.
@safe
final class Reply {
    private(set) var part = unsafe Part()
    private(set) var shown: ShownPosition
    private(set) var load = NodeLoad()
    /// Of its frame.
    private(set) var bytes = 0
    /// The timestamp of the newest message that the node shows, where no reply before it on its link showed one as new.
    var news: Int64?
    /// That it answers for.
    var partitions = PartitionSet()
    /// The memory of the frame. While it is held, the part's views are valid: a buffer that is shared is never written
    /// to, NIO copies it first.
    private var storage: AnyObject?

    static let noGlobals = GlobalPosition(partitionCounts: GlobalPosition.kinds.map { _ in 0 })

    init() { shown = ShownPosition(offsets: [], globals: Reply.noGlobals, globalsVersion: 0) }

    func read(_ body: ByteBuffer, _ reader: inout PartReader) throws(WireError) {
        try unsafe body.withUnsafeReadableBytesWithStorageManagement { bytes, storage throws(WireError) in
            self.bytes = bytes.count
            self.storage = unsafe storage.takeUnretainedValue()
            try unsafe reader.read(bytes, into: &part, shown: &shown, load: &load)
        }
    }

    /// Whether any fragment is packed.
    var hasPacked: Bool {
        for index in unsafe part.events.indices where unsafe part.events[index].isPacked { return true }
        for index in unsafe part.stages.indices where unsafe part.stages[index].isPacked { return true }
        for index in unsafe part.teams.indices where unsafe part.teams[index].isPacked { return true }
        return false
    }

    /// Lets go of the frame; the arrays keep their memory.
    func clear() {
        unsafe part.removeAll()
        news = nil
        storage = nil
    }
}

/// The global positions that one node showed last.
struct NodeGlobals {
    private var version: UInt64?
    private var globals: GlobalPosition?

    /// Takes what it shows now, and returns what it showed before where that was more. One life of a node never goes back,
    /// unless a topic was made anew.
    mutating func take(_ shown: ShownPosition) -> GlobalPosition? {
        guard shown.globalsVersion != version else { return nil }
        let last = globals
        version = shown.globalsVersion
        globals = shown.globals
        guard let last, last.partitionCounts == shown.globals.partitionCounts, !shown.globals.reaches(last) else {
            return nil
        }
        return last
    }
}

/// Replies to use again.
struct ReplyPool {
    private var free: [Reply] = []
    /// More than this are given back to the allocator.
    private static let keptMax = 256

    mutating func take() -> Reply { free.popLast() ?? Reply() }

    mutating func giveBack(_ reply: Reply) {
        reply.clear()
        if free.count < Self.keptMax { free.append(reply) }
    }
}
