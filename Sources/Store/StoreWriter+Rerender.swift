// A change of one model changes how others look: a participant's name its events, a region its participants' team
// objects and its categories' stages, and so on. The work is queued and done in slices between batches of messages,
// so that a rename of a popular team never stalls the scores behind it.
//
// A global position counts as applied when the work it caused is done. Work goes in rounds: a round ends when all
// that was queued at its beginning is done; then the position read at its beginning is published, and the next begins.

import Model
import Render

/// What waits to be rendered again. Its length is bounded by the number of models: each stands in it at most once.
struct RerenderQueue {
    enum Work: Hashable {
        /// The events that name a participant.
        case events(UInt32)
        /// One participant's or stage's own record.
        case reference(ModelKind, UInt32)
    }

    /// The round under way, in order, and how far it is.
    var round: [Work] = []
    var next = 0
    /// Where the events of the participant under way go on; nil: at the first.
    var cursor: TeamEntry?
    /// The position that is applied when the round ends.
    var roundGlobals: GlobalPosition?
    /// What came since the round began.
    var waiting: Set<Work> = []

    var isEmpty: Bool { next == round.count && waiting.isEmpty }
    var count: Int { round.count - next + waiting.count }
}

extension StoreWriter {
    /// Models that wait to be rendered again.
    public var rerenderPending: Int { rerender.count }

    /// Does about `budget` renderings, one at least. Returns whether more wait. `refused` hears of an event that has become too
    /// large: its last good version stays.
    public func rerender(budget: Int, refused: () -> Void = {}) -> Bool {
        var left = budget
        while left > 0, beginRound() {
            switch rerender.round[rerender.next] {
            case .reference(let kind, let slot):
                rerenderReference(kind, slot)
                left -= 1
                rerender.next += 1
            case .events(let participant):
                if rerenderEvents(of: participant, budget: &left, refused: refused) { rerender.next += 1 }
            }
        }
        if rerender.next == rerender.round.count { endRound() }
        return !rerender.isEmpty
    }

    /// Queues what shows the model of this slot.
    func passOn(_ kind: ModelKind, _ slot: UInt32) {
        switch kind {
        case .event: break
        case .participant:
            participantChanges += 1
            if unsafe store.teamList(slot) != nil { rerender.waiting.insert(.events(slot)) }
        case .region:
            for participant in regionParticipants[slot] {
                rerender.waiting.insert(.reference(.participant, participant))
            }
            for category in regionCategories[slot] { passOn(.category, category) }
        case .category:
            for stage in categoryStages[slot] { rerender.waiting.insert(.reference(.stage, stage)) }
        case .season:
            for stage in seasonStages[slot] { rerender.waiting.insert(.reference(.stage, stage)) }
        case .stage: break  // Its header is a record of its own, found at read time.
        }
    }

    /// Whether there is work in the round, beginning one where none is under way.
    private func beginRound() -> Bool {
        if rerender.next < rerender.round.count { return true }
        endRound()
        guard !rerender.waiting.isEmpty else { return false }
        rerender.round = Array(rerender.waiting)
        rerender.waiting.removeAll()
        rerender.next = 0
        rerender.roundGlobals = readGlobals
        return true
    }

    private func endRound() {
        if let position = rerender.roundGlobals {
            // Where nothing waits, what was read since the round began caused no work and is applied too.
            store.globals.apply(rerender.waiting.isEmpty ? readGlobals : position)
            rerender.roundGlobals = nil
        }
        rerender.round.removeAll()
        rerender.next = 0
    }

    /// Renders the participant's events from the cursor on; returns whether it reached the last. Between two slices the
    /// list may change: an event added meanwhile was rendered with the participant as it is now.
    private func rerenderEvents(of participant: UInt32, budget: inout Int, refused: () -> Void) -> Bool {
        guard let list = unsafe store.teamList(participant) else {
            rerender.cursor = nil
            return true
        }
        var chunk = 0
        var index = 0
        if let cursor = rerender.cursor {
            chunk = unsafe list.chunkIndex(of: cursor)
            index = unsafe list.chunk(chunk).lowerBound(cursor)
        }
        while unsafe chunk < list.chunkCount {
            while unsafe index < list.chunk(chunk).count {
                let entry = unsafe list.chunk(chunk)[index]
                guard budget > 0 else {
                    rerender.cursor = entry
                    return false
                }
                if !rerenderEvent(entry.slot) { refused() }
                // An event of ordinary size counts one; large ones are as much work as several.
                budget -= 1 + text.count >> 11
                index += 1
            }
            chunk += 1
            index = 0
        }
        rerender.cursor = nil
        return true
    }
}
