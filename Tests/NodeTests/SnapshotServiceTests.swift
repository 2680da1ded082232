import Foundation
import Ingest
import Logging
import Model
import NIOCore
import NIOPosix
import Placement
import Snapshot
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import Kafka
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

        /// Without `startedNs` begun long ago, so that no time for the cluster to become known is left.
        func service(startedNs: UInt64 = 0) -> SnapshotService {
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
                startedNs: startedNs)
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

    private let end = Offset(1_000_000)

    /// Nobody has said that there is no file: only a log that is whole is read. It takes none of the time that peers have.
    @Test func aTrimmedLogIsNotReadBeforeTheClusterIsKnown() throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { group.shutdownGracefully { _ in } }
        let now = DispatchTime.now().uptimeNanoseconds
        try #require(now > SnapshotPeerLimits.clusterNs)
        let service = try Setup(client: group).service(startedNs: now - SnapshotPeerLimits.clusterNs)
        let (whole, trimmed) = (LogBounds(start: Offset(0), end: end), LogBounds(start: Offset(50), end: end))
        #expect(service.choose(.topic(.stage), [trimmed], together: 1) == .wait)
        #expect(service.choose(.topic(.season), [whole], together: 1) == .log)
        #expect(service.metrics.peerPauses.value == 0)
        #expect(service.state.withLock { $0.peers.patience.isEmpty && $0.peers.asks.isEmpty })
        service.update(MembershipView())
        #expect(service.choose(.topic(.stage), [trimmed], together: 1) == .wait)
        #expect(service.state.withLock { $0.peers.patience.count } == 1, "from the first question on")
        service.endPeers()
    }

    /// The wait for the cluster has an end of its own.
    @Test(
        .enabled(
            if: DispatchTime.now().uptimeNanoseconds > PeerPatience.longestNs, "the machine has run for long enough"))
    func aClusterThatStaysUnknownIsNotWaitedForForEver() throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { group.shutdownGracefully { _ in } }
        let now = DispatchTime.now().uptimeNanoseconds
        let service = try Setup(client: group).service(startedNs: now - PeerPatience.longestNs)
        #expect(service.choose(.topic(.stage), [LogBounds(start: Offset(50), end: end)], together: 1) == .log)
    }

    /// Before the node is placed a partition comes out of its own file or not at all, whoever else has it.
    @Test(arguments: [false, true]) func aGuessIsLoadedOutOfTheOwnFileAlone(hasPeers: Bool) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { group.shutdownGracefully { _ in } }
        let setup = try Setup(client: hasPeers ? group : nil)
        var header = try setup.write(setup.eventsHeader(agoSeconds: 7_200))
        let service = setup.service(startedNs: DispatchTime.now().uptimeNanoseconds)
        // So large that peers would be asked for it.
        header.rawBytes = 1 << 40
        service.state.withLock { [header] in $0.headers[header.scope] = header }
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
        #expect(service.state.withLock { $0.peers.asks.isEmpty })
        service.update(changed: [:], held: [scope])
        // A whole log that is short: nobody is asked for it.
        #expect(service.choose(scope, [LogBounds(start: Offset(0), end: Offset(200))], together: 1) == .log)
    }

    /// Nothing is forgotten of what is wanted, and of global topics: a peer whose file was wrong is not asked again.
    @Test func whatPeersSaidOfAPartitionThatIsGivenUpIsForgotten() {
        var state = PeerState()
        let scopes: [SnapshotScope] = [.topic(.stage)] + (0..<4).map { .events(PartitionID($0)) }
        let asks: [PeerState.Ask] = [
            .known(PeerRound()), .known(PeerRound()), .asking, .pausing(untilNs: 9), .known(PeerRound()),
        ]
        for (scope, ask) in zip(scopes, asks) {
            state.asks[scope] = ask
            state.patience[scope] = PeerPatience(nowNs: 1)
            state.patience[scope]?.drop(Setup.id("wrong"))
        }
        state.toAsk = [scopes[2]]
        state.forgetEvents(but: [scopes[4]])
        #expect(Set(state.asks.keys) == [scopes[0], scopes[4]] && state.toAsk.isEmpty)
        #expect(Set(state.patience.keys) == [scopes[0], scopes[4]])
        #expect(state.patience[scopes[4]]?.dropped == [Setup.id("wrong")])
    }

    private let scope = SnapshotScope.events(PartitionID(0))
    private var trimmed: [LogBounds] { [LogBounds(start: Offset(50), end: end)] }

    /// Its one peer has been asked for the partition, whose log has lost its beginning, and has not answered yet.
    private func asked(_ group: MultiThreadedEventLoopGroup) throws -> (peer: ScriptedPeer, service: SnapshotService) {
        let peer = try ScriptedPeer(group)
        let service = try Setup(client: group).service()
        service.update(try peer.view())
        service.update(changed: [:], held: [scope])
        #expect(service.choose(scope, trimmed, together: 1) == .wait)
        try peer.waitUntilAsked(1)
        return (peer, service)
    }

    /// A peer's answer of before is not what the partition begins with when it comes back.
    @Test func anAnswerForAPartitionThatWasGivenUpIsNotKept() throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { group.shutdownGracefully { _ in } }
        let (peer, service) = try asked(group)
        service.update(changed: [:], held: [])
        try peer.answer("404 Not Found")
        try wait(seconds: 60, for: "the answer") { service.state.withLock { $0.peers.asking } == 0 }
        #expect(service.state.withLock { $0.peers.asks.isEmpty && $0.peers.patience.isEmpty })
        service.update(changed: [:], held: [scope])
        #expect(service.choose(scope, trimmed, together: 1) == .wait)
        try peer.waitUntilAsked(2)
        try peer.answer("404 Not Found")
        service.endPeers()
    }

    /// Only a peer that will never have a file has said no.
    @Test(arguments: [("503 Service Unavailable", SnapshotChoice.wait), ("404 Not Found", .log)])
    func aPeerWithoutAFileYetIsWaitedFor(answer: String, choice: SnapshotChoice) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { group.shutdownGracefully { _ in } }
        let (peer, service) = try asked(group)
        try peer.answer(answer)
        try wait(seconds: 60, for: "the answer") { service.state.withLock { $0.peers.asking } == 0 }
        #expect(service.choose(scope, trimmed, together: 1) == .wait, "the bounds are asked for once more")
        #expect(service.choose(scope, trimmed, together: 1) == choice)
        #expect(service.metrics.peerPauses.value == (choice == .wait ? 1 : 0))
        service.endPeers()
    }

    /// The peer has put a newer file in the place of the one that was chosen, and keeps it open for who asked first. A
    /// question under another number would be one for the file of then, and leave this one open for nobody.
    @Test func aNewerFileIsReadUnderTheSameLease() throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { group.shutdownGracefully { _ in } }
        let (peer, service) = try asked(group)
        let headers = try (0..<2).map { try Setup(client: group).eventsHeader(agoSeconds: 60 - $0) }
        try peer.answer("200 OK", headers[0].encodedStart())
        try wait(seconds: 60, for: "the header") { service.state.withLock { $0.peers.asking } == 0 }
        #expect(service.choose(scope, trimmed, together: 1) == .wait, "the bounds are asked for once more")
        #expect(service.choose(scope, trimmed, together: 1) == .file(headers[0], isPeers: true))
        service.read(headers[0])
        try peer.waitUntilAsked(2)
        try peer.answer("200 OK", headers[1].encodedStart())
        var read: SnapshotRead?
        try wait(seconds: 60, for: "what became of it") {
            read = service.takeRead()
            return read != nil
        }
        guard case .failure(let error)? = read?.result else { throw WaitFailure(description: "\(read as Any)") }
        service.refused(scope, .unreadable(error))
        #expect(service.choose(scope, trimmed, together: 1) == .wait, "the bounds are asked for once more")
        #expect(service.choose(scope, trimmed, together: 1) == .file(headers[1], isPeers: true))
        service.read(headers[1])
        try peer.waitUntilAsked(3)
        let questions = peer.questions.map { $0.prefix { !$0.isNewline } }
        #expect(questions[1].contains("/snapshots/events-0.snapshot/") && questions[1] == questions[2])
        try peer.answer("404 Not Found")
        service.endPeers()
    }

    @Test func whoHoldsAScopeWithoutAFileYetSaysSo() throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { group.shutdownGracefully { _ in } }
        let setup = try Setup()
        _ = try setup.write(setup.header(.stage))
        let service = setup.service()
        let status = { (path: Substring) -> Int? in
            var status: Int?
            service.sender.answer(path, offer: { service.offer($0) }, on: group.next()) { answer in
                switch answer {
                case .bytes: status = 200
                case .refusal(let refused, _, _, let seconds):
                    status = refused
                    #expect((seconds != nil) == (refused == 503))
                }
            }
            return status
        }
        #expect(status("stages.snapshot/header") == 200)
        #expect(status("seasons.snapshot/header") == 503)
        #expect(status("events-0.snapshot/header") == 503, "it is not placed yet")
        service.update(changed: [:], held: [.events(PartitionID(0))])
        #expect(status("events-0.snapshot/header") == 503 && status("events-0.snapshot/1f/0") == 503)
        #expect(status("events-1.snapshot/header") == 404 && status("nothing.snapshot/header") == 404)
        service.update(changed: [:], held: [])
        #expect(status("events-0.snapshot/header") == 404)
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

