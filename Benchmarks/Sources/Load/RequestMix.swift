// What clients ask for. Each mix makes a number of distinct requests out of an offer and a seed.

import TestSupport

package enum RequestMix: String, Sendable, CaseIterable {
    /// 1 to 20 events, 0 to 5 teams.
    case mixed
    case oneEvent = "ids-1"
    /// About 8 KB: the row that comparisons go by.
    case tenEventsThreeTeams = "ids-10-teams-3"
    case hundredEvents = "ids-100"
    case twoHundredEventsFiftyTeams = "ids-200-teams-50"
    /// 1 to 5 teams.
    case teams = "myt"
    /// `mixed`, each with the ETag that was last seen for it.
    case revalidate
    /// `mixed`, packed.
    case gzip
    /// `mixed`, and the most popular team in 60 of 100.
    case cupFinal = "cup-final"

    package var revalidates: Bool { self == .revalidate }

    /// Events and teams are drawn by popularity, each once a request; who is popular is the seed's choice. `count`
    /// requests, fewer only where the offer does not give so many different ones.
    package func requests(_ index: OfferIndex, count: Int, seed: UInt64) -> [RequestText] {
        var random = SeededGenerator(seed: seed)
        var maker = RequestMaker(index, &random)
        var seen: Set<String> = []
        var texts: [RequestText] = []
        // Draws that repeat a request are drawn again, within reason.
        for _ in 0..<count * 20 where texts.count < count {
            let path = self.path(&maker, &random)
            guard seen.insert(path).inserted else { continue }
            texts.append(RequestText(path: path, headers: self == .gzip ? ["Accept-Encoding: gzip"] : []))
        }
        return texts
    }

    private func path(_ maker: inout RequestMaker, _ random: inout SeededGenerator) -> String {
        switch self {
        case .oneEvent: maker.matches(events: 1, teams: 0, &random)
        case .tenEventsThreeTeams: maker.matches(events: 10, teams: 3, &random)
        case .hundredEvents: maker.matches(events: 100, teams: 0, &random)
        case .twoHundredEventsFiftyTeams: maker.matches(events: 200, teams: 50, &random)
        case .teams: maker.teams(1 + below(5, &random), &random)
        case .mixed, .revalidate, .gzip:
            maker.matches(events: 1 + below(20, &random), teams: below(6, &random), &random)
        case .cupFinal:
            maker.matches(
                events: 1 + below(20, &random), teams: below(6, &random), finalist: below(100, &random) < 60, &random)
        }
    }
}

private struct RequestMaker {
    private let sport: String
    /// Most popular first.
    private var events: [String]
    private var teams: [String]
    private let eventRanks: Zipf
    private let teamRanks: Zipf

    init(_ index: OfferIndex, _ random: inout SeededGenerator) {
        precondition(!index.events.isEmpty && !index.teams.isEmpty)
        sport = index.sport
        events = index.events
        teams = index.teams
        shuffle(&events, &random)
        shuffle(&teams, &random)
        eventRanks = Zipf(count: events.count)
        teamRanks = Zipf(count: teams.count)
    }

    func matches(events: Int, teams: Int, finalist: Bool = false, _ random: inout SeededGenerator) -> String {
        let eventIDs = drawn(events, of: self.events, eventRanks, &random)
        var teamIDs = drawn(teams, of: self.teams, teamRanks, &random)
        if finalist, !teamIDs.contains(self.teams[0]) { teamIDs.append(self.teams[0]) }
        let lists = [("eventIds", eventIDs), ("teamIds", teamIDs)].filter { !$0.1.isEmpty }
        return "/v1/api/app/mym/\(sport)?" + lists.map { "\($0)=\($1.joined(separator: ","))" }.joined(separator: "&")
    }

    func teams(_ count: Int, _ random: inout SeededGenerator) -> String {
        "/v1/api/app/myt/\(sport)?teamIds=" + drawn(count, of: teams, teamRanks, &random).joined(separator: ",")
    }

    /// Different ids. Where popularity alone brings none that are new, the next most popular fill up.
    private func drawn(_ count: Int, of ids: [String], _ ranks: Zipf, _ random: inout SeededGenerator) -> [String] {
        let wanted = min(count, ids.count)
        var seen: Set<Int> = []
        var ordered: [Int] = []
        for _ in 0..<wanted * 20 where ordered.count < wanted {
            let rank = ranks.draw(&random)
            if seen.insert(rank).inserted { ordered.append(rank) }
        }
        for rank in ids.indices where ordered.count < wanted && !seen.contains(rank) { ordered.append(rank) }
        return ordered.map { ids[$0] }
    }
}

/// Which request comes next, for a run of any length. Drawn beforehand and repeated, so choosing costs a load.
package struct Choices: Sendable {
    package enum Law: String, Sendable, CaseIterable { case uniform, zipf }

    private static let count = 1 << 16
    private let order: [Int32]
    private var at = 0

    package init(_ law: Law, of requests: Int, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let ranks = Zipf(count: requests)
        order = (0..<Self.count).map { _ in
            Int32(law == .zipf ? ranks.draw(&random) : below(requests, &random))
        }
    }

    package mutating func next() -> Int {
        at = (at + 1) & (Self.count - 1)
        return Int(order[at])
    }
}
