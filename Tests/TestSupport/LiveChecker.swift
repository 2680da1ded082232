// Says whether answers are *wrong* while updates flow. It makes the updates itself, so that each carries its version:
// an event's `minute` is the number of its last update, and a renamed participant's name ends in such a number.
//
// Wrong is: an event that is no version ever published, or older than one the same router showed before; a name that does
// not fit its participants, or an older one; an order that does not fit what is printed; a stage twice; an event missing or
// extra, unless what decides its inclusion was changed within the freshness. Used by one thread; times are arguments, all
// in one unit of the caller's.

public import Model

public final class LiveChecker {
    public struct Request: Sendable {
        public var target: String
        var eventIDs: [String]
        var teamIDs: [String]
    }

    /// A 200, and when it came from where.
    public struct Answer {
        public var body: [UInt8]
        public var sentAt: Int64
        public var receivedAt: Int64
        /// The router, a new number for each of its lives.
        public var router = 0
        /// How old its data may be, where the answer itself says more than the checker was told.
        public var freshness: Int64 = 0

        public init(body: [UInt8], sentAt: Int64, receivedAt: Int64) {
            self.body = body
            self.sentAt = sentAt
            self.receivedAt = receivedAt
        }
    }

    private let reference: Reference
    private let sport: String
    private let now: Int64
    /// An update older than this must be visible.
    private let freshness: Int64
    private var random: SeededGenerator
    /// The events that are updated and asked for; never deleted.
    private let hot: [String]
    private let hotTeams: [String]
    private var sequence: Int64 = 0
    /// All versions of an event, by `minute`; 0 for the one before all updates.
    private var versions: [String: [Int64: ReferenceEvent]] = [:]
    /// All names of a participant, with the number of the update that brought each.
    private var names: [String: [[UInt8]: Int64]] = [:]
    private var history = ShownHistory()
    /// When an event's start or status changed last; `.max` while that is on its way to the broker.
    private var inclusionChanged: [String: Int64] = [:]
    private var renamed: [String: Int64] = [:]
    /// Those that are on their way.
    private var changing: (events: Set<String>, participants: Set<String>) = ([], [])
    /// Answers whose events could be compared as a whole set.
    public private(set) var comparedWhole = 0

    /// Works on up to `hotMax` events of `sport` out of the loaded `reference`. Their minutes must be absent.
    public init(reference: Reference, sport: String, now: Int64, freshness: Int64, hotMax: Int, seed: UInt64) {
        self.reference = reference
        self.sport = sport
        self.now = now
        self.freshness = freshness
        random = SeededGenerator(seed: seed)
        let candidates = reference.events.values.filter { $0.sport == sport && $0.minute == nil }.map(\.id).sorted()
        hot = Array(candidates.shuffled(using: &random).prefix(hotMax))
        hotTeams = Set(hot.flatMap { reference.events[$0]?.participants.map(\.id) ?? [] }).sorted()
        for id in hot { versions[id] = [0: reference.events[id]].compactMapValues { $0 } }
        for team in hotTeams { names[team] = reference.participants[team].map { [$0.name.bytes: 0] } ?? [:] }
    }

    /// Makes an update that is published at `time`, or, without one, is on its way until `delivered` says that it is;
    /// applies it to the reference.
    public func nextUpdate(at time: Int64? = nil) -> GeneratedUpdate {
        sequence += 1
        let update = Int.random(in: 0..<200, using: &random) == 0 ? rename(at: time) : eventUpdate(at: time)
        let reason = reference.apply(update.kind, key: update.key, value: update.value)
        precondition(reason == nil, "an update of the checker is invalid: \(reason ?? "")")
        return update
    }

    /// All updates so far have reached the broker.
    public func delivered(at time: Int64) {
        for id in changing.events { inclusionChanged[id] = time }
        for id in changing.participants { renamed[id] = time }
        changing = ([], [])
    }