/// A node that holds partition 0, takes questions for its files, and answers when it is told to.
private final class ScriptedPeer: Sendable {
    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let asked: @Sendable (any Channel, String) -> Void

        init(asked: @escaping @Sendable (any Channel, String) -> Void) { self.asked = asked }

        /// A question is far shorter than what is read at once.
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            asked(context.channel, String(buffer: unwrapInboundIn(data)))
        }
    }

    private let askers = Mutex<[(channel: any Channel, question: String)]>([])
    private let port = Mutex(0)

    init(_ group: any EventLoopGroup) throws {
        let bootstrap = ServerBootstrap(group: group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(
                    Handler { asker, question in self.askers.withLock { $0.append((asker, question)) } })
            }
        }
        let listener = try bootstrap.bind(host: "127.0.0.1", port: 0).wait()
        port.withLock { $0 = listener.localAddress?.port ?? 0 }
    }

    /// A cluster of this peer.
    func view() throws -> MembershipView {
        let id = try #require(ID("peer"))
        var heartbeat = Heartbeat(
            kind: .node, id: id, incarnation: Incarnation(startedMs: 1, number: 1), state: .serving,
            configuration: ClusterConfiguration(partitions: 1, replicas: .count(2), topicNames: ["events"]),
            holdings: [Holding(partition: PartitionID(0), isReady: true, applied: Offset(9), lag: 0)])
        heartbeat.management = MemberAddress(host: "127.0.0.1", port: UInt16(port.withLock { $0 }))
        var key: [UInt8] = []
        id.append(to: &key)
        var view = MembershipView()
        _ = try view.apply(offset: Offset(0), timestampMs: 1_000, key: key, value: heartbeat.encode())
        return view
    }

    func waitUntilAsked(_ count: Int) throws {
        try wait(seconds: 60, for: "question \(count)") { askers.withLock { $0.count } == count }
    }

    var questions: [String] { askers.withLock { $0.map(\.question) } }

    /// Answers the last question.
    func answer(_ status: String, _ body: [UInt8] = []) throws {
        let asker = try #require(askers.withLock { $0.last?.channel })
        let text = "HTTP/1.1 \(status)\r\nRetry-After: 1\r\nContent-Length: \(body.count)\r\n\r\n"
        try asker.writeAndFlush(ByteBuffer(bytes: Array(text.utf8) + body)).wait()
    }
}

@Suite struct TombstoneRetentionTests {
    /// Only the embedded broker never has a controller; a cluster that is electing one is asked again.
    @Test func aClusterWithoutAControllerIsAskedAgain() {
        let error = KafkaError(.unsupported, "no controller")
        var retention = TombstoneRetention()
        #expect(!retention.failed(error, clusterID: { "c1uster" }) && !retention.isKnown && !retention.isEmbedded)
        #expect(!retention.failed(error, clusterID: { nil }) && !retention.isKnown && !retention.isEmbedded)
        #expect(
            !retention.failed(KafkaError(.timedOut, "late"), clusterID: { "mockCluster1" }) && !retention.isEmbedded)
        #expect(retention.failed(KafkaError(.configuration, "wrong"), clusterID: { "c1uster" }) && !retention.isKnown)
        #expect(retention.failed(error, clusterID: { "mockCluster1" }) && retention.isKnown && retention.isEmbedded)
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
