// What the tests of this target share: messages as JSON text, and a decoded message as one line of text, so that two
// decoders can be compared and a table can say what it expects.

import Decode
import Model

/// The fields of a message as JSON, in order. The contract's required fields alone, and all of them.
enum Messages {
    static func required(_ kind: ModelKind) -> [(name: String, json: String)] {
        switch kind {
        case .event:
            [
                ("id", #""x1""#), ("sport", #""soccer""#), ("stageId", #""st1""#),
                ("scheduledStart", #""2025-08-16T14:00:00Z""#), ("status", #""IN_PROGRESS""#),
                ("participants", #"[{"id":"p1"},{"id":"p2"}]"#),
            ]
        case .participant, .stage, .category:
            [("id", #""x1""#), ("sport", #""tennis""#), ("name", #""Name""#)]
        case .season, .region:
            [("id", #""x1""#), ("name", #""Name""#)]
        }
    }

    static func optional(_ kind: ModelKind) -> [(name: String, json: String)] {
        switch kind {
        case .event: [("period", #""2H""#), ("minute", "67")]
        case .participant:
            [
                ("shortName", #""Short""#), ("abbreviation", #""ABB""#), ("regionId", #""eng""#),
                ("imageUrl", #""https://img.example.org/1""#),
            ]
        case .stage:
            [
                ("slug", #""slug""#), ("categoryId", #""c1""#), ("seasonId", #""s1""#), ("positionScores", "5"),
                ("positionTeams", "-6"),
            ]
        case .season: [("startDate", #""2025-07-01""#), ("endDate", #""any text""#)]
        case .region: [("code", #""ENG""#)]
        case .category: [("slug", #""slug""#), ("regionId", #""eng""#)]
        }
    }

    static func all(_ kind: ModelKind) -> [(name: String, json: String)] { required(kind) + optional(kind) }

    static func object(_ fields: [(name: String, json: String)]) -> String {
        "{" + fields.map { "\"\($0.name)\":\($0.json)" }.joined(separator: ",") + "}"
    }

    /// The message with all fields, one of them with another value, or without it.
    static func changing(_ kind: ModelKind, _ name: String, to json: String?) -> String {
        var fields = all(kind).filter { $0.name != name }
        if let json { fields.append((name, json)) }
        return object(fields)
    }
}

/// What a decoder made of a message: its line, or the reason.
enum Outcome: Equatable, CustomStringConvertible {
    case message(String)
    case invalid(String)

    var description: String {
        switch self {
        case .message(let line): line
        case .invalid(let reason): "invalid: \(reason)"
        }
    }
}

/// A decoder and its arena, as ingest has them.
struct Harness: ~Copyable {
    var decoder = Decoder()
    var arena = MessageArena()

    mutating func decode(_ kind: ModelKind, _ json: String, key: String = "x1") -> Outcome {
        decode(kind, Array(json.utf8), key: Array(key.utf8))
    }

    mutating func decode(_ kind: ModelKind, _ json: [UInt8], key: [UInt8] = Array("x1".utf8)) -> Outcome {
        do throws(InvalidMessage) {
            return .message(line(try decoder.decode(kind, key: key.span, value: json.span, into: &arena)))
        } catch {
            return .invalid(error.description)
        }
    }

    func line(_ message: Message) -> String {
        switch message {
        case .event(let event): line(event)
        case .participant(let team):
            Line("participant", team.id, team.sport.name)
                .with("name", quoted(team.name)).with("shortName", quoted(team.shortName))
                .with("abbreviation", quoted(team.abbreviation)).with("regionId", team.regionID)
                .with("imageUrl", quoted(team.imageURL)).text
        case .stage(let stage):
            Line("stage", stage.id, stage.sport.name)
                .with("name", quoted(stage.name)).with("slug", quoted(stage.slug)).with("categoryId", stage.categoryID)
                .with("seasonId", stage.seasonID).with("positionScores", stage.positionScores)
                .with("positionTeams", stage.positionTeams).text
        case .season(let season): Line("season", season.id).with("name", quoted(season.name)).text
        case .region(let region):
            Line("region", region.id).with("name", quoted(region.name)).with("code", quoted(region.code)).text
        case .category(let category):
            Line("category", category.id, category.sport.name)
                .with("name", quoted(category.name)).with("slug", quoted(category.slug))
                .with("regionId", category.regionID).text
        }
    }

    private func line(_ event: EventMessage) -> String {
        var line = Line("event", event.id, event.sport.name, event.stageID, event.start, event.status.name)
        for participant in arena.participants {
            line = line.with("participant", participant.id).with("score", quoted(participant.score))
                .with("periodScores", participant.periodScores.map { $0.map { quoted(arena.periodScores[$0]) } })
        }
        return line.with("period", quoted(event.period)).with("minute", event.minute).text
    }

    private func quoted(_ text: Text) -> String { arena.string(text).debugDescription }
    private func quoted(_ text: Text?) -> String? { text.map { quoted($0) } }
}

/// Words behind one another; what is absent is left out.
struct Line {
    var text: String

    init(_ words: Any...) { text = words.map { "\($0)" }.joined(separator: " ") }

    func with(_ name: String, _ value: (some Any)?) -> Line {
        guard let value else { return self }
        return Line(text, "\(name)=\(value)")
    }
}
