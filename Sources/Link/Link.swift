// Links: the TCP connections between routers and nodes. Everything here runs on event loops; nothing blocks, and no
// value is shared between loops but the atomics of `NodeStatus`, `LinkCounters` and `ShownMemory`.
//
//   router loop                                       node loop
//   FanOutClient ─ FanOut machine                     LinkServerLoop ─ one Holder, parked queries
//     └─ LinkClient, one for each node ══ frames ══►    └─ LinkServerHandler, one for each connection
//
// A router's loop has one connection to each node of its snapshot. A node's loop answers its connections' queries where
// it reads them, straight into the connection's output buffer, which is written once per read.

internal import NIOCore
public import Synchronization
internal import Wire

/// What happened on the links of this process since it started. Plain statistics: every access is relaxed.
public final class LinkCounters: Sendable {
    /// Queries that a node answered with a part.
    public let answered = Atomic<UInt64>(0)
    /// Queries that a node refused, `expired` left out.
    public let refused = Atomic<UInt64>(0)
    /// Queries that a node dropped since their time was over.
    public let expired = Atomic<UInt64>(0)
    /// Queries that a node refused at once, since the loop was too long at its turn.
    public let shed = Atomic<UInt64>(0)
    /// Queries that waited for their positions.
    public let parked = Atomic<UInt64>(0)
    /// Links closed for what they sent: malformed bytes, an unknown version, a wrong member.
    public let malformed = Atomic<UInt64>(0)
    /// Connections refused over the limit.
    public let overLimit = Atomic<UInt64>(0)
    /// Connections closed since nothing was heard.
    public let silent = Atomic<UInt64>(0)

    public init() {}
}

/// What a node says of itself in each part, beside what each answer has of its own. Written by whoever measures, read by
/// the loops; the value stands for itself, so every access is relaxed.
public final class NodeStatus: Sendable {
    private let cpu = Atomic<UInt32>(0)

    public init() {}

    /// CPU used for serving, thousandths of all the cores that the process may use.
    public func set(loadPermille: UInt32) { cpu.store(loadPermille, ordering: .relaxed) }

    var loadPermille: UInt32 { cpu.load(ordering: .relaxed) }
}

extension Atomic where Value == UInt64 {
    borrowing func count() { wrappingAdd(1, ordering: .relaxed) }
}

/// The bytes read from a connection that are not yet consumed. At most one frame waits for its end, so no more than
/// `Limits.frameBytesMax` and one read are held; memory grows with what has arrived, not with what a length announces.
struct FrameInput {
    private var pending = ByteBuffer()

    var capacity: Int { pending.capacity }

    mutating func append(_ bytes: ByteBuffer) {
        if pending.readableBytes == 0 {
            pending = bytes
        } else {
            // What was consumed is given back before more is added, or a busy link would keep all it ever read.
            if pending.readerIndex > pending.readableBytes { pending.discardReadBytes() }
            var bytes = bytes
            pending.writeBuffer(&bytes)
        }
    }

    /// The next whole frame and its body.
    mutating func next() throws(WireError) -> (FrameHeader, body: ByteBuffer)? {
        guard let header = try FrameHeader.next(in: pending.readableBytesSpan),
            var frame = pending.readSlice(length: header.frameBytes)
        else { return nil }
        frame.moveReaderIndex(forwardBy: FrameHeader.bytes)
        // An empty rest would keep the memory of the last read alive.
        if pending.readableBytes == 0 { pending = ByteBuffer() }
        return (header, frame)
    }
}

extension ByteBuffer {
    /// Writes frames of at most `bytesMax` into this buffer's own memory.
    mutating func writeFrames(bytesMax: Int, _ write: (inout FrameWriter) -> Void) {
        unsafe writeWithUnsafeMutableBytes(minimumWritableBytes: bytesMax) { memory in
            var writer = unsafe FrameWriter(memory)
            write(&writer)
            return writer.count
        }
    }

    /// What is to be written to a channel. The write may call back, and fill this buffer anew, before it returns.
    mutating func take() -> ByteBuffer {
        var bytes = ByteBuffer()
        swap(&bytes, &self)
        return bytes
    }

    /// After the write: takes the memory back, unless something was written here meanwhile or an unusual answer made it
    /// grow. If the channel still holds it, it is left to the channel.
    mutating func reuse(_ bytes: consuming ByteBuffer) {
        guard readableBytes == 0, bytes.capacity <= 1 << 20 else { return }
        bytes.clear()
        self = bytes
    }
}
