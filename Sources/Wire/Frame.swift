// The frames between router and node, version 3.
//
//   offset  bytes  field
//   0       4      length of all that follows, little endian; 10 to Limits.frameBytesMax
//   4       1      protocol version
//   5       1      type
//   6       8      request id, little endian; chosen by the router, repeated by the node, 0 where there is none
//   14      …      body
//
// The first six bytes and the goodbye frame are the same in every version, so that a side can always say why it
// leaves. In bodies, a *varint* is LEB128 of at most 64 bits, a *fixed* little endian, a *text* a varint length and its
// bytes, a *set* one byte n and n bytes of bits without trailing zeros.
//
//   hello    both ways, first   text: member id
//   goodbye  both ways, last    u8 reason, u8 lowest version, u8 highest version
//   query    router to node     see `QueryFrame`
//   needs    router to node     globals: the positions that later queries with the flag need
//   part     node to router     see `PartFrame`
//   refusal  node to router     u8 code, set: the partitions of `notHeld`, varint: the age of `stale`
//   ping     router to node     nothing
//   pong     node to router     nothing
//
//   globals: five varint partition counts, then one varint offset for each partition of each topic
//
// Encoding writes straight into the connection's output buffer and decoding makes views into the frame: every byte of
// a fragment is copied once on each side, by the kernel apart. Bytes from the network never trap: whatever is
// malformed is a `WireError`, and the link is closed.

import Model

public enum FrameType: UInt8, Sendable {
    case hello = 1
    case goodbye, query, needs, part, refusal, ping, pong
}

/// What is wrong with bytes from the other side.
public enum WireError: Error, Sendable, Equatable {
    /// The other side speaks a version that this one does not.
    case unknownVersion(UInt8)
    case unknownType(UInt8)
    /// A length field is over `Limits.frameBytesMax` or too small for a frame.
    case badLength(Int)
    /// A field reaches over the end of its frame.
    case truncated
    /// A field has a value that is not allowed.
    case malformed(StaticString)

    public static func == (left: WireError, right: WireError) -> Bool { "\(left)" == "\(right)" }
}

/// Why a side closes a link on purpose.
public enum GoodbyeReason: UInt8, Sendable {
    case unknownVersion = 1
    case malformed, tooManyConnections, shuttingDown, wrongMember
}

/// The fixed fields of a frame.
public struct FrameHeader: Sendable, Equatable {
    public static let version: UInt8 = 3
    /// The length field and the fixed fields.
    public static let bytes = 14

    public var type: FrameType
    public var request: UInt64
    public var bodyBytes: Int

    /// All bytes of the frame.
    public var frameBytes: Int { Self.bytes + bodyBytes }

    /// The header of the frame at the start of `bytes`; nil until the whole frame is there. A length over the limit is
    /// refused as soon as it can be read, before anyone buffers for it, and so is an unknown version.
    public static func next(in bytes: RawSpan) throws(WireError) -> FrameHeader? {
        guard bytes.byteCount >= 4 else { return nil }
        let length = Int(unsafe bytes.unsafeLoadUnaligned(as: UInt32.self).littleEndian)
        guard length >= Self.bytes - 4, length <= Limits.frameBytesMax else { throw .badLength(length) }
        guard bytes.byteCount >= 6 else { return nil }
        let version = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4, as: UInt8.self)
        let rawType = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 5, as: UInt8.self)
        guard version == Self.version || rawType == FrameType.goodbye.rawValue else { throw .unknownVersion(version) }
        guard let type = FrameType(rawValue: rawType) else { throw .unknownType(rawType) }
        guard bytes.byteCount >= 4 + length else { return nil }
        let request = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 6, as: UInt64.self).littleEndian
        return FrameHeader(type: type, request: request, bodyBytes: 4 + length - Self.bytes)
    }
}
