// One answer out of the parts of several holders, or of one: contract sections 2 and 3.
//
//   begin(request) → add(part) for each → finish() → etag, bodyCount → write(to:)
//
// The entries are views into the parts' bytes, so all of it runs in the scope in which those are valid. One builder for
// each event loop; it keeps its buffers, so that an answer allocates nothing once they have grown. A 304 stops behind
// `etag`: it looks at keys and hashes only, never at a body.

import CXXHash
import Model
import Render

@safe
public struct AnswerBuilder {
    private var request = Request.teams(TeamsRequest(sport: .soccer, teamIDs: []))
    private var eventsPerTeamMax = 0

    private var events = unsafe [EventEntry]()
    private var requested: [Int32] = []
    /// The best so far of each team, `eventsPerTeamMax` places a team.
    private var teamBest: [Int32] = []
    private var teamCounts: [Int] = []
    private var stages = unsafe [StageEntry]()
    /// How far on in the global topics the part was that each stage came from.
    private var stageRanks: [Int64] = []
    private var stageMap: [Int32] = []
    private var teams = unsafe [TeamEntry]()

    /// After `finish`: the events of the page, in the order of the answer, and the runs of equal stage among them.
    private var page: [Int32] = []
    private var isChosen: [Bool] = []
    // Memory of the sorting.
    private var sorter = IndexSorter()
    private var grouped: [Int32] = []
    private var stageOrder: [Int32] = []
    /// By stage: how many events of the page, then where the next one of them goes.
    private var stagePlaces: [Int] = []
    private var hashWords: [UInt64] = []
    private var head: [UInt8] = []
    /// The events the request selects; the page is a part of them.
    public private(set) var total = 0
    /// The size of the body in bytes.
    public private(set) var bodyCount = 0
    /// The 128 bits of the entity tag.
    public private(set) var etag: (high: UInt64, low: UInt64) = (0, 0)

    public init() {}

    /// Forgets the last answer and begins one.
    public mutating func begin(_ request: Request, eventsPerTeamMax: Int) {
        self.request = request
        self.eventsPerTeamMax = eventsPerTeamMax
        unsafe events.removeAll(keepingCapacity: true)
        requested.removeAll(keepingCapacity: true)
        teamBest.removeAll(keepingCapacity: true)
        teamCounts.removeAll(keepingCapacity: true)
        unsafe stages.removeAll(keepingCapacity: true)
        stageRanks.removeAll(keepingCapacity: true)
        unsafe teams.removeAll(keepingCapacity: true)
        if case .matches(let matches) = request {
            for _ in matches.teamIDs { teamCounts.append(0) }
            for _ in 0..<matches.teamIDs.count * eventsPerTeamMax { teamBest.append(-1) }
        }
    }

    /// Adds what one holder answered. Each partition is answered by one part only, so no event comes twice.
    /// `rank` says how far on the holder is in the global topics: a stage that comes twice is shown as the furthest has it.
    public mutating func add(_ part: borrowing Part, rank: Int64) {
        guard case .matches = request else {
            for index in unsafe part.teams.indices { unsafe teams.append(part.teams[index]) }
            return
        }
        unsafe addStages(part, rank)
        let base = unsafe Int32(events.count)
        for index in unsafe part.events.indices {
            var entry = unsafe part.events[index]
            unsafe entry.stage = stageMap[Int(entry.stage)]
            unsafe events.append(entry)
            if unsafe index < part.requestedCount { requested.append(base + Int32(index)) }
        }
        var start = 0
        // A part from another process may know of more teams than were asked for.
        for team in unsafe 0..<min(part.teamEnds.count, teamCounts.count) {
            let end = unsafe Int(part.teamEnds[team])
            for index in start..<end { keep(unsafe base + part.teamEvents[index], team: team) }
            start = end
        }
    }

    /// Orders and measures the answer.
    public mutating func finish() {
        head.removeAll(keepingCapacity: true)
        hashWords.removeAll(keepingCapacity: true)
        switch request {
        case .matches(let matches): finish(matches)
        case .teams(let teams): finish(teams)
        }
        etag = unsafe hashWords.withUnsafeBytes { words in
            let hash = unsafe cxxhash_xxh3_128(words.baseAddress, words.count)
            return (hash.high, hash.low)
        }
    }

    // MARK: - My matches

