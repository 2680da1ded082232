// A router's last view of the cluster, as bytes to be kept on disk: what it answers by when it starts and Kafka is away.
//
//   offset  bytes  field, numbers little endian
//   0       8      "FAVVIEW" and a zero
//   8       4      version
//   12      8      checksum of all that follows: FNV-1a of 64 bits, against damage, not against malice
//   20      …      text: the cluster's place; u32 partitions, u32 replicas (0: all), u64 fingerprint of the topics;
//                  i64 generation, i64 the log's clock, i64 position (-1: none); u32 members, and for each i64 offset,
//                  i64 timestamp, by the log's clock i64 when it was read and i64 since when it is a member, i64 offset of
//                  its last change, u8 silent, u32 length and its heartbeat
//
// A text is a u32 length and its bytes. Strict: what is not exactly what `encode` writes is refused.

import Model
public import Placement

/// Why a kept view is not gone by.
public enum KeptViewRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// Written by another version of the program.
    case version(UInt32)
    /// Not what was written; names the field.
    case damaged(String)
    /// Of another cluster than this process is told to join; names what differs.
    case otherCluster(String)

    public var description: String {
        switch self {
        case .version(let version): "it has version \(version), this program reads \(KeptView.version)"
        case .damaged(let field): "it is damaged (\(field))"
        case .otherCluster(let what): "it is of another cluster (\(what))"
        }
    }
}

public struct KeptView: Sendable, Equatable {
    public static let version: UInt32 = 1
    private static let magic = Array("FAVVIEW".utf8) + [0]
    private static let headBytes = 20
    /// The most members, each with the longest heartbeat and the fields around it, and the fields before them.
    public static let bytesMax = Limits.membersMax * (Heartbeat.bytesMax + 64) + placeBytesMax + 256
    static let placeBytesMax = 64 << 10

    /// Where the cluster is: its brokers and its control topic, as this process is told.
    public var place: String
    public var configuration: ClusterConfiguration
    public var view: MembershipView

    public init(place: String, configuration: ClusterConfiguration, view: MembershipView) {
        self.place = place
        self.configuration = configuration
        self.view = view
    }

    public func encode() -> [UInt8] {
        var payload: [UInt8] = []
        payload.append(text: Array(place.utf8))
        payload.append(fixed: UInt32(configuration.partitions))
        switch configuration.replicas {
        case .count(let count): payload.append(fixed: UInt32(clamping: count))
        case .all: payload.append(fixed: UInt32(0))
        }
        payload.append(fixed: configuration.topics)
        payload.append(fixed: view.generation.rawValue)
        payload.append(fixed: view.clockMs)
        payload.append(fixed: view.position?.rawValue ?? -1)
        payload.append(fixed: UInt32(view.members.count))
        for member in view.members {
            payload.append(fixed: member.offset.rawValue)
            payload.append(fixed: member.timestampMs)
            payload.append(fixed: member.readAtMs)
            payload.append(fixed: member.sinceMs)
            payload.append(fixed: member.changedAt.rawValue)
            payload.append(member.isSilent ? 1 : 0)
            payload.append(text: member.heartbeat.encode())
        }
        var bytes = Self.magic
        bytes.append(fixed: Self.version)
        bytes.append(fixed: Self.checksum(payload[...]))
        return bytes + payload
    }

