// Path and query → a request that keeps the contract (sections 2 to 4), or the problem to answer.
//
// One parser for each event loop; it keeps the memory that reading takes. The work is bounded by the request line's
// limit (16 KiB): at most 8,192 ids are read before they are found too many. A request whose memory comes back by
// `recycle` costs no allocation.
//
// Where the contract leaves a choice: an empty parameter (`a=1&&b=2`) is one of unknown, empty name, so 400. `+` is
// no space but a plus. An `offset` that no integer holds is legal and beyond every total: it counts, and is echoed,
// as the largest integer.

public import Model

/// Reads requests. Not for concurrent use.
public struct RequestParser: ~Copyable, Sendable {
    private let rules: SelectionRules
    private var decoded: [UInt8] = []
    private var found = Parameters()
    private var seen = UniqueIDs()
    /// Lists to use again: two for each of so many requests in flight.
    private var spares: [[ID]] = []
    private static let sparesMax = 128
    /// A longer list, of the same id a thousand times perhaps, is given back to the allocator.
    private static let idsKeptMax = 512
    /// What most lists hold. A longer one grows once or twice.
    private static let idsUsual = 32

    public init(rules: SelectionRules) { self.rules = rules }

    /// `path` and `query` as sent, without the question mark.
    public mutating func parse(path: Span<UInt8>, query: Span<UInt8>) throws(Problem) -> Request {
        let prefixCount = 16
        guard path.count >= prefixCount else { throw .unknownPath(path) }
        let prefix = path.extracting(first: prefixCount)
        let isMatches = prefix.equals("/v1/api/app/mym/")
        guard isMatches || prefix.equals("/v1/api/app/myt/") else { throw .unknownPath(path) }
        let name = path.extracting(prefixCount..<path.count)
        for index in 0..<name.count where name[index] == 0x2F { throw .unknownPath(path) }
        guard let sport = Sport(name) else { throw .unknownSport(name) }

        try read(query, isMatches: isMatches)
        let teamIDs = try Self.unique(&found.teamIDs, &seen, "teamIds", max: rules.teamsPerRequestMax)
        guard isMatches else {
            guard !teamIDs.isEmpty else { throw .badRequest("teamIds is missing; it takes one id or more.") }
            return .teams(TeamsRequest(sport: sport, teamIDs: teamIDs))
        }
        let eventIDs = try Self.unique(&found.eventIDs, &seen, "eventIds", max: rules.eventsPerRequestMax)
        guard !eventIDs.isEmpty || !teamIDs.isEmpty else {
            throw .badRequest("eventIds and teamIds are missing; at least one of them is needed.")
        }
        return .matches(
            MatchesRequest(
                sport: sport, eventIDs: eventIDs, teamIDs: teamIDs, limit: found.limit ?? rules.limitMax,
                offset: found.offset ?? 0))
    }

    /// The parameters as found, ids in the order and with the repeats of the query.
    private struct Parameters {
        var eventIDs: [ID] = []
        var teamIDs: [ID] = []
        var limit: Int?
        var offset: Int?

        /// Forgets them; the lists keep their memory.
        mutating func removeAll() {
            eventIDs.removeAll(keepingCapacity: true)
            teamIDs.removeAll(keepingCapacity: true)
            (limit, offset) = (nil, nil)
        }
    }

    /// Sets `found`.
    private mutating func read(_ query: Span<UInt8>, isMatches: Bool) throws(Problem) {
        // Out of `self`, since reading a value uses the memory for percent-decoding.
        var parameters = Parameters()
        swap(&parameters, &found)
        defer { swap(&parameters, &found) }
        parameters.removeAll()
        if parameters.eventIDs.capacity == 0, isMatches { parameters.eventIDs = takeSpare() }
        if parameters.teamIDs.capacity == 0 { parameters.teamIDs = takeSpare() }
        var start = 0
        while start < query.count {
            let end = query.firstIndex(of: 0x26, in: start..<query.count) ?? query.count
            let equals = query.firstIndex(of: 0x3D, in: start..<end) ?? end
            let name = query.extracting(start..<equals)
            let value = query.extracting(min(equals + 1, end)..<end)
            try take(name, value, isMatches: isMatches, into: &parameters)
            start = end + 1
            // An ampersand at the end stands before one more, empty parameter.
            if start == query.count { throw .unknownParameter(Span(), isMatches: isMatches) }
        }
    }

    private mutating func takeSpare() -> [ID] {
        if var spare = spares.popLast() {
            spare.removeAll(keepingCapacity: true)
            return spare
        }
        var ids: [ID] = []
        ids.reserveCapacity(Self.idsUsual)
        return ids
    }

    private mutating func take(
        _ name: Span<UInt8>, _ value: Span<UInt8>, isMatches: Bool, into parameters: inout Parameters
    ) throws(Problem) {
        switch try parameter(name) {
        case .teamIDs:
            try readIDs(value, "teamIds", into: &parameters.teamIDs)
        case .eventIDs where isMatches:
            try readIDs(value, "eventIds", into: &parameters.eventIDs)
        case .limit where isMatches:
            guard parameters.limit == nil else { throw .badRequest("limit is repeated; it may stand once.") }
            parameters.limit = try readLimit(value)
        case .offset where isMatches:
            guard parameters.offset == nil else { throw .badRequest("offset is repeated; it may stand once.") }
            parameters.offset = try readOffset(value)
        case .eventIDs, .limit, .offset, nil:
            throw .unknownParameter(name, isMatches: isMatches)
        }
    }

    private enum Parameter { case eventIDs, teamIDs, limit, offset }

