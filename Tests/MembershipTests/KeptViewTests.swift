import Model
import Placement
import TestSupport
import Testing

@testable import Membership

@Suite struct KeptViewTests {
    private static let topics = ["events", "participants"]
    private static let place = "favorites-cluster at a:1,b:2"

    /// A view as records made it: a node that is silent, one that drains, a router.
    private func kept(replicas: Replicas = .count(2)) throws -> KeptView {
        var view = MembershipView()
        let configuration = ClusterConfiguration(partitions: 8, replicas: replicas, topicNames: Self.topics)
        var offset: Int64 = 40
        func write(_ name: String, _ kind: MemberKind, _ state: MemberState, at timestampMs: Int64) throws {
            let id = try #require(ID(name))
            var heartbeat = Heartbeat(
                kind: kind, id: id, incarnation: Incarnation(startedMs: 7, number: 9), state: state,
                configuration: configuration)
            heartbeat.link = MemberAddress(host: "10.0.0.1", port: 7070)
            heartbeat.zone = ID("z1")
            heartbeat.holdings = [
                Holding(partition: PartitionID(1), isReady: true, applied: Offset(99), lag: 0),
                Holding(partition: PartitionID(5), isReady: false, applied: Offset(3), lag: 12),
            ]
            var key: [UInt8] = []
            id.append(to: &key)
            _ = try view.apply(
                offset: Offset(offset), timestampMs: timestampMs, key: key, value: heartbeat.encode())
            offset += 1
        }
        try write("n1", .node, .serving, at: 1_000)
        try write("n2", .node, .draining, at: 1_000)
        for second in 1...7 { try write("r", .router, .serving, at: 1_000 * Int64(second)) }
        #expect(view.members.filter(\.isSilent).count == 2)
        return KeptView(place: Self.place, configuration: configuration, view: view)
    }

    private func decode(
        _ bytes: [UInt8], place: String = place, replicas: Replicas = .count(2), topicNames: [String] = topics
    ) throws(KeptViewRefusal) -> KeptView {
        let topics = ClusterConfiguration(partitions: 1, replicas: replicas, topicNames: topicNames).topics
        return try KeptView.decode(
            bytes, place: place, replicas: replicas, topics: topics, timeouts: MembershipTimeouts())
    }

    @Test(arguments: [Replicas.count(2), .all]) func comesBackAsItWas(replicas: Replicas) throws {
        let kept = try kept(replicas: replicas)
        #expect(try decode(kept.encode(), replicas: replicas) == kept)
        let empty = KeptView(place: Self.place, configuration: kept.configuration, view: MembershipView())
        #expect(try decode(empty.encode(), replicas: replicas) == empty)
    }

    @Test func ofAnotherClusterIsRefused() throws {
        let bytes = try kept().encode()
        #expect(throws: KeptViewRefusal.otherCluster("\(Self.place), not elsewhere")) {
            try decode(bytes, place: "elsewhere")
        }
        #expect(throws: KeptViewRefusal.otherCluster("other topics")) { try decode(bytes, topicNames: ["x"]) }
        #expect(throws: KeptViewRefusal.otherCluster("another cluster.replicas")) {
            try decode(bytes, replicas: .all)
        }
    }

    @Test func ofAnotherVersionIsRefused() throws {
        var bytes = try kept().encode()
        for version: UInt8 in [0, 2] {
            bytes[8] = version
            #expect(throws: KeptViewRefusal.version(UInt32(version))) { try decode(bytes) }
        }
    }

    @Test func everyChangedByteAndEveryCutIsRefused() throws {
        let bytes = try kept().encode()
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x10
            #expect(throws: KeptViewRefusal.self, "byte \(index)") { try decode(damaged) }
            #expect(throws: KeptViewRefusal.self, "cut at \(index)") { try decode(Array(bytes[..<index])) }
        }
        #expect(throws: KeptViewRefusal.self) { try decode(bytes + [0]) }
    }

    /// With a checksum that is right for it: the fields themselves are checked.
    @Test func whateverStandsInItDoesNotTrap() throws {
        var random = SeededGenerator.forTest()
        let bytes = try kept().encode()
        for _ in 0..<2_000 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: 20..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            damaged.replaceSubrange(12..<20, with: checksum(damaged[20...]))
            guard let kept = try? decode(damaged) else { continue }
            // Nothing that is taken breaks what is made of it.
            _ = Placement.place(
                members: kept.view.placementMembers, partitions: kept.configuration.partitions,
                replicas: kept.configuration.replicas)
        }
    }

    private func checksum(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return (0..<8).map { UInt8(truncatingIfNeeded: hash >> UInt64(8 * $0)) }
    }
}
