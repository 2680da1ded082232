import Foundation
import Model
import Query
import Render
import TestSupport
import Testing

/// Bytes that stay where they are as long as a test needs them.
@safe
private final class Texts {
    private var blocks = unsafe [UnsafeMutablePointer<UInt8>]()

    func view(_ text: String) -> ByteView {
        let bytes = Array(text.utf8)
        let block = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, bytes.count))
        for index in bytes.indices { unsafe (block + index).initialize(to: bytes[index]) }
        unsafe blocks.append(block)
        return unsafe ByteView(start: block, count: bytes.count)
    }

    deinit {
        for index in unsafe blocks.indices { unsafe blocks[index].deallocate() }
    }
}

private struct TestStage: Hashable {
    var id: String
    var isKnown = true
    var scores: Int64?
    var teams: Int64?
    var name = ""
    var json: String { "{\"id\":\"\(id)\",\"name\":\"\(name)\"" }

    func isBefore(_ other: TestStage) -> Bool {
        if isKnown != other.isKnown { return isKnown }
        if isKnown {
            if scores != other.scores {
                return (scores ?? .max, scores == nil ? 1 : 0) < (other.scores ?? .max, other.scores == nil ? 1 : 0)
            }
            if teams != other.teams {
                return (teams ?? .max, teams == nil ? 1 : 0) < (other.teams ?? .max, other.teams == nil ? 1 : 0)
            }
            if name != other.name { return name.utf8.lexicographicallyPrecedes(other.name.utf8) }
        }
        return id < other.id
    }
}

private struct TestEvent: Hashable {
    var id: String
    var start: Int64 = 0
    var name = ""
    var stage = "s"
    /// The teams it plays for, by place in the request; nil: asked for by id.
    var teams: [Int]?
    var json: String { "{\"id\":\"\(id)\",\"name\":\"\(name)\",\"start\":\(start)}" }

    func isBefore(_ other: TestEvent) -> Bool {
        if start != other.start { return start < other.start }
        if name != other.name { return name.utf8.lexicographicallyPrecedes(other.name.utf8) }
        return id < other.id
    }
}

/// One part; the stages it names are looked up among `stages`.
private struct TestPart {
    var events: [TestEvent]
    var stages: [TestStage]
    var rank: Int64 = 0
}

private struct Answer: Equatable {
    var body: String
    var high: UInt64
    var low: UInt64
    var total: Int
}

private struct Case {
    var sport = Sport.soccer
    var teams = 0
    var perTeam = 3
    var limit = 350
    var offset = 0

    func answer(_ parts: [TestPart], using builder: inout AnswerBuilder) -> Answer {
        let texts = Texts()
        let request = Request.matches(
            MatchesRequest(
                sport: sport, eventIDs: [], teamIDs: (0..<teams).compactMap { ID("t\($0)") }, limit: limit,
                offset: offset))
        builder.begin(request, eventsPerTeamMax: perTeam)
        for part in parts { unsafe builder.add(make(part, texts), rank: part.rank) }
        builder.finish()
        return finish(&builder)
    }

    private func make(_ source: TestPart, _ texts: Texts) -> Part {
        var part = unsafe Part()
        func hash(_ view: ByteView) -> ContentHash {
            unsafe ContentHash(of: UnsafeRawBufferPointer(start: view.start, count: view.count))
        }
        for stage in source.stages {
            let json = unsafe texts.view(stage.json)
            unsafe part.stages.append(
                StageEntry(
                    isKnown: stage.isKnown, positionScores: stage.scores, positionTeams: stage.teams, hash: hash(json),
                    id: texts.view(stage.id), name: texts.view(stage.name), json: json))
        }
        let events = source.events.filter { $0.teams == nil } + source.events.filter { $0.teams != nil }
        for event in events {
            let stage = source.stages.firstIndex { $0.id == event.stage } ?? 0
            let json = unsafe texts.view(event.json)
            unsafe part.events.append(
                EventEntry(
                    start: Timestamp(milliseconds: event.start), stage: Int32(stage), hash: hash(json),
                    id: texts.view(event.id), name: texts.view(event.name), json: json))
        }
        unsafe part.requestedCount = events.count { $0.teams == nil }
        for team in 0..<teams {
            let own = events.indices.filter { events[$0].teams?.contains(team) == true }
                .sorted { events[$0].isBefore(events[$1]) }.prefix(perTeam)
            for index in own { unsafe part.teamEvents.append(Int32(index)) }
            unsafe part.teamEnds.append(Int32(part.teamEvents.count))
        }
        return unsafe part
    }

