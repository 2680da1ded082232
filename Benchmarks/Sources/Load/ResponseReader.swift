// Reads HTTP/1.1 answers out of whatever pieces the socket gives. It takes what the generator judges by (status, length,
// ETag, coding) and skips the rest. Allocates only for a line that lies across two pieces, and for bodies to be checked.

/// Why bytes are no answer.
package enum Flaw: String, Error, Sendable {
    case statusLine = "no status line"
    case header = "a header line without a colon"
    case length = "no usable Content-Length, and not chunked"
    case chunk = "a broken chunk"
    case tooLong = "a head over 64 KiB"
    case surplus = "bytes behind the answer"
}

/// An entity tag with its quotes, in place: no allocation for each answer.
package struct Tag: Sendable, Equatable {
    /// A longer one counts as none.
    package static let bytesMax = 80
    package private(set) var count = 0
    private var bytes = InlineArray<80, UInt8>(repeating: 0)

    package init() {}

    package init(_ text: Span<UInt8>) {
        guard text.count <= Self.bytesMax else { return }
        count = text.count
        for index in text.indices { bytes[index] = text[index] }
    }

    package subscript(index: Int) -> UInt8 { bytes[index] }

    package static func == (left: Tag, right: Tag) -> Bool {
        guard left.count == right.count else { return false }
        for index in 0..<left.count where left.bytes[index] != right.bytes[index] { return false }
        return true
    }
}

package struct ResponseReader: Sendable {
    package enum Step: Equatable, Sendable {
        case more
        case complete
        case malformed(Flaw)
    }

    private enum Part {
        case statusLine, headers, body, chunkSize, chunk, chunkEnd, trailers, complete
    }

    package static let headBytesMax = 64 << 10

    package private(set) var status = 0
    /// The server closes the connection after this answer.
    package private(set) var closes = false
    package private(set) var isGzip = false
    package private(set) var tag = Tag()
    /// What the answer says of the age of its data.
    package private(set) var freshnessMs: Int?
    /// Of the body, as sent.
    package private(set) var bodyBytes = 0
    /// Bytes that are surely of the body and not yet received: whoever does not want them need not read them.
    package var skippable: Int { part == .body && !collects ? left : 0 }
    /// Anything was received.
    package private(set) var hasBegun = false
    /// Keep the body.
    private let collects: Bool
    package private(set) var body: [UInt8] = []

    private var part = Part.statusLine
    private var left = 0
    private var length: Int?
    private var isChunked = false
    private var headBytes = 0
    /// The beginning of a line whose end was not yet received.
    private var carry: [UInt8] = []

    package init(collects: Bool = false) { self.collects = collects }

    /// Takes all of `input`. After `complete` or `malformed` the reader is used up.
    package mutating func read(_ input: Span<UInt8>) -> Step {
        var at = 0
        hasBegun = hasBegun || !input.isEmpty
        while at < input.count {
            switch part {
            case .body, .chunk: takeBody(input, &at)
            case .complete: return .malformed(.surplus)
            case .statusLine, .headers, .chunkSize, .chunkEnd, .trailers:
                do throws(Flaw) { try takeLine(input, &at) } catch { return .malformed(error) }
            }
        }
        return part == .complete ? .complete : .more
    }

    /// `count` bytes of the body were dropped by the kernel; at most `skippable`.
    package mutating func skip(_ count: Int) -> Step {
        precondition(count <= skippable)
        bodyBytes += count
        left -= count
        if left == 0 { part = .complete }
        return part == .complete ? .complete : .more
    }

    private mutating func takeBody(_ input: Span<UInt8>, _ at: inout Int) {
        let count = min(left, input.count - at)
        if collects { for index in at..<at + count { body.append(input[index]) } }
        bodyBytes += count
        left -= count
        at += count
        if left == 0 { part = part == .chunk ? .chunkEnd : .complete }
    }

    private mutating func takeLine(_ input: Span<UInt8>, _ at: inout Int) throws(Flaw) {
        let rest = input.extracting(at..<input.count)
        guard let feed = lineFeed(rest) else {
            try carryOver(rest)
            at = input.count
            return
        }
        at += feed + 1
        if carry.isEmpty {
            headBytes += feed + 1
            let line = rest.extracting(0..<feed)
            try take(line: line.extracting(withoutReturn(line)))
        } else {
            try carryOver(rest.extracting(0..<feed))
            let line = carry
            carry.removeAll(keepingCapacity: true)
            try take(line: line.span.extracting(withoutReturn(line.span)))
        }
    }

    private mutating func carryOver(_ bytes: Span<UInt8>) throws(Flaw) {
        headBytes += bytes.count
        guard headBytes <= Self.headBytesMax else { throw .tooLong }
        for index in bytes.indices { carry.append(bytes[index]) }
    }

    private mutating func take(line: Span<UInt8>) throws(Flaw) {
        guard headBytes <= Self.headBytesMax else { throw .tooLong }
        switch part {
        case .statusLine: try takeStatus(line)
        case .headers: line.isEmpty ? try endHead() : try takeHeader(line)
        case .chunkSize: try takeChunkSize(line)
        case .chunkEnd:
            guard line.isEmpty else { throw .chunk }
            part = .chunkSize
        case .trailers: if line.isEmpty { part = .complete }
        case .body, .chunk, .complete: break
        }
    }

    /// `HTTP/1.1 200 OK`
    private mutating func takeStatus(_ line: Span<UInt8>) throws(Flaw) {
        guard line.count >= 12, starts(line, with: "http/1."), line[8] == 0x20,
            let code = number(line.extracting(9..<12)), code >= 100, line.count == 12 || line[12] == 0x20
        else { throw .statusLine }
        status = code
        closes = line[7] == 0x30
        part = .headers
    }

    private mutating func takeHeader(_ line: Span<UInt8>) throws(Flaw) {
        guard let colon = line.indices.first(where: { line[$0] == 0x3A }), colon > 0 else { throw .header }
        let value = line.extracting(trimmed(line, colon + 1..<line.count))
        // By the length of the name first: most headers are none of these.
        switch colon {
        case 4 where starts(line, with: "etag"): tag = Tag(value)
        case 10 where starts(line, with: "connection"): closes = closes || starts(value, with: "close")
        case 14 where starts(line, with: "content-length"):
            guard let count = number(value), length == nil || length == count else { throw .length }
            length = count
        case 16 where starts(line, with: "content-encoding"): isGzip = starts(value, with: "gzip")
        case 17 where starts(line, with: "transfer-encoding"): isChunked = starts(value, with: "chunked")
        case 22 where starts(line, with: "favorites-freshness-ms"): freshnessMs = number(value)
        default: break
        }
    }

    private mutating func endHead() throws(Flaw) {
        if status < 200 {
            // An interim answer; the real one follows.
            part = .statusLine
        } else if status == 204 || status == 304 {
            part = .complete
        } else if isChunked {
            part = .chunkSize
        } else {
            guard let length else { throw .length }
            left = length
            part = length == 0 ? .complete : .body
        }
        headBytes = 0
    }

    private mutating func takeChunkSize(_ line: Span<UInt8>) throws(Flaw) {
        headBytes = 0
        var size = 0
        var digits = 0
        for index in line.indices {
            guard let digit = hexDigit(line[index]) else {
                // An extension of the chunk.
                guard line[index] == 0x3B || line[index] == 0x20 else { throw .chunk }
                break
            }
            digits += 1
            guard digits <= 8 else { throw .chunk }
            size = size * 16 + digit
        }
        guard digits > 0 else { throw .chunk }
        left = size
        part = size == 0 ? .trailers : .chunk
    }
}

