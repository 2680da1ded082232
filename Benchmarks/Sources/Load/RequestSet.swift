// The requests of a run, as the bytes to be sent. Made before it begins; nothing is put together while it is measured.

/// One request to be asked for: its target and what it wants beyond the usual.
package struct RequestText: Sendable, Equatable {
    package var path: String
    package var headers: [String]

    package init(path: String, headers: [String] = []) {
        self.path = path
        self.headers = headers
    }
}

package struct RequestSet: Sendable {
    private static let condition = Array("If-None-Match: ".utf8)
    private static let lineEnd: [UInt8] = [0x0D, 0x0A]
    /// Room behind each request for a condition: its name, the longest tag, two line ends.
    private static let roomBytes = condition.count + Tag.bytesMax + 4

    package let paths: [String]
    /// Ask again with the ETag that was last seen for the same request.
    package let revalidates: Bool
    /// Each request and its room, one behind another.
    package private(set) var bytes: [UInt8] = []
    private var starts: [Int] = []
    /// Without the line end that closes the head.
    private var headCounts: [Int] = []
    private var tags: [Tag]

    package var count: Int { starts.count }

    package init(_ texts: [RequestText], host: String, headers: [String] = [], revalidates: Bool = false) {
        precondition(!texts.isEmpty)
        paths = texts.map(\.path)
        self.revalidates = revalidates
        tags = Array(repeating: Tag(), count: texts.count)
        let hasHost = headers.contains { $0.lowercased().hasPrefix("host:") }
        for text in texts {
            let lines = (hasHost ? [] : ["Host: \(host)"]) + headers + text.headers
            let head = "GET \(text.path) HTTP/1.1\r\n" + lines.map { $0 + "\r\n" }.joined()
            starts.append(bytes.count)
            headCounts.append(head.utf8.count)
            bytes += Array(head.utf8) + Self.lineEnd
            bytes += Array(repeating: 0, count: Self.roomBytes)
        }
    }

    /// Where the bytes of a request are, as it is sent now.
    package func range(_ index: Int) -> Range<Int> {
        let tag = tags[index].count
        let condition = tag == 0 ? 0 : Self.condition.count + tag + Self.lineEnd.count
        return starts[index]..<starts[index] + headCounts[index] + condition + Self.lineEnd.count
    }

    /// What the request is conditional on; empty: on nothing.
    package func tag(_ index: Int) -> Tag { tags[index] }

    /// From now on the request is conditional on `tag`. Writes in place.
    package mutating func setTag(_ index: Int, _ tag: Tag) {
        guard revalidates, tag.count > 0, tag != tags[index] else { return }
        tags[index] = tag
        var at = starts[index] + headCounts[index]
        func put(_ byte: UInt8, into bytes: inout [UInt8]) {
            bytes[at] = byte
            at += 1
        }
        for byte in Self.condition { put(byte, into: &bytes) }
        for place in 0..<tag.count { put(tag[place], into: &bytes) }
        for byte in Self.lineEnd + Self.lineEnd { put(byte, into: &bytes) }
    }
}
