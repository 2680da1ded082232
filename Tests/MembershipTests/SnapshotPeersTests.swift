import Model
import Placement
import Testing

@testable import Membership

struct SnapshotPeersTests {
    private static func node(
        _ id: String, state: MemberState = .serving, ready: [Int] = [], kind: MemberKind = .node, listens: Bool = true
    ) -> Heartbeat {
        var heartbeat = makeNode(id, state: state, ready: ready)
        heartbeat.kind = kind
        heartbeat.management = listens ? MemberAddress(host: "10.0.0.1", port: 8082) : nil
        return heartbeat
    }

    private func view(_ heartbeats: [Heartbeat]) throws -> MembershipView {
        var log = ClusterLog()
        var view = MembershipView()
        for heartbeat in heartbeats {
            log.append(heartbeat)
            try view.apply(log.last)
        }
        return view
    }

    @Test func onlyWhoMayHaveTheFileIsAsked() throws {
        let view = try view([
            Self.node("a", ready: [1, 2]), Self.node("b", state: .draining, ready: [1]),
            Self.node("c", state: .warming, ready: []), Self.node("d", ready: [2]),
            Self.node("e", ready: [1], listens: false), Self.node("f", ready: [1], kind: .both),
            Self.node("me", ready: [1]), makeRouter("r", seen: 0),
        ])
        let ids = { (partition: Int?, turn: Int) in
            view.snapshotPeers(of: makeID("me"), holding: partition.map { PartitionID($0) }, turn: turn).map {
                "\($0.id)"
            }
        }
        #expect(ids(1, 0) == ["a", "b", "f"])
        #expect(ids(2, 0) == ["a", "d"])
        #expect(ids(3, 0) == [])
        // Global topics are held by every node that serves.
        #expect(ids(nil, 0) == ["a", "b", "d", "f"])
        // Who asks for many begins with each of them in turn.
        #expect(ids(1, 1) == ["b", "f", "a"] && ids(1, 2) == ["f", "a", "b"] && ids(1, 3) == ids(1, 0))
    }

    @Test func whoIsSilentIsNotAsked() throws {
        var log = ClusterLog()
        var view = MembershipView()
        log.append(Self.node("a", ready: [1]))
        try view.apply(log.last)
        log.append(Self.node("b", ready: [1]))
        try view.apply(log.last)
        #expect(view.snapshotPeers(of: makeID("me"), holding: PartitionID(1), turn: 0).count == 2)
        for _ in 0..<7 {
            log.append(Self.node("b", ready: [1]), afterMs: 1_000)
            try view.apply(log.last)
        }
        #expect(view.snapshotPeers(of: makeID("me"), holding: PartitionID(1), turn: 0).map(\.id) == [makeID("b")])
    }
}
