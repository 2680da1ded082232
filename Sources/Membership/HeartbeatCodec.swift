// The bytes of a heartbeat: a version byte, then the fields in the order of `encode`. Numbers are varints (seven bits
// a byte, the lowest first), signed ones zigzag, texts carry their length. 512 partitions take about 5 KB, where JSON
// would take 30. Strict: what is not exactly what `encode` writes is refused, so a reader never guesses.
//
// A new field means a new version. A member that meets a newer one refuses it by name, so an operator who upgrades
// sees who is too old; nodes of both versions must be able to read the older one for the time of an upgrade.

import Model
import Placement

/// Why a message of the control topic was refused. It changed nothing.
public enum HeartbeatError: Error, Hashable, Sendable {
    /// Written by a newer program.
    case unknownVersion(UInt8)
    /// Ends too early, goes on too long, or holds a value that is not allowed; names the field.
    case malformed(field: String)
    /// The key is no id.
    case malformedKey
    /// The key is not the id in the value.
    case wrongKey
    /// There are `Limits.membersMax` members already.
    case tooManyMembers
    /// From a former life of a member that lives again.
    case formerLife
    /// At or below an offset that was read before.
    case readBefore
}

extension Heartbeat {
    public static let version: UInt8 = 2
    /// Fixed fields under 100 bytes, five texts of at most 260, and 512 holdings of at most 23.
    public static let bytesMax = 16 << 10
    /// All that the loops may use.
    static let servingLoadMax = 1_000
    /// A time beyond this is no time; it leaves room to add without overflow.
    static let clockMsMax = Int64.max / 4

    public func encode() -> [UInt8] {
        var bytes: [UInt8] = [Self.version, kind.rawValue, state.rawValue]
        bytes.appendText(id)
        bytes.appendVarint(UInt64(incarnation.startedMs))
        bytes.appendVarint(incarnation.number)
        for address in [link, management, http] { bytes.appendAddress(address) }
        bytes.appendVarint(UInt64(weight))
        if let zone { bytes.appendText(zone) } else { bytes.append(0) }
        bytes.appendVarint(UInt64(configuration.partitions))
        switch configuration.replicas {
        case .count(let count): bytes.appendVarint(UInt64(count))
        case .all: bytes.append(0)
        }
        bytes.appendVarint(configuration.topics)
        bytes.appendVarint(servingLoad.map { UInt64(min(max($0, 0), Self.servingLoadMax)) + 1 } ?? 0)
        bytes.appendSigned(generationSeen.rawValue)
        bytes.appendSigned(positionSeen.rawValue)
        bytes.appendVarint(UInt64(clockMs))
        bytes.appendVarint(UInt64(holdings.count))
        for holding in holdings {
            bytes.appendVarint(UInt64(holding.partition.rawValue) << 1 | (holding.isReady ? 1 : 0))
            bytes.appendSigned(holding.applied.rawValue)
            bytes.appendSigned(holding.lag)
        }
        return bytes
    }

    public static func decode(_ bytes: [UInt8]) throws(HeartbeatError) -> Heartbeat {
        guard let version = bytes.first else { throw .malformed(field: "version") }
        guard version == Self.version else {
            if version > Self.version { throw .unknownVersion(version) }
            throw .malformed(field: "version")
        }
        guard bytes.count <= bytesMax else { throw .malformed(field: "length") }
        var reader = HeartbeatReader(bytes: bytes, index: 1)
        let heartbeat = try reader.heartbeat()
        guard reader.index == bytes.count else { throw .malformed(field: "length") }
        return heartbeat
    }
}

private struct HeartbeatReader {
    let bytes: [UInt8]
    var index: Int

    mutating func heartbeat() throws(HeartbeatError) -> Heartbeat {
        guard let kind = MemberKind(rawValue: try byte("kind")) else { throw .malformed(field: "kind") }
        guard let state = MemberState(rawValue: try byte("state")) else { throw .malformed(field: "state") }
        guard let id = try id("id") else { throw .malformed(field: "id") }
        let started = try number("started", 0...Int(Heartbeat.clockMsMax))
        let incarnation = Incarnation(startedMs: Int64(started), number: try varint("incarnation"))
        let link = try address("link")
        let management = try address("management")
        let http = try address("http")
        let weight = try number("weight", 1...PlacementMember.weightMax)
        let zone = try self.id("zone")
        let configuration = try configuration()
        let load = try number("load", 0...Heartbeat.servingLoadMax + 1)
        let generation = Generation(try signed("generation"))
        let position = Offset(try signed("position"))
        let clock = try number("clock", 0...Int(Heartbeat.clockMsMax))
        return Heartbeat(
            kind: kind, id: id, incarnation: incarnation, state: state, configuration: configuration, link: link,
            management: management, http: http, weight: weight, zone: zone,
            servingLoad: load == 0 ? nil : load - 1, generationSeen: generation, positionSeen: position,
            clockMs: Int64(clock),
            holdings: try holdings(partitions: configuration.partitions))
    }

