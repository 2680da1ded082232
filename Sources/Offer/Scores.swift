// Plausible scores: of a finished match at once, of a running one step by step.

import Model

/// How a sport divides a match.
struct MatchForm {
    /// Names of the periods; empty where the sport has none here.
    let periods: [String]
    let minutesPerPeriod: Int
    /// From the start to the end with breaks.
    let durationMinutes: Int

    static func of(_ sport: Sport) -> MatchForm {
        switch sport {
        case .soccer: MatchForm(periods: ["1H", "2H"], minutesPerPeriod: 45, durationMinutes: 110)
        case .hockey: MatchForm(periods: ["P1", "P2", "P3"], minutesPerPeriod: 20, durationMinutes: 150)
        case .basketball: MatchForm(periods: ["Q1", "Q2", "Q3", "Q4"], minutesPerPeriod: 10, durationMinutes: 135)
        case .tennis: MatchForm(periods: ["S1", "S2", "S3"], minutesPerPeriod: 40, durationMinutes: 120)
        case .cricket: MatchForm(periods: [], minutesPerPeriod: 0, durationMinutes: 480)
        case .horses: MatchForm(periods: [], minutesPerPeriod: 0, durationMinutes: 10)
        }
    }
}

extension Random {
    /// Writes the scores as they stand after `periods` whole periods.
    mutating func score(_ fixture: inout Fixture, periods: Int) {
        switch fixture.sport {
        case .horses: placeRunners(&fixture)
        case .cricket:
            for index in fixture.participants.indices {
                fixture.participants[index].score = "\(90 + below(260))/\(below(11))"
            }
        case .tennis: scoreSets(&fixture, periods: periods)
        case .soccer, .hockey, .basketball:
            for index in fixture.participants.indices {
                let scores = (0..<periods).map { _ in periodScore(fixture.sport) }
                fixture.participants[index].score = String(scores.reduce(0, +))
                fixture.participants[index].periodScores = scores.map { String($0) }
            }
        }
    }

    private mutating func periodScore(_ sport: Sport) -> Int {
        // The smaller of two draws: low scores are more frequent.
        sport == .basketball ? 12 + below(22) : min(below(4), below(4))
    }

    /// Each runner's place; one in twelve does not finish.
    private mutating func placeRunners(_ fixture: inout Fixture) {
        var order = Array(fixture.participants.indices)
        for index in order.indices { order.swapAt(index, index + below(order.count - index)) }
        for (place, runner) in order.enumerated() {
            fixture.participants[runner].score = place > 3 && chance(1, in: 12) ? "DNF" : String(place + 1)
        }
    }

    private mutating func scoreSets(_ fixture: inout Fixture, periods: Int) {
        var won = [0, 0]
        guard fixture.participants.count == 2 else { return }
        for index in 0..<2 { fixture.participants[index].periodScores = [] }
        for _ in 0..<periods where won[0] < 2 && won[1] < 2 {
            let winner = below(2)
            let close = chance(1, in: 4)
            fixture.participants[winner].periodScores.append(close ? "7" : "6")
            fixture.participants[1 - winner].periodScores.append(String(close ? 5 + below(2) : below(5)))
            won[winner] += 1
        }
        for index in 0..<2 { fixture.participants[index].score = String(won[index]) }
    }

    /// Gives a fixture the state that its start asks for at `now`.
    mutating func settle(_ fixture: inout Fixture, now: Timestamp) {
        let form = MatchForm.of(fixture.sport)
        let minutes = Int((now.milliseconds - fixture.start.milliseconds) / 60_000)
        let fate = below(200)
        guard fixture.start <= now else {
            fixture.status = fate == 0 ? .cancelled : fate < 3 ? .postponed : .notStarted
            return
        }
        guard fate > 2 else {
            fixture.status = fate == 0 ? .cancelled : fate == 1 ? .postponed : .abandoned
            return
        }
        if minutes >= form.durationMinutes {
            fixture.status = .finished
            score(&fixture, periods: max(form.periods.count, 1))
            return
        }
        fixture.status = fate < 6 ? .interrupted : .inProgress
        guard !form.periods.isEmpty else {
            if fixture.sport == .cricket { score(&fixture, periods: 1) }
            return
        }
        let period = min(minutes * form.periods.count / form.durationMinutes, form.periods.count - 1)
        fixture.period = form.periods[period]
        if fixture.sport != .tennis { fixture.minute = Int64(period * form.minutesPerPeriod + below(form.minutesPerPeriod)) }
        score(&fixture, periods: period + 1)
    }
}
