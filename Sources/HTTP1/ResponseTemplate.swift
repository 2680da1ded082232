// The head of an answer: what is always the same is written once, when the server starts; the rest (date, length,
// entity tag, connection) is put behind it for each answer, straight into the connection's output.

/// The fixed part of an answer's head: status line and the fields that do not change from answer to answer.
public struct ResponseTemplate: Sendable {
    public let status: Int
    /// Ends in CR LF.
    public let bytes: [UInt8]

    /// `fields` stand in the given order behind `Access-Control-Allow-Origin: *`, which every answer has (never an
    /// echo of the origin: caches are shared). Names and values must be legal: they come from code and settings.
    public init(status: Int, fields: [(name: String, value: String)] = []) {
        var text = "HTTP/1.1 \(status) \(Self.phrase(status))\r\nAccess-Control-Allow-Origin: *\r\n"
        for field in fields {
            precondition(!field.value.utf8.contains { $0 < 0x20 || $0 == 0x7F }, "a header value holds a control byte")
            text += "\(field.name): \(field.value)\r\n"
        }
        self.status = status
        self.bytes = Array(text.utf8)
    }

    /// The name of a status as RFC 9110 gives it.
    public static func phrase(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 410: "Gone"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}

/// What an answer says about its connection.
@frozen
public enum ConnectionField: UInt8, Sendable {
    /// HTTP/1.1 and the connection stays: nothing to say.
    case none
    /// HTTP/1.0 and the connection stays.
    case keepAlive
    case close
}

extension ResponseTemplate {
    /// The most bytes that `write` needs beside the template's.
    public static let variableBytesMax =
        DateLine.bytesCount + "Content-Length: 9223372036854775807\r\n".utf8.count
        + "ETag: \r\n".utf8.count + EntityTag.bytesCount + "Favorites-Freshness-Ms: 4294967295\r\n".utf8.count
        + "Connection: keep-alive\r\n\r\n".utf8.count

    /// Writes a whole head, the empty line included, to the start of `output`, which must have room for the template
    /// and `variableBytesMax`. Returns the number of bytes. Without a `contentLength` there is no such field: 204 must
    /// not have one (RFC 9110, section 8.6), and 304 only where the length of the full answer is known. `freshnessMs` is what
    /// an answer of data says of its age.
    public func write(
        to output: UnsafeMutableRawBufferPointer, date: DateLine, contentLength: Int?, entityTag: EntityTag?,
        freshnessMs: UInt32? = nil, connection: ConnectionField
    ) -> Int {
        precondition(output.count >= bytes.count + Self.variableBytesMax)
        var writer = unsafe HeadWriter(output: output)
        unsafe bytes.withUnsafeBytes { source in unsafe writer.put(source) }
        unsafe date.bytes.span.withUnsafeBytes { source in unsafe writer.put(source) }
        if let contentLength {
            unsafe writer.put("Content-Length: ")
            unsafe writer.put(contentLength)
            unsafe writer.put("\r\n")
        }
        if let entityTag {
            unsafe writer.put("ETag: ")
            unsafe entityTag.bytes.span.withUnsafeBytes { source in unsafe writer.put(source) }
            unsafe writer.put("\r\n")
        }
        if let freshnessMs {
            unsafe writer.put("Favorites-Freshness-Ms: ")
            unsafe writer.put(Int(freshnessMs))
            unsafe writer.put("\r\n")
        }
        switch connection {
        case .none: unsafe writer.put("\r\n")
        case .keepAlive: unsafe writer.put("Connection: keep-alive\r\n\r\n")
        case .close: unsafe writer.put("Connection: close\r\n\r\n")
        }
        return unsafe writer.count
    }
}

/// Appends to raw memory. Used only inside `write`, which has checked that there is room.
@unsafe
private struct HeadWriter {
    let output: UnsafeMutableRawBufferPointer
    var count = 0

    init(output: UnsafeMutableRawBufferPointer) { unsafe self.output = output }

    mutating func put(_ source: UnsafeRawBufferPointer) {
        unsafe UnsafeMutableRawBufferPointer(rebasing: output[count...]).copyMemory(from: source)
        unsafe count += source.count
    }

    mutating func put(_ text: StaticString) {
        unsafe put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// `value` is not negative.
    mutating func put(_ value: Int) {
        var digits = InlineArray<19, UInt8>(repeating: 0x30)
        var start = 18
        var rest = value
        while rest >= 10 {
            digits[start] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            start -= 1
        }
        digits[start] = 0x30 + UInt8(truncatingIfNeeded: rest)
        unsafe digits.span.withUnsafeBytes { source in
            unsafe put(UnsafeRawBufferPointer(rebasing: source[start...]))
        }
    }
}
