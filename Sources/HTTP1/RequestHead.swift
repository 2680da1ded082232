// The head of one request as the parser found it: positions in the bytes, no copies, so that a request costs no
// allocation. The bytes must stay where they are while the ranges are used.

/// A range of a head's bytes, counted from its first byte.
@frozen
public struct ByteRange: Sendable, BitwiseCopyable, Equatable {
    public var lowerBound: Int32
    public var upperBound: Int32

    public static let empty = ByteRange(0..<0)

    @inlinable
    public init(_ range: Range<Int>) {
        self.lowerBound = Int32(truncatingIfNeeded: range.lowerBound)
        self.upperBound = Int32(truncatingIfNeeded: range.upperBound)
    }

    /// To take the bytes: `bytes.extracting(head.path.range)`.
    @inlinable
    public var range: Range<Int> { Int(lowerBound)..<Int(upperBound) }

    @inlinable
    public var isEmpty: Bool { lowerBound == upperBound }
}

/// The methods that are served, and all others.
@frozen
public enum Method: UInt8, Sendable, CaseIterable {
    case get, head, options, other
}

/// A request head that keeps the rules of RFC 9112.
@frozen
public struct RequestHead: Sendable, BitwiseCopyable {
    /// Lines of `If-None-Match` that are kept; more make the request unconditional, which is always a right answer.
    @usableFromInline static let conditionsMax = 4
    /// Lines of `Accept-Encoding` that are kept; with more of them none counts.
    static let encodingsMax = 4

    public internal(set) var method = Method.other
    /// The method as sent.
    public internal(set) var methodToken = ByteRange.empty
    /// As sent, percent-encoding and all. It begins with `/`, but for `OPTIONS *` and for other methods.
    public internal(set) var path = ByteRange.empty
    /// What follows the first `?`; empty where there is none.
    public internal(set) var query = ByteRange.empty
    /// Whether the client speaks HTTP/1.0 and so must be told that its connection stays.
    public internal(set) var isVersion10 = false
    /// Whether the client lets the connection stay open after the answer.
    public internal(set) var keepsAlive = false
    /// Whether a body follows. It is never read: the request is refused and the connection closed.
    public internal(set) var hasBody = false
    /// Bytes of the whole head, the empty line included.
    public internal(set) var count = 0

    var hasHost = false
    var hasContentLength = false
    var hasTransferEncoding = false
    var saysClose = false
    var saysKeepAlive = false
    @usableFromInline var conditionCount = 0
    @usableFromInline var conditions = InlineArray<4, ByteRange>(repeating: .empty)

    /// Lines of `Favorites-Max-Staleness-Ms`, and the last one's value.
    var stalenessCount = 0
    var staleness = ByteRange.empty

    var encodingCount = 0
    var encodings = InlineArray<4, ByteRange>(repeating: .empty)

    init() {}

    /// Whether the request is conditional on an entity tag (`If-None-Match`).
    @inlinable
    public var isConditional: Bool { conditionCount > 0 && conditionCount <= Self.conditionsMax }

    /// Whether the client has the answer with this tag already, so that it gets 304. `bytes` are those of the head.
    public func hasCurrent(_ tag: EntityTag, in bytes: Span<UInt8>) -> Bool {
        guard isConditional else { return false }
        for index in 0..<conditionCount where tag.isListed(in: bytes.extracting(conditions[index].range)) {
            return true
        }
        return false
    }

    mutating func addCondition(_ range: Range<Int>) {
        if conditionCount < Self.conditionsMax { conditions[conditionCount] = ByteRange(range) }
        // One over the limit is remembered, so that a partial list is never taken for the whole.
        conditionCount = min(conditionCount + 1, Self.conditionsMax + 1)
    }

    mutating func addEncoding(_ range: Range<Int>) {
        if encodingCount < Self.encodingsMax { encodings[encodingCount] = ByteRange(range) }
        encodingCount = min(encodingCount + 1, Self.encodingsMax + 1)
    }
}
