// Random updates by seed on top of a loaded reference: what a live offer does to itself, and what a broken producer
// might send. The caller applies each update to the reference before it asks for the next.

public import Model

public struct GeneratedUpdate: Sendable {
    public var kind: ModelKind
    public var key: [UInt8]
    /// Nil for a tombstone.
    public var value: [UInt8]?
    /// Whether the message breaks a rule of the contract's section 1.
    public var isInvalid = false
}

public struct UpdateGenerator {
    private static let invalidOneIn = 12

    private var random: SeededGenerator
    private let reference: Reference
    /// The ids at the start and those added since; deleted ones stay, to be created again.
    private var ids: [ModelKind: [String]] = [:]
    private var created = 0

    public init(seed: UInt64, reference: Reference) {
        random = SeededGenerator(seed: seed)
        self.reference = reference
        for kind in ModelKind.allCases { ids[kind] = reference.ids(kind) }
    }

    public mutating func next() -> GeneratedUpdate {
        let valid = validUpdate()
        guard number(0..<Self.invalidOneIn) == 0, let value = valid.value else { return valid }
        return broken(valid, value)
    }

    private mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

    private mutating func id(_ kind: ModelKind) -> String {
        let known = ids[kind] ?? []
        return known.randomElement(using: &random) ?? "none"
    }

    // MARK: Valid updates

    private mutating func validUpdate() -> GeneratedUpdate {
        switch number(0..<100) {
        case 0..<70: return eventUpdate(id(.event))
        case 70..<74: return newEvent()
        case 74..<84: return participantUpdate(id(.participant))
        case 84..<88: return stageUpdate(id(.stage))
        case 88..<90: return categoryUpdate(id(.category))
        case 90..<92: return seasonUpdate(id(.season))
        case 92..<94: return regionUpdate(id(.region))
        case 94..<99:
            // Events mostly: with most references gone there would be little left to compare.
            let kind = number(0..<3) > 0 ? .event : ModelKind.allCases.randomElement(using: &random) ?? .event
            return GeneratedUpdate(kind: kind, key: Array(id(kind).utf8), value: nil)
        default:
            let kind = ModelKind.allCases.randomElement(using: &random) ?? .event
            return GeneratedUpdate(kind: kind, key: Array("never-seen-\(number(0..<1000))".utf8), value: nil)
        }
    }

    private func update(_ kind: ModelKind, _ id: String, _ fields: MessageWriter) -> GeneratedUpdate {
        GeneratedUpdate(kind: kind, key: Array(id.utf8), value: fields.closed())
    }

    /// One change to a known event; a deleted one comes back.
    private mutating func eventUpdate(_ id: String) -> GeneratedUpdate {
        guard let old = reference.events[id] else { return randomEvent(id) }
        var sport = old.sport
        var stage = old.stageID
        var start = old.start
        var status = old.status
        var participants = old.participants
        var period = old.period
        var minute = old.minute
        switch number(0..<10) {
        case 0..<4:
            for index in participants.indices {
                participants[index].score = ReferenceText("\(number(0..<5))")
                participants[index].periodScores = number(0..<2) == 0 ? nil : [ReferenceText("\(number(0..<3))")]
            }
        case 4:
            status = MessageFields.statuses.randomElement(using: &random) ?? status
            period = number(0..<3) == 0 ? nil : ReferenceText(["1H", "HT", "2H", ""][number(0..<4)])
        case 5: minute = number(0..<4) == 0 ? nil : Int64(number(-3..<130))
        case 6, 7: start = reference.events[self.id(.event)].map { $0.start + Int64(number(0..<3)) * 500 } ?? start
        case 8: stage = number(0..<8) == 0 ? "unknown-stage-\(number(0..<5))" : self.id(.stage)
        default:
            participants.swapAt(0, participants.count - 1)
            if number(0..<3) > 0 { participants[number(0..<participants.count)].id = team() }
            if number(0..<30) == 0 { sport = MessageFields.sports.randomElement(using: &random) ?? sport }
        }
        return event(
            ReferenceEvent(
                id: id, sport: sport, stageID: stage, start: start, status: status, participants: participants,
                period: period, minute: minute))
    }

    private mutating func team() -> String {
        number(0..<10) == 0 ? "unknown-team-\(number(0..<20))" : id(.participant)
    }

    private mutating func newEvent() -> GeneratedUpdate {
        created += 1
        let id = "new-event-\(created)"
        ids[.event, default: []].append(id)
        return randomEvent(id)
    }