    private mutating func configuration() throws(HeartbeatError) -> ClusterConfiguration {
        let partitions = try number("partitions", 1...Limits.partitionsMax)
        let replicas = try number("replicas", 0...Int(Int32.max))
        return ClusterConfiguration(
            partitions: partitions, replicas: replicas == 0 ? .all : .count(replicas), topics: try varint("topics"))
    }

    private mutating func holdings(partitions: Int) throws(HeartbeatError) -> [Holding] {
        var holdings: [Holding] = []
        var last = -1
        for _ in 0..<(try number("holdings", 0...partitions)) {
            let packed = try number("partition", 0...2 * partitions - 1)
            guard packed >> 1 > last else { throw .malformed(field: "partition") }
            last = packed >> 1
            holdings.append(
                Holding(
                    partition: PartitionID(last), isReady: packed & 1 == 1, applied: Offset(try bounded("applied")),
                    lag: try bounded("lag")))
        }
        return holdings
    }

    private mutating func byte(_ field: String) throws(HeartbeatError) -> UInt8 {
        guard index < bytes.count else { throw .malformed(field: field) }
        index += 1
        return bytes[index - 1]
    }

    private mutating func varint(_ field: String) throws(HeartbeatError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, through: 63, by: 7) as StrideThrough<UInt64> {
            let byte = try byte(field)
            // The tenth byte has room for one bit; a last byte of zero would be a second spelling.
            guard shift < 63 || byte <= 1, byte != 0 || shift == 0 else { throw .malformed(field: field) }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw .malformed(field: field)
    }

    private mutating func signed(_ field: String) throws(HeartbeatError) -> Int64 {
        let value = try varint(field)
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// A position or a number of messages: two of them add up without overflow.
    private mutating func bounded(_ field: String) throws(HeartbeatError) -> Int64 {
        let value = try signed(field)
        guard abs(value / 2) < Heartbeat.clockMsMax / 2 else { throw .malformed(field: field) }
        return value
    }

    private mutating func number(_ field: String, _ range: ClosedRange<Int>) throws(HeartbeatError) -> Int {
        guard let value = Int(exactly: try varint(field)), range.contains(value) else { throw .malformed(field: field) }
        return value
    }

    private mutating func text(_ field: String) throws(HeartbeatError) -> ArraySlice<UInt8> {
        let count = try number(field, 0...MemberAddress.hostBytesMax)
        guard bytes.count - index >= count else { throw .malformed(field: field) }
        index += count
        return bytes[index - count..<index]
    }

    /// Nil where it is absent.
    private mutating func id(_ field: String) throws(HeartbeatError) -> ID? {
        let text = try text(field)
        if text.isEmpty { return nil }
        guard let id = ID(text.span) else { throw .malformed(field: field) }
        return id
    }

    /// Nil where it is absent.
    private mutating func address(_ field: String) throws(HeartbeatError) -> MemberAddress? {
        let host = try text(field)
        if host.isEmpty { return nil }
        let port = try number(field, 0...Int(UInt16.max))
        guard let address = MemberAddress(host: String(decoding: host, as: UTF8.self), port: UInt16(port)) else {
            throw .malformed(field: field)
        }
        return address
    }
}

extension [UInt8] {
    fileprivate mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    fileprivate mutating func appendSigned(_ value: Int64) {
        appendVarint(UInt64(bitPattern: value << 1 ^ value >> 63))
    }

    fileprivate mutating func appendText(_ id: ID) {
        append(UInt8(id.count))
        id.append(to: &self)
    }

    fileprivate mutating func appendAddress(_ address: MemberAddress?) {
        guard let address else { return append(0) }
        appendVarint(UInt64(address.host.utf8.count))
        append(contentsOf: address.host.utf8)
        appendVarint(UInt64(address.port))
    }
}
