// The part frame's body:
//
//   u8 flags                1: the global positions follow
//   varint                  version of the global positions
//   globals                 only with the flag: when the version is not that of the link's last part
//   varint, fixed i64       the answer's age, milliseconds; the timestamp of the newest message applied
//   varint                  the node's load, thousandths
//   varint, varint…         shown offsets, one for each partition of the query
//   varint, stage…          fixed i64 position by score, fixed i64 position by team, 0 where it has none, fields
//   varint, event…          fixed i64 start, fixed u32 stage, fields
//   varint                  how many of the events were asked for by id
//   varint, varint…         events of all teams, indexes
//   varint, varint…         where each team's run ends
//   varint, team…           fields
//
//   fields: hash (two fixed u64), fixed u32 length of the JSON, fixed u32 length of the name, u8 length of the id, u8
//   flags (1 known, 2 has a score position, 4 has a team position, 8 packed; of events and teams 8 alone), and the bytes
//   of id, name and JSON; where packed, those of the packed form (`PackedFragment`) are in the JSON's place
//
// What stands before the bytes is of one size for each kind, so that one check of the room is enough: a part is mostly
// events, and most of what a frame cost was the checks of its small fields. Packed are only fragments of a query that
// takes them so.

import Model
public import Query
import Render

enum FragmentFlags {
    static let known: UInt8 = 1
    static let positionScores: UInt8 = 2
    static let positionTeams: UInt8 = 4
    static let packed: UInt8 = 8
}

/// What stands before the bytes of an entry, in bytes.
enum EntrySize {
    /// Hash, lengths and flags.
    static let fields = 16 + 4 + 4 + 1 + 1
    static let stage = 16 + fields
    static let event = 12 + fields
}

/// What a node says of itself with each answer.
public struct NodeLoad: Sendable, Equatable {
    public var freshness: Freshness
    /// CPU used for serving, thousandths of all its cores.
    public var loadPermille: UInt32

    public init(freshness: Freshness = .best, loadPermille: UInt32 = 0) {
        self.freshness = freshness
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
        var bytes = FrameHeader.bytes + 1 + 12 * varint + FrameSize.globalsMax(shown.globals)
        bytes += shown.offsets.count * varint
        bytes += unsafe (part.teamEvents.count + part.teamEnds.count) * varint
        for index in unsafe part.stages.indices {
            let stage = unsafe part.stages[index]
            bytes += unsafe EntrySize.stage + stage.id.count + stage.name.count + stage.json.count
        }
        for index in unsafe part.events.indices {
            let event = unsafe part.events[index]
            bytes += unsafe EntrySize.event + event.id.count + event.name.count + event.json.count
        }
        for index in unsafe part.teams.indices {
            let team = unsafe part.teams[index]
            bytes += unsafe EntrySize.fields + team.id.count + team.name.count + team.json.count
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
            writer.varint(UInt64(load.freshness.ageMs))
            writer.fixed(load.freshness.newestMs)
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
            let known = unsafe stage.isKnown ? FragmentFlags.known : 0
            let scores = unsafe stage.hasPositionScores ? FragmentFlags.positionScores : 0
            let teams = unsafe stage.hasPositionTeams ? FragmentFlags.positionTeams : 0
            fixed(unsafe stage.positionScores)
            fixed(unsafe stage.positionTeams)
            unsafe fields(known | scores | teams, stage.isPacked, stage.hash, stage.id, stage.name, stage.json)
        }
    }

    fileprivate mutating func events(_ events: [EventEntry]) {
        varint(unsafe events.count)
        for index in unsafe events.indices {
            let event = unsafe events[index]
            fixed(unsafe event.start.milliseconds)
            fixed(unsafe UInt32(bitPattern: event.stage))
            unsafe fields(0, event.isPacked, event.hash, event.id, event.name, event.json)
        }
    }

    fileprivate mutating func teams(_ teams: [TeamEntry]) {
        varint(unsafe teams.count)
        for index in unsafe teams.indices {
            let team = unsafe teams[index]
            unsafe fields(0, team.isPacked, team.hash, team.id, team.name, team.json)
        }
    }

    fileprivate mutating func indexes(_ indexes: [Int32]) {
        varint(indexes.count)
        for index in indexes { varint(Int(index)) }
    }

