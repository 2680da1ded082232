// What a holder selects for one query: the events and teams, and the records they come from.
//
// A value that its holder changes in one access, so that nothing is checked or counted event by event. It keeps its
// buffers from request to request.

import Model
import Placement
import Query
import Render
import Store

/// The part under construction. Its views are valid under the guard of the last `select`.
@safe
struct PartSelection: ~Copyable {
    private let partitionCount: Int
    private(set) var part = unsafe Part()
    private var eventMarks = SlotMarks()
    private var stageMarks = SlotMarks()
    /// The records of `part.events`, in the same order.
    private var records = unsafe Scratch<EventRecord>()
    private var best = unsafe Scratch<Candidate>()
    /// The size of all JSON in the part.
    private(set) var jsonBytes = 0
    /// The store's count of removals before the first look-up.
    private var removals: UInt64 = 0
    private var takesPacked = false

    init(partitionCount: Int) { self.partitionCount = partitionCount }

    /// Forgets the last part and selects the next.
    mutating func select(_ query: HolderQuery, _ view: borrowing StoreView) {
        unsafe part.removeAll()
        unsafe records.removeAll()
        jsonBytes = 0
        takesPacked = query.takesPacked
        switch query.request {
        case .matches(let request): select(request, query, view)
        case .teams(let request): select(request, view)
        }
    }

    // MARK: - My matches

    private mutating func select(_ request: MatchesRequest, _ query: HolderQuery, _ view: borrowing StoreView) {
        eventMarks.begin()
        stageMarks.begin()
        removals = view.removals
        let partitionCount = partitionCount
        unsafe view.forEachEvent(
            of: request.eventIDs.span,
            in: { id in
                let partition = Partitioner.partition(of: id, partitions: partitionCount)
                return query.partitions.contains(partition) ? partition : nil
            }
        ) { slot, record in
            if unsafe record.sport == request.sport { _ = unsafe add(record, slot, view) }
        }
        unsafe part.requestedCount = part.events.count
        for id in request.teamIDs {
            if let team = view.participant(id) { selectEvents(of: team, request.sport, query, view) }
            unsafe part.teamEnds.append(Int32(part.teamEvents.count))
        }
    }

    /// The first `eventsPerTeamMax` events of the team, by (start, name, id) of the records.
    ///
    /// The list is in the order of starts as they were filed; a record may have just moved. So the walk goes on until
    /// the filed start has passed the worst start that is kept: an event whose place does not change stands in the list
    /// under its own start and cannot be missed.
    private mutating func selectEvents(
        of team: UInt32, _ sport: Sport, _ query: HolderQuery, _ view: borrowing StoreView
    ) {
        guard query.eventsPerTeamMax > 0 else { return }
        let after = query.now.milliseconds - query.matchesRemainMs
        unsafe best.removeAll()
        var cursor = unsafe view.events(of: team, after: after)
        while let entry = unsafe cursor.next() {
            if unsafe best.count == query.eventsPerTeamMax, unsafe entry.start > best[best.count - 1].start { break }
            guard let candidate = unsafe candidate(entry.slot, team, view) else { continue }
            let record = unsafe candidate.record
            guard unsafe record.sport == sport, unsafe record.status.isShownForTeam,
                unsafe record.start.milliseconds > after, unsafe query.partitions.contains(record.partition)
            else { continue }
            unsafe keep(candidate, query.eventsPerTeamMax)
        }
        for index in unsafe 0..<best.count {
            let candidate = unsafe best[index]
            let position = unsafe eventMarks.find(candidate.slot) ?? add(candidate.record, candidate.slot, view)
            unsafe part.teamEvents.append(position)
        }
    }

    /// The event of an entry; nil where it was asked for by id, stands in `best` already, or no longer has the team.
    /// An event that another team brought keeps the version it was shown with.
    private func candidate(_ slot: UInt32, _ team: UInt32, _ view: borrowing StoreView) -> Candidate? {
        for index in unsafe 0..<best.count where unsafe best[index].slot == slot { return nil }
        if let position = eventMarks.find(slot) {
            guard unsafe Int(position) >= part.requestedCount else { return nil }
            let record = unsafe records[Int(position)]
            return unsafe record.hasParticipant(team) ? Candidate(record: record, slot: slot) : nil
        }
        guard let record = unsafe view.event(at: slot), unsafe record.hasParticipant(team) else { return nil }
        // Deleted and made again since it was found: it stands at two slots, and is shown as it was found.
        if view.removals != removals, unsafe part.events.contains(where: { unsafe equal($0.id, record.id) }) {
            return nil
        }
        return unsafe Candidate(record: record, slot: slot)
    }

