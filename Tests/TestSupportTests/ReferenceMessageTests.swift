// Which messages the reference takes (contract, section 1), rule by rule.

import Model
import TestSupport
import Testing

@Suite struct ReferenceMessageTests {
    static func changed(_ field: String, _ value: String) -> String {
        let fields = [
            ("id", #""e""#), ("sport", #""soccer""#), ("stageId", #""s""#), ("scheduledStart", #""2025-01-01T00:00:00Z""#),
            ("status", #""FINISHED""#), ("participants", #"[{"id":"p"}]"#), ("period", "null"), ("minute", "null"),
        ]
        let list = fields.filter { $0.0 != field || value != "-" }
        return "{" + list.map { "\"\($0.0)\":\($0.0 == field ? value : $0.1)" }.joined(separator: ",") + "}"
    }

    static let valid: [(String, String)] = [
        ("minute", "-9223372036854775808"), ("minute", "0"), ("period", #""""#), ("participants", #"[{"id":"p"},{"id":"p"}]"#),
        ("participants", #"[{"id":"p","score":"","periodScores":[]}]"#),
        ("participants", #"[{"id":"p","score":null,"periodScores":null,"x":[{}]}]"#),
        ("participants", "[" + Array(repeating: #"{"id":"p"}"#, count: 64).joined(separator: ",") + "]"),
        ("scheduledStart", #""2024-02-29T23:59:59.9999999-23:59""#), ("scheduledStart", #""0001-01-01T00:00:00Z""#),
        ("scheduledStart", #""9999-12-31T23:59:59.999Z""#), ("scheduledStart", #""2025-01-01t00:00:00z""#),
        ("scheduledStart", #""0000-12-31T23:30:00-01:00""#), ("sport", #""\u0073occer""#), ("id", #""x","id":"e""#),
        ("period", #""\ud83d\ude00""#),
    ]

    static let invalid: [(String, String)] = [
        ("id", "-"), ("sport", "-"), ("stageId", "-"), ("scheduledStart", "-"), ("status", "-"), ("participants", "-"),
        ("id", "null"), ("stageId", "null"), ("id", #""f""#), ("id", "1"), ("stageId", #""a b""#), ("stageId", #""""#),
        ("stageId", #""é""#), ("sport", #""Soccer""#), ("sport", #""golf""#), ("status", #""finished""#),
        ("participants", "[]"), ("participants", "{}"), ("participants", #"["p"]"#), ("participants", #"[{"id":null}]"#),
        ("participants", "[" + Array(repeating: #"{"id":"p"}"#, count: 65).joined(separator: ",") + "]"),
        ("participants", #"[{"id":"p","score":1}]"#), ("participants", #"[{"id":"p","periodScores":["1",null]}]"#),
        ("minute", "1.0"), ("minute", "1e0"), ("minute", "9223372036854775808"), ("minute", #""1""#), ("minute", "01"),
        ("period", "1"), ("period", #""\ud800""#), ("period", #""\udc00\ud800""#), ("period", "\"\t\""),
        ("scheduledStart", #""2025-02-29T00:00:00Z""#), ("scheduledStart", #""2025-01-01T24:00:00Z""#),
        ("scheduledStart", #""2025-12-31T23:59:60Z""#), ("scheduledStart", #""2025-01-01T00:00:00""#),
        ("scheduledStart", #""2025-01-01T00:00:00.Z""#), ("scheduledStart", #""2025-01-01T00:00:00+0100""#),
        ("scheduledStart", #""9999-12-31T23:59:59-00:01""#), ("scheduledStart", #""0001-01-01T00:00:00+00:01""#),
        ("scheduledStart", "0"), ("id", #""e",}"#), ("id", #""e"]"#), ("id", #""e","x":nul"#),
    ]

    private func apply(_ value: String) -> String? {
        Reference().apply(.event, key: Array("e".utf8), value: Array(value.utf8))
    }

    @Test(arguments: valid) func takes(field: String, value: String) {
        #expect(apply(Self.changed(field, value)) == nil)
    }

    @Test(arguments: invalid) func refuses(field: String, value: String) {
        #expect(apply(Self.changed(field, value)) != nil)
    }

    @Test func refusesWhatIsNoObject() {
        for value in ["", " ", "[]", "1", "null", "{}", "{} {}", #"{"id":"e"}"#] { #expect(apply(value) != nil) }
        let broken = Array(Self.changed("period", "\"x\"").utf8).map { $0 == UInt8(ascii: "x") ? 0xFF : $0 }
        #expect(Reference().apply(.event, key: Array("e".utf8), value: broken) == "no JSON: not UTF-8")
        #expect(Reference().apply(.event, key: nil, value: nil) != nil)
    }

    @Test func sizeLimits() {
        func padded(to bytes: Int) -> String {
            let plain = Self.changed("round", "")
            return String(plain.dropLast()) + String(repeating: " ", count: bytes - plain.utf8.count) + "}"
        }
        #expect(apply(padded(to: 256 << 10)) == nil)
        #expect(apply(padded(to: (256 << 10) + 1)) != nil)
        let long = #"{"id":"r","name":""# + String(repeating: "x", count: 9000) + "\"}"
        #expect(Reference().apply(.region, key: Array("r".utf8), value: Array(long.utf8)) != nil)
    }

    @Test(arguments: [ModelKind.participant, .stage, .category, .season, .region])
    func referencesCheckTheirFields(kind: ModelKind) {
        let reference = Reference()
        func apply(_ more: String) -> Bool {
            let value = #"{"id":"k","sport":"soccer","name":"N""# + more + "}"
            return reference.apply(kind, key: Array("k".utf8), value: Array(value.utf8)) == nil
        }
        #expect(apply(""))
        let texts: [ModelKind: [String]] = [
            .participant: ["shortName", "abbreviation", "imageUrl"], .stage: ["slug"], .category: ["slug"],
            .season: ["startDate", "endDate"], .region: ["code"],
        ]
        let ids: [ModelKind: [String]] = [
            .participant: ["regionId"], .stage: ["categoryId", "seasonId"], .category: ["regionId"],
        ]
        for name in texts[kind] ?? [] { #expect(apply(",\"\(name)\":\"\"") && !apply(",\"\(name)\":1")) }
        for name in ids[kind] ?? [] { #expect(apply(",\"\(name)\":null") && !apply(",\"\(name)\":\"\"")) }
        #expect(!apply(",\"name\":null") && !apply(",\"id\":\"other\""))
        #expect(apply(",\"sport\":null") == (kind == .season || kind == .region))
        #expect(reference.ids(kind) == ["k"])
    }
}