    @inline(__always)
    private mutating func fields(
        _ flags: UInt8, _ isPacked: Bool, _ hash: ContentHash, _ id: ByteView, _ name: ByteView, _ json: ByteView
    ) {
        var memory = unsafe take(EntrySize.fields + id.count + name.count + json.count)
        unsafe memory.storeBytes(of: hash.low.littleEndian, as: UInt64.self)
        unsafe memory.storeBytes(of: hash.high.littleEndian, toByteOffset: 8, as: UInt64.self)
        unsafe memory.storeBytes(of: UInt32(json.count).littleEndian, toByteOffset: 16, as: UInt32.self)
        unsafe memory.storeBytes(of: UInt32(name.count).littleEndian, toByteOffset: 20, as: UInt32.self)
        unsafe memory.storeBytes(of: UInt8(id.count), toByteOffset: 24, as: UInt8.self)
        let all = isPacked ? flags | FragmentFlags.packed : flags
        unsafe memory.storeBytes(of: all, toByteOffset: 25, as: UInt8.self)
        unsafe memory += EntrySize.fields
        unsafe memory.copyMemory(from: id.start, byteCount: id.count)
        unsafe memory += id.count
        unsafe memory.copyMemory(from: name.start, byteCount: name.count)
        unsafe memory += name.count
        unsafe memory.copyMemory(from: json.start, byteCount: json.count)
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
        load.freshness.ageMs = UInt32(try reader.number(most: Int(UInt32.max)))
        load.freshness.newestMs = try reader.fixed(Int64.self)
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

/// What an entry's fields say. Its views are as long-lived as the frame.
@unsafe
private struct EntryFields {
    var flags: UInt8
    var hash: ContentHash
    var id: ByteView
    var name: ByteView
    var json: ByteView

    var isPacked: Bool { unsafe flags & FragmentFlags.packed != 0 }
}

extension FrameReader {
    fileprivate mutating func stages(into part: inout Part) throws(WireError) {
        let count = try entryCount(bytesMin: EntrySize.stage)
        unsafe part.stages.reserveCapacity(count)
        for _ in 0..<count {
            let (scores, teams) = (try fixed(Int64.self), try fixed(Int64.self))
            let fields = try unsafe fields(
                FragmentFlags.known | FragmentFlags.positionScores | FragmentFlags.positionTeams)
            let (hasScores, hasTeams) = unsafe (
                fields.flags & FragmentFlags.positionScores != 0, fields.flags & FragmentFlags.positionTeams != 0
            )
            guard hasScores || scores == 0, hasTeams || teams == 0 else { throw .malformed("stage position") }
            unsafe part.stages.append(
                StageEntry(
                    isKnown: fields.flags & FragmentFlags.known != 0, positionScores: hasScores ? scores : nil,
                    positionTeams: hasTeams ? teams : nil, hash: fields.hash, id: fields.id, name: fields.name,
                    json: fields.json, isPacked: fields.isPacked))
        }
    }

    fileprivate mutating func events(into part: inout Part) throws(WireError) {
        let count = try entryCount(bytesMin: EntrySize.event)
        let stages = unsafe part.stages.count
        unsafe part.events.reserveCapacity(count)
        for _ in 0..<count {
            let start = try timestamp()
            let stage = try fixed(UInt32.self)
            guard stage < stages else { throw .malformed("stage index") }
            let fields = try unsafe fields(0)
            unsafe part.events.append(
                EventEntry(
                    start: start, stage: Int32(stage), hash: fields.hash, id: fields.id, name: fields.name,
                    json: fields.json, isPacked: fields.isPacked))
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
        let count = try entryCount(bytesMin: EntrySize.fields)
        unsafe part.teams.reserveCapacity(count)
        for _ in 0..<count {
            let fields = try unsafe fields(0)
            unsafe part.teams.append(
                TeamEntry(
                    hash: fields.hash, id: fields.id, name: fields.name, json: fields.json,
                    isPacked: fields.isPacked))
        }
    }

    /// `allowed` are the flags beside that of packed fragments.
    @inline(__always)
    private mutating func fields(_ allowed: UInt8) throws(WireError) -> EntryFields {
        let memory = try unsafe take(EntrySize.fields)
        let low = unsafe memory.loadUnaligned(as: UInt64.self).littleEndian
        let high = unsafe memory.loadUnaligned(fromByteOffset: 8, as: UInt64.self).littleEndian
        let jsonBytes = unsafe Int(memory.loadUnaligned(fromByteOffset: 16, as: UInt32.self).littleEndian)
        let nameBytes = unsafe Int(memory.loadUnaligned(fromByteOffset: 20, as: UInt32.self).littleEndian)
        let idBytes = unsafe Int(memory.load(fromByteOffset: 24, as: UInt8.self))
        let flags = unsafe memory.load(fromByteOffset: 25, as: UInt8.self)
        guard flags & ~(allowed | FragmentFlags.packed) == 0 else { throw .malformed("entry flags") }
        guard idBytes <= ID.bytesMax else { throw .malformed("id over its limit") }
        // The three lengths are below 2^33 together, so their sum is right.
        let texts = try unsafe take(idBytes + nameBytes + jsonBytes).assumingMemoryBound(to: UInt8.self)
        let fields = unsafe EntryFields(
            flags: flags, hash: ContentHash(low: low, high: high), id: ByteView(start: texts, count: idBytes),
            name: ByteView(start: texts + idBytes, count: nameBytes),
            json: ByteView(start: texts + idBytes + nameBytes, count: jsonBytes))
        if unsafe fields.isPacked {
            let bytes = unsafe UnsafeRawBufferPointer(start: fields.json.start, count: fields.json.count)
            guard unsafe PackedFragment(checking: bytes) != nil else { throw .malformed("packed fragment") }
        }
        return unsafe fields
    }
}