    private mutating func addStages(_ part: borrowing Part, _ rank: Int64) {
        stageMap.removeAll(keepingCapacity: true)
        let known = unsafe stages.count
        for index in unsafe part.stages.indices {
            let stage = unsafe part.stages[index]
            var found = -1
            // Stages of one part differ; of the first part none is there yet.
            for other in 0..<known where unsafe ByteView.compare(stages[other].id, stage.id) == 0 { found = other }
            if found < 0 {
                stageMap.append(unsafe Int32(stages.count))
                unsafe stages.append(stage)
                stageRanks.append(rank)
            } else {
                stageMap.append(Int32(found))
                if rank > stageRanks[found] {
                    unsafe stages[found] = stage
                    stageRanks[found] = rank
                }
            }
        }
    }

    private mutating func keep(_ event: Int32, team: Int) {
        let base = team * eventsPerTeamMax
        var index = teamCounts[team]
        while index > 0, isBefore(event, teamBest[base + index - 1]) { index -= 1 }
        guard index < eventsPerTeamMax else { return }
        var last = min(teamCounts[team], eventsPerTeamMax - 1)
        teamCounts[team] = last + 1
        while last > index {
            teamBest[base + last] = teamBest[base + last - 1]
            last -= 1
        }
        teamBest[base + index] = event
    }

    private mutating func finish(_ request: MatchesRequest) {
        choose()
        total = page.count
        // Out of `self`, since the comparison looks at it.
        var order: [Int32] = []
        var sorter = IndexSorter()
        swap(&order, &page)
        swap(&sorter, &self.sorter)
        sorter.sort(&order) { isBefore($0, $1) }
        let start = min(request.offset, total)
        order.removeLast(total - start - min(request.limit, total - start))
        order.removeFirst(start)
        groupByStage(&order, &sorter)
        swap(&order, &page)
        swap(&sorter, &self.sorter)
        head.append(ascii: "{\"sport\":\"")
        head.append(ascii: request.sport.name)
        head.append(ascii: "\",\"total\":")
        head.append(decimal: Int64(total))
        head.append(ascii: ",\"offset\":")
        head.append(decimal: Int64(request.offset))
        head.append(ascii: ",\"limit\":")
        head.append(decimal: Int64(request.limit))
        head.append(ascii: ",\"stages\":[")
        hashWords.append(UInt64(request.sport.rawValue) << 8 | 1)
        hashWords.append(UInt64(total))
        hashWords.append(UInt64(request.offset))
        hashWords.append(UInt64(request.limit))
        bodyCount = head.count + 2
        var stage: Int32 = -1
        for event in page { unsafe measure(events[Int(event)], &stage) }
    }

    /// Brings the events together by stage, the stages in their order; inside a stage the events keep theirs.
    private mutating func groupByStage(_ order: inout [Int32], _ sorter: inout IndexSorter) {
        var stageOrder: [Int32] = []
        swap(&stageOrder, &self.stageOrder)
        stageOrder.removeAll(keepingCapacity: true)
        stagePlaces.removeAll(keepingCapacity: true)
        for _ in unsafe stages.indices { stagePlaces.append(0) }
        for event in order {
            let stage = unsafe events[Int(event)].stage
            if stagePlaces[Int(stage)] == 0 { stageOrder.append(stage) }
            stagePlaces[Int(stage)] += 1
        }
        sorter.sort(&stageOrder) { stageIsBefore($0, $1) }
        // The number of a stage's events becomes the place of its first one.
        var place = 0
        for stage in stageOrder { (stagePlaces[Int(stage)], place) = (place, place + stagePlaces[Int(stage)]) }
        grouped.removeAll(keepingCapacity: true)
        grouped.append(contentsOf: order)
        for event in order {
            let stage = unsafe Int(events[Int(event)].stage)
            grouped[stagePlaces[stage]] = event
            stagePlaces[stage] += 1
        }
        swap(&order, &grouped)
        swap(&stageOrder, &self.stageOrder)
    }

    /// Sets `page` to the union: requested events, and the best of each team, each once.
    private mutating func choose() {
        page.removeAll(keepingCapacity: true)
        isChosen.removeAll(keepingCapacity: true)
        for _ in unsafe events.indices { isChosen.append(false) }
        for event in requested { choose(event) }
        for team in teamCounts.indices {
            for index in 0..<teamCounts[team] { choose(teamBest[team * eventsPerTeamMax + index]) }
        }
    }

    private mutating func choose(_ event: Int32) {
        guard !isChosen[Int(event)] else { return }
        isChosen[Int(event)] = true
        page.append(event)
    }

