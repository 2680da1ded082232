// Requests by sections 2 to 4 of the contract: reading the target, selecting, ordering, grouping.

import Glibc
import Model

public struct ReferenceAnswer: Equatable, Sendable {
    public var status: Int
    /// The exact body of a 200; nil for every other status, whose text the contract leaves open.
    public var body: [UInt8]?
}

/// Bytes compared one by one.
func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    let shared = min(left.count, right.count)
    let order = unsafe memcmp(left, right, shared)
    return order != 0 ? order < 0 : left.count < right.count
}

private struct Refusal: Error {
    let status: Int
}

/// What a target asks, checked.
private struct ReferenceRequest {
    var isMatches = false
    var sport = ""
    /// Without repeats.
    var eventIDs: [String] = []
    var teamIDs: [String] = []
    var limit = 0
    var offset = 0
}

extension Reference {
    /// Answers a request whose *now* is `now`, in milliseconds since 1970.
    public func answer(method: String = "GET", target: String, now: Int64) -> ReferenceAnswer {
        do {
            let request = try parse(method: method, target: target)
            guard let request else { return ReferenceAnswer(status: 204) }
            let body = request.isMatches ? matches(request, now: now) : teams(request)
            return ReferenceAnswer(status: 200, body: body)
        } catch {
            return ReferenceAnswer(status: error.status)
        }
    }

    // MARK: Reading the target

