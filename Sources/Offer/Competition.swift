// One competition of the generator: a league over three seasons, a tennis tour, or a racecourse.

import Model

struct Competition {
    let sport: Sport
    let number: Int
    var random: Random
    let now: Timestamp

    private var country: Country { Country.all[number % Country.all.count] }
    /// How far down the country's leagues this one is, from 1.
    private var level: Int { number / Country.all.count + 1 }
    /// Two letters, unique for each sport.
    private var prefix: String { String(sport.text.prefix(2)) + String(number) }

    private static let minuteMs: Int64 = 60_000
    private static let dayMs: Int64 = 86_400_000

    static func category(_ sport: Sport, _ country: Country) -> (id: String, value: [UInt8]) {
        let id = "\(sport.text):\(country.id)"
        var value = Array("{\"id\":\"\(id)\",\"sport\":\"\(sport.text)\"".utf8)
        value.appendField("name", country.name)
        value.appendField("slug", "\(sport.text)-\(country.id)")
        value.appendField("regionId", country.id)
        return (id, value + [UInt8(ascii: "}")])
    }

    /// Produces the competition's participants and stages, and at most `left` events, which it takes off `left`.
    mutating func produce(_ left: inout Int, _ body: (Generator.Produced) throws -> Void) throws {
        switch sport {
        case .soccer, .hockey, .basketball, .cricket: try produceLeague(&left, body)
        case .tennis: try produceTour(&left, body)
        case .horses: try produceRacecourse(&left, body)
        }
    }

    // MARK: Leagues

    private var teamCount: Int {
        switch sport {
        case .soccer: 20
        case .hockey, .basketball: 16
        default: 10
        }
    }

    private mutating func produceLeague(_ left: inout Int, _ body: (Generator.Produced) throws -> Void) throws {
        var teams: [String] = []
        for index in 0..<teamCount {
            let team = club(index)
            teams.append(team.id)
            try body(.competitor(team))
        }
        for (age, season) in Season.years(around: now).enumerated() where left > 0 {
            let stage = "\(prefix)-\(season.id)"
            try body(.reference(.stage, id: stage, value: stageValue(stage, name: leagueName, season: season)))
            try produceRounds(stage, teams, weeksAgo: age * 52, &left, body)
        }
    }

    /// A double round robin by the circle method, the rounds nearest to now first: of a league that is cut short by
    /// the number of events, what remains is worth showing.
    private mutating func produceRounds(
        _ stage: String, _ teams: [String], weeksAgo: Int, _ left: inout Int,
        _ body: (Generator.Produced) throws -> Void
    ) throws {
        let rounds = 2 * (teams.count - 1)
        var match = 0
        for step in 0..<rounds {
            let round = rounds / 2 + (step % 2 == 0 ? step / 2 : -(step + 1) / 2)
            let days = Int64((round - rounds / 2) * daysBetweenRounds - weeksAgo * 7)
            for pair in 0..<teams.count / 2 where left > 0 {
                let sides = Self.sides(round: round, pair: pair, teams: teams.count)
                var fixture = Fixture(
                    id: "\(stage)-\(match)", sport: sport, stageID: stage, start: kickOff(daysFromNow: days),
                    participants: [Fixture.Entry(id: teams[sides.home]), Fixture.Entry(id: teams[sides.away])])
                random.settle(&fixture, now: now)
                try body(.fixture(fixture))
                match += 1
                left -= 1
            }
        }
    }

    private var daysBetweenRounds: Int { sport == .soccer || sport == .cricket ? 7 : 4 }

    private static func sides(round: Int, pair: Int, teams: Int) -> (home: Int, away: Int) {
        let circle = teams - 1
        let first = pair == 0 ? circle : (round + pair) % circle
        let second = (round + circle - pair) % circle
        return (round + pair + round / circle) % 2 == 0 ? (first, second) : (second, first)
    }

    /// On a day of the round's week, at a usual hour of some time zone.
    private mutating func kickOff(daysFromNow days: Int64) -> Timestamp {
        let day = now.milliseconds - (now.milliseconds % Self.dayMs + Self.dayMs) % Self.dayMs
        let spread = Int64(random.below(3) - 1)
        let quarters = Int64(random.below(44) + 40)  // from 10:00 to 20:45 UTC
        let start = day + (days + spread) * Self.dayMs + quarters * 15 * Self.minuteMs
        return Timestamp(milliseconds: min(max(start, Timestamp.earliest.milliseconds), Timestamp.latest.milliseconds))
    }

    private mutating func club(_ index: Int) -> Competitor {
        let club = random.club(country.flavour)
        let id = "\(prefix)-t\(index)"
        let letters = club.town.unicodeScalars.filter { $0.properties.isAlphabetic }.prefix(3)
        return Competitor(
            id: id, sport: sport, name: club.name, shortName: random.chance(2, in: 3) ? club.town : nil,
            abbreviation: random.chance(3, in: 4) ? String(String.UnicodeScalarView(letters)).uppercased() : nil,
            regionID: country.id, imageURL: random.chance(1, in: 2) ? "https://img.example.org/\(id).png" : nil)
    }

    private var leagueName: String {
        let names: [String] =
            switch sport {
            case .soccer: ["Premier League", "First Division", "Second Division", "Regional League"]
            case .hockey: ["Hockey League", "Hockey Division"]
            case .basketball: ["Basketball League", "Basketball Division"]
            case .cricket: ["Championship", "One-Day Cup"]
            case .tennis: ["Open"]
            case .horses: ["Meeting"]
            }
        return level <= names.count ? names[level - 1] : "\(names[names.count - 1]) \(level - names.count + 1)"
    }

