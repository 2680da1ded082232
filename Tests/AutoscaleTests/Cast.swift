// A cluster on a control topic in memory, on a clock of its own, and the machine that looks at it.

import Autoscale
import Membership
import Model
import Placement
import Testing

func makeID(_ text: String) -> ID {
    guard let id = ID(text) else { preconditionFailure("a test's id") }
    return id
}

struct Cast {
    /// Short, so that tests are: a window of 10 s, cool-downs of 20 and 40 s, a deadline of 100 s.
    static var rules: AutoscaleRules {
        var rules = AutoscaleRules()
        rules.windowMs = 10_000
        rules.scaleOutCoolDownMs = 20_000
        rules.scaleInCoolDownMs = 40_000
        rules.changeDeadlineMs = 100_000
        rules.nodesMin = 1
        rules.nodesMax = 4
        return rules
    }

    var members: [Heartbeat] = []
    /// Members that write no heartbeats.
    var silent: Set<ID> = []
    var scaler: Autoscaler
    var view = MembershipView()
    var nowMs: Int64 = 1_000_000
    var replicas = Replicas.count(2)
    private var offset: Int64 = 0

    init(rules: AutoscaleRules = Cast.rules, replicas: Replicas = .count(2)) {
        scaler = Autoscaler(rules: rules)
        self.replicas = replicas
        members = [
            Heartbeat(
                kind: .router, id: makeID("router"), incarnation: Incarnation(startedMs: 1, number: 1),
                state: .serving, configuration: configuration)
        ]
    }

    var configuration: ClusterConfiguration {
        ClusterConfiguration(partitions: 12, replicas: replicas, topicNames: ["events"])
    }

    /// Nodes that serve with a load in thousandths.
    mutating func serve(_ loads: [String: Int?], weight: Int = 1) {
        for (name, load) in loads.sorted(by: { $0.key < $1.key }) {
            var heartbeat = Heartbeat(
                kind: .node, id: makeID(name), incarnation: Incarnation(startedMs: 1, number: 1), state: .serving,
                configuration: configuration, weight: weight)
            heartbeat.servingLoad = load
            heartbeat.holdings = (0..<12).map {
                Holding(partition: PartitionID($0), isReady: true, applied: Offset(9), lag: 0)
            }
            members.removeAll { $0.id == heartbeat.id }
            members.append(heartbeat)
        }
    }

    mutating func change(_ name: String, _ change: (inout Heartbeat) -> Void) {
        for index in members.indices where members[index].id == makeID(name) { change(&members[index]) }
    }

    mutating func leave(_ name: String) throws {
        members.removeAll { $0.id == makeID(name) }
        try write(makeID(name), nil)
    }

    /// A second passes: everybody who is not silent writes, and the machine looks.
    mutating func second(isInCharge: Bool = true) throws -> AutoscaleDecision {
        nowMs += 1_000
        for member in members where !silent.contains(member.id) {
            var heartbeat = member
            heartbeat.clockMs = view.clockMs
            try write(member.id, heartbeat.encode())
        }
        return scaler.look(at: view, nowMs: nowMs, isInCharge: isInCharge)
    }

    /// Seconds pass until the hook is called, `most` at the most; the last decision.
    mutating func seconds(_ most: Int, isInCharge: Bool = true) throws -> AutoscaleDecision {
        var decision = try second(isInCharge: isInCharge)
        for _ in 1..<most where decision.call == nil { decision = try second(isInCharge: isInCharge) }
        return decision
    }

    private mutating func write(_ id: ID, _ value: [UInt8]?) throws {
        var key: [UInt8] = []
        id.append(to: &key)
        _ = try view.apply(offset: Offset(offset), timestampMs: nowMs, key: key, value: value)
        offset += 1
    }
}