    private mutating func measure(_ event: EventEntry, _ stage: inout Int32) {
        if unsafe event.stage != stage {
            bodyCount += stage < 0 ? 0 : 1
            unsafe stage = event.stage
            let entry = unsafe stages[Int(stage)]
            unsafe bodyCount += entry.json.count + Self.stageOpening.utf8CodeUnitCount + 2
            // A mark no event's hash stands at, so that moving an event to the next stage changes the tag.
            hashWords.append(.max)
            unsafe hashWords.append(entry.hash.low)
            unsafe hashWords.append(entry.hash.high)
        } else {
            bodyCount += 1
        }
        unsafe bodyCount += event.json.count
        unsafe hashWords.append(event.hash.low)
        unsafe hashWords.append(event.hash.high)
    }

    private static let stageOpening: StaticString = ",\"events\":["

    // MARK: - Order

    /// (start, name, id)
    private func isBefore(_ left: Int32, _ right: Int32) -> Bool {
        let (left, right) = unsafe (events[Int(left)], events[Int(right)])
        if unsafe left.start != right.start { return unsafe left.start < right.start }
        let byName = unsafe ByteView.compare(left.name, right.name)
        if byName != 0 { return byName < 0 }
        return unsafe ByteView.compare(left.id, right.id) < 0
    }

    /// (positionScores, positionTeams, name, id); a missing position after every present one, an unknown stage after
    /// every known one.
    private func stageIsBefore(_ left: Int32, _ right: Int32) -> Bool {
        let (left, right) = unsafe (stages[Int(left)], stages[Int(right)])
        if unsafe left.isKnown != right.isKnown { return unsafe left.isKnown }
        if unsafe left.isKnown {
            if unsafe left.hasPositionScores != right.hasPositionScores { return unsafe left.hasPositionScores }
            if unsafe left.positionScores != right.positionScores {
                return unsafe left.positionScores < right.positionScores
            }
            if unsafe left.hasPositionTeams != right.hasPositionTeams { return unsafe left.hasPositionTeams }
            if unsafe left.positionTeams != right.positionTeams {
                return unsafe left.positionTeams < right.positionTeams
            }
            let byName = unsafe ByteView.compare(left.name, right.name)
            if byName != 0 { return byName < 0 }
        }
        return unsafe ByteView.compare(left.id, right.id) < 0
    }

    // MARK: - My teams

    private mutating func finish(_ request: TeamsRequest) {
        unsafe teams.sort { left, right in
            let byName = unsafe ByteView.compare(left.name, right.name)
            return unsafe byName != 0 ? byName < 0 : ByteView.compare(left.id, right.id) < 0
        }
        head.append(ascii: "{\"sport\":\"")
        head.append(ascii: request.sport.name)
        head.append(ascii: "\",\"teams\":[")
        hashWords.append(UInt64(request.sport.rawValue) << 8 | 2)
        total = unsafe teams.count
        bodyCount = head.count + 2 + max(0, total - 1)
        for index in unsafe teams.indices {
            unsafe bodyCount += teams[index].json.count
            unsafe hashWords.append(teams[index].hash.low)
            unsafe hashWords.append(teams[index].hash.high)
        }
    }

    // MARK: - The body

    /// Writes the body; the buffer has exactly `bodyCount` bytes.
    public func write(to buffer: UnsafeMutableRawBufferPointer) {
        var writer = unsafe BodyWriter(buffer)
        unsafe head.withUnsafeBufferPointer { unsafe writer.write($0) }
        switch request {
        case .matches: unsafe writeStages(&writer)
        case .teams:
            for index in unsafe teams.indices {
                if index > 0 { unsafe writer.write(",") }
                unsafe writer.write(teams[index].json)
            }
        }
        unsafe writer.write("]}")
        unsafe precondition(writer.isFull, "the body is not as long as it was measured to be")
    }

    private func writeStages(_ writer: inout BodyWriter) {
        var stage: Int32 = -1
        for position in page {
            let event = unsafe events[Int(position)]
            if unsafe event.stage != stage {
                if stage >= 0 { unsafe writer.write("]},") }
                unsafe stage = event.stage
                unsafe writer.write(stages[Int(stage)].json)
                unsafe writer.write(Self.stageOpening)
            } else {
                unsafe writer.write(",")
            }
            unsafe writer.write(event.json)
        }
        if stage >= 0 { unsafe writer.write("]}") }
    }
}