    private mutating func randomEvent(_ id: String) -> GeneratedUpdate {
        let near = reference.events[self.id(.event)]
        let count = number(0..<10) == 0 ? number(1..<65) : 2
        return event(
            ReferenceEvent(
                id: id, sport: near?.sport ?? "soccer", stageID: self.id(.stage), start: near?.start ?? 0,
                status: MessageFields.statuses.randomElement(using: &random) ?? "FINISHED",
                participants: (0..<count).map { _ in ReferenceEvent.Participant(id: team()) }, period: nil,
                minute: nil))
    }

    private func event(_ event: ReferenceEvent) -> GeneratedUpdate {
        var fields = MessageWriter()
        fields.text("id", event.id)
        fields.text("sport", event.sport)
        fields.text("stageId", event.stageID)
        fields.text("scheduledStart", referenceTimeText(event.start))
        fields.text("status", event.status)
        fields.text("period", event.period)
        fields.integer("minute", event.minute)
        let participants = event.participants.map { participant in
            var fields = MessageWriter()
            fields.text("id", participant.id)
            fields.text("score", participant.score)
            fields.raw("periodScores", participant.periodScores.map { jsonList($0.map(\.quoted)) })
            return fields.closed()
        }
        fields.raw("participants", jsonList(participants))
        return update(.event, event.id, fields)
    }

    /// A name, with characters beyond ASCII and such as JSON escapes.
    private mutating func name() -> String {
        let words = ["Ærøskøbing", "Real", "Štěchovice", "東京", "\"Die Elf\"", "Back\\slash", "Tab\tbed", "FC", "United", "😀"]
        return (0..<number(1..<4)).map { _ in words.randomElement(using: &random) ?? "" }.joined(separator: " ")
    }

    private mutating func optional(_ text: String) -> ReferenceText? {
        number(0..<3) == 0 ? nil : ReferenceText(number(0..<10) == 0 ? "" : text)
    }

    private mutating func participantUpdate(_ id: String) -> GeneratedUpdate {
        var fields = MessageWriter()
        fields.text("id", id)
        fields.text("sport", reference.participants[id]?.sport ?? "soccer")
        fields.text("name", name())
        fields.text("shortName", optional("Short"))
        fields.text("abbreviation", optional("ABB"))
        fields.text("regionId", number(0..<4) == 0 ? nil : self.id(.region))
        fields.text("imageUrl", optional("https://img.example.org/\(id).png"))
        return update(.participant, id, fields)
    }

    private mutating func stageUpdate(_ id: String) -> GeneratedUpdate {
        var fields = MessageWriter()
        fields.text("id", id)
        fields.text("sport", reference.stages[id]?.sport ?? "soccer")
        fields.text("name", name())
        fields.text("slug", optional("slug"))
        fields.text("categoryId", number(0..<6) == 0 ? "unknown-category" : self.id(.category))
        fields.text("seasonId", number(0..<6) == 0 ? nil : self.id(.season))
        fields.integer("positionScores", number(0..<4) == 0 ? nil : Int64(number(-2..<40)))
        fields.integer("positionTeams", number(0..<4) == 0 ? nil : Int64(number(-2..<10)))
        return update(.stage, id, fields)
    }

    private mutating func categoryUpdate(_ id: String) -> GeneratedUpdate {
        var fields = MessageWriter()
        fields.text("id", id)
        fields.text("sport", "soccer")
        fields.text("name", name())
        fields.text("slug", optional("slug"))
        fields.text("regionId", number(0..<5) == 0 ? nil : self.id(.region))
        return update(.category, id, fields)
    }

    private mutating func seasonUpdate(_ id: String) -> GeneratedUpdate {
        var fields = MessageWriter()
        fields.text("id", id)
        fields.text("name", name())
        fields.text("startDate", optional("2025-07-01"))
        return update(.season, id, fields)
    }

    private mutating func regionUpdate(_ id: String) -> GeneratedUpdate {
        var fields = MessageWriter()
        fields.text("id", id)
        fields.text("name", name())
        fields.text("code", optional("XYZ"))
        return update(.region, id, fields)
    }

    // MARK: Invalid updates

