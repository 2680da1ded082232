// A synthetic offer of all six sports: regions, categories, seasons, stages, participants and events, one competition
// after another, so that memory holds one competition however many events are asked for. Pure: the same events, seed
// and now give the same bytes.

public import Model

public struct Generator: Sendable {
    /// The *now* of an offer that names none, a busy Saturday afternoon: fixed, so that a seed alone fixes the bytes.
    public static let standardNow = Timestamp(milliseconds: 1_773_500_400_000)  // 2026-03-14T15:00:00Z
    /// What one offer may hold.
    public static let eventsMax = 5_000_000

    public let events: Int
    public let seed: UInt64
    public let now: Timestamp

    /// `events` is 1 to `eventsMax`.
    public init(events: Int, seed: UInt64, now: Timestamp = Generator.standardNow) {
        precondition((1...Self.eventsMax).contains(events))
        self.events = events
        self.seed = seed
        self.now = now
    }

    /// Hands over every message once, references of a competition before its events. Rethrows what `body` throws.
    public func forEach(_ body: (_ kind: ModelKind, _ key: [UInt8], _ value: [UInt8]) throws -> Void) throws {
        try produce { message in
            switch message {
            case .reference(let kind, let id, let value): try body(kind, Array(id.utf8), value)
            case .competitor(let competitor): try body(.participant, Array(competitor.id.utf8), competitor.value)
            case .fixture(let fixture): try body(.event, Array(fixture.id.utf8), fixture.value)
            }
        }
    }

    enum Produced {
        case reference(ModelKind, id: String, value: [UInt8])
        case competitor(Competitor)
        case fixture(Fixture)
    }

    /// Percent of the events. Horses are few: a race has many runners, and an answer shows them all.
    private static let shares: [(Sport, Int)] = [
        (.basketball, 19), (.tennis, 15), (.hockey, 13), (.cricket, 7), (.horses, 3),
    ]

    func produce(_ body: (Produced) throws -> Void) throws {
        for country in Country.all {
            var value = Array("{\"id\":\"\(country.id)\"".utf8)
            value.appendField("name", country.name)
            value.appendField("code", country.code)
            try body(.reference(.region, id: country.id, value: value + [UInt8(ascii: "}")]))
        }
        for year in Season.years(around: now) { try body(.reference(.season, id: year.id, value: year.value)) }
        var left = events
        for (sport, share) in Self.shares {
            let count = events * share / 100
            left -= count
            try produce(sport, count, body)
        }
        try produce(.soccer, left, body)
    }

    private func produce(_ sport: Sport, _ count: Int, _ body: (Produced) throws -> Void) throws {
        for number in Country.all.indices where count > 0 {
            let category = Competition.category(sport, Country.all[number])
            try body(.reference(.category, id: category.id, value: category.value))
        }
        var left = count
        var number = 0
        while left > 0 {
            // Each competition has its own random numbers, so that one more event changes none of the others.
            let mixed = seed ^ (UInt64(sport.rawValue) << 56) ^ (UInt64(number) << 24)
            var competition = Competition(sport: sport, number: number, random: Random(seed: mixed), now: now)
            try competition.produce(&left, body)
            number += 1
        }
    }
}

/// A season of an offer: `2025-26` and the two before it.
struct Season {
    let firstYear: Int

    var id: String { "\(firstYear)-\(String((firstYear + 1) % 100 + 100).dropFirst())" }

    var value: [UInt8] {
        let name = "\(firstYear)/\(id.suffix(2))"
        let dates = "\"startDate\":\"\(firstYear)-07-01\",\"endDate\":\"\(firstYear + 1)-06-30\""
        return Array("{\"id\":\"\(id)\",\"name\":\"\(name)\",\(dates)}".utf8)
    }

    /// The running season first.
    static func years(around now: Timestamp) -> [Season] {
        let text = now.description
        let year = Int(text.prefix(4)) ?? 2026
        let month = Int(text.dropFirst(5).prefix(2)) ?? 1
        let first = month >= 7 ? year : year - 1
        return (0..<3).map { Season(firstYear: first - $0) }
    }
}
