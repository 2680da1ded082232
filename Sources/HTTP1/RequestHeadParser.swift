// The request parser: bytes as they arrive → one head, or a refusal (RFC 9112, read as strictly as a server may).
//
// It goes line by line. A line is looked at once, when its end is there, and the search for that end goes on where it
// stopped. So a request that arrives byte by byte costs as much as a whole one, and gives the same result: that is
// what the tests and the fuzz target hold it to. One parser belongs to one connection; it is a plain value.

import Model

/// An incremental parser of request heads.
public struct RequestHeadParser: Sendable {
    /// Contract, section 4: a longer request line is refused with 414. Without its CR LF.
    public static let requestLineBytesMax = 16 << 10
    /// Contract, section 4: longer header fields are refused with 431. All lines with their CR LF, without the last,
    /// empty one.
    public static let fieldsBytesMax = 16 << 10
    /// The most bytes that can wait for more: both limits, the empty line allowed before a request, and line ends.
    public static let pendingBytesMax = requestLineBytesMax + fieldsBytesMax + 8

    @frozen
    public enum Progress: Sendable, Equatable {
        case needsMore
        /// `head` is the request.
        case complete
        case refused(HeadRefusal)
    }

    /// Valid once `parse` said `complete`, until `reset`.
    public private(set) var head = RequestHead()

    private var isFirstLine = true
    private var hasSkippedEmptyLine = false
    private var lineStart = 0
    /// No line feed stands between `lineStart` and here.
    private var scanned = 0
    private var fieldsStart = 0

    public init() {}

    /// Makes ready for the next request.
    public mutating func reset() { self = RequestHeadParser() }

    /// Reads on. `bytes` begin with the request's first byte, and hold at each call what they held before and more.
    public mutating func parse(_ bytes: Span<UInt8>) -> Progress {
        do {
            while true {
                if isFirstLine, lineStart < bytes.count { try Self.checkStart(bytes[lineStart]) }
                guard let lineFeed = bytes.firstIndex(of: 0x0A, in: scanned..<bytes.count) else { break }
                if try takeLine(bytes, lineFeed: lineFeed) {
                    head.count = lineFeed + 1
                    try finish()
                    return .complete
                }
                lineStart = lineFeed + 1
                scanned = lineStart
            }
            scanned = bytes.count
            try checkPending()
            return .needsMore
        } catch {
            return .refused(error)
        }
    }

    /// Handles the line that ends at `lineFeed`; true where it ends the head.
    private mutating func takeLine(_ bytes: Span<UInt8>, lineFeed: Int) throws(HeadRefusal) -> Bool {
        let line = lineStart..<max(lineStart, lineFeed - 1)
        if isFirstLine {
            guard line.count <= Self.requestLineBytesMax else { throw .requestLineTooLong }
        } else {
            guard line.isEmpty || lineFeed + 1 - fieldsStart <= Self.fieldsBytesMax else { throw .fieldsTooLong }
        }
        guard lineFeed > lineStart, bytes[lineFeed - 1] == 0x0D else { throw .bareLineFeed }
        if isFirstLine {
            // RFC 9112, section 2.2: an empty line before a request is ignored. One only: they could go on for ever.
            if line.isEmpty && !hasSkippedEmptyLine {
                hasSkippedEmptyLine = true
                return false
            }
            try head.readRequestLine(bytes, line)
            isFirstLine = false
            fieldsStart = lineFeed + 1
            return false
        }
        if line.isEmpty { return true }
        try head.readField(bytes, line)
        return false
    }

    /// Refuses at once what cannot become a request line, as the hello of a client that speaks TLS: it has no line end that
    /// would tell, and its client would wait until the time for a head is over.
    private static func checkStart(_ first: UInt8) throws(HeadRefusal) {
        guard TokenBytes.contains(first) || first == 0x0D || first == 0x0A else { throw .method }
    }

    /// Refuses a line that is too long before its end is there.
    private func checkPending() throws(HeadRefusal) {
        if isFirstLine {
            // One byte more than the limit may be the CR.
            guard scanned - lineStart <= Self.requestLineBytesMax + 1 else { throw .requestLineTooLong }
        } else {
            guard scanned - fieldsStart <= Self.fieldsBytesMax + 1 else { throw .fieldsTooLong }
        }
    }

    /// The rules that need the whole head.
    private mutating func finish() throws(HeadRefusal) {
        guard head.hasHost || head.isVersion10 else { throw .missingHost }
        if head.hasTransferEncoding {
            // RFC 9112, section 6.1: both of them, or a transfer coding from before 1.1, is how requests are smuggled.
            guard !head.hasContentLength, !head.isVersion10 else { throw .framing }
            head.hasBody = true
        }
        head.keepsAlive = !head.saysClose && (!head.isVersion10 || head.saysKeepAlive)
    }
}
