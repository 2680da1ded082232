// The part frame's body:
//
//   u8 flags                1: the global positions follow
//   varint                  version of the global positions
//   globals                 only with the flag: when the version is not that of the link's last part
//   varint, varint          the node's lag, milliseconds; its load, thousandths
//   varint, varint…         shown offsets, one for each partition of the query
//   varint, stage…          u8 flags (1 known, 2 has a score position, 4 has a team position, 8 packed), the positions
//                           it has (zigzag), hash (two fixed u64), three lengths (varint): id, name, json, and their
//                           bytes; where packed, those of the packed form (`PackedFragment`) are in the JSON's place
//   varint, event…          fixed i64 start, varint (stage << 1) + 1 where packed, hash, three lengths and their bytes
//   varint                  how many of the events were asked for by id
//   varint, varint…         events of all teams, indexes
//   varint, varint…         where each team's run ends
//   varint, team…           u8 flags (8 packed), hash, three lengths and their bytes
//
// Packed are only fragments of a query that takes them so.

import Model
public import Query
import Render

enum FragmentFlags {
    static let packed: UInt8 = 8
}

/// What a node says of itself with each answer.
public struct NodeLoad: Sendable, Equatable {
    public var lagMs: UInt32
    /// CPU used for serving, thousandths of all its cores.
    public var loadPermille: UInt32

    public init(lagMs: UInt32 = 0, loadPermille: UInt32 = 0) {
        self.lagMs = lagMs
        self.loadPermille = loadPermille
    }
}

/// The node's end of a link, as far as parts go: it knows which global positions the router has.
public struct PartWriter: Sendable {
    private var versionSent: UInt64?

    public init() {}

    /// An upper bound of the encoded frame.
    public static func bytesMax(_ part: borrowing Part, shown: ShownPosition) -> Int {
        let varint = FrameSize.varintMax
        var bytes = FrameHeader.bytes + 1 + 10 * varint + FrameSize.globalsMax(shown.globals)
        bytes += shown.offsets.count * varint
        bytes += unsafe (part.teamEvents.count + part.teamEnds.count) * varint
        for index in unsafe part.stages.indices {
            let stage = unsafe part.stages[index]
            bytes += unsafe 17 + 5 * varint + stage.id.count + stage.name.count + stage.json.count
        }
        for index in unsafe part.events.indices {
            let event = unsafe part.events[index]
            bytes += unsafe 24 + 4 * varint + event.id.count + event.name.count + event.json.count
        }
        for index in unsafe part.teams.indices {
            let team = unsafe part.teams[index]
            bytes += unsafe 17 + 3 * varint + team.id.count + team.name.count + team.json.count
        }
        return bytes
    }

    public mutating func write(
        _ part: borrowing Part, shown: ShownPosition, load: NodeLoad, request: UInt64, to writer: inout FrameWriter
    ) {
        let isNew = versionSent != shown.globalsVersion
        versionSent = shown.globalsVersion
        let part = unsafe copy part
        writer.frame(.part, request: request) { writer in
            writer.byte(isNew ? 1 : 0)
            writer.varint(shown.globalsVersion)
            if isNew { writer.globals(shown.globals) }
            writer.varint(UInt64(load.lagMs))
            writer.varint(UInt64(load.loadPermille))
            writer.varint(shown.offsets.count)
            for offset in shown.offsets { writer.offset(offset) }
            unsafe writer.stages(part.stages)
            unsafe writer.events(part.events)
            writer.varint(unsafe part.requestedCount)
            writer.indexes(unsafe part.teamEvents)
            writer.indexes(unsafe part.teamEnds)
            unsafe writer.teams(part.teams)
        }
    }
}

extension FrameWriter {
    fileprivate mutating func stages(_ stages: [StageEntry]) {
        varint(unsafe stages.count)
        for index in unsafe stages.indices {
            let stage = unsafe stages[index]
            let known: UInt8 = unsafe stage.isKnown ? 1 : 0
            let scores: UInt8 = unsafe stage.hasPositionScores ? 2 : 0
            let teams: UInt8 = unsafe stage.hasPositionTeams ? 4 : 0
            let packed: UInt8 = unsafe stage.isPacked ? FragmentFlags.packed : 0
            byte(known | scores | teams | packed)
            if scores != 0 { zigzag(unsafe stage.positionScores) }
            if teams != 0 { zigzag(unsafe stage.positionTeams) }
            hash(unsafe stage.hash)
            unsafe texts(stage.id, stage.name, stage.json)
        }
    }

    fileprivate mutating func events(_ events: [EventEntry]) {
        varint(unsafe events.count)
        for index in unsafe events.indices {
            let event = unsafe events[index]
            fixed(unsafe event.start.milliseconds)
            varint(unsafe Int(event.stage) << 1 + (event.isPacked ? 1 : 0))
            hash(unsafe event.hash)
            unsafe texts(event.id, event.name, event.json)
        }
    }

    fileprivate mutating func teams(_ teams: [TeamEntry]) {
        varint(unsafe teams.count)
        for index in unsafe teams.indices {
            let team = unsafe teams[index]
            byte(unsafe team.isPacked ? FragmentFlags.packed : 0)
            hash(unsafe team.hash)
            unsafe texts(team.id, team.name, team.json)
        }
    }

    fileprivate mutating func indexes(_ indexes: [Int32]) {
        varint(indexes.count)
        for index in indexes { varint(Int(index)) }
    }