// MARK: - Bytes

private func starts(_ bytes: Span<UInt8>, with lowercase: StaticString) -> Bool {
    let count = lowercase.utf8CodeUnitCount
    guard bytes.count >= count else { return false }
    // The string is a constant of the program and outlives the call.
    let text = unsafe UnsafeBufferPointer(start: lowercase.utf8Start, count: count)
    for index in 0..<count where unsafe lowered(bytes[index]) != text[index] { return false }
    return true
}

private func lowered(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }

/// ASCII digits alone, at most 18.
private func number(_ bytes: Span<UInt8>) -> Int? {
    guard !bytes.isEmpty, bytes.count <= 18 else { return nil }
    var value = 0
    for index in bytes.indices {
        guard bytes[index] >= 0x30, bytes[index] <= 0x39 else { return nil }
        value = value * 10 + Int(bytes[index] - 0x30)
    }
    return value
}

private func hexDigit(_ byte: UInt8) -> Int? {
    switch byte {
    case 0x30...0x39: Int(byte) - 0x30
    case 0x41...0x46: Int(byte) - 0x41 + 10
    case 0x61...0x66: Int(byte) - 0x61 + 10
    default: nil
    }
}

/// The line without the carriage return at its end.
private func withoutReturn(_ line: Span<UInt8>) -> Range<Int> {
    0..<(!line.isEmpty && line[line.count - 1] == 0x0D ? line.count - 1 : line.count)
}

/// `range` without blanks around it.
private func trimmed(_ text: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, text[start] == 0x20 || text[start] == 0x09 { start += 1 }
    while end > start, text[end - 1] == 0x20 || text[end - 1] == 0x09 { end -= 1 }
    return start..<end
}
