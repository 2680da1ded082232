// What a snapshot file says of itself. docs/SNAPSHOT.md has the table of its bytes.

public import Model

/// The message right below the position that a walk began at. Where the log holds another message at its offset, the
/// topic is another one.
public struct LastMessage: Equatable, Sendable {
    public var offset: Offset
    public var keyHash: UInt64
    public var timestampMs: Int64

    public init(offset: Offset, keyHash: UInt64, timestampMs: Int64) {
        self.offset = offset
        self.keyHash = keyHash
        self.timestampMs = timestampMs
    }
}

/// One partition of the file's topic.
public struct SnapshotPosition: Equatable, Sendable {
    /// The file holds every effect of the messages below it: reading goes on here.
    public var resume: Offset
    /// Nothing at or above it is in the file.
    public var newest: Offset
    /// Nil where none was applied since the log was last read from its start.
    public var last: LastMessage?

    public init(resume: Offset, newest: Offset, last: LastMessage?) {
        self.resume = resume
        self.newest = newest
        self.last = last
    }
}

public struct SnapshotHeader: Equatable, Sendable {
    /// Of the file: preamble, header, blocks.
    public static let formatVersion: UInt32 = 1
    /// Of what stands in the blocks. Raised when an image or what a record means changes.
    public static let schemaVersion: UInt32 = 1

    public var scope: SnapshotScope
    public var schema = Self.schemaVersion
    public var topic: String
    public var partitionCount: Int
    public var clusterID: String
    /// By the machine's clock, milliseconds since 1970: when the walk began.
    public var createdMs: Int64
    /// A moment at which `positions` stood at the log's end: every message behind them was written later.
    public var caughtUpMs: Int64
    /// Drawn when the participants' topic was read from its start, and handed on from file to file: where two files
    /// agree, their offsets of that topic are of one log.
    public var lineage: UInt64
    /// One, of an events partition; of a global topic one for each of its partitions.
    public var positions: [SnapshotPosition]
    /// An events partition's: each record is rendered with everything below this in the global topics.
    public var globalsLowest: GlobalPosition?
    /// An events partition's: no record shows anything at or above this of the global topics.
    public var globalsNewest: GlobalPosition?

    // Known at the end of the walk.
    public var records: UInt64 = 0
    public var names: UInt64 = 0
    public var rawBytes: UInt64 = 0
    public var storedBytes: UInt64 = 0

    public init(
        scope: SnapshotScope, topic: String, partitionCount: Int, clusterID: String, createdMs: Int64,
        caughtUpMs: Int64, lineage: UInt64, positions: [SnapshotPosition], globalsLowest: GlobalPosition? = nil,
        globalsNewest: GlobalPosition? = nil
    ) {
        self.scope = scope
        self.topic = topic
        self.partitionCount = partitionCount
        self.clusterID = clusterID
        self.createdMs = createdMs
        self.caughtUpMs = caughtUpMs
        self.lineage = lineage
        self.positions = positions
        self.globalsLowest = globalsLowest
        self.globalsNewest = globalsNewest
    }

    /// The position of a partition that the scope covers.
    public func position(of partition: TopicPartition) -> SnapshotPosition {
        positions[partition.kind == .event ? 0 : Int(partition.partition.rawValue)]
    }

    // MARK: - Bytes

