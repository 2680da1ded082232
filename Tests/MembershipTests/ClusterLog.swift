// A control topic in memory, and heartbeats to write to it.

import Membership
import Model
import Placement

struct ClusterLog {
    struct Entry {
        var offset: Offset
        var timestampMs: Int64
        var key: [UInt8]
        var value: [UInt8]?
    }

    var entries: [Entry] = []
    var nowMs: Int64 = 1_000_000

    mutating func append(_ heartbeat: Heartbeat, afterMs: Int64 = 0, skewMs: Int64 = 0) {
        append(heartbeat.id, heartbeat.encode(), afterMs: afterMs, skewMs: skewMs)
    }

    mutating func append(_ id: ID, _ value: [UInt8]?, afterMs: Int64 = 0, skewMs: Int64 = 0) {
        nowMs += afterMs
        var key: [UInt8] = []
        id.append(to: &key)
        let offset = Offset((entries.last?.offset.rawValue ?? -1) + 1)
        entries.append(Entry(offset: offset, timestampMs: nowMs + skewMs, key: key, value: value))
    }

    var last: Entry { entries[entries.count - 1] }
}

extension MembershipView {
    @discardableResult
    mutating func apply(_ entry: ClusterLog.Entry) throws(HeartbeatError) -> [MembershipChange] {
        try apply(offset: entry.offset, timestampMs: entry.timestampMs, key: entry.key, value: entry.value)
    }
}

let configuration12 = ClusterConfiguration(partitions: 12, replicas: .count(2), topicNames: ["events"])

func makeID(_ text: String) -> ID {
    guard let id = ID(text) else { preconditionFailure("a test's id") }
    return id
}

func makeNode(
    _ id: String, life: Int64 = 1, state: MemberState = .serving, ready: [Int] = [], weight: Int = 1
) -> Heartbeat {
    Heartbeat(
        kind: .node, id: makeID(id), incarnation: Incarnation(startedMs: life, number: 7), state: state,
        configuration: configuration12, link: MemberAddress(host: "10.0.0.1", port: 7001), weight: weight,
        holdings: ready.map { Holding(partition: PartitionID($0), isReady: true, applied: Offset(9), lag: 0) })
}

func makeRouter(_ id: String, seen: Int64) -> Heartbeat {
    Heartbeat(
        kind: .router, id: makeID(id), incarnation: Incarnation(startedMs: 1, number: 8), state: .serving,
        configuration: configuration12, http: MemberAddress(host: "10.0.0.9", port: 8080),
        generationSeen: Generation(seen), positionSeen: Offset(seen + 1))
}
