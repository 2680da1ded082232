// The composition root of `node`, `router` and `serve`: makes the parts, connects them, and takes them down in order.
// It decides nothing.
//
//   start: folder and id → management → (node) writer, topics, link → (router) HTTP → join the cluster
//   stop:  (node) drain → leave the cluster → (router) drain HTTP → (node) link, writer → management

import Autoscale
import Cluster
import Foundation
import HTTP1
import HTTPServer
import Kafka
import Link
import Logging
import Membership
import Model
import NIOCore
import NIOPosix
import Node
import Placement
import Query
import Router
import ServiceLifecycle
import Settings
import Store
import Synchronization
import Telemetry

struct MemberService: Service {
    let node: NodeSettings?
    let router: RouterSettings?
    let logger: Logger

    private var member: MemberSettings {
        guard let member = node?.member ?? router?.member else { preconditionFailure("neither node nor router") }
        return member
    }

    private var kafka: KafkaSettings {
        guard let kafka = node?.kafka ?? router?.kafka else { preconditionFailure("neither node nor router") }
        return kafka
    }

    private var cluster: ClusterSettings {
        guard let cluster = node?.cluster ?? router?.cluster else { preconditionFailure("neither node nor router") }
        return cluster
    }

    /// Runs until it is told to stop or cannot go on.
    func run() async throws {
        let folder = try DataDirectory(path: member.dataDirectory)
        let id = try member.id ?? folder.memberID()
        let registry = Registry()
        ProcessMetrics.register(in: registry)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: member.loops)
        let managementGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let serving = try await ServingLoad(threads: clocks(of: group))
        serving.register(in: registry)
        let parts = Parts(id: id, serving: serving, logger: logger)
        do {
            let management = try await startManagement(parts, registry, managementGroup)
            try await withGracefulShutdownHandler {
                try await cancelWhenGracefulShutdown {
                    try await start(
                        parts, folder, id, group, managementGroup, registry, managementPort: management.port)
                }
                await parts.waitForStop()
            } onGracefulShutdown: {
                parts.stop()
            }
            await takeDown(parts)
            await management.drain(idleGrace: .zero, deadline: .seconds(1))
        } catch {
            await takeDown(parts)
            // Told to stop while starting, which it did.
            guard parts.isStopping else {
                throw CommandError(
                    starting: error, member: member, httpPort: router?.http.port, linkPort: node?.linkPort)
            }
        }
        try await group.shutdownGracefully()
        try await managementGroup.shutdownGracefully()
        withExtendedLifetime(folder) {}
        if let failure = parts.failure { throw failure }
    }

    private func startManagement(
        _ parts: Parts, _ registry: Registry, _ group: MultiThreadedEventLoopGroup
    ) async throws -> HTTPServer {
        let (isNode, isRouter) = (node != nil, router != nil)
        var limits = HTTPLimits()
        // Health is told however long a scrape before it took.
        limits.queueAgeMax = .hours(1)
        return try await HTTPServer.start(
            host: member.host, port: member.managementPort, group: group, limits: limits, observer: QuietObserver(),
            wallSeconds: { Clocks.wallMs() / 1_000 }
        ) { loop in
            ManagementAnswerer(parts: parts, registry: registry, isNode: isNode, isRouter: isRouter, loop: loop)
        }
    }

    private func start(
        _ parts: Parts, _ folder: DataDirectory, _ id: ID, _ group: MultiThreadedEventLoopGroup,
        _ managementGroup: MultiThreadedEventLoopGroup, _ registry: Registry, managementPort: Int
    ) async throws {
        logger.info(
            "management listens",
            metadata: ["id": "\(id)", "management": "\(member.host):\(managementPort)"])
        let client = KafkaClientOptions(kafka, id: id)
        let keeper = router.map { _ in ViewKeeper(folder: folder, kafka: kafka, registry: registry, logger: logger) }
        if let keeper { parts.set(keeper: keeper) }
        if let router, let keeper { try await startRouter(router, parts, keeper, group, registry) }
        let held = try await startNode(parts, folder, client, group, managementGroup, registry)
        let count = if let held { held } else { try await waitForEvents(parts, client) }
        let configuration = ClusterConfiguration(
            partitions: count, replicas: cluster.replicas,
            topicNames: ModelKind.allCases.map { kafka.topics[$0] })
        let life = LifeKeeper(folder: folder, kafka: kafka, id: id, logger: logger)
        let settings = ClusterMemberSettings(
            id: id, over: life.over(), topic: kafka.topics.cluster, kafka: client, configuration: configuration,
            timeouts: timeouts,
            heartbeatMs: cluster.heartbeat.milliseconds)
        let addresses = Addresses(
            host: member.advertisedHost, management: managementPort, link: parts.node?.linkPort,
            http: parts.router?.httpPort)
        let owner = ClusterOwner(
            joined: { life.keep($0) },
            heartbeat: { incarnation, view in
                parts.heartbeat(incarnation, view, configuration, addresses, node: node)
            },
            changed: { state in
                parts.update(state)
                keeper?.keep(state, configuration: configuration)
            },
            displaced: { parts.fail(CommandError("another process took over node.id \(id)", code: .unavailable)) })
        let member = try await ClusterMember.join(settings, owner: owner, logger: logger)
        parts.set(cluster: member)
        registry.sampled(
            "cluster_messages_refused_total", .counter,
            help: "Messages of the control topic that were malformed, of a newer version, or of one member too many."
        ) { $0.add(Int(clamping: member.refusedTotal.load(ordering: .relaxed))) }
        logger.info("joined the cluster", metadata: ["partitions": "\(count)"])
        if let autoscale = router?.autoscale {
            let service = try AutoscaleService(
                autoscale, registry: registry, logger: logger,
                isInCharge: { $0.isLeadingRouter(id) }, cluster: { parts.last?.view })
            parts.set(autoscaler: Task { await service.run() })
        }
    }

    /// The CPU clocks of the loops' threads.
    private func clocks(of group: MultiThreadedEventLoopGroup) async throws -> [ThreadClock] {
        var clocks: [ThreadClock] = []
        for loop in group.makeIterator() {
            if let clock = try await loop.submit({ ThreadClock() }).get() { clocks.append(clock) }
        }
        return clocks
    }

    private var timeouts: MembershipTimeouts {
        var timeouts = MembershipTimeouts()
        timeouts.silentMs = cluster.silentAfter.milliseconds
        timeouts.graceMs = cluster.grace.milliseconds
        timeouts.stepMaxMs = 2 * cluster.heartbeat.milliseconds
        return timeouts
    }

    /// The router listens before it has joined, and goes by the view that was kept on disk until the control topic tells
    /// who is there now. Without one it answers 503 until then.
    private func startRouter(
        _ router: RouterSettings, _ parts: Parts, _ keeper: ViewKeeper, _ group: MultiThreadedEventLoopGroup,
        _ registry: Registry
    ) async throws {
        let local = LocalNode(
            id: parts.id, makeHolder: { parts.node?.makeHolder() },
            ready: { parts.node?.writer.report.ready ?? PartitionSet() })
        let kept = keeper.load(
            replicas: cluster.replicas, topicNames: ModelKind.allCases.map { kafka.topics[$0] }, timeouts: timeouts)
        let core = try await RouterCore.start(
            id: parts.id, settings: router, group: group, registry: registry, logger: logger,
            local: node == nil ? nil : local, kept: kept)
        parts.set(router: core)
        logger.info("router listens", metadata: ["http": "\(member.host):\(core.httpPort)"])
        if let kept {
            logger.notice(
                "goes by the view kept on disk until the control topic is read",
                metadata: ["generation": "\(kept.view.generation.rawValue)", "members": "\(kept.view.members.count)"])
        }
    }

    /// Starts the node, where there is one, and returns the number of its events partitions.
    private func startNode(
        _ parts: Parts, _ folder: DataDirectory, _ client: KafkaClientOptions, _ group: MultiThreadedEventLoopGroup,
        _ managementGroup: MultiThreadedEventLoopGroup, _ registry: Registry
    ) async throws -> Int? {
        guard let node else { return nil }
        let writer = WriterThread(
            WriterSettings(
                kafka: client, topics: ModelKind.allCases.map { node.kafka.topics[$0] },
                retiredBytesMax: node.retiredBytesMax, packedBytesMax: node.packedBytesMax,
                snapshots: node.snapshots,
                peers: SnapshotPeerAccess(id: parts.id, client: managementGroup, serving: group),
                watchInterval: node.freshnessInterval),
            registry: registry, logger: logger, changed: { parts.announce() })
        parts.set(writer: writer)
        let core = try await NodeCore.start(
            id: parts.id, settings: node, writer: writer, keeper: HoldKeeper(folder: folder, logger: logger),
            group: group, registry: registry)
        parts.set(node: core)
        logger.info("node listens", metadata: ["link": "\(member.host):\(core.linkPort)"])
        return core.store.partitionCounts[0]
    }

    /// A router waits for the events topic as a node does.
    private func waitForEvents(_ parts: Parts, _ client: KafkaClientOptions) async throws -> Int {
        var wait = try TopicWait(for: [kafka.topics[.event]], at: client, logger: logger)
        while true {
            if let counts = wait.look() { return counts[0] }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func takeDown(_ parts: Parts) async {
        if let autoscaler = parts.autoscaler {
            autoscaler.cancel()
            await autoscaler.value
        }
        let deadline = ContinuousClock.now + member.drainTimeout
        if let cluster = parts.cluster {
            if let node = parts.node, parts.failure == nil { await drain(node, cluster, until: deadline) }
            await cluster.leave()
        }
        parts.keeper?.finish()
        // However long the node took, what was asked of the router is answered.
        if let router = parts.router {
            let answered = (self.router?.requestDeadline ?? .zero) + .seconds(1)
            await router.drain(deadline: max(answered, Self.left(until: deadline)))
        }
        // What all that took of the time is gone for the node's snapshots.
        if let node = parts.node {
            await node.stop(drain: Self.left(until: deadline))
        } else {
            await parts.writer?.stop(drain: .zero)
        }
        logger.info("stopped")
    }

    private static func left(until deadline: ContinuousClock.Instant) -> Duration {
        max(.zero, ContinuousClock.now.duration(to: deadline))
    }

    /// Until the others have taken over what this node holds, or the time is over.
    private func drain(_ node: NodeCore, _ cluster: ClusterMember, until deadline: ContinuousClock.Instant) async {
        logger.info("draining: the others take over what is held here")
        node.drain()
        cluster.announce()
        while !node.isSafeToRemove, ContinuousClock.now < deadline, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(20))
        }
        if node.isSafeToRemove { return logger.info("drained") }
        logger.warning("drain.timeout is over before the others have taken over everything that is held here")
    }
}

/// The addresses under which others reach this member.
struct Addresses: Sendable {
    var management: MemberAddress?
    var link: MemberAddress?
    var http: MemberAddress?

    init(host: String, management: Int, link: Int?, http: Int?) {
        self.management = MemberAddress(host: host, port: UInt16(clamping: management))
        self.link = link.flatMap { MemberAddress(host: host, port: UInt16(clamping: $0)) }
        self.http = http.flatMap { MemberAddress(host: host, port: UInt16(clamping: $0)) }
    }
}

extension KafkaClientOptions {
    init(_ settings: KafkaSettings, id: some CustomStringConvertible) {
        self.init(
            brokers: settings.brokers.joined(separator: ","), clientID: "favorites-\(id)",
            passthrough: settings.clientOptions.values)
    }
}

/// The management listener counts nothing of its own.
final class QuietObserver: HTTPObserver {
    func connectionOpened() {}
    func connectionClosed(_ end: ConnectionEnd) {}
    func connectionRefused() {}
    func requestShed(_ reason: ShedReason) {}
    func answered(route: RouteIndex, method: HTTP1.Method, status: Int, nanoseconds: Int64) {}
}
