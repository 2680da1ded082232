// The naive reference of the contract: it keeps the parsed messages and works every answer out from scratch. Written
// from the contract's text alone. Tests load it with the messages they publish and compare answers byte for byte.
// Not thread-safe: one test owns it.

public import Model

public final class Reference {
    public let rules: SelectionRules

    var events: [String: ReferenceEvent] = [:]
    var participants: [String: ReferenceParticipant] = [:]
    var stages: [String: ReferenceStage] = [:]
    var seasons: [String: ReferenceSeason] = [:]
    var regions: [String: ReferenceRegion] = [:]
    var categories: [String: ReferenceCategory] = [:]
    /// Only to be fast enough: for each team its events by id.
    var teamEvents: [String: [String: ReferenceEvent]] = [:]
    /// Only to be fast enough: events' names and JSON as rendered since the last change of any participant.
    var rendered: [String: RenderedEvent] = [:]

    public init(rules: SelectionRules = SelectionRules()) { self.rules = rules }

    /// Applies one message. Returns nil, or the reason why it is invalid and changed nothing.
    @discardableResult
    public func apply(_ kind: ModelKind, key: [UInt8]?, value: [UInt8]?) -> String? {
        guard let key else { return "no key" }
        guard let value else {
            remove(kind, String(decoding: key, as: UTF8.self))
            return nil
        }
        guard value.count <= 256 * 1024 else { return "over 256 KiB" }
        do {
            try insert(kind, key: key, MessageFields(try JSON(value)), bytes: value.count)
            return nil
        } catch let malformed as JSON.Malformed {
            return "no JSON: " + malformed.reason
        } catch let invalid as Invalid {
            return invalid.reason
        } catch {
            return "\(error)"
        }
    }

    private func insert(_ kind: ModelKind, key: [UInt8], _ fields: MessageFields, bytes: Int) throws(Invalid) {
        guard Array(try fields.id("id").utf8) == key else { throw Invalid("the id differs from the key") }
        switch kind {
        case .event:
            let event = try fields.event()
            // 7 participants of the greatest size, their names twice, and 4 KiB of the event stay within an event's limit.
            if bytes > 4096 || event.participants.count > 7 {
                try check(renderEvent(event).json, max: Limits.eventRecordBytesMax)
            }
            replaceEvent(event.id, event)
        case .participant:
            let participant = try fields.participant()
            try check(teamJSON(participant, joined: false), max: Limits.referenceRecordBytesMax)
            participants[participant.id] = participant
            rendered = [:]
        case .stage:
            let stage = try fields.stage()
            try check(stageJSON(stage, joined: false), max: Limits.referenceRecordBytesMax)
            stages[stage.id] = stage
        case .season:
            let season = try fields.season()
            try check(seasonJSON(season), max: Limits.referenceRecordBytesMax)
            seasons[season.id] = season
        case .region:
            let region = try fields.region()
            try check(regionJSON(region), max: Limits.referenceRecordBytesMax)
            regions[region.id] = region
        case .category:
            let category = try fields.category()
            try check(categoryJSON(category), max: Limits.referenceRecordBytesMax)
            categories[category.id] = category
        }
    }

    private func check(_ record: [UInt8], max: Int) throws(Invalid) {
        guard record.count <= max else { throw Invalid("rendered, it takes \(record.count) bytes") }
    }

    private func remove(_ kind: ModelKind, _ id: String) {
        switch kind {
        case .event: replaceEvent(id, nil)
        case .participant:
            if participants.removeValue(forKey: id) != nil { rendered = [:] }
        case .stage: stages[id] = nil
        case .season: seasons[id] = nil
        case .region: regions[id] = nil
        case .category: categories[id] = nil
        }
    }

    private func replaceEvent(_ id: String, _ event: ReferenceEvent?) {
        for participant in events[id]?.participants ?? [] {
            teamEvents[participant.id]?[id] = nil
            if teamEvents[participant.id]?.isEmpty == true { teamEvents[participant.id] = nil }
        }
        events[id] = event
        rendered[id] = nil
        guard let event else { return }
        for participant in event.participants { teamEvents[participant.id, default: [:]][id] = event }
    }

    /// The ids of a model that are known now, sorted.
    public func ids(_ kind: ModelKind) -> [String] {
        switch kind {
        case .event: events.keys.sorted()
        case .participant: participants.keys.sorted()
        case .stage: stages.keys.sorted()
        case .season: seasons.keys.sorted()
        case .region: regions.keys.sorted()
        case .category: categories.keys.sorted()
        }
    }
}
