// A live match day: an endless stream of updates on an offer, pure. Each update carries its event's whole state, and
// follows from the one before it, so within a key the stream is always consistent.
//
// At most `liveMax` matches run at once. Each step advances one of them: its minute, a score, a period, the end. When
// one ends, the upcoming match with the earliest start kicks off. When few are left, the match that ended first is
// scheduled again, so that keys stay bounded however long the day lasts. Rarely a match is postponed, a fixture is
// added (it is deleted when its turn comes to be scheduled again), or a participant is renamed.

public import Model

public struct MatchDay: Sendable {
    /// Matches that run at once.
    static let liveMax = 200
    /// With fewer upcoming matches than this, ended ones are scheduled again.
    static let upcomingMin = 10
    /// Added fixtures that exist at once; while there are so many, none is added.
    static let addedMax = 1000

    public struct Update: Sendable, Equatable {
        public var kind: ModelKind
        public var key: [UInt8]
        /// Nil for a tombstone.
        public var value: [UInt8]?
    }

    private var random: Random
    private var competitors: [Competitor]
    private var fixtures: [Fixture]
    /// Indexes into `fixtures`, in no order.
    private var live: [Int] = []
    /// Indexes into `fixtures`; the next to kick off comes last.
    private var upcoming: [Int] = []
    /// Indexes into `fixtures`; the first is scheduled again first.
    private var ended: [Int] = []
    /// Fixtures from this index on were added by the match day.
    private let addedFrom: Int
    /// Places of added fixtures that were deleted.
    private var free: [Int] = []
    private var addedCount = 0

    /// Throws `wrongFiles` where the offer holds no event to play.
    public init(offer: MatchDayOffer, seed: UInt64) throws(OfferError) {
        guard !offer.fixtures.isEmpty else {
            throw OfferError(.wrongFiles, path: offer.source, "holds no event to play")
        }
        random = Random(seed: seed)
        competitors = offer.competitors
        fixtures = offer.fixtures
        addedFrom = fixtures.count
        for index in fixtures.indices {
            switch fixtures[index].status {
            case .inProgress, .interrupted: live.append(index)
            case .notStarted, .postponed: upcoming.append(index)
            case .finished, .cancelled, .abandoned: ended.append(index)
            }
        }
        upcoming.sort { (fixtures[$1].start, $1) < (fixtures[$0].start, $0) }
    }

    /// The next update. `now` is when added matches start, and shortly before those scheduled again do.
    public mutating func next(now: Timestamp) -> Update {
        switch random.below(6000) {
        case 0: if let update = rename() { return update }
        case 1, 2: if let update = addFixture(now: now) { return update }
        case 3, 4, 5: if let update = postpone(now: now) { return update }
        default: break
        }
        if upcoming.count < Self.upcomingMin, let update = scheduleAgain(now: now) { return update }
        if live.count < Self.liveMax, let update = kickOff() { return update }
        // Where nothing could kick off, something runs: every fixture is live, upcoming or ended.
        return advance(random.below(live.count))
    }

    private func update(_ index: Int) -> Update {
        Update(kind: .event, key: Array(fixtures[index].id.utf8), value: fixtures[index].value)
    }

    // MARK: Around the matches

    /// Nil where no match has ended.
    private mutating func scheduleAgain(now: Timestamp) -> Update? {
        guard let index = ended.first else { return nil }
        ended.removeFirst()
        guard index < addedFrom else {
            free.append(index)
            return Update(kind: .event, key: Array(fixtures[index].id.utf8), value: nil)
        }
        fixtures[index].start = later(now, minutes: 5)
        fixtures[index].status = .notStarted
        fixtures[index].participants = fixtures[index].participants.map { Fixture.Entry(id: $0.id) }
        upcoming.insert(index, at: 0)
        return update(index)
    }

    private func later(_ time: Timestamp, minutes: Int64) -> Timestamp {
        Timestamp(milliseconds: min(time.milliseconds + minutes * 60_000, Timestamp.latest.milliseconds))
    }

    /// Nil where no match is upcoming.
    private mutating func kickOff() -> Update? {
        guard let index = upcoming.popLast() else { return nil }
        live.append(index)
        let form = MatchForm.of(fixtures[index].sport)
        fixtures[index].status = .inProgress
        fixtures[index].period = form.periods.first
        fixtures[index].minute = form.minutesPerPeriod > 0 && fixtures[index].sport != .tennis ? 0 : nil
        for entry in fixtures[index].participants.indices {
            fixtures[index].participants[entry].score = fixtures[index].sport == .horses ? nil : "0"
            fixtures[index].participants[entry].periodScores = form.periods.isEmpty ? [] : ["0"]
        }
        return update(index)
    }

    private mutating func postpone(now: Timestamp) -> Update? {
        guard let index = upcoming.popLast() else { return nil }
        fixtures[index].status = .postponed
        fixtures[index].start = later(max(fixtures[index].start, now), minutes: 24 * 60)
        upcoming.insert(index, at: 0)
        return update(index)
    }

    private mutating func rename() -> Update? {
        guard !competitors.isEmpty else { return nil }
        let index = random.below(competitors.count)
        let sponsor = " 1886"
        if competitors[index].name.hasSuffix(sponsor) {
            competitors[index].name.removeLast(sponsor.count)
        } else {
            competitors[index].name += sponsor
        }
        return Update(
            kind: .participant, key: Array(competitors[index].id.utf8), value: competitors[index].value)
    }

    /// A new fixture between the sides of another; nil at `addedMax`.
    private mutating func addFixture(now: Timestamp) -> Update? {
        guard fixtures.count - addedFrom - free.count < Self.addedMax else { return nil }
        addedCount += 1
        var fixture = fixtures[random.below(addedFrom)]
        fixture.id = "added-\(addedCount)"
        fixture.start = now
        fixture.status = .notStarted
        fixture.period = nil
        fixture.minute = nil
        fixture.participants = fixture.participants.reversed().map { Fixture.Entry(id: $0.id) }
        let index = free.popLast() ?? fixtures.count
        if index < fixtures.count { fixtures[index] = fixture } else { fixtures.append(fixture) }
        upcoming.insert(index, at: 0)
        return update(index)
    }

    // MARK: A running match

    /// One step of the match at `place` in `live`.
    private mutating func advance(_ place: Int) -> Update {
        let index = live[place]
        var fixture = fixtures[index]
        fixture.status = random.chance(1, in: 400) && fixture.status == .inProgress ? .interrupted : .inProgress
        let isOver =
            switch fixture.sport {
            case .horses: random.finishRace(&fixture)
            case .cricket: random.playOver(&fixture)
            case .tennis: random.playGame(&fixture)
            case .soccer, .hockey, .basketball: random.playMinute(&fixture)
            }
        if isOver {
            fixture.status = .finished
            fixture.period = nil
            fixture.minute = nil
            live.swapAt(place, live.count - 1)
            live.removeLast()
            ended.append(index)
        }
        fixtures[index] = fixture
        return update(index)
    }
}