    private mutating func parameter(_ name: Span<UInt8>) throws(Problem) -> Parameter? {
        if !name.isEncoded { return Self.parameter(plain: name) }
        try decode(name)
        return Self.parameter(plain: decoded.span)
    }

    private static func parameter(plain name: Span<UInt8>) -> Parameter? {
        if name.equals("eventIds") { return .eventIDs }
        if name.equals("teamIds") { return .teamIDs }
        if name.equals("limit") { return .limit }
        if name.equals("offset") { return .offset }
        return nil
    }

    /// Each id once, in the order in which they came. Takes the list: `recycle` gives its memory back.
    private static func unique(
        _ list: inout [ID], _ unique: inout UniqueIDs, _ name: StaticString, max: Int
    ) throws(Problem) -> [ID] {
        var ids: [ID] = []
        swap(&ids, &list)
        unique.begin(count: ids.count)
        var count = 0
        for index in ids.indices where unique.insert(ids[index], behind: ids.span.extracting(first: count)) {
            if count != index { ids[count] = ids[index] }
            count += 1
        }
        ids.removeLast(ids.count - count)
        guard count <= max else {
            throw .badRequest("\(name) holds \(count) different ids; at most \(max) are allowed.")
        }
        return ids
    }

    /// Takes a request's memory back, so that the next one needs none. To be called where nobody else has the request.
    public mutating func recycle(_ request: consuming Request) {
        switch consume request {
        case .matches(let matches):
            keep(matches.eventIDs)
            keep(matches.teamIDs)
        case .teams(let teams): keep(teams.teamIDs)
        }
    }

    private mutating func keep(_ ids: [ID]) {
        if ids.capacity > 0, ids.capacity <= Self.idsKeptMax, spares.count < Self.sparesMax { spares.append(ids) }
    }
}

// MARK: - Values

extension RequestParser {
    private mutating func readIDs(
        _ value: Span<UInt8>, _ name: StaticString, into ids: inout [ID]
    ) throws(Problem) {
        // No id holds a percent sign, so only a value that holds no ids as it is need be searched for one.
        let count = ids.count
        guard let illegal = Self.readIDs(plain: value, into: &ids) else { return }
        guard value.isEncoded else { throw Self.malformed(value.extracting(illegal), name) }
        ids.removeLast(ids.count - count)
        try decode(value)
        guard let illegal = Self.readIDs(plain: decoded.span, into: &ids) else { return }
        throw Self.malformed(decoded.span.extracting(illegal), name)
    }

    /// Stops at the first text that is no id, and says where it stands.
    private static func readIDs(plain value: Span<UInt8>, into ids: inout [ID]) -> Range<Int>? {
        var start = 0
        while start <= value.count {
            let end = value.firstIndex(of: 0x2C, in: start..<value.count) ?? value.count
            guard let id = ID(value.extracting(start..<end)) else { return start..<end }
            ids.append(id)
            start = end + 1
        }
        return nil
    }

    private static func malformed(_ text: Span<UInt8>, _ name: StaticString) -> Problem {
        .badRequest(
            "\(name) holds \(Problem.quoted(text)), which is no id; an id is 1 to \(ID.bytesMax) bytes out of "
                + "A-Z a-z 0-9 . _ : - and ids are separated by commas.")
    }

    private mutating func readLimit(_ value: Span<UInt8>) throws(Problem) -> Int {
        if let limit = try readNumber(value), (1...rules.limitMax).contains(limit) { return limit }
        throw .badRequest("limit is \(Problem.quoted(value)); it is a number from 1 to \(rules.limitMax).")
    }

    private mutating func readOffset(_ value: Span<UInt8>) throws(Problem) -> Int {
        if let offset = try readNumber(value) { return offset }
        throw .badRequest("offset is \(Problem.quoted(value)); it is a number, 0 or more.")
    }

    private mutating func readNumber(_ value: Span<UInt8>) throws(Problem) -> Int? {
        if !value.isEncoded { return Self.number(plain: value) }
        try decode(value)
        return Self.number(plain: decoded.span)
    }

    /// ASCII digits; nil for anything else. A number that does not fit is the largest integer.
    private static func number(plain value: Span<UInt8>) -> Int? {
        guard !value.isEmpty else { return nil }
        var number = 0
        for index in 0..<value.count {
            let byte = value[index]
            guard byte >= 0x30 && byte <= 0x39 else { return nil }
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, isOver) = product.addingReportingOverflow(Int(byte - 0x30))
            number = isTooLarge || isOver ? .max : sum
        }
        return number
    }

    /// Percent-decodes into `decoded`.
    private mutating func decode(_ text: Span<UInt8>) throws(Problem) {
        decoded.removeAll(keepingCapacity: true)
        var index = 0
        while index < text.count {
            guard text[index] == 0x25 else {
                decoded.append(text[index])
                index += 1
                continue
            }
            guard index + 2 < text.count, let high = Self.hexadecimal(text[index + 1]),
                let low = Self.hexadecimal(text[index + 2])
            else {
                throw .badRequest("\(Problem.quoted(text)) holds a '%' that two hexadecimal digits do not follow.")
            }
            decoded.append(high << 4 | low)
            index += 3
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}

extension Problem {
    fileprivate static func unknownParameter(_ name: Span<UInt8>, isMatches: Bool) -> Problem {
        .badRequest(
            "The parameter \(quoted(name)) is unknown. Parameters are "
                + (isMatches ? "eventIds, teamIds, limit and offset" : "teamIds") + "; case counts.")
    }
}

extension Span<UInt8> {
    /// Whether a percent sign stands in it.
    fileprivate var isEncoded: Bool { firstIndex(of: 0x25, in: 0..<count) != nil }
}