    private func eventUpdate(at time: Int64?) -> GeneratedUpdate {
        guard let id = hot.randomElement(using: &random), let old = reference.events[id] else {
            preconditionFailure("no event to update")
        }
        var start = old.start
        var status = old.status
        if Int.random(in: 0..<100, using: &random) == 0 {
            start += Int64.random(in: -3...3, using: &random) * 3_600_000
            status = ["NOT_STARTED", "IN_PROGRESS", "FINISHED", "CANCELLED"].randomElement(using: &random) ?? status
            inclusionChanged[id] = time ?? .max
            if time == nil { changing.events.insert(id) }
        }
        let participants = old.participants.map { participant in
            var participant = participant
            participant.score = ReferenceText("\(Int.random(in: 0..<9, using: &random))")
            return participant
        }
        let event = ReferenceEvent(
            id: id, sport: old.sport, stageID: old.stageID, start: start, status: status, participants: participants,
            period: old.period, minute: sequence)
        versions[id]?[sequence] = event
        return GeneratedUpdate(kind: .event, key: Array(id.utf8), value: messageValue(of: event))
    }

    /// Of all updates.
    public static let updatedKinds: Set<ModelKind> = [.event, .participant]

    private func rename(at time: Int64?) -> GeneratedUpdate {
        let id = hotTeams.randomElement(using: &random) ?? "none"
        let name = ReferenceText("Renamed \(id) \(sequence)")
        names[id, default: [:]][name.bytes] = sequence
        renamed[id] = time ?? .max
        if time == nil { changing.participants.insert(id) }
        var fields = MessageWriter()
        fields.text("id", id)
        fields.text("sport", sport)
        fields.text("name", name)
        return GeneratedUpdate(kind: .participant, key: Array(id.utf8), value: fields.closed())
    }

    public func nextRequest() -> Request {
        let eventIDs = (0..<Int.random(in: 1...10, using: &random)).compactMap { _ in hot.randomElement(using: &random)
        }
        let teamIDs = (0..<Int.random(in: 0...2, using: &random)).compactMap { _ in
            hotTeams.randomElement(using: &random)
        }
        var target = "/v1/api/app/mym/\(sport)?eventIds=" + eventIDs.joined(separator: ",")
        if !teamIDs.isEmpty { target += "&teamIds=" + teamIDs.joined(separator: ",") }
        return Request(target: target, eventIDs: eventIDs, teamIDs: teamIDs)
    }

    // MARK: Judging

    /// The same of an answer that was waited for, one request at a time.
    public func wrongs(_ request: Request, body: [UInt8], sentAt time: Int64) -> [String] {
        wrongs(request, Answer(body: body, sentAt: time, receivedAt: time))
    }

    /// What is wrong with an answer; empty where nothing is. To be called in the order of receiving.
    public func wrongs(_ request: Request, _ answer: Answer) -> [String] {
        guard let json = try? JSON(answer.body), case .array(let stages)? = json["stages"] else {
            return ["no JSON answer"]
        }
        var wrongs: [String] = []
        var seenStages: Set<String> = []
        var shown: Set<String> = []
        for stage in stages {
            let id = stage.string("id")
            if !seenStages.insert(id).inserted { wrongs.append("stage \(id) stands twice") }
            var before: RenderedEvent?
            for event in stage.list("events") {
                let rendered = judge(event, stage: id, answer, &wrongs)
                if let before, !Reference.comesFirst(before, rendered) {
                    wrongs.append("\(rendered.id) stands behind \(before.id) and sorts before it")
                }
                if !shown.insert(rendered.id).inserted { wrongs.append("\(rendered.id) stands twice") }
                before = rendered
            }
        }
        if json["total"] != .integer(Int64(shown.count)) { wrongs.append("total is not \(shown.count)") }
        return wrongs + judgeInclusion(request, shown, answer)
    }

