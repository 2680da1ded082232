import Foundation
import Ingest
import Kafka
import Logging
import Model
import NIOCore
import NIOPosix
import Snapshot
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import Membership
@testable import Node
@testable import Settings

/// A node's snapshot service without its writer and without a broker.
@Suite struct SnapshotServiceTests {
    private static let day: Int64 = 86_400_000

    /// A service over a folder of its own. `client`: where it asks peers; nil: there are none.
    private final class Setup {
        let folder: TemporaryFolder
        let settings: SnapshotSettings
        let client: (any EventLoopGroup)?

        init(client: (any EventLoopGroup)? = nil) throws {
            folder = try TemporaryFolder()
            let resolved = try ResolvedSettings(
                command: .node, arguments: ["--data-dir", folder.path], configPath: nil, environment: [:])
            settings = try #require(SnapshotSettings(resolved))
            self.client = client
        }

        /// Begun long ago, so that no time for the cluster to become known is left.
        func service() -> SnapshotService {
            let topics = ModelKind.allCases.map { "favorites-api-\($0.plural)" }
            return SnapshotService(
                settings,
                WriterSettings(
                    kafka: KafkaClientOptions(brokers: "127.0.0.1:1"), topics: topics, retiredBytesMax: 1 << 20,
                    packedBytesMax: 0, snapshots: settings,
                    peers: client.map { SnapshotPeerAccess(id: Self.id("me"), client: $0, serving: $0) },
                    watchInterval: .seconds(1)),
                partitionCounts: topics.map { _ in 1 }, clusterID: "c1uster",
                deleteRetentionMs: topics.map { _ in day }, registry: Registry(), logger: Logger(label: "test"),
                startedNs: 0)
        }

        static func id(_ text: String) -> ID {
            guard let id = ID(text) else { preconditionFailure("no id: \(text)") }
            return id
        }

        /// Caught up so many seconds ago, at offset 100.
        func header(_ kind: ModelKind, agoSeconds: Int64 = 0) -> SnapshotHeader {
            let now = Int64(Date().timeIntervalSince1970 * 1_000)
            return SnapshotHeader(
                scope: .topic(kind), topic: "favorites-api-\(kind.plural)", partitionCount: 1, clusterID: "c1uster",
                createdMs: now, caughtUpMs: now - agoSeconds * 1_000, lineage: 1,
                positions: [SnapshotPosition(resume: Offset(100), newest: Offset(100), last: nil)],
                globalsLowest: nil, globalsNewest: nil)
        }

        /// Of the one partition of events.
        func eventsHeader(agoSeconds: Int64 = 0) -> SnapshotHeader {
            var header = header(.event, agoSeconds: agoSeconds)
            header.scope = .events(PartitionID(0))
            let globals = GlobalPosition(partitionCounts: GlobalPosition.kinds.map { _ in 1 })
            (header.globalsLowest, header.globalsNewest) = (globals, globals)
            return header
        }

        /// Puts a file without records onto the disk.
        func write(_ header: SnapshotHeader) throws -> SnapshotHeader {
            var writer = try SnapshotFileWriter(header, in: DiskFolder(path: settings.directory), bytesMax: 1 << 20)
            try writer.finish(newest: header.positions.map(\.newest), globalsNewest: header.globalsNewest)
            return writer.header
        }
    }

    /// The file is of two hours ago; an operator lets tombstones go after one.
    @Test func theRetentionOfNowDecides() throws {
        let setup = try Setup()
        let header = try setup.write(setup.header(.stage, agoSeconds: 7_200))
        let service = setup.service()
        let bounds = [LogBounds(start: Offset(50), end: Offset(200))]
        #expect(service.choose(.topic(.stage), bounds, together: 1) == .file(header, isPeers: false))
        service.learned(deleteRetentionMs: ModelKind.allCases.map { _ in 3_600_000 })
        #expect(service.choose(.topic(.stage), bounds, together: 1) == .log)
    }

    /// Nobody has said that there is no file: only a log that is whole is read.
    @Test func aTrimmedLogIsNotReadBeforeTheClusterIsKnown() throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { group.shutdownGracefully { _ in } }
        let service = try Setup(client: group).service()
        let end = Offset(1_000_000)
        #expect(service.choose(.topic(.stage), [LogBounds(start: Offset(50), end: end)], together: 1) == .wait)
        #expect(service.choose(.topic(.season), [LogBounds(start: Offset(0), end: end)], together: 1) == .log)
        #expect(service.metrics.peerPauses.value == 1)
    }

    /// Before the node is placed a partition comes out of its own file or not at all, whoever else has it.
    @Test func aGuessIsLoadedOutOfTheOwnFileAlone() throws {
        let setup = try Setup()
        let header = try setup.write(setup.eventsHeader(agoSeconds: 7_200))
        let service = setup.service()
        var wanted = PartitionSet()
        for partition in [0, 3] { wanted.insert(PartitionID(partition)) }
        #expect(service.beginEarly(wanted).partitions == [PartitionID(0)], "there is no partition 3")
        let scope = SnapshotScope.events(PartitionID(0))
        let bounds = [LogBounds(start: Offset(50), end: Offset(200))]
        #expect(service.choose(scope, bounds, together: 1) == .file(header, isPeers: false))
        service.learned(deleteRetentionMs: ModelKind.allCases.map { _ in 3_600_000 })
        #expect(service.choose(scope, bounds, together: 1) == .wait, "the file is refused by now")
        service.update(changed: [:], held: nil)
        #expect(service.choose(scope, bounds, together: 1) == .wait)
        service.update(changed: [:], held: [scope])
        #expect(service.choose(scope, bounds, together: 1) == .log)
    }

    /// More peers than there are loaders take the connection and say nothing. A file of the own disk is here before any
    /// of them is given up.
    @Test func aFileOfTheOwnDiskWaitsForNoPeer() throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { group.shutdownGracefully { _ in } }
        let silent = try ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).wait()
        let port = try #require(silent.localAddress?.port)
        let address = try #require(MemberAddress(host: "127.0.0.1", port: UInt16(port)))
        let setup = try Setup(client: group)
        let own = try setup.write(setup.header(.stage))
        let service = setup.service()
        for kind in [ModelKind.season, .region, .category] {
            let file = PeerFile(
                peer: SnapshotPeer(id: Setup.id("other"), management: address), header: setup.header(kind))
            service.state.withLock { $0.chosen[.topic(kind)] = file }
            service.read(file.header)
        }
        service.read(own)
        var first: SnapshotRead?
        try wait(seconds: 60, for: "a file") {
            first = service.takeRead()
            return first != nil
        }
        #expect(first?.header == own)
        #expect(throws: Never.self) { try first?.result.get() }
        service.endPeers()
    }
}

@Suite struct BootQuestionTests {
    private let second: UInt64 = 1_000_000_000

    /// Two questions stay without an answer.
    @Test func aLateAnswerIsWaitedFor() {
        var now: UInt64 = 0
        var question = BootQuestion(nowNs: 0)
        let isAnswered = question.ask(clock: { now }, pause: { now += UInt64($0) * 1_000_000 }) {
            now += 3 * second
            return now > 7 * second
        }
        #expect(isAnswered && question.asked == 3)
    }

    @Test func nobodyAnswers() {
        var now: UInt64 = 0
        var question = BootQuestion(nowNs: 0)
        let isAnswered = question.ask(clock: { now }, pause: { now += UInt64($0) * 1_000_000 }) {
            now += 3 * second
            return false
        }
        #expect(!isAnswered && now < BootQuestion.longestNs + 4 * second)
    }
}
