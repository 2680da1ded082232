import HTTP1
import Testing

@Suite struct AcceptEncodingTests {
    /// What a request with these lines gets.
    private func prefersGzip(_ values: [String]) -> Bool {
        let fields = values.map { "Accept-Encoding: \($0)\r\n" }.joined()
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n".utf8)
        var parser = RequestHeadParser()
        #expect(parser.parse(bytes.span) == .complete)
        return parser.head.prefersGzip(in: bytes.span)
    }

    @Test(arguments: [
        ("gzip", true), ("GZip", true), ("x-gzip", true), ("gzip, deflate, br", true), ("br;q=1, gzip;q=0.1", true),
        ("*", true), ("*;q=0.5", true), ("deflate, *", true), ("gzip;q=0.001", true), ("gzip;q=1.000", true),
        ("gzip ; q=0.5", true), ("gzip;\tQ=1.", true), (",, gzip ,,", true), ("identity;q=0, gzip", true),
        ("identity, gzip", true), ("identity;q=0.5, gzip;q=0.8", true), ("*;q=0, gzip", true),
        ("gzip;q=0.5, *;q=0.1", true), ("identity;q=0, *", true), ("gzip;q=0., x-gzip", false),
        // Refused, not named, or less wanted than the answer as it is.
        ("", false), (",", false), ("gzip;q=0", false), ("gzip;q=0.000", false), ("x-gzip;q=0", false),
        ("identity", false), ("br", false), ("deflate;q=1", false), ("*;q=0", false), ("gzip;q=0, *", false),
        ("gzip;q=0.5, identity;q=0.8", false), ("gzip;q=0.5, *;q=0.8", false), ("identity, gzip;q=0.999", false),
        ("gzip, gzip;q=0", false), ("gzip;q=0, x-gzip;q=1", false),
        // Nothing that is sent excludes: the answer as it is comes all the same.
        ("identity;q=0, br", false), ("*;q=0, br", false), ("identity;q=0, gzip;q=0", false),
        // Malformed.
        ("gzip;", false), ("gzip;q", false), ("gzip;q=", false), ("gzip;q=2", false), ("gzip;q=1.5", false),
        ("gzip;q=0.1234", false), ("gzip;q=1.0000", false), ("gzip;q=-1", false), ("gzip;q= 1", false),
        ("gzip;q =1", false), ("gzip;level=1", false), ("gzip;q=1;q=1", false), ("gzip deflate", false),
        ("\"gzip\"", false), ("gzip;q=a", false), (";q=1", false), ("gzip, é", false), ("gzip=1", false),
    ])
    func oneLine(_ value: String, _ expected: Bool) {
        #expect(prefersGzip([value]) == expected, "\(value)")
    }

    @Test(arguments: [
        ([], false), (["br", "gzip"], true), (["gzip", "identity;q=0.5"], true), (["gzip;q=0.3", "identity"], false),
        (["gzip", ""], true), (["gzip", "gzip;q=0"], false), (["gzip", "q=;"], false), (["a", "b", "c", "gzip"], true),
        // With a fifth line none counts.
        (["gzip", "b", "c", "d", "e"], false),
    ])
    func lines(_ values: [String], _ expected: Bool) { #expect(prefersGzip(values) == expected) }

    @Test func theFieldsNameInAnyCase() {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\naccept-ENCODING:gzip\r\n\r\n".utf8)
        var parser = RequestHeadParser()
        #expect(parser.parse(bytes.span) == .complete && parser.head.prefersGzip(in: bytes.span))
    }
}
