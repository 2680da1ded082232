// One answer out of the parts of several holders, or of one: contract sections 2 and 3.
//
//   begin(request) → add(part) for each → finish() → etag, bodyCount → write(to:)
//
// A gzip answer (`AnswerBuilder+Gzip`) is joined in `finish` already: its length depends on every part of it.
//
// The entries are views into the parts' bytes, so all of it runs in the scope in which those are valid. One builder for
// each event loop; it keeps its buffers, so that an answer allocates nothing once they have grown. A 304 stops behind
// `etag`: it looks at keys and hashes only, never at a body.

import CXXHash
import Model
import Render

@safe
public struct AnswerBuilder: ~Copyable {
    enum Kind { case matches, teams }

    private(set) var kind = Kind.teams
    private var sport = Sport.soccer
    private var limit = 0
    private var offset = 0
    private var teamCount = 0
    private var eventsPerTeamMax = 0

    // What the parts said, one after the other.
    private(set) var events = unsafe Scratch<EventEntry>()
    private(set) var stages = unsafe Scratch<StageEntry>()
    private(set) var teams = unsafe Scratch<TeamEntry>()
    private var parts = Scratch<AddedPart>()
    private var teamEvents = Scratch<Int32>()
    private var teamEnds = Scratch<Int32>()
    /// How far on in the global topics the part was that each stage came from.
    private var stageRanks = Scratch<Int64>()
    private var stageMap = Scratch<Int32>()

    /// After `finish`: the events of the page, in the order of the answer.
    private(set) var page = Scratch<Int32>()
    private var isChosen = Scratch<Bool>()
    /// The best events of one team, where several parts have some.
    private var best = Scratch<Int32>()
    // Memory of the grouping.
    private var sorter = IndexSorter()
    private var grouped = Scratch<Int32>()
    private var stageOrder = Scratch<Int32>()
    /// By stage: how many events of the page, then where the next one of them goes.
    private var stagePlaces = Scratch<Int32>()
    private var hashWords = Scratch<UInt64>()
    private(set) var head = Scratch<UInt8>(capacity: 128)
    private var isGzip = false
    /// Made with the first gzip answer.
    private var gzip: GzipBody?
    /// The events the request selects; the page is a part of them.
    public private(set) var total = 0
    /// The size of the body in bytes.
    public private(set) var bodyCount = 0
    /// The 128 bits of the entity tag.
    public private(set) var etag: (high: UInt64, low: UInt64) = (0, 0)

    /// Where what a part said begins in the lists.
    struct AddedPart: BitwiseCopyable {
        var events: Int
        var requestedCount: Int
        var teamEvents: Int
        var teamEnds: Int
        /// Runs of team events; at most one for each team of the request.
        var teams: Int
    }

    public init() {}

    /// Fragments of gzip answers that were packed here, since their holders had no packed form.
    public var packedHere: Int { gzip?.packedHere ?? 0 }

    /// Forgets the last answer and begins one.
    public mutating func begin(_ request: borrowing Request, eventsPerTeamMax: Int, isGzip: Bool = false) {
        self.isGzip = isGzip
        self.eventsPerTeamMax = eventsPerTeamMax
        unsafe events.removeAll()
        unsafe stages.removeAll()
        unsafe teams.removeAll()
        parts.removeAll()
        teamEvents.removeAll()
        teamEnds.removeAll()
        stageRanks.removeAll()
        switch request {
        case .matches(let matches):
            (kind, sport) = (.matches, matches.sport)
            (limit, offset, teamCount) = (matches.limit, matches.offset, matches.teamIDs.count)
        case .teams(let teams):
            (kind, sport) = (.teams, teams.sport)
        }
    }

    /// Adds what one holder answered. Each partition is answered by one part only, so no event comes twice.
    /// `rank` says how far on the holder is in the global topics: a stage that comes twice is shown as the furthest has it.
    public mutating func add(_ part: borrowing Part, rank: Int64) {
        guard kind == .matches else { return unsafe teams.append(contentsOf: part.teams.span) }
        let base = unsafe events.count
        // A part from another process may know of more teams than were asked for.
        let teams = unsafe min(part.teamEnds.count, teamCount)
        unsafe parts.append(
            AddedPart(
                events: base, requestedCount: part.requestedCount, teamEvents: teamEvents.count,
                teamEnds: teamEnds.count, teams: teams))
        unsafe events.append(contentsOf: part.events.span)
        unsafe teamEvents.append(contentsOf: part.teamEvents.span)
        unsafe teamEnds.append(contentsOf: part.teamEnds.span)
        guard unsafe base > 0 || !stages.isEmpty else {
            // Stages of one part differ.
            unsafe stages.append(contentsOf: part.stages.span)
            return stageRanks.fill(rank, count: unsafe stages.count)
        }
        unsafe addStages(part, rank)
        for index in unsafe base..<events.count {
            unsafe events.elements[index].stage = stageMap[Int(events[index].stage)]
        }
    }