    /// Checks one event by itself, and returns its sort keys as printed.
    private func judge(
        _ event: JSON, stage: String, _ answer: Answer, _ wrongs: inout [String]
    ) -> RenderedEvent {
        let id = event.string("id")
        let name = event.text("name")
        let start = referenceMilliseconds(event.text("scheduledStart")) ?? 0
        var number: Int64 = 0
        if case .integer(let minute)? = event["minute"] { number = minute }
        let rendered = RenderedEvent(id: id, start: start, stageID: stage, name: name, json: [])
        guard let version = version(number, of: id) else {
            wrongs.append("\(id) shows version \(number), which was never published")
            return rendered
        }
        let participants = event.list("participants")
        let isVersion =
            version.start == start && version.status == event.string("status") && version.stageID == stage
            && version.participants.map(\.id) == participants.map { $0.string("id") }
            && version.participants.map { $0.score?.bytes ?? [] } == participants.map { $0.text("score") }
        if !isVersion { wrongs.append("\(id) is not as version \(number) was published") }
        let key = ShownHistory.Key(router: answer.router, event: id)
        if let highest = history.highest(key, at: answer.sentAt), number < highest {
            wrongs.append("\(id) shows version \(number) after \(highest)")
        }
        history.note(key, number, receivedAt: answer.receivedAt)
        let shownName = participants.map { $0["name"] == nil ? $0.text("id") : $0.text("name") }
        if Array(shownName.joined(separator: Array(" - ".utf8))) != name {
            wrongs.append("the name of \(id) does not fit its participants")
        }
        for (participant, name) in zip(version.participants, shownName) {
            judgeName(name, of: participant.id, in: id, answer, &wrongs)
        }
        return rendered
    }

    /// Nil: that was never published. An event that is not updated is as the offer has it.
    private func version(_ number: Int64, of id: String) -> ReferenceEvent? {
        if let versions = versions[id] { return versions[number] }
        guard let event = reference.events[id], number == event.minute ?? 0 else { return nil }
        return event
    }

    private func judgeName(
        _ name: [UInt8], of participant: String, in event: String, _ answer: Answer, _ wrongs: inout [String]
    ) {
        guard let published = names[participant] else { return }
        guard let number = published[name] ?? (name == Array(participant.utf8) ? 0 : nil) else {
            wrongs.append("\(event) shows a name of \(participant) that was never published")
            return
        }
        let key = ShownHistory.Key(router: answer.router, event: event, participant: participant)
        if number < history.highest(key, at: answer.sentAt) ?? 0 {
            wrongs.append("\(event) shows an older name of \(participant) again")
        }
        history.note(key, number, receivedAt: answer.receivedAt)
    }

    /// Requested events are always there. The events of teams are compared as a whole set where nothing that decides
    /// about them was changed within the freshness.
    private func judgeInclusion(_ request: Request, _ shown: Set<String>, _ answer: Answer) -> [String] {
        var wrongs: [String] = []
        for id in request.eventIDs where !shown.contains(id) { wrongs.append("\(id) is missing") }
        let teams = request.teamIDs.compactMap { reference.teamEvents[$0]?.values }.joined()
        for id in shown where !request.eventIDs.contains(id) && !teams.contains(where: { $0.id == id }) {
            wrongs.append("\(id) was not asked for")
        }
        let oldest = answer.sentAt - max(freshness, answer.freshness)
        let isSettled = teams.allSatisfy { event in
            inclusionChanged[event.id] ?? .min < oldest
                && event.participants.allSatisfy { renamed[$0.id] ?? .min < oldest }
        }
        guard isSettled else { return wrongs }
        comparedWhole += 1
        let expectedAnswer = reference.answer(target: request.target, now: now)
        guard let body = expectedAnswer.body, let json = try? JSON(body), case .array(let stages)? = json["stages"]
        else {
            return wrongs
        }
        let expected = Set(stages.flatMap { $0.list("events") }.map { $0.string("id") })
        for id in expected.subtracting(shown) { wrongs.append("\(id) is missing among its team's") }
        for id in shown.subtracting(expected) { wrongs.append("\(id) is one too many among its team's") }
        return wrongs
    }
}

extension JSON {
    /// The bytes of a text field; empty where there is none.
    func text(_ name: String) -> [UInt8] {
        guard case .text(let bytes)? = self[name] else { return [] }
        return bytes
    }

    func string(_ name: String) -> String { String(decoding: text(name), as: UTF8.self) }

    func list(_ name: String) -> [JSON] {
        guard case .array(let list)? = self[name] else { return [] }
        return list
    }
}
