// Random requests by seed over known ids: those that have an answer, and every error of the contract's section 4.

import Model

public struct GeneratedRequest: Sendable {
    public var method = "GET"
    public var target: String
}

public struct RequestGenerator {
    /// One request in so many is an error on purpose.
    private static let errorsOneIn = 5

    private var random: SeededGenerator
    private let eventIDs: [String]
    private let teamIDs: [String]
    private let sports: [String]
    private let rules: SelectionRules
    /// Teams that take part in some event; most requests name such.
    private let playingIDs: [String]

    /// Takes the ids that `reference` knows now. `sports` are asked for; other sports now and then.
    public init(seed: UInt64, reference: Reference, sports: [String] = ["soccer"]) {
        random = SeededGenerator(seed: seed)
        eventIDs = reference.ids(.event)
        teamIDs = reference.ids(.participant)
        playingIDs = reference.teamEvents.keys.sorted()
        self.sports = sports
        rules = reference.rules
    }

    public mutating func next() -> GeneratedRequest {
        if chance(1, in: Self.errorsOneIn) { return faulty() }
        return chance(1, in: 6) ? GeneratedRequest(target: teamsTarget()) : GeneratedRequest(target: matchesTarget())
    }

    private mutating func chance(_ part: Int, in whole: Int) -> Bool { Int.random(in: 0..<whole, using: &random) < part }

    private mutating func pick<Element>(_ list: [Element]) -> Element? { list.randomElement(using: &random) }

    private mutating func sport() -> String {
        chance(1, in: 20) ? pick(MessageFields.sports) ?? "soccer" : pick(sports) ?? "soccer"
    }

    // MARK: Good requests

    private mutating func matchesTarget() -> String {
        var parameters: [String] = []
        let both = Int.random(in: 0..<4, using: &random)
        if both != 0 { parameters += list("eventIds", eventList(max: rules.eventsPerRequestMax)) }
        if both != 1 { parameters += list("teamIds", teamList(max: rules.teamsPerRequestMax)) }
        if chance(1, in: 3) { parameters.append("limit=\(Int.random(in: 1...limitBound(), using: &random))") }
        if chance(1, in: 3) { parameters.append("offset=\(Int.random(in: 0...limitBound(), using: &random))") }
        parameters.shuffle(using: &random)
        return "/v1/api/app/mym/\(sport())?" + parameters.joined(separator: "&")
    }

    private mutating func teamsTarget() -> String {
        "/v1/api/app/myt/\(sport())?" + list("teamIds", teamList(max: rules.teamsPerRequestMax)).joined(separator: "&")
    }

    private mutating func limitBound() -> Int { chance(1, in: 3) ? rules.limitMax : 12 }

    /// Mostly few, now and then as many as are allowed.
    private mutating func size(max: Int) -> Int {
        if chance(1, in: 12) { return max }
        return Int.random(in: 1...(chance(1, in: 4) ? max : min(max, 8)), using: &random)
    }

    private mutating func eventList(max: Int) -> [String] {
        let size = size(max: max)
        return repeated((0..<size).map { _ in
            switch Int.random(in: 0..<20, using: &random) {
            case 0: unknownID()
            case 1: pick(teamIDs) ?? unknownID()
            default: pick(eventIDs) ?? unknownID()
            }
        })
    }

    private mutating func teamList(max: Int) -> [String] {
        let size = size(max: max)
        return repeated((0..<size).map { _ in
            switch Int.random(in: 0..<20, using: &random) {
            case 0: unknownID()
            case 1: pick(eventIDs) ?? unknownID()
            case 2...4: pick(teamIDs) ?? unknownID()
            default: pick(playingIDs) ?? unknownID()
            }
        })
    }

    /// Some ids twice: a repeat counts once, so the list stays within its limit.
    private mutating func repeated(_ ids: [String]) -> [String] {
        guard chance(1, in: 3) else { return ids }
        return (ids + ids.prefix(Int.random(in: 1...5, using: &random))).shuffled(using: &random)
    }

