// Every rule of contract section 1, as tables.

import Decode
import Model
import Testing

/// One field of an otherwise complete message, and what comes of it.
struct FieldCase: CustomTestStringConvertible, Sendable {
    var kind: ModelKind
    var field: String
    /// Nil where the field is left out.
    var json: String?
    /// A part of the message's line, or the whole reason.
    var expected: Expected

    enum Expected: Sendable {
        case shows(String)
        case hides(String)
        case invalid(String)
    }

    init(_ kind: ModelKind, _ field: String, _ json: String?, _ expected: Expected) {
        self.kind = kind
        self.field = field
        self.json = json
        self.expected = expected
    }

    var testDescription: String { "\(kind.name).\(field) = \(json?.prefix(80) ?? "absent")" }
}

struct RulesTests {
    @Test func completeMessages() {
        let expected: [ModelKind: String] = [
            .event: "event x1 soccer st1 2025-08-16T14:00:00Z IN_PROGRESS participant=p1 participant=p2"
                + #" period="2H" minute=67"#,
            .participant: #"participant x1 tennis name="Name" shortName="Short" abbreviation="ABB" regionId=eng"#
                + #" imageUrl="https://img.example.org/1""#,
            .stage: #"stage x1 tennis name="Name" slug="slug" categoryId=c1 seasonId=s1 positionScores=5"#
                + " positionTeams=-6",
            .season: #"season x1 name="Name""#,
            .region: #"region x1 name="Name" code="ENG""#,
            .category: #"category x1 tennis name="Name" slug="slug" regionId=eng"#,
        ]
        var harness = Harness()
        for kind in ModelKind.allCases {
            #expect(harness.decode(kind, Messages.object(Messages.all(kind))) == .message(expected[kind] ?? ""))
        }
    }

    /// Each required field, absent and null, and each optional one, absent and null.
    @Test(arguments: ModelKind.allCases)
    func presence(_ kind: ModelKind) {
        var harness = Harness()
        for (name, _) in Messages.required(kind) {
            for json in [nil, "null"] {
                #expect(
                    harness.decode(kind, Messages.changing(kind, name, to: json)) == .invalid("\(name) is missing"))
            }
        }
        let bare = harness.decode(kind, Messages.object(Messages.required(kind)))
        guard case .message(let line) = bare else {
            Issue.record("\(bare)")
            return
        }
        for (name, _) in Messages.optional(kind) {
            #expect(!line.contains("\(name)="))
            let absent = harness.decode(kind, Messages.changing(kind, name, to: nil))
            #expect(harness.decode(kind, Messages.changing(kind, name, to: "null")) == absent)
            guard case .message(let line) = absent else {
                Issue.record("\(absent)")
                continue
            }
            #expect(!line.contains("\(name)="))
        }
    }

    /// Each field with every other type.
    @Test(arguments: ModelKind.allCases)
    func types(_ kind: ModelKind) {
        let values = [#""text""#: "text", "7": "integer", "[]": "list", "{}": "other", "true": "other", "1.5": "other"]
        var harness = Harness()
        for (name, json) in Messages.all(kind) {
            let own = json.hasPrefix("\"") ? "text" : json.hasPrefix("[") ? "list" : "integer"
            let reason =
                switch own {
                case "text": "is not a text"
                case "list": "is not a list"
                default: "is not an integer of 64 bits"
                }
            for (value, type) in values where type != own {
                #expect(
                    harness.decode(kind, Messages.changing(kind, name, to: value)) == .invalid("\(name) \(reason)"),
                    "\(name) \(value)")
            }
        }
    }

    @Test(arguments: idCases + valueCases + timeCases + participantCases)
    func field(_ row: FieldCase) {
        var harness = Harness()
        let json = Messages.changing(row.kind, row.field, to: row.json)
        let id = row.field == "id" ? (row.json ?? "").filter { $0 != "\"" } : "x1"
        let outcome = harness.decode(row.kind, json, key: id)
        switch row.expected {
        case .shows(let part): #expect(isMessage(outcome) && outcome.description.contains(part), "\(outcome)")
        case .hides(let part): #expect(isMessage(outcome) && !outcome.description.contains(part), "\(outcome)")
        case .invalid(let reason): #expect(outcome == .invalid(reason))
        }
    }

    @Test func key() {
        let json = Messages.object(Messages.all(.season))
        var harness = Harness()
        #expect(harness.decode(.season, json, key: "") == .invalid("key is missing"))
        for key in ["x", "x2", "X1", "x1 ", "x11", "\u{FF}", String(repeating: "x", count: 100_000)] {
            #expect(harness.decode(.season, json, key: key) == .invalid("id differs from the key"))
        }
    }

    /// The first broken rule is named, in the order of the contract's table.
    @Test func order() {
        var harness = Harness()
        #expect(harness.decode(.season, "{}", key: "") == .invalid("key is missing"))
        #expect(harness.decode(.season, "{}") == .invalid("id is missing"))
        #expect(harness.decode(.season, #"{"name":1,"id":"x2"}"#) == .invalid("id differs from the key"))
        #expect(harness.decode(.season, #"{"endDate":1,"name":1,"id":"x1"}"#) == .invalid("name is not a text"))
        #expect(harness.decode(.season, #"{"endDate":1,"name":"","id":"x1"}"#) == .invalid("endDate is not a text"))
    }

    /// Every list of names is closed, and case counts.
    @Test func names() {
        var harness = Harness()
        for sport in Sport.allCases {
            #expect(isMessage(harness.decode(.event, Messages.changing(.event, "sport", to: "\"\(sport.name)\""))))
        }
        for status in Status.allCases {
            #expect(isMessage(harness.decode(.event, Messages.changing(.event, "status", to: "\"\(status.name)\""))))
        }
        #expect(
            Sport.allCases.map { "\($0.name)" } == ["soccer", "tennis", "hockey", "basketball", "cricket", "horses"])
        #expect(
            Status.allCases.map { "\($0.name)" } == [
                "NOT_STARTED", "IN_PROGRESS", "INTERRUPTED", "FINISHED", "POSTPONED", "CANCELLED", "ABANDONED",
            ])
    }

    private func isMessage(_ outcome: Outcome) -> Bool {
        if case .message = outcome { true } else { false }
    }
}