    /// The view in `bytes`, where it is of this place, these topics and this number of replicas.
    public static func decode(
        _ bytes: [UInt8], place: String, replicas: Replicas, topics: UInt64, timeouts: MembershipTimeouts
    ) throws(KeptViewRefusal) -> KeptView {
        var reader = KeptViewReader(bytes: bytes)
        guard bytes.count >= headBytes, bytes.starts(with: magic) else { throw .damaged("head") }
        reader.index = magic.count
        let version = try reader.fixed(UInt32.self, "version")
        guard version == Self.version else { throw .version(version) }
        guard try reader.fixed(UInt64.self, "checksum") == checksum(bytes[headBytes...]) else {
            throw .damaged("checksum")
        }
        let kept = try reader.kept(timeouts: timeouts)
        guard reader.index == bytes.count else { throw .damaged("length") }
        guard kept.place == place else { throw .otherCluster("\(kept.place), not \(place)") }
        guard kept.configuration.topics == topics else { throw .otherCluster("other topics") }
        guard kept.configuration.replicas == replicas else { throw .otherCluster("another cluster.replicas") }
        return kept
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}

private struct KeptViewReader {
    let bytes: [UInt8]
    var index = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func kept(timeouts: MembershipTimeouts) throws(KeptViewRefusal) -> KeptView {
        let place = String(decoding: try text(KeptView.placeBytesMax, "place"), as: UTF8.self)
        let partitions = Int(try fixed(UInt32.self, "partitions"))
        guard (1...Limits.partitionsMax).contains(partitions) else { throw .damaged("partitions") }
        let replicas = Int(try fixed(UInt32.self, "replicas"))
        let configuration = ClusterConfiguration(
            partitions: partitions, replicas: replicas == 0 ? .all : .count(replicas),
            topics: try fixed(UInt64.self, "topics"))
        let generation = Generation(try fixed(Int64.self, "generation"))
        let clockMs = try fixed(Int64.self, "clock")
        guard (0...Heartbeat.clockMsMax).contains(clockMs) else { throw .damaged("clock") }
        let position = try fixed(Int64.self, "position")
        let count = try fixed(UInt32.self, "members")
        guard count <= Limits.membersMax else { throw .damaged("members") }
        var members: [Member] = []
        for _ in 0..<count { members.append(try member()) }
        guard Set(members.map(\.heartbeat.id)).count == members.count else { throw .damaged("members") }
        let view = MembershipView(
            timeouts: timeouts, generation: generation, clockMs: clockMs,
            position: position < 0 ? nil : Offset(position), members: members)
        return KeptView(place: place, configuration: configuration, view: view)
    }

    private mutating func member() throws(KeptViewRefusal) -> Member {
        let offset = Offset(try fixed(Int64.self, "offset"))
        let timestampMs = try fixed(Int64.self, "timestamp")
        let readAtMs = try fixed(Int64.self, "read at")
        let sinceMs = try fixed(Int64.self, "since")
        guard (0...Heartbeat.clockMsMax).contains(sinceMs) else { throw .damaged("since") }
        let changedAt = Offset(try fixed(Int64.self, "changed at"))
        let silent = try fixed(UInt8.self, "silent")
        guard silent <= 1 else { throw .damaged("silent") }
        let text = try text(Heartbeat.bytesMax, "heartbeat")
        do throws(HeartbeatError) {
            return Member(
                heartbeat: try Heartbeat.decode(Array(text)), offset: offset, timestampMs: timestampMs,
                readAtMs: readAtMs, isSilent: silent == 1, sinceMs: sinceMs, changedAt: changedAt)
        } catch {
            throw .damaged("heartbeat: \(error)")
        }
    }

    mutating func fixed<Value: FixedWidthInteger>(
        _: Value.Type, _ field: String
    ) throws(KeptViewRefusal) -> Value {
        let count = MemoryLayout<Value>.size
        guard bytes.count - index >= count else { throw .damaged(field) }
        var value: Value = 0
        for place in 0..<count { value |= Value(truncatingIfNeeded: bytes[index + place]) << Value(8 * place) }
        index += count
        return value
    }

    private mutating func text(_ countMax: Int, _ field: String) throws(KeptViewRefusal) -> ArraySlice<UInt8> {
        let count = Int(try fixed(UInt32.self, field))
        guard count <= countMax, bytes.count - index >= count else { throw .damaged(field) }
        index += count
        return bytes[index - count..<index]
    }
}

extension [UInt8] {
    fileprivate mutating func append<Value: FixedWidthInteger>(fixed value: Value) {
        for place in 0..<MemoryLayout<Value>.size { append(UInt8(truncatingIfNeeded: value >> Value(8 * place))) }
    }

    fileprivate mutating func append(text: [UInt8]) {
        append(fixed: UInt32(text.count))
        append(contentsOf: text)
    }
}
