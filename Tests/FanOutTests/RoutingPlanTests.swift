import Membership
import Model
import Placement
import Testing

@testable import FanOut

/// Three nodes on a control topic that each test writes.
@Suite struct RoutingPlanTests {
    private static let configuration = ClusterConfiguration(
        partitions: 4, replicas: .count(2), topicNames: ["e", "p", "st", "se", "r", "c"])
    private var view = MembershipView()
    private var nextOffset: Int64 = 0
    private var nowMs: Int64 = 1_000_000

    private mutating func hear(_ name: String, _ ready: [Int], afterMs: Int64 = 0) throws {
        nowMs += afterMs
        let heartbeat = Heartbeat(
            kind: .node, id: makeID(name), incarnation: Incarnation(startedMs: 1, number: 7), state: .serving,
            configuration: Self.configuration, link: MemberAddress(host: name, port: 7001), weight: 2,
            holdings: ready.map { Holding(partition: PartitionID($0), isReady: true, applied: Offset(9), lag: 0) })
        _ = try view.apply(
            offset: Offset(nextOffset), timestampMs: nowMs, key: Array(name.utf8), value: heartbeat.encode())
        nextOffset += 1
    }

    private func snapshot(local: String? = nil) -> RoutingSnapshot {
        let placement = Placement.place(members: view.placementMembers, partitions: 4, replicas: .count(2))
        return RoutingPlan.snapshot(
            of: ClusterState(view: view, placement: placement), local: local.map { makeID($0) },
            localReady: local.map { _ in set(0, 1, 2, 3) })
    }

    private mutating func silence() throws {
        try hear("a", [0, 1])
        try hear("b", [0, 1, 2])
        try hear("c", [2, 3])
        for _ in 0..<6 { try hear("b", [0, 1, 2], afterMs: 1_000) }
    }

    /// It stays known, behind those that live, and stands in no cover.
    @Test mutating func aSilentNodeIsTheLast() throws {
        try silence()
        let found = snapshot()
        #expect(found.nodes.map(\.id) == ["b", "a", "c"].map { makeID($0) })
        #expect(found.nodes.map(\.isSilent) == [false, true, true])
        #expect(found.nodes.map(\.holds) == [set(0, 1, 2), set(0, 1), set(2, 3)])
        #expect(
            found.nodes.map(\.host) == ["b", "a", "c"] && found.nodes.allSatisfy { $0.port == 7001 && $0.weight == 2 })
        #expect(!found.covers.isEmpty)
        for cover in found.covers { #expect(cover.map(\.node) == [NodeIndex(0)]) }
        // Once its grace is over it is forgotten.
        for _ in 0..<60 { try hear("b", [0, 1, 2], afterMs: 1_000) }
        #expect(snapshot().nodes.map(\.id) == [makeID("b")])
    }

    @Test mutating func thisProcessIsNeverSilent() throws {
        try silence()
        let found = snapshot(local: "a")
        #expect(found.nodes.map(\.id) == ["a", "b", "c"].map { makeID($0) })
        #expect(found.nodes.map(\.isSilent) == [false, false, true])
        #expect(found.nodes[0].isLocal && found.nodes[0].holds == set(0, 1, 2, 3))
    }
}
