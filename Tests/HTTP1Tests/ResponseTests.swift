import HTTP1
import Testing

@Suite struct ResponseTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_772_323_200, "Sun, 01 Mar 2026 00:00:00 GMT"), (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (Int64.max, "Fri, 31 Dec 9999 23:59:59 GMT"), (-1, "Thu, 01 Jan 1970 00:00:00 GMT"),
    ])
    func date(_ seconds: Int64, _ expected: String) {
        let bytes = DateLine(seconds: seconds).bytes
        #expect(String(decoding: (0..<37).map { bytes[$0] }, as: UTF8.self) == "Date: \(expected)\r\n")
    }

    private func write(
        _ template: ResponseTemplate, _ length: Int?, _ tag: EntityTag?, _ connection: ConnectionField,
        freshnessMs: UInt32? = nil
    ) -> String {
        let room = template.bytes.count + ResponseTemplate.variableBytesMax
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            unsafe count = template.write(
                to: UnsafeMutableRawBufferPointer(buffer), date: DateLine(seconds: 0), contentLength: length,
                entityTag: tag, freshnessMs: freshnessMs, connection: connection)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func heads() {
        let date = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        let origin = "Access-Control-Allow-Origin: *\r\n"
        let okay = ResponseTemplate(status: 200, fields: [("Content-Type", "application/json")])
        let okayFixed = "HTTP/1.1 200 OK\r\n\(origin)Content-Type: application/json\r\n\(date)"
        let tag = EntityTagTests.tag
        #expect(write(okay, 8_190, nil, .none) == okayFixed + "Content-Length: 8190\r\n\r\n")
        #expect(write(okay, 0, nil, .close) == okayFixed + "Content-Length: 0\r\nConnection: close\r\n\r\n")
        #expect(
            write(okay, .max, tag, .keepAlive) == okayFixed
                + "Content-Length: 9223372036854775807\r\nETag: \(EntityTagTests.text)\r\n"
                + "Connection: keep-alive\r\n\r\n"
        )
        let longest = write(okay, .max, tag, .keepAlive, freshnessMs: .max)
        #expect(longest.contains("\r\nFavorites-Freshness-Ms: 4294967295\r\n"))
        #expect(longest.utf8.count == okay.bytes.count + ResponseTemplate.variableBytesMax)
        #expect(write(okay, 1, nil, .none, freshnessMs: 0).hasSuffix("\r\nFavorites-Freshness-Ms: 0\r\n\r\n"))
        #expect(
            write(ResponseTemplate(status: 304), nil, tag, .none)
                == "HTTP/1.1 304 Not Modified\r\n\(origin)\(date)ETag: \(EntityTagTests.text)\r\n\r\n")
    }
}
