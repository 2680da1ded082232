// Takes one message of Kafka to a checked value (contract, section 1).
//
//   value ──► CSimdjson: whole document checked, known fields found ──► rules, field by field ──► Message
//                                                                              └─ texts ──► MessageArena
//
// One decoder belongs to one thread, the writer's. Its memory is taken once: decoding allocates nothing, save where
// the arena grows to the largest message seen so far.
//
// What the contract leaves open is decided here: a document nested deeper than `depthMax` is invalid; so is one that
// opens with a byte order mark, which is no JSON. An integer is a JSON number without fraction and exponent, so
// `1.0` and `1e0` are none. Where several rules are broken, the reason is that of the first, in the order of the
// contract's table.

import CSimdjson
public import Model

// `@safe`: the pointer to the reader never leaves, and every size that C sees comes from a span or from `Limits`.
// `@unchecked Sendable`: the decoder is the reader's only owner, cannot be copied, and decodes through exclusive access
// alone, so handing it to another thread leaves nothing behind on the first.
@safe
public struct Decoder: ~Copyable, @unchecked Sendable {
    /// Nesting of objects and lists in a value; ours nest three deep, fields to be ignored may nest deeper.
    static let depthMax = 1024

    private let reader: OpaquePointer

    /// Traps where there is no memory for it: some 6 MiB, of which only what messages reach is touched.
    public init() {
        guard
            let reader = unsafe favorites_json_create(
                Limits.messageBytesMax, Self.depthMax, Limits.participantsPerEventMax)
        else { preconditionFailure("No memory for a decoder.") }
        unsafe self.reader = reader
    }

    deinit { unsafe favorites_json_destroy(reader) }

    /// Decodes a value that is not null.
    ///
    /// The texts of the message stand in `arena`, which is emptied first. After an error its content means nothing.
    ///
    /// - Parameter key: empty where the message has none, which makes it invalid.
    public mutating func decode(
        _ kind: ModelKind, key: Span<UInt8>, value: Span<UInt8>, into arena: inout MessageArena
    ) throws(InvalidMessage) -> Message {
        arena.removeAll()
        guard !key.isEmpty else { throw InvalidMessage("key", .missing) }
        switch kind {
        case .event: return .event(try event(key, value, &arena))
        case .participant: return .participant(try participant(key, value, &arena))
        case .stage: return .stage(try stage(key, value, &arena))
        case .season: return .season(try season(key, value, &arena))
        case .region: return .region(try region(key, value, &arena))
        case .category: return .category(try category(key, value, &arena))
        }
    }

    /// As `decode`, of an event.
    public mutating func decodeEvent(
        key: Span<UInt8>, value: Span<UInt8>, into arena: inout MessageArena
    ) throws(InvalidMessage) -> EventMessage {
        arena.removeAll()
        guard !key.isEmpty else { throw InvalidMessage("key", .missing) }
        return try event(key, value, &arena)
    }

    /// Reads a value into the flat structure of its model, whose texts may point into the value: they are copied while
    /// its span is still alive.
    @unsafe
    private func read<Fields>(
        _ value: Span<UInt8>, _ fields: inout Fields,
        _ read: (OpaquePointer, UnsafePointer<UInt8>?, Int, UnsafeMutablePointer<Fields>) -> FavoritesJSONResult
    ) throws(InvalidMessage) {
        let result = unsafe value.withUnsafeBufferPointer { bytes in
            unsafe read(reader, bytes.baseAddress, bytes.count, &fields)
        }
        switch result {
        case .read: return
        case .malformed: throw InvalidMessage("value", .notJSON)
        case .notUTF8: throw InvalidMessage("value", .notUTF8)
        case .badText: throw InvalidMessage("value", .badText)
        case .tooDeep: throw InvalidMessage("value", .tooDeep)
        case .tooLarge: throw InvalidMessage("value", .tooLarge)
        case .notObject: throw InvalidMessage("value", .notObject)
        }
    }

    private func event(
        _ key: Span<UInt8>, _ value: Span<UInt8>, _ arena: inout MessageArena
    ) throws(InvalidMessage) -> EventMessage {
        var fields = FavoritesJSONEvent()
        unsafe try read(value, &fields, favorites_json_event)
        let id = try fields.id.id(equalTo: key)
        let sport = try fields.sport.sport()
        let stageID = try fields.stageId.id("stageId")
        let start = try fields.scheduledStart.timestamp("scheduledStart")
        let status = try fields.status.status()
        try fields.addParticipants(to: &arena)
        return EventMessage(
            id: id, sport: sport, stageID: stageID, start: start, status: status,
            period: try fields.period.optionalText("period", into: &arena),
            minute: try fields.minute.optionalInteger("minute"))
    }