    private mutating func addStages(_ part: borrowing Part, _ rank: Int64) {
        stageMap.removeAll()
        let known = unsafe stages.count
        for index in unsafe part.stages.indices {
            let stage = unsafe part.stages[index]
            var found = -1
            for other in 0..<known where unsafe ByteView.compare(stages.elements[other].id, stage.id) == 0 {
                found = other
            }
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

    /// Orders and measures the answer.
    public mutating func finish() {
        head.removeAll()
        hashWords.removeAll()
        switch kind {
        case .matches: finishMatches()
        case .teams: finishTeams()
        }
        let hash = unsafe cxxhash_xxh3_128(hashWords.elements, hashWords.count * MemoryLayout<UInt64>.stride)
        etag = (hash.high, hash.low)
        if isGzip { finishGzip() }
    }

    private mutating func finishGzip() {
        let gzip = self.gzip ?? GzipBody()
        self.gzip = gzip
        etag.low ^= GzipBody.tagMark
        bodyCount = unsafe join(into: gzip).count
    }

    // MARK: - My matches

    private mutating func finishMatches() {
        choose()
        total = page.count
        let isWhole = offset == 0 && total <= limit
        if !isWhole {
            sortPage(0..<total)
            let start = min(offset, total)
            page.keep(start..<start + min(limit, total - start))
        }
        groupByStage()
        // A part of the whole is in order already, and the grouping kept that.
        if isWhole { sortStages() }
        head.append(ascii: "{\"sport\":\"")
        head.append(ascii: sport.name)
        head.append(ascii: "\",\"total\":")
        head.append(decimal: total)
        head.append(ascii: ",\"offset\":")
        head.append(decimal: offset)
        head.append(ascii: ",\"limit\":")
        head.append(decimal: limit)
        head.append(ascii: ",\"stages\":[")
        hashWords.append(UInt64(sport.rawValue) << 8 | 1)
        hashWords.append(UInt64(total))
        hashWords.append(UInt64(offset))
        hashWords.append(UInt64(limit))
        measure()
    }

    /// Sets `page` to the union: requested events, and the best of each team, each once.
    private mutating func choose() {
        page.removeAll()
        isChosen.fill(false, count: unsafe events.count)
        for part in 0..<parts.count {
            let part = parts[part]
            for event in part.events..<part.events + part.requestedCount { choose(Int32(event)) }
        }
        if parts.count == 1 {
            // Each run is what its team may show, in order.
            for team in 0..<parts[0].teams { forEachOf(team, parts[0]) { $0.choose($1) } }
        } else {
            for team in 0..<teamCount { chooseBest(of: team) }
        }
    }

    @inline(__always)
    private mutating func choose(_ event: Int32) {
        guard !isChosen[Int(event)] else { return }
        isChosen[Int(event)] = true
        page.append(event)
    }

    private mutating func chooseBest(of team: Int) {
        best.removeAll()
        for part in 0..<parts.count where team < parts[part].teams {
            forEachOf(team, parts[part]) { $0.keep($1) }
        }
        for index in 0..<best.count { choose(best[index]) }
    }

    /// The first events of a team's run in one part, `eventsPerTeamMax` at most.
    @inline(__always)
    private mutating func forEachOf(_ team: Int, _ part: AddedPart, _ body: (inout AnswerBuilder, Int32) -> Void) {
        let start = team == 0 ? 0 : Int(teamEnds[part.teamEnds + team - 1])
        let end = min(Int(teamEnds[part.teamEnds + team]), start + eventsPerTeamMax)
        for index in start..<end { body(&self, Int32(part.events) + teamEvents[part.teamEvents + index]) }
    }

    /// Puts the event among the best of its team, if it belongs there.
    private mutating func keep(_ event: Int32) {
        var index = best.count
        while index > 0, isBefore(event, best[index - 1]) { index -= 1 }
        guard index < eventsPerTeamMax else { return }
        best.append(event)
        var last = best.count - 1
        while last > index {
            best[last] = best[last - 1]
            last -= 1
        }
        best[index] = event
        if best.count > eventsPerTeamMax { _ = best.removeLast() }
    }

    @inline(__always)
    private func isBefore(_ left: Int32, _ right: Int32) -> Bool {
        unsafe EventEntry.isBefore(events.elements + Int(left), events.elements + Int(right))
    }

    private mutating func sortPage(_ range: Range<Int>) {
        let events = unsafe UnsafePointer(events.elements)
        unsafe sorter.sort(UnsafeMutableBufferPointer(start: page.elements + range.lowerBound, count: range.count)) {
            unsafe EventEntry.isBefore(events + Int($0), events + Int($1))
        }
    }

    /// Brings the events together by stage, the stages in their order; inside a stage the events keep theirs.
    private mutating func groupByStage() {
        stageOrder.removeAll()
        stagePlaces.fill(0, count: unsafe stages.count)
        for index in 0..<page.count {
            let stage = unsafe events.elements[Int(page[index])].stage
            if stagePlaces[Int(stage)] == 0 { stageOrder.append(stage) }
            stagePlaces[Int(stage)] += 1
        }
        let stages = unsafe UnsafePointer(stages.elements)
        unsafe sorter.sort(UnsafeMutableBufferPointer(start: stageOrder.elements, count: stageOrder.count)) {
            unsafe StageEntry.isBefore(stages + Int($0), stages + Int($1))
        }
        // The number of a stage's events becomes the place of its first one.
        var place: Int32 = 0
        for index in 0..<stageOrder.count {
            let stage = Int(stageOrder[index])
            (stagePlaces[stage], place) = (place, place + stagePlaces[stage])
        }
        grouped.fill(0, count: page.count)
        for index in 0..<page.count {
            let event = page[index]
            let stage = unsafe Int(events.elements[Int(event)].stage)
            grouped[Int(stagePlaces[stage])] = event
            stagePlaces[stage] += 1
        }
        swap(&page, &grouped)
    }

    /// Sorts the events within each stage. Their places now say where each stage ends.
    private mutating func sortStages() {
        var start = 0
        for index in 0..<stageOrder.count {
            let end = Int(stagePlaces[Int(stageOrder[index])])
            if end - start > 1 { sortPage(start..<end) }
            start = end
        }
    }

    private mutating func measure() {
        bodyCount = head.count + 2
        var last: Int32 = -1
        for index in 0..<page.count {
            let event = unsafe events.elements + Int(page[index])
            let stage = unsafe event.pointee.stage
            if stage != last {
                bodyCount += last < 0 ? 0 : 1
                last = stage
                let entry = unsafe stages.elements + Int(stage)
                unsafe bodyCount += entry.pointee.json.count + Self.stageOpening.utf8CodeUnitCount + 2
                // A mark no event's hash stands at, so that moving an event to the next stage changes the tag.
                hashWords.append(.max)
                unsafe hashWords.append(entry.pointee.hash.low)
                unsafe hashWords.append(entry.pointee.hash.high)
            } else {
                bodyCount += 1
            }
            unsafe bodyCount += event.pointee.json.count
            unsafe hashWords.append(event.pointee.hash.low)
            unsafe hashWords.append(event.pointee.hash.high)
        }
    }

    private static let stageOpening: StaticString = ",\"events\":["

    // MARK: - My teams

    private mutating func finishTeams() {
        let entries = unsafe UnsafePointer(teams.elements)
        page.removeAll()
        for index in unsafe 0..<teams.count { page.append(Int32(index)) }
        unsafe sorter.sort(UnsafeMutableBufferPointer(start: page.elements, count: page.count)) { left, right in
            let (left, right) = unsafe (entries[Int(left)], entries[Int(right)])
            let byName = unsafe ByteView.compare(left.name, right.name)
            return unsafe byName != 0 ? byName < 0 : ByteView.compare(left.id, right.id) < 0
        }
        head.append(ascii: "{\"sport\":\"")
        head.append(ascii: sport.name)
        head.append(ascii: "\",\"teams\":[")
        hashWords.append(UInt64(sport.rawValue) << 8 | 2)
        total = page.count
        bodyCount = head.count + 2 + max(0, total - 1)
        for index in 0..<page.count {
            let team = unsafe entries[Int(page[index])]
            unsafe bodyCount += team.json.count
            unsafe hashWords.append(team.hash.low)
            unsafe hashWords.append(team.hash.high)
        }
    }

    // MARK: - The body

    /// Writes the body; the buffer has exactly `bodyCount` bytes.
    public func write(to buffer: UnsafeMutableRawBufferPointer) {
        if isGzip, let gzip { return unsafe buffer.copyMemory(from: gzip.bytes) }
        var writer = unsafe BodyWriter(buffer)
        unsafe writer.write(ByteView(start: head.elements, count: head.count))
        switch kind {
        case .matches: unsafe writeStages(&writer)
        case .teams:
            for index in 0..<page.count {
                if index > 0 { unsafe writer.write(0x2C) }
                unsafe writer.write(teams.elements[Int(page[index])].json)
            }
        }
        unsafe writer.write("]}")
        unsafe precondition(writer.isFull, "the body is not as long as it was measured to be")
    }

    private func writeStages(_ writer: inout BodyWriter) {
        var last: Int32 = -1
        for index in 0..<page.count {
            let event = unsafe events.elements + Int(page[index])
            let stage = unsafe event.pointee.stage
            if stage != last {
                if last >= 0 { unsafe writer.write("]},") }
                last = stage
                unsafe writer.write(stages.elements[Int(stage)].json)
                unsafe writer.write(Self.stageOpening)
            } else {
                unsafe writer.write(0x2C)
            }
            unsafe writer.write(event.pointee.json)
        }
        if last >= 0 { unsafe writer.write("]}") }
    }
}

extension Scratch<UInt8> {
    fileprivate mutating func append(ascii text: StaticString) {
        unsafe append(contentsOf: Span(_unsafeStart: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Not negative.
    fileprivate mutating func append(decimal value: Int) {
        // Digits come last first; no integer has more than 19.
        var digits = InlineArray<19, UInt8>(repeating: 0)
        var first = digits.count
        var rest = UInt(value)
        repeat {
            first -= 1
            digits[first] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        for index in first..<digits.count { append(digits[index]) }
    }
}
