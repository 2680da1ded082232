// The query frame's body:
//
//   u8 flags            1: a `teams` request; 2: the positions of the last needs frame must be reached; 4: fragments are
//                       taken packed; 8: there is a bound to how old the answer may be
//   u8 sport
//   varint, varint      remaining time, milliseconds; when it was sent, by the router's monotonic clock, milliseconds
//   varint              only with the flag: that bound, milliseconds
//   fixed i64           now, milliseconds since 1970
//   varint, varint      events for each team at most; how long matches remain, milliseconds
//   set                 the partitions to answer for
//   varint, varint…     how many offsets are needed (none or one for each partition), and these
//   varint, text…       event ids, which the router sends once each: a repeated one is shown twice; left out in a `teams` request
//   varint, text…       team ids
//
// `limit` and `offset` do not travel: the router alone sees the union. They are 0 in a decoded query.

public import Model
public import Query

/// A query and what belongs to it on a link. Decoding into the same value again reuses its arrays.
public struct QueryFrame: Sendable, Equatable {
    public var query: HolderQuery
    /// One for each partition of the query, in rising order; empty where nothing is needed.
    public var neededOffsets: [Offset]
    /// Whether the link's last needs frame applies.
    public var needsGlobals: Bool
    public var remainingMs: UInt32
    /// By a clock of the router's own that never goes back; only differences mean something (`QueryAge`).
    public var sentMs: UInt64

    public init(
        query: HolderQuery, neededOffsets: [Offset], needsGlobals: Bool, remainingMs: UInt32, sentMs: UInt64
    ) {
        self.query = query
        self.neededOffsets = neededOffsets
        self.needsGlobals = needsGlobals
        self.remainingMs = remainingMs
        self.sentMs = sentMs
    }

    /// An empty one to decode into.
    public init() {
        let request = Request.teams(TeamsRequest(sport: .soccer, teamIDs: []))
        let query = HolderQuery(
            request: request, partitions: PartitionSet(), now: Timestamp(milliseconds: 0), eventsPerTeamMax: 0,
            matchesRemainMs: 0)
        self.init(query: query, neededOffsets: [], needsGlobals: false, remainingMs: 0, sentMs: 0)
    }

    static let teamsFlag: UInt8 = 1
    static let globalsFlag: UInt8 = 2
    static let packedFlag: UInt8 = 4
    static let boundFlag: UInt8 = 8
    /// Longer than any two times are apart.
    static let remainMsMax = Int(Timestamp.latest.milliseconds - Timestamp.earliest.milliseconds)

    /// An upper bound of the encoded frame.
    public static func bytesMax(_ query: HolderQuery, needs: PositionNeeds) -> Int {
        var ids = 0
        switch query.request {
        case .matches(let request):
            for id in request.eventIDs { ids += 1 + id.count }
            for id in request.teamIDs { ids += 1 + id.count }
        case .teams(let request):
            for id in request.teamIDs { ids += 1 + id.count }
        }
        let fields = 2 + 8 + 8 * FrameSize.varintMax + FrameSize.setMax
        return FrameHeader.bytes + fields + needs.offsets.count * FrameSize.varintMax + ids
    }

    /// `needs.globals` is written as a flag; the caller has sent them before, in a needs frame.
    public static func write(
        _ query: HolderQuery, needs: PositionNeeds, remainingMs: UInt32, sentMs: UInt64, request: UInt64,
        to writer: inout FrameWriter
    ) {
        writer.frame(.query, request: request) { writer in
            var flags = (needs.globals == nil ? 0 : globalsFlag) | (query.takesPacked ? packedFlag : 0)
            if query.stalenessMaxMs != .max { flags |= boundFlag }
            switch query.request {
            case .matches(let matches):
                writer.byte(flags)
                writer.byte(matches.sport.rawValue)
                writeRules(query, needs: needs, remainingMs: remainingMs, sentMs: sentMs, to: &writer)
                writeIDs(matches.eventIDs, to: &writer)
                writeIDs(matches.teamIDs, to: &writer)
            case .teams(let teams):
                writer.byte(flags | teamsFlag)
                writer.byte(teams.sport.rawValue)
                writeRules(query, needs: needs, remainingMs: remainingMs, sentMs: sentMs, to: &writer)
                writeIDs(teams.teamIDs, to: &writer)
            }
        }
    }