    private mutating func texts(_ id: ByteView, _ name: ByteView, _ json: ByteView) {
        varint(unsafe id.count)
        varint(unsafe name.count)
        varint(unsafe json.count)
        unsafe bytes(id)
        unsafe bytes(name)
        unsafe bytes(json)
    }
}

/// The router's end of a link, as far as parts go: it remembers the last global positions the node sent.
public struct PartReader: Sendable {
    private var version: UInt64?
    private var globals: GlobalPosition?

    public init() {}

    /// Replaces `part` and `shown` by the frame's. The part's views point into `body`, and every index in it is valid.
    /// After an error the link is of no use.
    @unsafe
    public mutating func read(
        _ body: UnsafeRawBufferPointer, into part: inout Part, shown: inout ShownPosition, load: inout NodeLoad
    ) throws(WireError) {
        var reader = unsafe FrameReader(body)
        try readGlobals(&reader, into: &shown)
        load.lagMs = UInt32(try reader.number(most: Int(UInt32.max)))
        load.loadPermille = UInt32(try reader.number(most: Int(UInt32.max)))
        shown.offsets.removeAll(keepingCapacity: true)
        let offsets = try reader.number(most: min(Limits.partitionsMax, reader.left))
        for _ in 0..<offsets { shown.offsets.append(try reader.offset()) }
        unsafe part.removeAll()
        try unsafe reader.stages(into: &part)
        try unsafe reader.events(into: &part)
        try unsafe reader.teamRuns(into: &part)
        try unsafe reader.teams(into: &part)
        try reader.end()
    }

    private mutating func readGlobals(
        _ reader: inout FrameReader, into shown: inout ShownPosition
    ) throws(WireError) {
        let flags = try reader.byte()
        guard flags <= 1 else { throw .malformed("part flags") }
        let next = try reader.varint()
        if flags == 1 {
            globals = try reader.globals()
            version = next
        }
        guard let globals, version == next else { throw .malformed("global positions never sent") }
        shown.globals = globals
        shown.globalsVersion = next
    }
}

extension FrameReader {
    fileprivate mutating func stages(into part: inout Part) throws(WireError) {
        let count = try entryCount(bytesMin: 20)
        unsafe part.stages.reserveCapacity(count)
        for _ in 0..<count {
            let flags = try byte()
            guard flags < 16 else { throw .malformed("stage flags") }
            let scores = flags & 2 == 0 ? nil : try zigzag()
            let teams = flags & 4 == 0 ? nil : try zigzag()
            let hash = try hash()
            let isPacked = flags & FragmentFlags.packed != 0
            let texts = try unsafe texts(isPacked: isPacked)
            unsafe part.stages.append(
                StageEntry(
                    isKnown: flags & 1 != 0, positionScores: scores, positionTeams: teams, hash: hash, id: texts.id,
                    name: texts.name, json: texts.json, isPacked: isPacked))
        }
    }

    fileprivate mutating func events(into part: inout Part) throws(WireError) {
        let count = try entryCount(bytesMin: 28)
        let stages = unsafe part.stages.count
        unsafe part.events.reserveCapacity(count)
        for _ in 0..<count {
            let start = try timestamp()
            let place = try number(most: Int(Int32.max))
            let (stage, isPacked) = (place >> 1, place & 1 == 1)
            guard stage < stages else { throw .malformed("stage index") }
            let hash = try hash()
            let texts = try unsafe texts(isPacked: isPacked)
            unsafe part.events.append(
                EventEntry(
                    start: start, stage: Int32(stage), hash: hash, id: texts.id, name: texts.name, json: texts.json,
                    isPacked: isPacked))
        }
        unsafe part.requestedCount = try number(most: count)
    }

    fileprivate mutating func teamRuns(into part: inout Part) throws(WireError) {
        let events = unsafe part.events.count
        let count = try entryCount(bytesMin: 1)
        for _ in 0..<count {
            let index = try number(most: Int(Int32.max))
            guard index < events else { throw .malformed("event index") }
            unsafe part.teamEvents.append(Int32(index))
        }
        let teams = try number(most: min(Limits.requestTeamsMax, left))
        var last = 0
        for _ in 0..<teams {
            let end = try number(most: count)
            guard end >= last else { throw .malformed("team runs not rising") }
            unsafe part.teamEnds.append(Int32(end))
            last = end
        }
        guard last == count else { throw .malformed("team runs without a team") }
    }

    fileprivate mutating func teams(into part: inout Part) throws(WireError) {
        let count = try entryCount(bytesMin: 20)
        unsafe part.teams.reserveCapacity(count)
        for _ in 0..<count {
            let flags = try byte()
            guard flags & ~FragmentFlags.packed == 0 else { throw .malformed("team flags") }
            let hash = try hash()
            let isPacked = flags != 0
            let texts = try unsafe texts(isPacked: isPacked)
            unsafe part.teams.append(
                TeamEntry(hash: hash, id: texts.id, name: texts.name, json: texts.json, isPacked: isPacked))
        }
    }

    private mutating func texts(
        isPacked: Bool
    ) throws(WireError) -> (id: ByteView, name: ByteView, json: ByteView) {
        let idBytes = try number(most: ID.bytesMax)
        let nameBytes = try number(most: left)
        let jsonBytes = try number(most: left)
        let (id, name, json) = unsafe (try view(idBytes), try view(nameBytes), try view(jsonBytes))
        if isPacked {
            let bytes = unsafe UnsafeRawBufferPointer(start: json.start, count: json.count)
            guard unsafe PackedFragment(checking: bytes) != nil else { throw .malformed("packed fragment") }
        }
        return unsafe (id, name, json)
    }
}