    private mutating func keep(_ candidate: Candidate, _ most: Int) {
        var index = unsafe best.count
        while unsafe index > 0 && candidate.isBefore(best[index - 1]) { index -= 1 }
        guard index < most else { return }
        if unsafe best.count < most { unsafe best.append(candidate) }
        var last = unsafe best.count - 1
        while last > index {
            unsafe best[last] = best[last - 1]
            last -= 1
        }
        unsafe best[index] = candidate
    }

    private mutating func add(_ record: EventRecord, _ slot: UInt32, _ view: borrowing StoreView) -> Int32 {
        let position = unsafe Int32(part.events.count)
        eventMarks.insert(slot, position)
        unsafe records.append(record)
        let stage = unsafe addStage(record.stageSlot, view)
        unsafe jsonBytes += record.json.count
        let packed = unsafe takesPacked ? record.packed : nil
        unsafe part.events.append(
            EventEntry(
                start: record.start, stage: stage, hash: record.hash, id: ByteView(record.id),
                name: ByteView(record.name), json: packed.map { unsafe ByteView($0) } ?? ByteView(record.json),
                isPacked: packed != nil))
        return position
    }

    private mutating func addStage(_ slot: UInt32, _ view: borrowing StoreView) -> Int32 {
        if let position = stageMarks.find(slot) { return position }
        let stage = unsafe view.stage(at: slot)
        // As an event, a stage can stand at two slots; it appears once in an answer.
        if view.removals != removals,
            let position = unsafe part.stages.firstIndex(where: { unsafe equal($0.id, stage.id) })
        {
            return Int32(position)
        }
        let position = unsafe Int32(part.stages.count)
        stageMarks.insert(slot, position)
        unsafe jsonBytes += stage.json.count
        let packed = unsafe takesPacked ? stage.packed : nil
        unsafe part.stages.append(
            StageEntry(
                isKnown: stage.isKnown, positionScores: stage.positionScores, positionTeams: stage.positionTeams,
                hash: stage.hash, id: ByteView(stage.id), name: ByteView(stage.name),
                json: packed.map { unsafe ByteView($0) } ?? ByteView(stage.json), isPacked: packed != nil))
        return position
    }

    // MARK: - My teams

    private mutating func select(_ request: TeamsRequest, _ view: borrowing StoreView) {
        for id in request.teamIDs {
            guard let team = unsafe view.reference(.participant, id), unsafe team.isKnown,
                unsafe team.sport == request.sport
            else { continue }
            unsafe jsonBytes += team.json.count
            let packed = unsafe takesPacked ? team.packed : nil
            unsafe part.teams.append(
                TeamEntry(
                    hash: team.hash, id: ByteView(team.id), name: ByteView(team.name),
                    json: packed.map { unsafe ByteView($0) } ?? ByteView(team.json), isPacked: packed != nil))
        }
    }
}

/// An event that may be among a team's first.
@unsafe
struct Candidate: BitwiseCopyable {
    var record: EventRecord
    var slot: UInt32

    var start: Int64 { unsafe record.start.milliseconds }

    func isBefore(_ other: Candidate) -> Bool {
        if unsafe start != other.start { return unsafe start < other.start }
        let byName = unsafe ByteView.compare(ByteView(record.name), ByteView(other.record.name))
        if byName != 0 { return byName < 0 }
        return unsafe ByteView.compare(ByteView(record.id), ByteView(other.record.id)) < 0
    }
}

private func equal(_ view: ByteView, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    unsafe ByteView.compare(view, ByteView(bytes)) == 0
}

extension ByteView {
    fileprivate init(_ packed: PackedFragment) {
        unsafe self.init(start: packed.base.assumingMemoryBound(to: UInt8.self), count: packed.count)
    }

    fileprivate init(_ bytes: UnsafeBufferPointer<UInt8>) {
        // A record's texts are never empty: an id has a byte at least, an empty name still has its place.
        unsafe self.init(start: bytes.baseAddress.unsafelyUnwrapped, count: bytes.count)
    }
}