    /// The same message with one rule broken; a rule for each field that the model has.
    private mutating func broken(_ update: GeneratedUpdate, _ value: [UInt8]) -> GeneratedUpdate {
        var update = update
        update.isInvalid = true
        let text = String(decoding: value.dropLast(), as: UTF8.self)
        // Of a repeated field the last wins, so appending one breaks the message.
        let field = Self.brokenFields(update.kind).randomElement(using: &random) ?? "\"id\":null"
        switch number(0..<12) {
        case 0: update.value = Array(value.dropLast(number(1..<value.count)))
        case 1: update.value = Array(text.utf8) + Array(",\"pad\":\"".utf8) + Array(repeating: 0x78, count: 256 << 10) + [0x22, 0x7D]
        case 2: update.value = Array(text.utf8) + Array(",\"name\":\"".utf8) + [0xC3, 0x28, 0x22, 0x7D]
        case 3: update.value = Array(["[]", "1", "\"text\"", "{}", "null", "{\"id\":1}", ""].randomElement(using: &random)?.utf8 ?? "".utf8)
        case 4: update.value = value + Array("x".utf8)
        case 5: update.key = Array("another-key".utf8)
        default: update.value = Array((text + "," + field + "}").utf8)
        }
        return update
    }

    private static func brokenFields(_ kind: ModelKind) -> [String] {
        let always = ["\"id\":null", "\"id\":7", "\"id\":\"other\"", "\"id\":\"\"", "\"x\":tru", "\"x\":01", "\"x\":\"\u{1}\""]
        let named = always + ["\"name\":null", "\"name\":1", "\"name\":\"\\ud800\"", "\"name\":[]"]
        let sport = ["\"sport\":null", "\"sport\":\"golf\"", "\"sport\":\"SOCCER\"", "\"sport\":1"]
        switch kind {
        case .event:
            let many = "\"participants\":[" + Array(repeating: "{\"id\":\"p\"}", count: 65).joined(separator: ",") + "]"
            return always + sport + [
                many, "\"participants\":[]", "\"participants\":null", "\"participants\":[{}]", "\"participants\":{}",
                "\"participants\":[{\"id\":\"a b\"}]", "\"participants\":[{\"id\":\"p\",\"score\":2}]",
                "\"participants\":[{\"id\":\"p\",\"periodScores\":[2]}]",
                "\"participants\":[{\"id\":\"p\",\"periodScores\":\"2\"}]", "\"participants\":[null]",
                "\"stageId\":null", "\"stageId\":\"a/b\"", "\"stageId\":\"\(String(repeating: "s", count: 65))\"",
                "\"status\":null", "\"status\":\"LIVE\"", "\"status\":\"finished\"", "\"period\":1", "\"period\":\"\\udfff\"",
                "\"minute\":1.5", "\"minute\":\"1\"", "\"minute\":9223372036854775808", "\"minute\":1e3",
                "\"scheduledStart\":null", "\"scheduledStart\":\"2025-02-30T00:00:00Z\"", "\"scheduledStart\":1",
                "\"scheduledStart\":\"2025-01-01\"", "\"scheduledStart\":\"2016-12-31T23:59:60Z\"",
                "\"scheduledStart\":\"2025-01-01T00:00:00\"", "\"scheduledStart\":\"0000-06-01T00:00:00Z\"",
            ]
        case .participant:
            return named + sport + [
                "\"shortName\":1", "\"abbreviation\":{}", "\"imageUrl\":false", "\"regionId\":\"a b\"", "\"regionId\":\"\"",
                "\"regionId\":1",
            ]
        case .stage:
            return named + sport + [
                "\"slug\":1", "\"categoryId\":\"é\"", "\"seasonId\":\"\"", "\"positionScores\":\"1\"",
                "\"positionScores\":1.0", "\"positionTeams\":-9223372036854775809", "\"positionTeams\":true",
            ]
        case .season: return named + ["\"startDate\":1", "\"endDate\":[]"]
        case .region: return named + ["\"code\":1"]
        case .category: return named + sport + ["\"slug\":1", "\"regionId\":\"a,b\""]
        }
    }
}

/// Writes one JSON object; nil fields are left out.
struct MessageWriter {
    private var bytes: [UInt8] = [0x7B]

    mutating func raw(_ name: String, _ value: [UInt8]?) {
        guard let value else { return }
        if bytes.count > 1 { bytes.append(0x2C) }
        bytes.append(contentsOf: "\"\(name)\":".utf8)
        bytes.append(contentsOf: value)
    }

    mutating func text(_ name: String, _ text: ReferenceText?) { raw(name, text?.quoted) }
    mutating func text(_ name: String, _ text: String?) { raw(name, text.map { JSON.quoted(Array($0.utf8)) }) }
    mutating func integer(_ name: String, _ integer: Int64?) { raw(name, integer.map { Array(String($0).utf8) }) }

    func closed() -> [UInt8] { bytes + [0x7D] }
}
