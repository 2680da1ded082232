// A store of fixed content, the messages it was made of, and the requests that are put to it. Everything is made from
// numbers, so that each run counts the same.

import Decode
import Model
import Placement
import Query
import Selection
import Store

struct Sample {
    var kind: ModelKind
    var key: [UInt8]
    var value: [UInt8]
    var message: Message
    var arena: MessageArena
    var partition: PartitionID
}

final class Fixture {
    static let partitions = 12
    static let teams = 400
    static let stages = 20
    static let events = 4_000
    static let now = Timestamp(milliseconds: 1_773_500_400_000)  // 2026-03-14T15:00:00Z

    let store = Store(partitionCounts: [Fixture.partitions, 1, 1, 1, 1, 1])
    let writer: StoreWriter
    /// The events, in no store yet where `isLoaded` was false, and a newer message of each.
    let events: [Sample]
    let updates: [Sample]
    let eventIDs: [ID]
    let teamIDs: [ID]
    private var offset: Int64 = 0

    init(isLoaded: Bool) {
        writer = StoreWriter(store)
        events = (0..<Self.events).map { Self.sample(.event, "e\($0)", Self.event($0, "FINISHED")) }
        updates = (0..<Self.events).map { Self.sample(.event, "e\($0)", Self.event($0, "INTERRUPTED")) }
        eventIDs = events.compactMap { ID($0.key.span) }
        teamIDs = (0..<Self.teams).compactMap { ID("t\($0)") }
        for sample in Self.references() { apply(sample) }
        writer.setReady((0..<Self.partitions).map { PartitionID($0) })
        if isLoaded { for sample in events { apply(sample) } }
        while writer.rerender(budget: 1_000) { writer.reclaim() }
        writer.setGlobalsReady()
        writer.publishGlobals()
        writer.reclaim()
    }

    func apply(_ sample: Sample) {
        let result = writer.apply(sample.message, sample.arena, partition: sample.partition, offset: Offset(offset))
        offset += 1
        if case .refused(let refusal) = result {
            preconditionFailure("a message of the fixture was refused: \(refusal)")
        }
    }

    /// The query of a whole holder: 10 event ids and 3 team ids.
    func query(_ number: Int) -> HolderQuery {
        let events = (0..<10).map { eventIDs[(number * 97 + $0 * 391) % eventIDs.count] }.sorted()
        let teams = (0..<3).map { teamIDs[(number * 31 + $0 * 17) % teamIDs.count] }.sorted()
        let rules = SelectionRules()
        return HolderQuery(
            request: .matches(
                MatchesRequest(sport: .soccer, eventIDs: events, teamIDs: teams, limit: rules.limitMax, offset: 0)),
            partitions: PartitionSet(below: Self.partitions), now: Self.now,
            eventsPerTeamMax: rules.eventsPerTeamMax, matchesRemainMs: rules.matchesRemainMs)
    }

    // MARK: - The messages

    private static func sample(_ kind: ModelKind, _ key: String, _ value: String) -> Sample {
        var decoder = Decoder()
        var arena = MessageArena()
        let (key, value) = (Array(key.utf8), Array(value.utf8))
        let partition = Partitioner.partition(of: key.span, partitions: kind == .event ? partitions : 1)
        do throws(InvalidMessage) {
            let message = try decoder.decode(kind, key: key.span, value: value.span, into: &arena)
            return Sample(kind: kind, key: key, value: value, message: message, arena: arena, partition: partition)
        } catch {
            preconditionFailure("a message of the fixture is invalid: \(error)")
        }
    }

    static func references() -> [Sample] {
        var samples = [
            sample(.region, "eng", #"{"id":"eng","name":"England","code":"ENG"}"#),
            sample(.season, "s1", #"{"id":"s1","name":"2025/26","startDate":"2025-07-01","endDate":"2026-06-30"}"#),
            sample(
                .category, "c1", #"{"id":"c1","sport":"soccer","name":"England","slug":"england","regionId":"eng"}"#),
        ]
        for number in 0..<stages {
            let names = #""name":"League \#(number)","slug":"league-\#(number)","categoryId":"c1","seasonId":"s1""#
            samples.append(
                sample(
                    .stage, "st\(number)",
                    #"{"id":"st\#(number)","sport":"soccer",\#(names),"positionScores":\#(number * 7 % 20)}"#))
        }
        for number in 0..<teams {
            let names =
                #""name":"Athletic Club \#(number)","shortName":"Athletic \#(number)","abbreviation":"A\#(number)""#
            samples.append(
                sample(.participant, "t\(number)", #"{"id":"t\#(number)","sport":"soccer",\#(names),"regionId":"eng"}"#)
            )
        }
        return samples
    }

    /// Half of the events are over, half lie ahead; a team has twenty. `over`: the status of one that has begun.
    private static func event(_ number: Int, _ over: String) -> String {
        let isOver = number % 2 == 0
        let start = Timestamp(
            milliseconds: now.milliseconds + Int64(isOver ? -1 : 1) * Int64(1 + number % 40) * 86_400_000)
        let home = number % teams
        let away = (number * 7 + number / teams + 1) % teams
        let score = isOver ? #","score":"2","periodScores":["1","1"]"# : ""
        let status = isOver ? over : "NOT_STARTED"
        return #"{"id":"e\#(number)","sport":"soccer","stageId":"st\#(number % stages)","#
            + #""scheduledStart":"\#(start)","status":"\#(status)","participants":"#
            + #"[{"id":"t\#(home)"\#(score)},{"id":"t\#(away == home ? (away + 1) % teams : away)"\#(score)}]}"#
    }
}