    /// The same, worked out from scratch.
    func expected(_ parts: [TestPart]) -> String {
        let all = parts.flatMap(\.events)
        var chosen = Set(all.filter { $0.teams == nil })
        for team in 0..<teams {
            chosen.formUnion(all.filter { $0.teams?.contains(team) == true }.sorted { $0.isBefore($1) }.prefix(perTeam))
        }
        let page = chosen.sorted { $0.isBefore($1) }.dropFirst(offset).prefix(limit)
        var stages: [String: (stage: TestStage, rank: Int64)] = [:]
        for part in parts {
            for stage in part.stages where stages[stage.id].map({ $0.rank < part.rank }) ?? true {
                stages[stage.id] = (stage, part.rank)
            }
        }
        let shown = stages.values.map(\.stage).sorted { $0.isBefore($1) }.compactMap { stage -> String? in
            let events = page.filter { $0.stage == stage.id }
            return events.isEmpty
                ? nil : stage.json + ",\"events\":[" + events.map(\.json).joined(separator: ",") + "]}"
        }
        return
            "{\"sport\":\"\(sport.name)\",\"total\":\(chosen.count),\"offset\":\(offset),\"limit\":\(limit),\"stages\":["
            + shown.joined(separator: ",") + "]}"
    }
}

private func finish(_ builder: inout AnswerBuilder) -> Answer {
    var body = [UInt8](repeating: 0, count: builder.bodyCount)
    unsafe body.withUnsafeMutableBytes { unsafe builder.write(to: $0) }
    return Answer(
        body: String(decoding: body, as: UTF8.self), high: builder.etag.high, low: builder.etag.low,
        total: builder.total)
}

@Suite struct AnswerBuilderTests {
    @Test func stagesInTheirOrder() {
        let order = [
            TestStage(id: "z", scores: -5, teams: 9), TestStage(id: "y", scores: 1, teams: 1),
            TestStage(id: "x", scores: 1, teams: 2), TestStage(id: "w", scores: 1, teams: .max),
            TestStage(id: "v", scores: 1, name: "A"), TestStage(id: "u", scores: 1, name: "B"),
            TestStage(id: "t", scores: .max), TestStage(id: "s", teams: 0), TestStage(id: "q", name: "N"),
            TestStage(id: "r", name: "N"), TestStage(id: "p", name: "Na"), TestStage(id: "o", name: "é"),
            TestStage(id: "a", isKnown: false), TestStage(id: "b", isKnown: false),
        ]
        var builder = AnswerBuilder()
        for turn in order.indices {
            let stages = Array(order[turn...] + order[..<turn])
            let events = stages.map { TestEvent(id: "e" + $0.id, stage: $0.id) }
            let answer = Case().answer([TestPart(events: events, stages: stages)], using: &builder)
            let shown = answer.body.split(separator: "{\"id\":\"e").dropFirst().map { String($0.prefix(1)) }
            #expect(shown == order.map(\.id))
        }
    }

    @Test(arguments: [
        (0, 350, "abcd"), (0, 1, "a"), (1, 2, "bc"), (3, 1, "d"), (3, 9, "d"), (4, 1, ""), (5, 350, ""), (.max, 1, ""),
    ])
    func windows(offset: Int, limit: Int, shown: String) {
        let events = [
            TestEvent(id: "d", start: 2, name: "A"), TestEvent(id: "c", start: 1, name: "B"),
            TestEvent(id: "b", start: 1, name: "A"), TestEvent(id: "a", start: 1, name: "A"),
        ]
        var builder = AnswerBuilder()
        let answer = Case(limit: limit, offset: offset)
            .answer([TestPart(events: events, stages: [TestStage(id: "s")])], using: &builder)
        #expect(answer.total == 4)
        let ids = answer.body.split(separator: "{\"id\":\"").dropFirst(2).map { $0.prefix(1) }.joined()
        #expect(ids == shown)
    }

