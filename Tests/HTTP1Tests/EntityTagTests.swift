import HTTP1
import Testing

@Suite struct EntityTagTests {
    static let tag = EntityTag(low: 0xfedc_ba98_7654_3210, high: 0x0123_4567_89ab_cdef)
    static let text = "\"0123456789abcdeffedcba9876543210\""

    @Test func writtenForm() {
        let bytes = Self.tag.bytes
        #expect(String(decoding: (0..<34).map { bytes[$0] }, as: UTF8.self) == Self.text)
    }

    @Test(arguments: [
        (text, true), ("W/\(text)", true), ("*", true), ("\"a\", \(text)", true), ("\"a\",W/\"b\" ,\t\(text)", true),
        (",, \(text) ,", true), ("\"a,b\", \(text)", true), ("\"\", \(text)", true),
        ("", false), ("\"a\"", false), ("*, \(text)", false), (String(text.dropFirst()), false),
        (String(text.dropLast()), false), ("w/\(text)", false), ("W/ \(text)", false), ("W/", false), ("W", false),
        ("\"a\"\(text)", false), ("\"", false), ("\"0123456789ABCDEFFEDCBA9876543210\"", false),
        ("a \(text)", false), ("**", false),
    ])
    func listed(_ value: String, _ expected: Bool) {
        #expect(Self.tag.isListed(in: Array(value.utf8).span) == expected, "\(value)")
    }

    @Test(arguments: [
        (["\"a\""], false), ([text], true), (["\"a\"", text], true), ([], false),
        (["\"a\"", "\"b\"", "\"c\"", text], true),
        // A fifth line makes the request unconditional.
        ([text, "\"b\"", "\"c\"", "\"d\"", "\"e\""], false),
    ])
    func lines(_ values: [String], _ expected: Bool) {
        let fields = values.map { "If-None-Match: \($0)\r\n" }.joined()
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n".utf8)
        var parser = RequestHeadParser()
        #expect(parser.parse(bytes.span) == .complete)
        #expect(parser.head.hasCurrent(Self.tag, in: bytes.span) == expected)
        #expect(parser.head.isConditional == (1...4).contains(values.count))
    }
}