    private mutating func unknownID() -> String {
        let legal = Array("ABCXYZabcxyz019._:-")
        return String((0..<Int.random(in: 1...64, using: &random)).map { _ in pick(legal) ?? "a" })
    }

    /// The ids as one parameter or several, with `,` and `%2C` between them.
    private mutating func list(_ name: String, _ ids: [String]) -> [String] {
        var parameters: [String] = []
        let style = Int.random(in: 0..<4, using: &random)
        for id in ids {
            let startsNew = parameters.isEmpty || style == 1 || (style == 3 && chance(1, in: 4))
            let comma = style == 2 || (style == 3 && chance(1, in: 2)) ? (chance(1, in: 2) ? "%2C" : "%2c") : ","
            let text = chance(1, in: 10) ? escaped(id) : id
            if startsNew {
                parameters.append("\(name)=\(text)")
            } else {
                parameters[parameters.count - 1] += comma + text
            }
        }
        return parameters
    }

    /// Percent-encoded where nothing demands it.
    private func escaped(_ id: String) -> String {
        id.utf8.map { "%" + String($0 >> 4, radix: 16, uppercase: true) + String($0 & 15, radix: 16) }.joined()
    }

    // MARK: Errors

    private mutating func faulty() -> GeneratedRequest {
        let known = pick(eventIDs) ?? "e"
        let team = pick(teamIDs) ?? "t"
        let matches = "/v1/api/app/mym/\(sport())"
        let teams = "/v1/api/app/myt/\(sport())"
        let targets = [
            matches, teams, matches + "?limit=3", matches + "?limit=3&offset=1", teams + "?eventIds=\(known)",
            tooMany(matches, "eventIds", rules.eventsPerRequestMax), tooMany(matches, "teamIds", rules.teamsPerRequestMax),
            tooMany(teams, "teamIds", rules.teamsPerRequestMax),
            "\(matches)?eventIds=\(known),\(malformedID())", "\(matches)?teamIds=\(malformedID())",
            "\(teams)?teamIds=\(team),\(malformedID())", "\(matches)?eventIds=\(known)&teamIds=\(malformedID())",
            "\(matches)?eventIds=\(known)&limit=\(malformedNumber())", "\(matches)?teamIds=\(team)&offset=\(malformedNumber())",
            "\(matches)?eventIds=\(known)&limit=0", "\(matches)?eventIds=\(known)&limit=\(rules.limitMax + 1)",
            "\(matches)?eventIds=\(known)&limit=2&limit=2", "\(matches)?eventIds=\(known)&offset=1&offset=2",
            "\(matches)?eventIds=\(known)&page=1", "\(matches)?EventIds=\(known)", "\(teams)?teamIds=\(team)&limit=1",
            "\(teams)?teamIds=\(team)&eventIds=\(known)", "\(matches)?eventIds=\(known)&Limit=1",
            "\(matches)/?eventIds=\(known)", "/v1/api/app/mym/golf?eventIds=\(known)", "/v1/api/app/mym?eventIds=\(known)",
            "/v1/api/app/mym/Soccer?eventIds=\(known)", "/v1/api/app/MYM/soccer?eventIds=\(known)", "/v1/api/app/",
            "/v2/api/app/mym/soccer?eventIds=\(known)", "/nothing/here",
        ]
        if chance(1, in: 8) {
            let method = pick(["POST", "PUT", "DELETE", "PATCH"]) ?? "POST"
            return GeneratedRequest(method: method, target: "\(matches)?eventIds=\(known)")
        }
        return GeneratedRequest(target: pick(targets) ?? "/")
    }

    private mutating func malformedID() -> String {
        pick(["", "a%20b", "%C3%A9", "a%2", "%zz", "a/b", "a!b", "%00", "x" + String(repeating: "y", count: 64), "a%2C"]) ?? ""
    }

    private mutating func malformedNumber() -> String {
        pick(["", "x", "-1", "%2B1", "1.0", "1e1", "0x1", "%D9%A1", "1%20"]) ?? ""
    }

    private func tooMany(_ path: String, _ name: String, _ max: Int) -> String {
        "\(path)?\(name)=" + (0...max).map { "id-\($0)" }.joined(separator: ",")
    }
}