    private mutating func stageValue(_ id: String, name: String, season: Season) -> [UInt8] {
        var value = Array("{\"id\":\"\(id)\",\"sport\":\"\(sport.text)\"".utf8)
        value.appendField("name", name)
        let slug = name.unicodeScalars.map { $0.isASCII && $0.properties.isAlphabetic ? String($0).lowercased() : "-" }
        value.appendField("slug", slug.joined())
        value.appendField("categoryId", "\(sport.text):\(country.id)")
        value.appendField("seasonId", season.id)
        // Real lists have many ties and gaps.
        if !random.chance(1, in: 8) { value.append(contentsOf: ",\"positionScores\":\(min(level * 4, 40))".utf8) }
        if !random.chance(1, in: 8) { value.append(contentsOf: ",\"positionTeams\":\(min(level * 3, 30))".utf8) }
        value.append(UInt8(ascii: "}"))
        return value
    }

    // MARK: Tennis

    /// 64 players and 16 pairs, 13 weekly tournaments; every third one is of pairs.
    private mutating func produceTour(_ left: inout Int, _ body: (Generator.Produced) throws -> Void) throws {
        var players: [String] = []
        var pairs: [String] = []
        for index in 0..<80 {
            let competitor = index < 64 ? player(index) : pair(index)
            if index < 64 { players.append(competitor.id) } else { pairs.append(competitor.id) }
            try body(.competitor(competitor))
        }
        for step in 0..<13 where left > 0 {
            let week = step % 2 == 0 ? step / 2 : -(step + 1) / 2
            let season = Season.years(around: now)[0]
            let stage = "\(prefix)-w\(step)"
            let isDoubles = step % 3 == 1
            let name = "\(random.town(country.flavour)) Open" + (isDoubles ? ", doubles" : "")
            try body(.reference(.stage, id: stage, value: stageValue(stage, name: name, season: season)))
            let draw = random.shuffled(isDoubles ? pairs : players).prefix(isDoubles ? 16 : 32)
            try produceTournament(stage, Array(draw), week: week, &left, body)
        }
    }

    /// A knock-out over one week, half of the field left after each day.
    private mutating func produceTournament(
        _ stage: String, _ draw: [String], week: Int, _ left: inout Int, _ body: (Generator.Produced) throws -> Void
    ) throws {
        var field = draw
        var day: Int64 = -2
        var match = 0
        while field.count > 1 {
            var winners: [String] = []
            for index in 0..<field.count / 2 where left > 0 {
                let sides = [field[2 * index], field[2 * index + 1]]
                var fixture = Fixture(
                    id: "\(stage)-\(match)", sport: sport, stageID: stage,
                    start: kickOff(daysFromNow: Int64(week) * 7 + day), participants: sides.map { Fixture.Entry(id: $0) })
                random.settle(&fixture, now: now)
                winners.append(fixture.participants[0].score == "2" ? sides[0] : sides[1])
                try body(.fixture(fixture))
                match += 1
                left -= 1
            }
            field = winners
            day += 1
        }
    }

    private mutating func player(_ index: Int) -> Competitor {
        let home = random.pick(Country.all)
        let person = random.person(home.flavour)
        return Competitor(
            id: "\(prefix)-p\(index)", sport: sport, name: "\(person.given) \(person.family)", shortName: person.family,
            regionID: home.id)
    }

    private mutating func pair(_ index: Int) -> Competitor {
        let home = random.pick(Country.all)
        let first = random.person(home.flavour)
        let second = random.person(home.flavour)
        return Competitor(
            id: "\(prefix)-d\(index)", sport: sport, name: "\(first.family) / \(second.family)", regionID: home.id)
    }

    // MARK: Horses

    /// 240 horses, nine race days of seven races each, with 8 to 40 runners.
    private mutating func produceRacecourse(_ left: inout Int, _ body: (Generator.Produced) throws -> Void) throws {
        var horses: [String] = []
        for index in 0..<240 {
            let horse = Competitor(
                id: "\(prefix)-h\(index)", sport: sport, name: random.horse(), regionID: country.id)
            horses.append(horse.id)
            try body(.competitor(horse))
        }
        let course = random.town(country.flavour)
        for step in 0..<9 where left > 0 {
            let day = Int64(step % 2 == 0 ? step / 2 : -(step + 1) / 2)
            let stage = "\(prefix)-d\(step)"
            let season = Season.years(around: now)[0]
            try body(.reference(.stage, id: stage, value: stageValue(stage, name: course, season: season)))
            for race in 0..<7 where left > 0 {
                let runners = random.shuffled(horses).prefix(8 + min(random.below(33), random.below(33)))
                var fixture = Fixture(
                    id: "\(stage)-r\(race)", sport: sport, stageID: stage, start: kickOff(daysFromNow: day),
                    participants: runners.map { Fixture.Entry(id: $0) })
                random.settle(&fixture, now: now)
                try body(.fixture(fixture))
                left -= 1
            }
        }
    }
}

extension Random {
    mutating func shuffled<Element>(_ list: [Element]) -> [Element] {
        var list = list
        for index in list.indices { list.swapAt(index, index + below(list.count - index)) }
        return list
    }
}
