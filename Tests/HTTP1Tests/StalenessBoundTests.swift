import TestSupport
import Testing

@testable import HTTP1

@Suite struct StalenessBoundTests {
    @Test(arguments: [
        ("", StalenessBound.none),
        ("Favorites-Max-Staleness-Ms: 250\r\n", .milliseconds(250)),
        ("favorites-MAX-staleness-ms:0\r\n", .milliseconds(0)),
        ("Favorites-Max-Staleness-Ms: 000250\r\n", .milliseconds(250)),
        ("Favorites-Max-Staleness-Ms: 4294967294\r\n", .milliseconds(4_294_967_294)),
        ("Favorites-Max-Staleness-Ms: 4294967295\r\n", .milliseconds(4_294_967_294)),
        ("Favorites-Max-Staleness-Ms: 99999999999999999999999999\r\n", .milliseconds(4_294_967_294)),
        ("Favorites-Max-Staleness-Mss: 1\r\n", .none),
    ])
    func values(fields: String, bound: StalenessBound) throws {
        #expect(try self.bound(fields) == bound)
    }

    @Test(arguments: [
        "Favorites-Max-Staleness-Ms:\r\n", "Favorites-Max-Staleness-Ms: -1\r\n", "Favorites-Max-Staleness-Ms: 1.5\r\n",
        "Favorites-Max-Staleness-Ms: 1 2\r\n", "Favorites-Max-Staleness-Ms: 1,2\r\n",
        "Favorites-Max-Staleness-Ms: 0x1\r\n", "Favorites-Max-Staleness-Ms: \u{0661}\r\n",
        "Favorites-Max-Staleness-Ms: 1\r\nFavorites-Max-Staleness-Ms: 1\r\n",
    ])
    func whatIsNoNumberOrStandsTwiceIsInvalid(fields: String) throws {
        guard case .invalid = try bound(fields) else {
            Issue.record("\(fields) is taken for a bound")
            return
        }
    }

    private func bound(_ fields: String) throws -> StalenessBound {
        let bytes = Array("GET / HTTP/1.1\r\nHost: h\r\n\(fields)\r\n".utf8)
        var parser = RequestHeadParser()
        try #require(parser.parse(bytes.span) == .complete)
        return parser.head.stalenessBound(in: bytes.span)
    }
}
