// The JSON of the contract's sections 2 and 3, written out field by field.

struct RenderedEvent {
    let id: String
    let start: Int64
    let stageID: String
    /// Its participants' names, joined; unescaped.
    let name: [UInt8]
    let json: [UInt8]
}

/// Writes `{"a":…,"b":…}` with the fields that are there.
private struct ObjectWriter {
    private(set) var bytes: [UInt8] = [0x7B]

    mutating func field(_ name: String, raw value: [UInt8]?) {
        guard let value else { return }
        if bytes.count > 1 { bytes.append(0x2C) }
        bytes.append(contentsOf: "\"\(name)\":".utf8)
        bytes.append(contentsOf: value)
    }

    mutating func field(_ name: String, _ text: ReferenceText?) { field(name, raw: text?.quoted) }
    mutating func field(_ name: String, _ text: String) { field(name, raw: JSON.quoted(Array(text.utf8))) }
    mutating func field(_ name: String, _ integer: Int64?) { field(name, raw: integer.map { Array(String($0).utf8) }) }

    func closed() -> [UInt8] { bytes + [0x7D] }
}

func jsonList(_ values: [[UInt8]]) -> [UInt8] { [0x5B] + Array(values.joined(separator: [0x2C])) + [0x5D] }

extension Reference {
    func event(_ event: ReferenceEvent) -> RenderedEvent {
        if let known = rendered[event.id] { return known }
        let new = renderEvent(event)
        rendered[event.id] = new
        return new
    }

    func renderEvent(_ event: ReferenceEvent) -> RenderedEvent {
        let names = event.participants.map { participants[$0.id]?.name.bytes ?? Array($0.id.utf8) }
        let name = Array(names.joined(separator: Array(" - ".utf8)))
        var writer = ObjectWriter()
        writer.field("id", event.id)
        writer.field("name", ReferenceText(name))
        writer.field("status", event.status)
        writer.field("scheduledStart", referenceTimeText(event.start))
        writer.field("period", event.period)
        writer.field("minute", event.minute)
        writer.field("participants", raw: jsonList(event.participants.map(eventParticipantJSON)))
        return RenderedEvent(
            id: event.id, start: event.start, stageID: event.stageID, name: name, json: writer.closed())
    }

    private func eventParticipantJSON(_ entry: ReferenceEvent.Participant) -> [UInt8] {
        let known = participants[entry.id]
        var writer = ObjectWriter()
        writer.field("id", entry.id)
        writer.field("name", known?.name)
        writer.field("shortName", known?.shortName)
        writer.field("abbreviation", known?.abbreviation)
        writer.field("score", entry.score)
        writer.field("periodScores", raw: entry.periodScores.map { jsonList($0.map(\.quoted)) })
        return writer.closed()
    }

    func teamJSON(_ team: ReferenceParticipant, joined: Bool = true) -> [UInt8] {
        var writer = ObjectWriter()
        writer.field("id", team.id)
        writer.field("name", team.name)
        writer.field("shortName", team.shortName)
        writer.field("abbreviation", team.abbreviation)
        writer.field("imageUrl", team.imageURL)
        if joined { writer.field("region", raw: team.regionID.flatMap { regions[$0] }.map(regionJSON)) }
        return writer.closed()
    }

    func regionJSON(_ region: ReferenceRegion) -> [UInt8] {
        var writer = ObjectWriter()
        writer.field("id", region.id)
        writer.field("name", region.name)
        writer.field("code", region.code)
        return writer.closed()
    }

    func categoryJSON(_ category: ReferenceCategory) -> [UInt8] {
        var writer = ObjectWriter()
        writer.field("id", category.id)
        writer.field("name", category.name)
        writer.field("slug", category.slug)
        return writer.closed()
    }

    func seasonJSON(_ season: ReferenceSeason) -> [UInt8] {
        var writer = ObjectWriter()
        writer.field("id", season.id)
        writer.field("name", season.name)
        return writer.closed()
    }

    /// With its category, region and season; `events` is what an answer adds.
    func stageJSON(_ stage: ReferenceStage, events: [[UInt8]]? = nil, joined: Bool = true) -> [UInt8] {
        let category = joined ? stage.categoryID.flatMap { categories[$0] } : nil
        let region = category?.regionID.flatMap { regions[$0] }
        var writer = ObjectWriter()
        writer.field("id", stage.id)
        writer.field("name", stage.name)
        writer.field("slug", stage.slug)
        writer.field("category", raw: category.map(categoryJSON))
        writer.field("region", raw: region.map(regionJSON))
        writer.field("season", raw: joined ? stage.seasonID.flatMap { seasons[$0] }.map(seasonJSON) : nil)
        writer.field("events", raw: events.map(jsonList))
        return writer.closed()
    }

    func unknownStageJSON(_ id: String, events: [[UInt8]]) -> [UInt8] {
        var writer = ObjectWriter()
        writer.field("id", id)
        writer.field("events", raw: jsonList(events))
        return writer.closed()
    }

    func matchesJSON(sport: String, total: Int, offset: Int, limit: Int, stages: [[UInt8]]) -> [UInt8] {
        var writer = ObjectWriter()
        writer.field("sport", sport)
        writer.field("total", Int64(total))
        writer.field("offset", Int64(offset))
        writer.field("limit", Int64(limit))
        writer.field("stages", raw: jsonList(stages))
        return writer.closed()
    }

    func teamsJSON(sport: String, teams: [[UInt8]]) -> [UInt8] {
        var writer = ObjectWriter()
        writer.field("sport", sport)
        writer.field("teams", raw: jsonList(teams))
        return writer.closed()
    }
}
