// The small frames: hello, goodbye, needs, refusal, ping and pong.

public import Model
public import Query

/// An answer that is none.
public enum Refusal: Sendable, Equatable {
    case holder(HolderRefusal)
    /// The remaining time was over before the node could answer.
    case expired
}

public enum ControlFrame {
    /// No control frame but `needs` is larger.
    public static let bytesMax = FrameHeader.bytes + 1 + FrameSize.setMax + FrameSize.varintMax

    public static func hello(_ member: ID, to writer: inout FrameWriter) {
        writer.frame(.hello, request: 0) { writer in writer.id(member) }
    }

    public static func goodbye(_ reason: GoodbyeReason, to writer: inout FrameWriter) {
        writer.frame(.goodbye, request: 0) { writer in
            writer.byte(reason.rawValue)
            writer.byte(FrameHeader.version)
            writer.byte(FrameHeader.version)
        }
    }

    public static func ping(request: UInt64, to writer: inout FrameWriter) {
        writer.frame(.ping, request: request) { _ in }
    }

    public static func pong(request: UInt64, to writer: inout FrameWriter) {
        writer.frame(.pong, request: request) { _ in }
    }

    public static func needsBytesMax(_ globals: GlobalPosition) -> Int {
        FrameHeader.bytes + FrameSize.globalsMax(globals)
    }

    public static func needs(_ globals: GlobalPosition, to writer: inout FrameWriter) {
        writer.frame(.needs, request: 0) { writer in writer.globals(globals) }
    }

    public static func refusal(_ refusal: Refusal, request: UInt64, to writer: inout FrameWriter) {
        var partitions = PartitionSet()
        var ageMs: UInt32 = 0
        if case .holder(.notHeld(let missing)) = refusal { partitions = missing }
        if case .holder(.stale(let age)) = refusal { ageMs = age }
        writer.frame(.refusal, request: request) { writer in
            writer.byte(code(of: refusal))
            writer.set(partitions)
            writer.varint(UInt64(ageMs))
        }
    }

    private static func code(of refusal: Refusal) -> UInt8 {
        switch refusal {
        case .holder(.notHeld): 1
        case .holder(.behind): 2
        case .holder(.notReady): 3
        case .holder(.answerTooLarge): 4
        case .expired: 5
        case .holder(.overloaded): 6
        case .holder(.stale): 7
        }
    }

    /// The member id of the other side.
    @unsafe
    public static func readHello(_ body: UnsafeRawBufferPointer) throws(WireError) -> ID {
        var reader = unsafe FrameReader(body)
        let member = try reader.id()
        try reader.end()
        return member
    }

    /// Nil for a reason that this version does not know.
    @unsafe
    public static func readGoodbye(_ body: UnsafeRawBufferPointer) throws(WireError) -> GoodbyeReason? {
        var reader = unsafe FrameReader(body)
        return GoodbyeReason(rawValue: try reader.byte())
    }

    @unsafe
    public static func readNeeds(_ body: UnsafeRawBufferPointer) throws(WireError) -> GlobalPosition {
        var reader = unsafe FrameReader(body)
        let globals = try reader.globals()
        try reader.end()
        return globals
    }

    @unsafe
    public static func readRefusal(_ body: UnsafeRawBufferPointer) throws(WireError) -> Refusal {
        var reader = unsafe FrameReader(body)
        let code = try reader.byte()
        let partitions = try reader.set()
        let ageMs = UInt32(try reader.number(most: Int(UInt32.max)))
        try reader.end()
        switch code {
        case 1: return .holder(.notHeld(partitions))
        case 2: return .holder(.behind)
        case 3: return .holder(.notReady)
        case 4: return .holder(.answerTooLarge)
        case 5: return .expired
        case 6: return .holder(.overloaded)
        case 7: return .holder(.stale(ageMs: ageMs))
        default: throw .malformed("refusal code")
        }
    }
}
