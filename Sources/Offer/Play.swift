// One step of a running match, sport by sport. Each returns whether the match is over.

import Model

extension Random {
    /// Scores of a folder are any text: what is no number counts as 0, and what is too large as the largest.
    private func number(_ text: String?) -> Int { min(max(text.flatMap { Int($0) } ?? 0, 0), 10_000) }

    /// Adds to a side's score and to the score of its running period.
    private mutating func add(_ points: Int, to side: Int, of fixture: inout Fixture) {
        var entry = fixture.participants[side]
        entry.score = String(number(entry.score) + points)
        if let last = entry.periodScores.popLast() { entry.periodScores.append(String(number(last) + points)) }
        fixture.participants[side] = entry
    }

    mutating func playMinute(_ fixture: inout Fixture) -> Bool {
        let form = MatchForm.of(fixture.sport)
        let minute = Int(min(max(fixture.minute ?? 0, 0), 1000)) + 1
        let period = min((minute - 1) / form.minutesPerPeriod, form.periods.count - 1)
        if fixture.period != form.periods[period] {
            fixture.period = form.periods[period]
            for side in fixture.participants.indices { fixture.participants[side].periodScores.append("0") }
        }
        fixture.minute = Int64(minute)
        if fixture.sport == .basketball {
            add(1 + below(3), to: below(fixture.participants.count), of: &fixture)
        } else if chance(1, in: fixture.sport == .soccer ? 35 : 12) {
            add(1, to: below(fixture.participants.count), of: &fixture)
        }
        return minute >= form.minutesPerPeriod * form.periods.count
    }

    /// One game; a set goes to who has six and two more than the other, or seven; the match to who has two sets.
    mutating func playGame(_ fixture: inout Fixture) -> Bool {
        guard fixture.participants.count == 2 else { return true }
        let winner = below(2)
        let won = number(fixture.participants[winner].periodScores.popLast()) + 1
        let lost = number(fixture.participants[1 - winner].periodScores.popLast())
        fixture.participants[winner].periodScores.append(String(won))
        fixture.participants[1 - winner].periodScores.append(String(lost))
        guard won >= 7 || (won == 6 && lost <= 4) else { return false }
        let sets = number(fixture.participants[winner].score) + 1
        fixture.participants[winner].score = String(sets)
        guard sets < 2 else { return true }
        for side in 0..<2 { fixture.participants[side].periodScores.append("0") }
        fixture.period = "S\(min(fixture.participants[0].periodScores.count, 3))"
        return false
    }

    /// One over: the first side bats until it is out or has played 50 overs, then the other.
    mutating func playOver(_ fixture: inout Fixture) -> Bool {
        let oversMax = 50
        let oversAll = oversMax * fixture.participants.count
        let over = min(number(fixture.period.flatMap { $0.split(separator: " ").last.map(String.init) }), oversAll - 1)
        let side = over / oversMax
        let parts = (fixture.participants[side].score ?? "").split(separator: "/").map { number(String($0)) }
        let runs = (parts.first ?? 0) + below(12)
        let wickets = min((parts.count > 1 ? parts[1] : 0) + (chance(1, in: 6) ? 1 : 0), 10)
        fixture.participants[side].score = "\(runs)/\(wickets)"
        let next = wickets == 10 ? (side + 1) * oversMax : over + 1
        fixture.period = "Over \(next)"
        return next >= oversAll
    }

    mutating func finishRace(_ fixture: inout Fixture) -> Bool {
        score(&fixture, periods: 1)
        return true
    }
}