    private func participant(
        _ key: Span<UInt8>, _ value: Span<UInt8>, _ arena: inout MessageArena
    ) throws(InvalidMessage) -> ParticipantMessage {
        var fields = FavoritesJSONTeam()
        unsafe try read(value, &fields, favorites_json_team)
        return ParticipantMessage(
            id: try fields.id.id(equalTo: key),
            sport: try fields.sport.sport(),
            name: try fields.name.text("name", into: &arena),
            shortName: try fields.shortName.optionalText("shortName", into: &arena),
            abbreviation: try fields.abbreviation.optionalText("abbreviation", into: &arena),
            regionID: try fields.regionId.optionalID("regionId"),
            imageURL: try fields.imageUrl.optionalText("imageUrl", into: &arena))
    }

    private func stage(
        _ key: Span<UInt8>, _ value: Span<UInt8>, _ arena: inout MessageArena
    ) throws(InvalidMessage) -> StageMessage {
        var fields = FavoritesJSONStage()
        unsafe try read(value, &fields, favorites_json_stage)
        return StageMessage(
            id: try fields.id.id(equalTo: key),
            sport: try fields.sport.sport(),
            name: try fields.name.text("name", into: &arena),
            slug: try fields.slug.optionalText("slug", into: &arena),
            categoryID: try fields.categoryId.optionalID("categoryId"),
            seasonID: try fields.seasonId.optionalID("seasonId"),
            positionScores: try fields.positionScores.optionalInteger("positionScores"),
            positionTeams: try fields.positionTeams.optionalInteger("positionTeams"))
    }

    private func season(
        _ key: Span<UInt8>, _ value: Span<UInt8>, _ arena: inout MessageArena
    ) throws(InvalidMessage) -> SeasonMessage {
        var fields = FavoritesJSONSeason()
        unsafe try read(value, &fields, favorites_json_season)
        let season = SeasonMessage(
            id: try fields.id.id(equalTo: key),
            name: try fields.name.text("name", into: &arena))
        try fields.startDate.checkOptionalText("startDate")
        try fields.endDate.checkOptionalText("endDate")
        return season
    }

    private func region(
        _ key: Span<UInt8>, _ value: Span<UInt8>, _ arena: inout MessageArena
    ) throws(InvalidMessage) -> RegionMessage {
        var fields = FavoritesJSONRegion()
        unsafe try read(value, &fields, favorites_json_region)
        return RegionMessage(
            id: try fields.id.id(equalTo: key),
            name: try fields.name.text("name", into: &arena),
            code: try fields.code.optionalText("code", into: &arena))
    }

    private func category(
        _ key: Span<UInt8>, _ value: Span<UInt8>, _ arena: inout MessageArena
    ) throws(InvalidMessage) -> CategoryMessage {
        var fields = FavoritesJSONCategory()
        unsafe try read(value, &fields, favorites_json_category)
        return CategoryMessage(
            id: try fields.id.id(equalTo: key),
            sport: try fields.sport.sport(),
            name: try fields.name.text("name", into: &arena),
            slug: try fields.slug.optionalText("slug", into: &arena),
            regionID: try fields.regionId.optionalID("regionId"))
    }
}

extension FavoritesJSONEvent {
    /// Appends the participants, 1 to 64, with their scores.
    fileprivate func addParticipants(to arena: inout MessageArena) throws(InvalidMessage) {
        guard let count = try participants.optionalListCount("participants") else {
            throw InvalidMessage("participants", .missing)
        }
        guard count > 0 else { throw InvalidMessage("participants", .empty) }
        guard count <= Limits.participantsPerEventMax else { throw InvalidMessage("participants", .tooMany) }
        for index in 0..<count {
            let participant = unsafe participantList[index]
            guard participant.isObject != 0 else { throw InvalidMessage("participants", .notObject) }
            let id = try participant.id.id("participants.id")
            let score = try participant.score.optionalText("participants.score", into: &arena)
            let periodScores = try addPeriodScores(of: participant, to: &arena)
            arena.participants.append(EventParticipant(id: id, score: score, periodScores: periodScores))
        }
    }

    /// The range of its period scores in the arena; nil where the participant has no such list.
    private func addPeriodScores(
        of participant: FavoritesJSONParticipant, to arena: inout MessageArena
    ) throws(InvalidMessage) -> Range<Int>? {
        let field: StaticString = "participants.periodScores"
        guard let count = try participant.periodScores.optionalListCount(field) else { return nil }
        let start = arena.periodScores.count
        for index in 0..<count {
            let score = unsafe scores[Int(participant.scoresStart) + index]
            guard score.type == .text else { throw InvalidMessage(field, .notText) }
            arena.periodScores.append(try score.text(field, into: &arena))
        }
        return start..<start + count
    }
}
