// The six models as the reference keeps them, and their validation by section 1 of the contract. Nothing here is taken
// from the product's code, so that a mistake there is not repeated here.

/// Why a message is invalid.
struct Invalid: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// A text and its JSON form.
struct ReferenceText: Equatable {
    let bytes: [UInt8]
    let quoted: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        self.quoted = JSON.quoted(bytes)
    }

    init(_ string: String) { self.init(Array(string.utf8)) }
}

struct ReferenceParticipant {
    var id: String
    var sport: String
    var name: ReferenceText
    var shortName: ReferenceText?
    var abbreviation: ReferenceText?
    var regionID: String?
    var imageURL: ReferenceText?
}

struct ReferenceStage {
    var id: String
    var sport: String
    var name: ReferenceText
    var slug: ReferenceText?
    var categoryID: String?
    var seasonID: String?
    var positionScores: Int64?
    var positionTeams: Int64?
}

struct ReferenceSeason {
    var id: String
    var name: ReferenceText
}

struct ReferenceRegion {
    var id: String
    var name: ReferenceText
    var code: ReferenceText?
}

struct ReferenceCategory {
    var id: String
    var sport: String
    var name: ReferenceText
    var slug: ReferenceText?
    var regionID: String?
}

/// A class, so that the index by team holds it without a copy. Replaced as a whole, never changed.
final class ReferenceEvent {
    struct Participant {
        var id: String
        var score: ReferenceText?
        var periodScores: [ReferenceText]?
    }

    let id: String
    let sport: String
    let stageID: String
    /// Milliseconds since 1970.
    let start: Int64
    let status: String
    let participants: [Participant]
    let period: ReferenceText?
    let minute: Int64?

    init(
        id: String, sport: String, stageID: String, start: Int64, status: String, participants: [Participant],
        period: ReferenceText?, minute: Int64?
    ) {
        self.id = id
        self.sport = sport
        self.stageID = stageID
        self.start = start
        self.status = status
        self.participants = participants
        self.period = period
        self.minute = minute
    }
}

/// The fields of one message, read by name with the contract's rules.
struct MessageFields {
    let fields: [String: JSON]

    static let sports = ["soccer", "tennis", "hockey", "basketball", "cricket", "horses"]
    static let statuses = [
        "NOT_STARTED", "IN_PROGRESS", "INTERRUPTED", "FINISHED", "POSTPONED", "CANCELLED", "ABANDONED",
    ]

    init(_ json: JSON) throws(Invalid) {
        guard case .object(let fields) = json else { throw Invalid("no object") }
        self.fields = fields
    }

    /// Nil where the field is absent or null.
    private func value(_ name: String) -> JSON? {
        guard let value = fields[name], value != .null else { return nil }
        return value
    }

    func optionalText(_ name: String) throws(Invalid) -> ReferenceText? {
        guard let value = value(name) else { return nil }
        guard case .text(let bytes) = value else { throw Invalid("\(name) is no text") }
        return ReferenceText(bytes)
    }

    func text(_ name: String) throws(Invalid) -> ReferenceText {
        guard let text = try optionalText(name) else { throw Invalid("\(name) is missing") }
        return text
    }

    func optionalID(_ name: String) throws(Invalid) -> String? {
        guard let value = value(name) else { return nil }
        guard case .text(let bytes) = value, let id = referenceID(bytes) else { throw Invalid("\(name) is no id") }
        return id
    }

    func id(_ name: String) throws(Invalid) -> String {
        guard let id = try optionalID(name) else { throw Invalid("\(name) is missing") }
        return id
    }

    func integer(_ name: String) throws(Invalid) -> Int64? {
        guard let value = value(name) else { return nil }
        guard case .integer(let integer) = value else { throw Invalid("\(name) is no integer of 64 bits") }
        return integer
    }

    func oneOf(_ words: [String], _ name: String) throws(Invalid) -> String {
        let word = String(decoding: try text(name).bytes, as: UTF8.self)
        guard let found = words.first(where: { Array($0.utf8) == Array(word.utf8) }) else {
            throw Invalid("\(name) is unknown")
        }
        return found
    }

    func sport() throws(Invalid) -> String { try oneOf(Self.sports, "sport") }

    func participants() throws(Invalid) -> [ReferenceEvent.Participant] {
        guard case .array(let list)? = value("participants") else { throw Invalid("participants is no list") }
        guard (1...64).contains(list.count) else { throw Invalid("\(list.count) participants") }
        var result: [ReferenceEvent.Participant] = []
        for entry in list {
            let fields = try MessageFields(entry)
            result.append(
                ReferenceEvent.Participant(
                    id: try fields.id("id"), score: try fields.optionalText("score"),
                    periodScores: try fields.texts("periodScores")))
        }
        return result
    }

    private func texts(_ name: String) throws(Invalid) -> [ReferenceText]? {
        guard let value = value(name) else { return nil }
        guard case .array(let list) = value else { throw Invalid("\(name) is no list") }
        var result: [ReferenceText] = []
        for entry in list {
            guard case .text(let bytes) = entry else { throw Invalid("\(name) holds what is no text") }
            result.append(ReferenceText(bytes))
        }
        return result
    }
}

/// Nil where the bytes are no id by the contract.
func referenceID(_ bytes: [UInt8]) -> String? {
    guard (1...64).contains(bytes.count) else { return nil }
    for byte in bytes {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2E, 0x5F, 0x3A, 0x2D: continue
        default: return nil
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

extension MessageFields {
    func event() throws(Invalid) -> ReferenceEvent {
        guard let start = referenceMilliseconds(try text("scheduledStart").bytes) else {
            throw Invalid("scheduledStart is no time")
        }
        return ReferenceEvent(
            id: try id("id"), sport: try sport(), stageID: try id("stageId"), start: start,
            status: try oneOf(Self.statuses, "status"), participants: try participants(),
            period: try optionalText("period"), minute: try integer("minute"))
    }

    func participant() throws(Invalid) -> ReferenceParticipant {
        ReferenceParticipant(
            id: try id("id"), sport: try sport(), name: try text("name"), shortName: try optionalText("shortName"),
            abbreviation: try optionalText("abbreviation"), regionID: try optionalID("regionId"),
            imageURL: try optionalText("imageUrl"))
    }

    func stage() throws(Invalid) -> ReferenceStage {
        ReferenceStage(
            id: try id("id"), sport: try sport(), name: try text("name"), slug: try optionalText("slug"),
            categoryID: try optionalID("categoryId"), seasonID: try optionalID("seasonId"),
            positionScores: try integer("positionScores"), positionTeams: try integer("positionTeams"))
    }

    func season() throws(Invalid) -> ReferenceSeason {
        _ = try optionalText("startDate")
        _ = try optionalText("endDate")
        return ReferenceSeason(id: try id("id"), name: try text("name"))
    }

    func region() throws(Invalid) -> ReferenceRegion {
        ReferenceRegion(id: try id("id"), name: try text("name"), code: try optionalText("code"))
    }

    func category() throws(Invalid) -> ReferenceCategory {
        ReferenceCategory(
            id: try id("id"), sport: try sport(), name: try text("name"), slug: try optionalText("slug"),
            regionID: try optionalID("regionId"))
    }
}
