// Nodes that come back out of their peers' snapshots, where Kafka has lost what stands in them: logs that start above 0,
// old messages gone for good. Whoever reads the log alone does not know them, so an answer that is right shows from where it
// came. And peers that do what no peer should.

import Foundation
import Kafka
import Model
import Synchronization
import TestSupport
import Testing

@Suite(
    .serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment),
    .enabled(if: TestKafka.isEmbedded, TestKafka.embedded))
struct PeerTests {
    static let target = "/v1/api/app/mym/soccer?eventIds=e1,e2,e7,e30&teamIds=t3,t5"
    /// Files are written at the end alone, and what was there at the start is not written again.
    static let rarely = ["--snapshot-interval", "10m"]
    static let often = ["--snapshot-interval", "500ms"]

    /// A Kafka whose logs can be made to forget.
    private final class Setup {
        let kafka: TestKafka
        let reference = Reference()
        let producer: KafkaProducer
        /// What does not compress: as long as ten fillers, which is further back than a compressor looks.
        private let noise: [UInt8]

        init() throws {
            var random = SeededGenerator.forTest()
            // The range has a backslash in it.
            noise = (0..<1_000_000).map { _ in UInt8(0x30 + random.next() & 63) }.map { $0 == 0x5C ? 0x7E : $0 }
            kafka = try TestKafka(binary: try #require(Prerequisites.met).binary, partitions: 1)
            producer = try kafka.producer()
            try SmallOffer().publish(producer, reference)
        }

        func node(_ name: String, _ more: [String]) throws -> Served {
            try Served(kafka, name: name, ["--node-id", name, "--cluster-replicas", "max"] + more)
        }

        func send(_ kind: ModelKind, _ key: String, _ value: String?) throws {
            let value = value.map { Array($0.utf8) }
            reference.apply(kind, key: Array(key.utf8), value: value)
            try producer.send(kind, key: Array(key.utf8), value: value)
        }

        /// Sends so much to every topic that the broker, which keeps 5 MiB of each, drops all that was there before. The
        /// nodes keep up: whoever lags behind what is dropped has lost it too.
        func forget(_ nodes: [Served]) throws {
            var ends: [Int64] = []
            for kind in ModelKind.allCases { ends.append(try kafka.bounds(kind, 0).end.rawValue) }
            for number in 0..<60 {
                for kind in ModelKind.allCases { try send(kind, "f\(number)", filler(kind, number)) }
                // Below what the producer lets wait.
                try producer.flushAll()
                if number % 10 == 9 { for node in nodes { try waitUntilApplied(node) } }
            }
            for node in nodes { #expect(try node.metric("kafka_positions_lost_total") == 0) }
            for kind in ModelKind.allCases {
                let bounds = try kafka.bounds(kind, 0)
                try #require(bounds.start.rawValue >= ends[Int(kind.rawValue)], "\(kind.plural) has kept \(bounds)")
            }
        }

        /// 100 KB that do not compress. An event keeps them, so that a file of events has several pieces.
        private func filler(_ kind: ModelKind, _ number: Int) -> String {
            let start = number % 10 * 100_000
            let text = String(decoding: noise[start..<start + 100_000], as: UTF8.self)
            return kind == .event
                ? #"{"id":"f\#(number)","sport":"soccer","stageId":"st1","scheduledStart":"2020-01-01T00:00:00Z","#
                    + #""status":"FINISHED","participants":[{"id":"fp"}],"period":"\#(text)"}"#
                : #"{"id":"f\#(number)","sport":"soccer","name":"Filler","more":"\#(text)"}"#
        }

        /// Waits until the node has applied all that was sent.
        func waitUntilApplied(_ served: Served) throws {
            var ends: [String: Int64] = [:]
            for kind in ModelKind.allCases { ends[kind.plural] = try kafka.bounds(kind, 0).end.rawValue }
            try wait(seconds: 60, for: "\(served.process.name) to apply everything") {
                let health = try JSONDecoder().decode(
                    Health.self, from: Data(try served.management.request("GET", "/health").body))
                return health.partitions.count == 6
                    && health.partitions.allSatisfy { $0.applied >= ends[$0.topic] ?? .max }
            }
        }

        /// Waits until the node has written each of its six files anew, all that was sent being in them.
        func waitUntilWritten(_ served: Served) throws {
            try waitUntilApplied(served)
            let written = try served.metric("snapshot_written_total", #"result="ok""#)
            // One file may have been under way.
            try wait(seconds: 60, for: "\(served.process.name) to write its files") {
                try served.metric("snapshot_written_total", #"result="ok""#) >= written + 7
            }
        }

        func stop(_ served: Served) throws {
            served.process.send(signal: SIGTERM)
            #expect(try served.process.waitForExit(seconds: 60) == 0)
        }
    }

    private struct Health: Decodable {
        struct Partition: Decodable {
            var topic: String
            var applied: Int64
            var source: String?
        }
        var partitions: [Partition]
    }

    private func sources(_ served: Served) throws -> [String: String] {
        let health = try JSONDecoder().decode(
            Health.self, from: Data(try served.management.request("GET", "/health").body))
        return Dictionary(uniqueKeysWithValues: health.partitions.map { ($0.topic, $0.source ?? "") })
    }

    /// Whether the node itself holds every event as another one does, whatever its router would be told by others.
    private func expectSame(_ served: Served, _ other: Served) throws {
        for number in 0..<40 {
            let path = "/debug/events/e\(number)"
            let expected = try other.management.request("GET", path)
            let found = try served.management.request("GET", path)
            try #require(
                found.status == expected.status && found.body == expected.body,
                "\(path): \(found.text) instead of \(expected.text)\n\(served.process.output.suffix(4_000))")
        }
    }

    // MARK: - Joining

    @Test func aFreshFourthNodeJoinsFromItsPeers() throws {
        let setup = try Setup()
        let nodes = try ["a", "b", "c"].map { try setup.node($0, Self.often) }
        for node in nodes { try node.waitUntilRight(Self.target, setup.reference) }
        try setup.forget(nodes)
        for node in nodes { try setup.waitUntilWritten(node) }

        let fourth = try setup.node("d", Self.rarely)
        try fourth.waitUntilRight(Self.target, setup.reference)
        let sources = try sources(fourth)
        #expect(sources.count == 6 && sources.values.allSatisfy { $0 == "peer" }, "\(sources)")
        #expect(try fourth.metric("snapshot_loaded_total") == 6)
        let sent = try nodes.map { try $0.metric("snapshot_peer_sent_bytes_total") }
        let received = try fourth.metric("snapshot_peer_received_bytes_total")
        #expect(
            sent.reduce(0, +) >= received && received > 1_000_000 && sent.count { $0 > 0 } > 1, "\(sent) \(received)")
        // Without peers it would not know what Kafka has forgotten.
        let alone = try setup.node("alone", ["--snapshot-interval", "0s"])
        #expect(try alone.management.request("GET", "/debug/events/e1").status == 404)
        try expectSame(fourth, nodes[0])
        // It goes on as any other.
        try setup.send(.event, "e1", SmallOffer.event(1, home: 1, away: 2, score: 7))
        try setup.send(.participant, "t5", #"{"id":"t5","sport":"soccer","name":"Renamed"}"#)
        try setup.send(.event, "e2", nil)
        try setup.producer.flushAll()
        for node in nodes + [fourth] { try node.waitUntilRight(Self.target, setup.reference) }
        // All of it is its own: nobody else is there to be asked.
        for node in nodes + [alone] { try setup.stop(node) }
        try fourth.waitUntilRight(Self.target, setup.reference)
    }

    /// A participant is renamed and another one deleted between the two files that a fresh node loads, which two peers
    /// wrote. Events: of the peer whose id comes first; participants: of the other one.
    @Test(arguments: [true, false]) func namesAreTheNewestWhicheverPeerIsAhead(eventsAreOld: Bool) throws {
        let setup = try Setup()
        var nodes = try ["a", "b"].map { try setup.node($0, Self.rarely) }
        for node in nodes { try node.waitUntilRight(Self.target, setup.reference) }
        try setup.forget(nodes)
        for node in nodes { try setup.waitUntilApplied(node) }
        for node in nodes { try setup.stop(node) }
        nodes[0] = try setup.node("a", eventsAreOld ? Self.rarely : Self.often)
        nodes[1] = try setup.node("b", eventsAreOld ? Self.often : Self.rarely)
        try setup.send(.participant, "t3", #"{"id":"t3","sport":"soccer","name":"Renamed meanwhile"}"#)
        try setup.send(.participant, "t1", nil)
        try setup.send(.event, "e7", SmallOffer.event(7, home: 7, away: 1, score: 4))
        try setup.producer.flushAll()
        for node in nodes { try node.waitUntilRight(Self.target, setup.reference) }
        try setup.waitUntilWritten(nodes[eventsAreOld ? 1 : 0])

        let fresh = try setup.node("c", Self.rarely)
        try expectSame(fresh, nodes[0])
        for node in nodes { try setup.stop(node) }
        let all = (0..<40).map { "e\($0)" }.joined(separator: ",")
        for target in [Self.target, "/v1/api/app/mym/soccer?eventIds=\(all)"] {
            try fresh.waitUntilRight(target, setup.reference)
        }
        let lines = fresh.process.output.split(separator: "\n").filter { $0.contains("received a snapshot") }
        #expect(lines.contains { $0.contains("peer=a") && $0.contains("events partition 0") }, "\(lines)")
        #expect(lines.contains { $0.contains("peer=b") && $0.contains("participants") }, "\(lines)")
        #expect(try fresh.metric("snapshot_rerendered_total") > 0)
    }

    // MARK: - Handing over

    /// What `snapshot.peer-streams-max` allows is read at once; a reader keeps its file whatever becomes of it.
    @Test func atTheLimitReadersWaitAndFilesStay() throws {
        let setup = try Setup()
        let node = try setup.node("a", Self.rarely + ["--snapshot-peer-streams-max", "1"])
        try node.waitUntilRight(Self.target, setup.reference)
        try setup.forget([node])
        try setup.waitUntilApplied(node)
        try setup.stop(node)
        let again = try setup.node("a", Self.rarely + ["--snapshot-peer-streams-max", "1"])
        let path = setup.kafka.folder.path + "/a/snapshots/events-0.snapshot"
        let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(file.count > 4 << 20)

        let first = try again.management.request("GET", "/snapshots/events-0.snapshot/1f/0")
        #expect(first.status == 200 && first.body == Array(file[..<first.body.count]))
        let second = try again.management.request("GET", "/snapshots/stages.snapshot/2f/0")
        #expect(second.status == 429 && second["retry-after"] == "1", "\(second.text)")
        #expect(try again.metric("snapshot_peer_streams") == 1)
        // Another file in its place, and then none.
        try Data("another".utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        try FileManager.default.removeItem(atPath: path)
        var bytes = first.body
        while bytes.count < file.count {
            let piece = try again.management.request("GET", "/snapshots/events-0.snapshot/1f/\(bytes.count)")
            // It may be told to wait: this machine's reads are slow while other tests run.
            if piece.status == 503 { continue }
            try #require(piece.status == 200 && !piece.body.isEmpty, "\(piece.status) at \(bytes.count)")
            bytes += piece.body
        }
        #expect(bytes == file)
        // Read to its end, the lease is over, and the next has its turn.
        #expect(try again.management.request("GET", "/snapshots/events-0.snapshot/1f/0").status == 410)
        #expect(try again.management.request("GET", "/snapshots/stages.snapshot/2f/0").status == 200)
        #expect(try again.metric("snapshot_peer_send_refused_total", #"reason="full""#) == 1)
        for path in [
            "../a", "events-1.snapshot/header", "events-0.snapshot", "events-0.snapshot/x/0", "stages.snapshot/1/-1",
        ] {
            #expect(try again.management.request("GET", "/snapshots/\(path)").status == 404, "\(path)")
        }
    }

    // MARK: - Peers that do what no peer should

    /// Two peers with files of now; the one whose turn is first, of half of the topics, stands behind a `HostilePeer`.
    private func hostileSetup(
        interval: [String] = often
    ) throws -> (setup: Setup, bad: Served, good: Served, hostile: HostilePeer) {
        let setup = try Setup()
        let bad = try setup.node("a", interval + ["--advertised-host", HostilePeer.host])
        let good = try setup.node("b", Self.often)
        let hostile = try HostilePeer(port: bad.managementPort)
        for node in [bad, good] { try node.waitUntilRight(Self.target, setup.reference) }
        try setup.forget([bad, good])
        for node in [bad, good] { try setup.waitUntilWritten(node) }
        return (setup, bad, good, hostile)
    }

    /// The reason that is counted for each.
    static let reasons: [(behaviour: HostilePeer.Behaviour, reason: String)] = [
        (.damaged, "damaged"), (.cut, "cut"), (.drip, "slow"), (.busy, "busy"), (.endless, "answer"),
        (.otherFile, "answer"), (.empty, "damaged"), (.noise, "answer"),
    ]

    /// Each costs its limit of time, bytes and tries; then the other peer has its turn.
    @Test func hostilePeersCostNothingButTime() throws {
        let (setup, bad, good, hostile) = try hostileSetup()
        defer { hostile.close() }
        for (behaviour, reason) in Self.reasons {
            hostile.behave(behaviour)
            try #require(bad.process.isRunning, "\(behaviour): \(bad.process.output.suffix(3_000))")
            let fresh = try setup.node("x-\(behaviour)", Self.rarely)
            try expectSame(fresh, good)
            let refused = try fresh.metric("snapshot_peer_refused_total", #"reason="\#(reason)""#)
            let all = try fresh.metric("snapshot_peer_refused_total")
            // The files of half of the topics, and each for the same reason; those of all where the headers are bad too.
            #expect(
                refused == (behaviour == .otherFile ? 6 : 3) && all == refused,
                "\(behaviour): \(refused) of \(all)\n\(fresh.process.output)")
            #expect(fresh.process.output.contains("a peer's snapshot is not used"), "\(behaviour)")
            #expect(try sources(fresh).values.allSatisfy { $0 == "peer" }, "\(behaviour)")
            #expect(fresh.residentMiB < 1_000, "\(behaviour): \(fresh.residentMiB) MiB")
            try setup.stop(fresh)
        }
        // No peer is left that does as it should: what Kafka has is read.
        try setup.stop(good)
        hostile.behave(.damaged)
        let last = try setup.node("y", Self.rarely)
        #expect(try sources(last).values.allSatisfy { $0 == "log" })
        #expect(try last.metric("snapshot_trimmed_log_read_total", #"reason="no_file""#) == 6)
        #expect(try last.management.request("GET", "/debug/events/f59").status == 200)
    }

    /// The log has lost its beginning, and the only peer does not do at first: the node waits for it, without a hole.
    @Test(arguments: [HostilePeer.Behaviour.cut, .deaf, .busy]) func aPeerThatHasNoTimeIsAskedAgain(
        behaviour: HostilePeer.Behaviour
    ) throws {
        let (setup, bad, good, hostile) = try hostileSetup()
        defer { hostile.close() }
        try setup.stop(good)
        // More than there are files; of `busy` so many that both loaders give up, each after 11, though the one that does so
        // first goes on with another file meanwhile.
        hostile.behave(behaviour, times: behaviour == .busy ? 30 : 8)
        let fresh = try setup.node("c", Self.rarely)
        #expect(try sources(fresh).values.allSatisfy { $0 == "peer" })
        try expectSame(fresh, bad)
        #expect(try fresh.metric("snapshot_peer_pauses_total") >= 2)
        #expect(try fresh.metric("snapshot_trimmed_log_read_total") == 0)
        #expect(fresh.process.output.contains("peers are asked again"))
    }

    /// Whenever a reader begins with the file of events, the only peer has just put a newer one in its place. It keeps that
    /// one for the reader, and has room for it again.
    @Test func aFileThatIsReplacedAgainAndAgainIsRead() throws {
        // What has not changed is written again after six intervals.
        let (setup, bad, good, hostile) = try hostileSetup(interval: ["--snapshot-interval", "200ms"])
        defer { hostile.close() }
        try setup.stop(good)
        let port = bad.managementPort
        let begun = Mutex(0)
        hostile.onPiece { target in
            guard target.contains("events-0"), target.hasSuffix("/0") else { return }
            begun.withLock { $0 += 1 }
            let peer = HTTPClient(port: port)
            let header = { try peer.request("GET", "/snapshots/events-0.snapshot/header").body }
            guard let before = try? header() else { return }
            // Below the time that the reader gives an answer. Where it is too short the reader is answered with the file
            // that it chose, and what is counted says so.
            try? wait(seconds: 4, for: "a newer file") { try header() != before }
        }
        let fresh = try setup.node("c", Self.rarely)
        #expect(begun.withLock { $0 } >= 2)
        #expect(try sources(fresh).values.allSatisfy { $0 == "peer" })
        try expectSame(fresh, bad)
        #expect(try fresh.metric("snapshot_peer_refused_total") == 0, "\(fresh.process.output)")
        #expect(try fresh.metric("snapshot_peer_pauses_total") == 0)
        #expect(try bad.metric("snapshot_peer_send_refused_total", #"reason="full""#) == 0)
    }

    @Test func aPeerThatDiesInMidStreamIsLeft() throws {
        let (setup, bad, good, hostile) = try hostileSetup()
        defer { hostile.close() }
        let process = bad.process.identifier
        hostile.onPiece { target in
            // In the middle of the file of events, which has a dozen pieces.
            if target.contains("events-0"), !target.hasSuffix("/0") { kill(process, SIGKILL) }
        }
        let fresh = try setup.node("c", Self.rarely)
        try expectSame(fresh, good)
        #expect(!bad.process.isRunning)
        #expect(try fresh.metric("snapshot_peer_refused_total") >= 1)
        #expect(try sources(fresh).values.allSatisfy { $0 == "peer" })
    }
}
