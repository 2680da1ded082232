import Model
import Query
import Selection
import Synchronization
import TestSupport

/// One reader: random requests, and what must hold of every answer while the writer changes everything.
final class StressReader {
    private let shared: StressShared
    private let holder: StoreHolder
    private var builder = AnswerBuilder()
    private var random: SeededGenerator
    /// The newest version of each event that this reader was shown.
    private var shown: [String: Int] = [:]
    private(set) var answers = 0
    private(set) var refusals = 0

    init(_ shared: StressShared, seed: UInt64) {
        self.shared = shared
        holder = StoreHolder(shared.store, nowMs: { 0 })
        random = SeededGenerator(seed: seed)
    }

    func run(requests: Int) {
        for _ in 0..<requests { ask() }
    }

    private func number(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    private func ask() {
        let asksTeamZeroAlone = number(3) == 0
        let events = asksTeamZeroAlone ? [] : (0..<number(12)).map { _ in "e\(number(StressShared.eventCount))" }
        let teams = asksTeamZeroAlone ? ["p0"] : (0..<1 + number(4)).map { _ in "p\(number(StressShared.teamCount))" }
        let perTeam = number(2) == 0 ? 3 : 50
        var partitions = PartitionSet(below: StressShared.partitions)
        if number(2) == 0 { partitions.remove(StressShared.movingPartition) }
        let request = Request.matches(
            MatchesRequest(
                sport: .soccer, eventIDs: Set(events.compactMap { ID($0) }).sorted(),
                teamIDs: Set(teams.compactMap { ID($0) }).sorted(), limit: 350, offset: 0))
        let query = HolderQuery(
            request: request, partitions: partitions, now: Timestamp(milliseconds: 0), eventsPerTeamMax: perTeam,
            matchesRemainMs: 3_600_000, takesPacked: number(2) == 0)
        guard let body = answer(query) else { return }
        answers += 1
        check(body, "\(events) \(teams) \(perTeam)")
        if asksTeamZeroAlone, perTeam == 3 {
            expect(eventIDs(body).sorted() == StressShared.anchors, "an event that stays is missing", body)
        }
        for id in events where StressShared.anchors.contains(id) {
            expect(eventIDs(body).contains(id), "an event asked for is missing", body)
        }
    }

    private func answer(_ query: HolderQuery) -> JSON? {
        var body: [UInt8] = []
        var refusal: HolderRefusal?
        builder.begin(query.request, eventsPerTeamMax: query.eventsPerTeamMax, isGzip: query.takesPacked)
        unsafe holder.answer(
            query, needs: PositionNeeds(), knowing: nil,
            part: { part, _, _ in
                unsafe builder.add(part, rank: 0)
                builder.finish()
                body = Array(repeating: 0, count: builder.bodyCount)
                unsafe body.withUnsafeMutableBytes { unsafe builder.write(to: $0) }
                if query.takesPacked {
                    guard let plain = gunzip(body) else { return shared.report("zlib cannot read \(body)") }
                    body = plain
                }
            }, refused: { refusal = $0 })
        if let refusal {
            refusals += 1
            var moving = PartitionSet()
            moving.insert(StressShared.movingPartition)
            if refusal != .notHeld(moving) { shared.report("refused: \(refusal)") }
            return nil
        }
        do throws(JSON.Malformed) {
            return try JSON(body)
        } catch {
            shared.report("\(error.reason): \(String(decoding: body, as: UTF8.self))")
            return nil
        }
    }

    // MARK: - What must hold

    private func expect(_ holds: Bool, _ what: String, _ context: Any) {
        if !holds { shared.report("seed \(random.seed): \(what): \(context)") }
    }

    private func check(_ body: JSON, _ request: String) {
        let stages = list(body["stages"])
        let ids = stages.map { text($0["id"]) }
        expect(Set(ids).count == ids.count, "a stage twice", body)
        let events = eventIDs(body)
        expect(Set(events).count == events.count, "an event twice: \(request)", body)
        expect(body["total"] == .integer(Int64(events.count)), "the total", body)
        for stage in stages {
            if let name = stage["name"] { expect(name == stage["slug"], "a stage of two versions", stage) }
            let keys = list(stage["events"]).map { [text($0["scheduledStart"]), text($0["name"]), text($0["id"])] }
            expect(!keys.isEmpty, "a stage without events", stage)
            for (left, right) in zip(keys, keys.dropFirst()) {
                expect(left.lexicographicallyPrecedes(right), "order", stage)
            }
            for event in list(stage["events"]) { check(event: event) }
        }
    }

    private func check(event: JSON) {
        guard case .integer(let version) = event["minute"] else { return expect(false, "no version", event) }
        let id = text(event["id"])
        expect(version <= shared.newest.load(ordering: .acquiring), "a version never published", event)
        expect(Int(version) >= shown[id, default: 0], "an older version than before", event)
        shown[id] = Int(version)
        expect(text(event["period"]) == "\(version)", "two versions", event)
        let participants = list(event["participants"])
        for participant in participants {
            expect(participant["score"] == .text(Array("\(version)".utf8)), "two versions", event)
            expect(list(participant["periodScores"]).map(text) == ["\(version)"], "two versions", event)
            if let name = participant["name"] {
                expect(text(name) == "N" + text(participant["shortName"]), "a participant of two versions", event)
            }
        }
        let names = participants.map { text($0["name"] ?? $0["id"]) }
        expect(text(event["name"]) == names.joined(separator: " - "), "the event's name", event)
    }

    private func eventIDs(_ body: JSON) -> [String] {
        list(body["stages"]).flatMap { list($0["events"]) }.map { text($0["id"]) }
    }

    private func list(_ value: JSON?) -> [JSON] {
        if case .array(let values) = value { values } else { [] }
    }

    private func text(_ value: JSON?) -> String {
        if case .text(let bytes) = value { String(decoding: bytes, as: UTF8.self) } else { "" }
    }
}