    /// Nil for OPTIONS.
    private func parse(method: String, target: String) throws(Refusal) -> ReferenceRequest? {
        let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var request = ReferenceRequest()
        let path = halves[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard path.count == 6, path[0] == "", path[1] == "v1", path[2] == "api", path[3] == "app",
            path[4] == "mym" || path[4] == "myt", MessageFields.sports.contains(path[5])
        else { throw Refusal(status: 404) }
        guard ["GET", "HEAD", "OPTIONS"].contains(method) else { throw Refusal(status: 405) }
        if method == "OPTIONS" { return nil }
        request.isMatches = path[4] == "mym"
        request.sport = path[5]
        try readParameters(halves.count > 1 ? halves[1] : "", into: &request)
        return request
    }

    private func readParameters(_ query: String, into request: inout ReferenceRequest) throws(Refusal) {
        var values: [String: [String]] = [:]
        if !query.isEmpty {
            for pair in query.split(separator: "&", omittingEmptySubsequences: false) {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                let value = parts.count > 1 ? try decoded(String(parts[1])) : ""
                values[try decoded(String(parts[0])), default: []].append(value)
            }
        }
        let lists = request.isMatches ? ["eventIds", "teamIds"] : ["teamIds"]
        let scalars = request.isMatches ? ["limit", "offset"] : []
        guard values.keys.allSatisfy({ lists.contains($0) || scalars.contains($0) }),
            scalars.allSatisfy({ (values[$0]?.count ?? 0) <= 1 }),
            lists.contains(where: { values[$0] != nil })
        else { throw Refusal(status: 400) }
        request.eventIDs = try ids(values["eventIds"] ?? [], max: rules.eventsPerRequestMax)
        request.teamIDs = try ids(values["teamIds"] ?? [], max: rules.teamsPerRequestMax)
        let limitMax = rules.eventsPerRequestMax + rules.teamsPerRequestMax * rules.eventsPerTeamMax
        request.limit = try number(values["limit"]?.first, in: 1...limitMax, or: limitMax)
        request.offset = try number(values["offset"]?.first, in: 0...Int.max, or: 0)
    }

    private func decoded(_ text: String) throws(Refusal) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == 0x25 {
                guard index + 2 < bytes.count,
                    let high = Character(Unicode.Scalar(bytes[index + 1])).hexDigitValue,
                    let low = Character(Unicode.Scalar(bytes[index + 2])).hexDigitValue
                else { throw Refusal(status: 400) }
                result.append(UInt8(high * 16 + low))
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private func ids(_ lists: [String], max: Int) throws(Refusal) -> [String] {
        var seen: Set<String> = []
        var result: [String] = []
        for list in lists {
            for part in list.split(separator: ",", omittingEmptySubsequences: false) {
                guard let id = referenceID(Array(part.utf8)) else { throw Refusal(status: 400) }
                if seen.insert(id).inserted { result.append(id) }
            }
        }
        guard result.count <= max else { throw Refusal(status: 400) }
        return result
    }

    private func number(_ text: String?, in range: ClosedRange<Int>, or standard: Int) throws(Refusal) -> Int {
        guard let text else { return standard }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text), range.contains(value) else {
            throw Refusal(status: 400)
        }
        return value
    }

    // MARK: My matches

    private func matches(_ request: ReferenceRequest, now: Int64) -> [UInt8] {
        var chosen: [String: RenderedEvent] = [:]
        for id in request.eventIDs {
            if let found = events[id], found.sport == request.sport { chosen[id] = event(found) }
        }
        let requested = Set(chosen.keys)
        for team in request.teamIDs {
            for found in firstEvents(of: team, request.sport, without: requested, now: now) { chosen[found.id] = found }
        }
        let union = chosen.values.sorted(by: Self.comesFirst)
        let kept = Array(union.dropFirst(request.offset).prefix(request.limit))
        return matchesJSON(
            sport: request.sport, total: union.count, offset: request.offset, limit: request.limit,
            stages: grouped(kept))
    }

    static func comesFirst(_ left: RenderedEvent, _ right: RenderedEvent) -> Bool {
        if left.start != right.start { return left.start < right.start }
        if left.name != right.name { return precedes(left.name, right.name) }
        return precedes(Array(left.id.utf8), Array(right.id.utf8))
    }

    private func firstEvents(
        of team: String, _ sport: String, without requested: Set<String>, now: Int64
    ) -> [RenderedEvent] {
        var shown: [ReferenceEvent] = []
        for found in (teamEvents[team] ?? [:]).values {
            guard now < found.start + rules.matchesRemainMs, found.sport == sport, !requested.contains(found.id),
                ["NOT_STARTED", "IN_PROGRESS", "INTERRUPTED", "FINISHED"].contains(found.status)
            else { continue }
            shown.append(found)
        }
        // Only to be fast enough: names decide only among events that start no later than the last to be kept.
        let starts = shown.map(\.start).sorted()
        guard rules.eventsPerTeamMax > 0, let first = starts.first else { return [] }
        let last = starts.count > rules.eventsPerTeamMax ? starts[rules.eventsPerTeamMax - 1] : starts.last ?? first
        let candidates = shown.filter { $0.start <= last }.map(event).sorted(by: Self.comesFirst)
        return Array(candidates.prefix(rules.eventsPerTeamMax))
    }

    /// The JSON of the stages in their order, each with its events in theirs.
    private func grouped(_ events: [RenderedEvent]) -> [[UInt8]] {
        var byStage: [String: [RenderedEvent]] = [:]
        for event in events { byStage[event.stageID, default: []].append(event) }
        let known = byStage.keys.compactMap { stages[$0] }.sorted(by: Self.comesFirst)
        let unknown = byStage.keys.filter { stages[$0] == nil }.sorted { precedes(Array($0.utf8), Array($1.utf8)) }
        return known.map { stageJSON($0, events: (byStage[$0.id] ?? []).map(\.json)) }
            + unknown.map { unknownStageJSON($0, events: (byStage[$0] ?? []).map(\.json)) }
    }

    private static func comesFirst(_ left: ReferenceStage, _ right: ReferenceStage) -> Bool {
        if left.positionScores != right.positionScores {
            return isBefore(left.positionScores, right.positionScores)
        }
        if left.positionTeams != right.positionTeams { return isBefore(left.positionTeams, right.positionTeams) }
        if left.name.bytes != right.name.bytes { return precedes(left.name.bytes, right.name.bytes) }
        return precedes(Array(left.id.utf8), Array(right.id.utf8))
    }

    /// A missing position comes after every present one. The two differ.
    private static func isBefore(_ left: Int64?, _ right: Int64?) -> Bool {
        guard let left else { return false }
        guard let right else { return true }
        return left < right
    }

    // MARK: My teams

    private func teams(_ request: ReferenceRequest) -> [UInt8] {
        let known = request.teamIDs.compactMap { participants[$0] }.filter { $0.sport == request.sport }
        let sorted = known.sorted { left, right in
            if left.name.bytes != right.name.bytes { return precedes(left.name.bytes, right.name.bytes) }
            return precedes(Array(left.id.utf8), Array(right.id.utf8))
        }
        return teamsJSON(sport: request.sport, teams: sorted.map { teamJSON($0) })
    }
}