    @Test func aStageIsShownAsThePartFurthestOnHasIt() {
        func part(_ event: String, _ name: String, rank: Int64) -> TestPart {
            TestPart(events: [TestEvent(id: event)], stages: [TestStage(id: "s", name: name)], rank: rank)
        }
        let parts = [part("a", "old", rank: 3), part("b", "new", rank: 9), part("c", "older", rank: 2)]
        var builder = AnswerBuilder()
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
            let body = Case().answer(order.map { parts[$0] }, using: &builder).body
            #expect(body.contains("\"new\"") && !body.contains("old"))
            #expect(body.split(separator: "\"events\"").count == 2)
        }
    }

    /// A node may send what does not fit the request: more teams, or fewer.
    @Test func aPartWithOtherTeamsIsNoTrap() {
        let events = (0..<6).map { TestEvent(id: "e\($0)", start: Int64($0), teams: [$0 % 3]) }
        let texts = TestPart(events: events, stages: [TestStage(id: "s")])
        var builder = AnswerBuilder()
        #expect(Case(teams: 3).answer([texts], using: &builder).total == 6)
        #expect(Case(teams: 2).answer([texts], using: &builder).total == 4)
        var part = unsafe Part()
        unsafe part.teamEnds = [0, 0, 0]
        builder.begin(
            .matches(MatchesRequest(sport: .soccer, eventIDs: [], teamIDs: [], limit: 1, offset: 0)),
            eventsPerTeamMax: 3)
        unsafe builder.add(part, rank: 0)
        builder.finish()
        #expect(builder.total == 0)
    }

    private static func offer(_ random: inout SeededGenerator, teams: Int) -> (events: [TestEvent], stages: [TestStage])
    {
        let stages = (0..<6).map { index in
            TestStage(
                id: "s\(index)", isKnown: index < 4, scores: [nil, 1, 2].randomElement(using: &random) ?? nil,
                teams: [nil, 1].randomElement(using: &random) ?? nil, name: index % 2 == 0 ? "N" : "M")
        }
        let events = (0..<Int.random(in: 0..<60, using: &random)).map { index in
            TestEvent(
                id: "e\(index)", start: Int64.random(in: 0..<8, using: &random),
                name: ["A", "B", "\u{FF}", ""].randomElement(using: &random) ?? "",
                stage: "s\(Int.random(in: 0..<6, using: &random))",
                teams: Bool.random(using: &random) || teams == 0
                    ? nil : [Int.random(in: 0..<teams, using: &random), Int.random(in: 0..<teams, using: &random)])
        }
        return (events, stages)
    }

    /// However the events are dealt to parts, and in whatever order: the same bytes and tag, those worked out by hand.
    @Test(arguments: 0..<40) func agreesWithTheNaiveAnswer(round: Int) {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        random = SeededGenerator(seed: random.seed &+ UInt64(round))
        let teams = Int.random(in: 0..<4, using: &random)
        let (events, stages) = Self.offer(&random, teams: teams)
        let test = Case(
            teams: teams, perTeam: Int.random(in: 1..<5, using: &random), limit: Int.random(in: 1..<70, using: &random),
            offset: Int.random(in: 0..<20, using: &random))
        var builder = AnswerBuilder()
        let whole = test.answer([TestPart(events: events, stages: stages)], using: &builder)
        #expect(whole.body == test.expected([TestPart(events: events, stages: stages)]), "seed \(random.seed)")
        for holders in 1..<5 {
            let parts = (0..<holders).map { holder in
                TestPart(
                    events: events.enumerated().filter { $0.offset % holders == holder }.map(\.element)
                        .shuffled(using: &random), stages: stages.shuffled(using: &random))
            }
            #expect(test.answer(parts.shuffled(using: &random), using: &builder) == whole, "seed \(random.seed)")
        }
    }

    @Test func theTagDiffersWithEveryChange() {
        let stages = [TestStage(id: "s", name: "S"), TestStage(id: "u", name: "U")]
        let events = [
            TestEvent(id: "a", start: 1), TestEvent(id: "b", start: 2), TestEvent(id: "c", start: 3, stage: "u"),
        ]
        var builder = AnswerBuilder()
        func tag(_ test: Case, _ events: [TestEvent], _ stages: [TestStage]) -> String {
            let answer = test.answer([TestPart(events: events, stages: stages)], using: &builder)
            return "\(answer.high) \(answer.low)"
        }
        var tags = [tag(Case(), events, stages)]
        #expect(tags[0] == tag(Case(), events.reversed(), stages.reversed()))
        for test in [Case(sport: .tennis), Case(limit: 349), Case(limit: 2), Case(offset: 1), Case(offset: 2)] {
            tags.append(tag(test, events, stages))
        }
        for index in events.indices {
            var changed = events
            changed[index].name = "x"
            tags.append(tag(Case(), changed, stages))
            changed.remove(at: index)
            tags.append(tag(Case(), changed, stages))
        }
        var changed = events
        changed[1].stage = "u"
        tags.append(tag(Case(), changed, stages))
        tags.append(tag(Case(), events, [TestStage(id: "s", name: "S2"), stages[1]]))
        tags.append(tag(Case(), events, [stages[0], TestStage(id: "u", scores: 1, name: "U")]))
        tags.append(tag(Case(), [], []))
        #expect(Set(tags).count == tags.count)
    }
}

@Suite struct TeamsAnswerTests {
    private func answer(_ teams: [(name: String, id: String)], sport: Sport = .soccer) -> Answer {
        let texts = Texts()
        var part = unsafe Part()
        for team in teams {
            let json = unsafe texts.view("{\"id\":\"\(team.id)\"}")
            let hash = unsafe ContentHash(of: UnsafeRawBufferPointer(start: json.start, count: json.count))
            unsafe part.teams.append(
                TeamEntry(hash: hash, id: texts.view(team.id), name: texts.view(team.name), json: json))
        }
        var builder = AnswerBuilder()
        builder.begin(.teams(TeamsRequest(sport: sport, teamIDs: [])), eventsPerTeamMax: 3)
        unsafe builder.add(part, rank: 0)
        builder.finish()
        return finish(&builder)
    }

    @Test func sortedByNameAndID() {
        let teams = [("B", "1"), ("A", "3"), ("A", "2"), ("Ab", "0"), ("é", "9")]
        let whole = answer(teams)
        #expect(whole.body == #"{"sport":"soccer","teams":[{"id":"2"},{"id":"3"},{"id":"0"},{"id":"1"},{"id":"9"}]}"#)
        #expect(answer(teams.reversed()) == whole)
        #expect(answer([]).body == #"{"sport":"soccer","teams":[]}"#)
        #expect(answer(teams, sport: .tennis).low != whole.low)
        #expect(answer(Array(teams.dropLast())).low != whole.low)
    }
}