    /// Its length depends on the texts and the numbers of partitions alone, so that the header can be written once
    /// more when the walk has ended.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(scope.kind.rawValue)
        if case .events(let partition) = scope {
            bytes.append(little: partition.rawValue)
        } else {
            bytes.append(little: Int32(-1))
        }
        bytes.append(little: schema)
        bytes.append(short: topic)
        bytes.append(little: UInt32(partitionCount))
        bytes.append(short: clusterID)
        bytes.append(little: createdMs)
        bytes.append(little: caughtUpMs)
        bytes.append(little: lineage)
        for count in [records, names, rawBytes, storedBytes] { bytes.append(little: count) }
        bytes.append(little: UInt32(positions.count))
        for position in positions {
            bytes.append(little: position.resume.rawValue)
            bytes.append(little: position.newest.rawValue)
            bytes.append(little: position.last?.offset.rawValue ?? -1)
            bytes.append(little: position.last?.keyHash ?? 0)
            bytes.append(little: position.last?.timestampMs ?? 0)
        }
        for globals in [globalsLowest, globalsNewest] {
            bytes.append(globals == nil ? 0 : 1)
            guard let globals else { continue }
            for count in globals.partitionCounts { bytes.append(little: UInt16(count)) }
            for offset in globals.offsets { bytes.append(little: offset.rawValue) }
        }
        return bytes
    }

    init(decoding bytes: [UInt8]) throws(SnapshotError) {
        var reader = ByteReader(bytes)
        let scope = try Self.readScope(&reader)
        let schema = try reader.number(UInt32.self)
        let topic = try reader.text()
        let partitionCount = Int(try reader.number(UInt32.self))
        let clusterID = try reader.text()
        let createdMs = try reader.number(Int64.self)
        let caughtUpMs = try reader.number(Int64.self)
        let lineage = try reader.number(UInt64.self)
        var counts: [UInt64] = []
        for _ in 0..<4 { counts.append(try reader.number(UInt64.self)) }
        // A peer may say anything; times and sizes within these can be added and subtracted.
        let times: ClosedRange<Int64> = 0...1 << 53
        guard times.contains(createdMs), times.contains(caughtUpMs) else { throw SnapshotError(.malformed, "a time") }
        guard counts.allSatisfy({ $0 <= 1 << 40 }) else { throw SnapshotError(.malformed, "a size") }
        guard (1...Limits.partitionsMax).contains(partitionCount) else {
            throw SnapshotError(.malformed, "\(partitionCount) partitions")
        }
        let positions = try Self.readPositions(&reader, scope, partitionCount)
        let lowest = try Self.readGlobals(&reader)
        let newest = try Self.readGlobals(&reader)
        guard (lowest != nil) == (scope.kind == .event), (newest != nil) == (scope.kind == .event),
            lowest?.partitionCounts == newest?.partitionCounts
        else { throw SnapshotError(.malformed, "global positions where they do not belong") }
        guard reader.left == 0 else { throw SnapshotError(.malformed, "bytes behind the header's last field") }
        self.init(
            scope: scope, topic: topic, partitionCount: partitionCount, clusterID: clusterID, createdMs: createdMs,
            caughtUpMs: caughtUpMs, lineage: lineage, positions: positions, globalsLowest: lowest,
            globalsNewest: newest)
        self.schema = schema
        (records, names, rawBytes, storedBytes) = (counts[0], counts[1], counts[2], counts[3])
    }

    private static func readScope(_ reader: inout ByteReader) throws(SnapshotError) -> SnapshotScope {
        guard let kind = ModelKind(rawValue: try reader.number(UInt8.self)) else {
            throw SnapshotError(.malformed, "no such model")
        }
        let partition = try reader.number(Int32.self)
        if kind != .event, partition == -1 { return .topic(kind) }
        guard kind == .event, (0..<Int32(Limits.partitionsMax)).contains(partition) else {
            throw SnapshotError(.malformed, "a partition that does not fit its model")
        }
        return .events(PartitionID(partition))
    }

    private static func readPositions(
        _ reader: inout ByteReader, _ scope: SnapshotScope, _ partitionCount: Int
    ) throws(SnapshotError) -> [SnapshotPosition] {
        let wanted = scope.partitions(of: partitionCount)
        guard Int(try reader.number(UInt32.self)) == wanted.count,
            wanted.allSatisfy({ Int($0.partition.rawValue) < partitionCount })
        else { throw SnapshotError(.malformed, "another number of positions than of partitions") }
        var positions: [SnapshotPosition] = []
        for _ in wanted {
            let resume = try reader.number(Int64.self)
            let newest = try reader.number(Int64.self)
            let last = try reader.number(Int64.self)
            let keyHash = try reader.number(UInt64.self)
            let timestampMs = try reader.number(Int64.self)
            guard resume >= 0, newest >= resume, last >= -1, last < resume else {
                throw SnapshotError(.malformed, "offsets in the wrong order")
            }
            positions.append(
                SnapshotPosition(
                    resume: Offset(resume), newest: Offset(newest),
                    last: last < 0
                        ? nil : LastMessage(offset: Offset(last), keyHash: keyHash, timestampMs: timestampMs)))
        }
        return positions
    }

    private static func readGlobals(_ reader: inout ByteReader) throws(SnapshotError) -> GlobalPosition? {
        switch try reader.number(UInt8.self) {
        case 0: return nil
        case 1: break
        default: throw SnapshotError(.malformed, "neither with nor without global positions")
        }
        var counts: [Int] = []
        for _ in GlobalPosition.kinds {
            let count = Int(try reader.number(UInt16.self))
            guard (1...Limits.partitionsMax).contains(count) else {
                throw SnapshotError(.malformed, "\(count) partitions")
            }
            counts.append(count)
        }
        var position = GlobalPosition(partitionCounts: counts)
        for index in position.offsets.indices {
            let offset = try reader.number(Int64.self)
            guard offset >= 0 else { throw SnapshotError(.malformed, "a negative offset") }
            position.set(Offset(offset), at: index)
        }
        return position
    }
}