    private static func writeRules(
        _ query: HolderQuery, needs: PositionNeeds, remainingMs: UInt32, sentMs: UInt64, to writer: inout FrameWriter
    ) {
        writer.varint(UInt64(remainingMs))
        writer.varint(sentMs)
        if query.stalenessMaxMs != .max { writer.varint(UInt64(query.stalenessMaxMs)) }
        writer.fixed(query.now.milliseconds)
        writer.varint(query.eventsPerTeamMax)
        writer.varint(UInt64(query.matchesRemainMs))
        writer.set(query.partitions)
        writer.varint(needs.offsets.count)
        for offset in needs.offsets { writer.offset(offset) }
    }

    private static func writeIDs(_ ids: [ID], to writer: inout FrameWriter) {
        writer.varint(ids.count)
        for id in ids { writer.id(id) }
    }

    /// Replaces this frame by the one in `body`. After an error its content is of no use.
    @unsafe
    public mutating func read(_ body: UnsafeRawBufferPointer) throws(WireError) {
        var reader = unsafe FrameReader(body)
        let flags = try reader.byte()
        guard flags & ~(Self.teamsFlag | Self.globalsFlag | Self.packedFlag | Self.boundFlag) == 0 else {
            throw .malformed("query flags")
        }
        guard let sport = Sport(rawValue: try reader.byte()) else { throw .malformed("sport") }
        needsGlobals = flags & Self.globalsFlag != 0
        query.takesPacked = flags & Self.packedFlag != 0
        remainingMs = UInt32(try reader.number(most: Int(UInt32.max)))
        sentMs = try reader.varint()
        query.stalenessMaxMs =
            flags & Self.boundFlag == 0 ? .max : UInt32(try reader.number(most: Int(UInt32.max) - 1))
        query.now = try reader.timestamp()
        query.eventsPerTeamMax = try reader.number(most: Int(Int32.max))
        query.matchesRemainMs = Int64(try reader.number(most: Self.remainMsMax))
        query.partitions = try reader.set()
        try readOffsets(&reader)
        try readRequest(&reader, isTeams: flags & Self.teamsFlag != 0, sport: sport)
        try reader.end()
    }

    private mutating func readOffsets(_ reader: inout FrameReader) throws(WireError) {
        neededOffsets.removeAll(keepingCapacity: true)
        let count = try reader.entryCount(bytesMin: 1)
        guard count == 0 || count == query.partitions.count else { throw .malformed("number of needed offsets") }
        for _ in 0..<count { neededOffsets.append(try reader.offset()) }
    }

    private mutating func readRequest(
        _ reader: inout FrameReader, isTeams: Bool, sport: Sport
    ) throws(WireError) {
        var eventIDs: [ID] = []
        var teamIDs: [ID] = []
        // The arrays of the last query are used again. The request must let go of them first, or they would be copied.
        switch query.request {
        case .matches(let last):
            eventIDs = last.eventIDs
            teamIDs = last.teamIDs
        case .teams(let last): teamIDs = last.teamIDs
        }
        query.request = .teams(TeamsRequest(sport: sport, teamIDs: []))
        if !isTeams { try Self.readIDs(&reader, into: &eventIDs, most: Limits.requestEventsMax) }
        try Self.readIDs(&reader, into: &teamIDs, most: Limits.requestTeamsMax)
        if isTeams {
            query.request = .teams(TeamsRequest(sport: sport, teamIDs: teamIDs))
        } else {
            query.request = .matches(
                MatchesRequest(sport: sport, eventIDs: eventIDs, teamIDs: teamIDs, limit: 0, offset: 0))
        }
    }

    private static func readIDs(
        _ reader: inout FrameReader, into ids: inout [ID], most: Int
    ) throws(WireError) {
        ids.removeAll(keepingCapacity: true)
        let count = try reader.number(most: min(most, reader.left / 2))
        ids.reserveCapacity(count)
        for _ in 0..<count { ids.append(try reader.id()) }
    }
}
