// The two kinds of lines: the request line and the header fields.

import Model

extension RequestHead {
    /// `METHOD SP TARGET SP HTTP/1.x`
    mutating func readRequestLine(_ bytes: Span<UInt8>, _ line: Range<Int>) throws(HeadRefusal) {
        // The last nine bytes are fixed but for the version, so the target is what stands between two known places.
        let versionStart = line.upperBound - 9
        guard versionStart > line.lowerBound, bytes[versionStart] == 0x20 else { throw .requestLine }
        isVersion10 = try Self.readVersion(bytes, versionStart + 1)

        var methodEnd = line.lowerBound
        while methodEnd < versionStart, TokenBytes.contains(bytes[methodEnd]) { methodEnd += 1 }
        guard methodEnd > line.lowerBound, bytes[methodEnd] == 0x20 else { throw .method }
        guard methodEnd < versionStart else { throw .requestLine }
        methodToken = ByteRange(line.lowerBound..<methodEnd)
        method = Self.method(bytes, line.lowerBound..<methodEnd)

        let target = methodEnd + 1..<versionStart
        guard !target.isEmpty, bytes.isTarget(target), isAllowedForm(bytes, target) else { throw .target }
        if let mark = bytes.firstIndex(of: 0x3F, in: target) {
            path = ByteRange(target.lowerBound..<mark)
            query = ByteRange(mark + 1..<target.upperBound)
        } else {
            path = ByteRange(target)
            query = .empty
        }
    }

    /// True for HTTP/1.0, false for HTTP/1.1. Other well-formed versions are 505, anything else is no request line.
    private static func readVersion(_ bytes: Span<UInt8>, _ start: Int) throws(HeadRefusal) -> Bool {
        guard bytes.extracting(start..<start + 5).isEqual("HTTP/"), isDigit(bytes[start + 5]),
            bytes[start + 6] == 0x2E, isDigit(bytes[start + 7])
        else { throw .requestLine }
        guard bytes[start + 5] == 0x31, bytes[start + 7] <= 0x31 else { throw .version }
        return bytes[start + 7] == 0x30
    }

    private static func method(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Method {
        let token = bytes.extracting(range)
        if token.isEqual("GET") { return .get }
        if token.isEqual("HEAD") { return .head }
        if token.isEqual("OPTIONS") { return .options }
        return .other
    }

    /// A path, or `*` for OPTIONS. The absolute form (`http://host/path`) is for proxies: taking it would give the
    /// request two hosts, and which one counts is what attacks play with. Other methods are refused whatever they ask.
    private func isAllowedForm(_ bytes: Span<UInt8>, _ target: Range<Int>) -> Bool {
        if bytes[target.lowerBound] == 0x2F || method == .other { return true }
        return method == .options && target.count == 1 && bytes[target.lowerBound] == 0x2A
    }

    /// `NAME ":" OWS VALUE OWS`
    mutating func readField(_ bytes: Span<UInt8>, _ line: Range<Int>) throws(HeadRefusal) {
        if bytes[line.lowerBound] == 0x20 || bytes[line.lowerBound] == 0x09 { throw .foldedField }
        var colon = line.lowerBound
        while colon < line.upperBound, TokenBytes.contains(bytes[colon]) { colon += 1 }
        guard colon > line.lowerBound, colon < line.upperBound, bytes[colon] == 0x3A else { throw .fieldName }

        var start = colon + 1
        var end = line.upperBound
        while start < end, Self.isBlank(bytes[start]) { start += 1 }
        while end > start, Self.isBlank(bytes[end - 1]) { end -= 1 }
        guard bytes.isFieldValue(start..<end) else { throw .fieldValue }
        try useField(bytes, name: line.lowerBound..<colon, value: start..<end)
    }

    /// The fields that change what is answered; all others are only checked. The length tells most of them apart.
    private mutating func useField(_ bytes: Span<UInt8>, name: Range<Int>, value: Range<Int>) throws(HeadRefusal) {
        switch name.count {
        case 4 where bytes.equalsIgnoringCase(name, "host"):
            guard !hasHost, Self.isHost(bytes, value) else { throw .host }
            hasHost = true
        case 10 where bytes.equalsIgnoringCase(name, "connection"):
            readConnection(bytes, value)
        case 13 where bytes.equalsIgnoringCase(name, "if-none-match"):
            addCondition(value)
        case 14 where bytes.equalsIgnoringCase(name, "content-length"):
            guard !hasContentLength, !value.isEmpty else { throw .contentLength }
            hasContentLength = true
            for index in value {
                guard Self.isDigit(bytes[index]) else { throw .contentLength }
                if bytes[index] != 0x30 { hasBody = true }
            }
        case 15 where bytes.equalsIgnoringCase(name, "accept-encoding"):
            addEncoding(value)
        case 17 where bytes.equalsIgnoringCase(name, "transfer-encoding"):
            hasTransferEncoding = true
        case 26 where bytes.equalsIgnoringCase(name, "favorites-max-staleness-ms"):
            stalenessCount += 1
            staleness = ByteRange(value)
        default:
            break
        }
    }

    /// `close` and `keep-alive` out of a list of tokens; close wins.
    private mutating func readConnection(_ bytes: Span<UInt8>, _ value: Range<Int>) {
        var start = value.lowerBound
        while start < value.upperBound {
            let comma = bytes.firstIndex(of: 0x2C, in: start..<value.upperBound) ?? value.upperBound
            var end = comma
            while start < end, Self.isBlank(bytes[start]) { start += 1 }
            while end > start, Self.isBlank(bytes[end - 1]) { end -= 1 }
            if bytes.equalsIgnoringCase(start..<end, "close") { saysClose = true }
            if bytes.equalsIgnoringCase(start..<end, "keep-alive") { saysKeepAlive = true }
            start = comma + 1
        }
    }

    /// The bytes of a host and port (RFC 3986, section 3.2.2), less the comma, which stands for two hosts in one. An
    /// empty one is allowed.
    private static func isHost(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Bool {
        for index in value {
            switch bytes[index] {
            case 0x30...0x3B, 0x41...0x5B, 0x61...0x7A: continue  // 0-9 : ; A-Z [ a-z
            case 0x21, 0x24...0x2B, 0x2D, 0x2E, 0x3D, 0x5D, 0x5F, 0x7E: continue  // ! $ % & ' ( ) * + - . = ] _ ~
            default: return false
            }
        }
        return true
    }

    @inline(__always)
    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    @inline(__always)
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

extension Span<UInt8> {
    /// Whether these bytes are exactly the ASCII of `text`.
    @inline(__always)
    fileprivate func isEqual(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where unsafe self[index] != text.utf8Start[index] { return false }
        return true
    }
}
