// A router: the public listener, and the links to the nodes behind it. One answerer and one fan-out client for each
// event loop, so that a request stays on its loop from the first byte to the last.

import Cluster
import FanOut
import HTTP1
import HTTPServer
import Link
public import Logging
public import Membership
public import Model
import NIOCore
public import NIOPosix
public import Query
public import Settings
import Synchronization
public import Telemetry

public final class RouterCore: Sendable {
    private let clients: FanOutClients
    private let server: HTTPServer
    private let local: ID?
    private let localReady: (@Sendable () -> PartitionSet)?
    private let logger: Logger
    /// Of the control topic: what every request goes by; others may drop what was replaced before it.
    private let seen = Atomic<Int64>(0)
    private let routing: Mutex<Routing>
    /// Of each loop, as last asked.
    private let counters = Mutex<[FanOutCounters]>([])

    private struct Routing {
        var state: ClusterState?
        /// Whether that is the view kept on disk, since the control topic was not read yet.
        var isKept = false
        var snapshot = RoutingSnapshot.empty
        var ends = LogEnds()
        /// Of each member, the record that `ends` has read.
        var read: [ID: Offset] = [:]
    }

    public var httpPort: Int { server.port }
    public var positionSeen: Offset { Offset(seen.load(ordering: .relaxed)) }

    private init(
        clients: FanOutClients, server: HTTPServer, local: ID?, localReady: (@Sendable () -> PartitionSet)?,
        routing: Routing, logger: Logger
    ) {
        self.clients = clients
        self.server = server
        self.local = local
        self.localReady = localReady
        self.logger = logger
        self.routing = Mutex(routing)
    }

    /// Listens. Goes by `kept`, a view that was kept on disk, until the first `update`; its generation counts as seen by
    /// nobody: others may not drop anything for it. Without one it answers 503 until `update` has brought holders.
    public static func start(
        id: ID, settings: RouterSettings, group: MultiThreadedEventLoopGroup, registry: Registry, logger: Logger,
        local: LocalNode? = nil, kept: ClusterState? = nil
    ) async throws -> RouterCore {
        var rules = FanOutRules()
        rules.requestTimeoutNs = UInt64(settings.requestDeadline.milliseconds) * 1_000_000
        rules.requestsMax = settings.requestsMax
        // Another holder is asked while there is time left for its answer, however short the deadline is.
        rules.askTimeoutNs = min(rules.askTimeoutNs, rules.requestTimeoutNs / 2)
        rules.givesPartial = settings.givesPartial
        let makeLocal = local?.makeHolder
        let clients = try await FanOutClients.start(
            router: id, group: group, rules: rules, logger: logger,
            makeLocal: makeLocal.map { make in { @Sendable _ in LateHolder(make) } })
        var routing = Routing()
        if let kept {
            // Before anybody can ask: each loop has the plan when it takes its first connection, and what is asked of a
            // link that does not stand yet waits in it.
            routing.state = kept
            routing.isKept = true
            routing.snapshot = RoutingPlan.snapshot(of: kept, local: local?.id, localReady: local?.ready())
            clients.update(routing.snapshot)
        }
        let templates = AnswerTemplates(settings.http)
        let selection = settings.rules
        let fixed = settings.clockFixed
        let metrics = FreshnessMetrics(registry)
        let packed = registry.counter(
            "gzip_packed_fragments_total", help: "Fragments packed for one answer: their holder had no packed form.")
        var limits = HTTPLimits()
        limits.connectionsMax = settings.http.connectionsMax
        limits.idleTimeout = .milliseconds(settings.http.idleTimeout.milliseconds)
        limits.queueAgeMax = .milliseconds(settings.queueAgeMax.milliseconds)
        limits.headTimeout = .milliseconds(settings.http.headerTimeout.milliseconds)
        let server = try await HTTPServer.start(
            host: settings.member.host, port: settings.http.port, group: group, limits: limits,
            observer: HTTPMetrics(registry, uris: AnswerTemplates.routes),
            wallSeconds: { Clocks.wallMs() / 1_000 }
        ) { eventLoop in
            RouterAnswerer(
                client: clients.client(on: eventLoop), rules: selection, templates: templates, packed: packed,
                metrics: metrics
            ) {
                fixed ?? Timestamp(milliseconds: Clocks.wallMs())
            }
        }
        let router = RouterCore(
            clients: clients, server: server, local: local?.id, localReady: local?.ready, routing: routing,
            logger: logger)
        router.register(in: registry)
        return router
    }

    /// Whether requests go by a view that was kept on disk.
    public var isViewKept: Bool { routing.withLock { $0.isKept } }

    /// Takes the cluster's state in. Called at every heartbeat at least, so the counters are as fresh as that.
    public func update(_ state: ClusterState) {
        route { routing in
            routing.state = state
            routing.isKept = false
        }
        lowerWhereLogsFell(state.view)
        clients.counters().whenSuccess { counters in self.counters.withLock { $0 = counters } }
        guard let position = state.view.position else { return }
        clients.goBy(position)
        clients.settledPosition().whenSuccess { self.seen.store($0.rawValue, ordering: .relaxed) }
    }

    /// Where a topic was made anew, what was shown of the old one is no measure any more.
    private func lowerWhereLogsFell(_ view: MembershipView) {
        let fallen = routing.withLock { routing -> [(PartitionID, Offset)] in
            var fallen: [(PartitionID, Offset)] = []
            for member in view.members where routing.read[member.heartbeat.id] != member.offset {
                let node = member.heartbeat.id
                routing.read[node] = member.offset
                for holding in member.heartbeat.holdings where holding.isReady {
                    guard routing.ends.fell(node, holding.partition, to: holding.applied) else { continue }
                    fallen.append((holding.partition, Offset(holding.applied.rawValue + max(0, holding.lag))))
                }
            }
            if routing.read.count > view.members.count {
                routing.read = routing.read.filter { view.member($0.key) != nil }
                routing.ends.keep { view.member($0) != nil }
            }
            return fallen
        }
        guard !fallen.isEmpty else { return }
        for (partition, end) in fallen { clients.memory.lower(partition, to: end) }
        logger.warning(
            "the events topic's log fell: it was made anew, and is needed no further than it is now",
            metadata: ["partitions": "\(fallen.count)"])
    }

    /// The node in this process has other partitions ready than its last heartbeat said.
    public func localChanged() { route { _ in } }

    /// Plans anew and hands the plan to the loops. Under the lock, though it only posts: two threads come here, and the
    /// later plan must reach every loop later.
    private func route(_ change: (inout Routing) -> Void) {
        routing.withLock { routing in
            change(&routing)
            guard let state = routing.state else { return }
            let snapshot = RoutingPlan.snapshot(of: state, local: local, localReady: localReady?())
            guard snapshot != routing.snapshot else { return }
            routing.snapshot = snapshot
            clients.update(snapshot)
        }
    }

    /// The partitions without a live, ready holder; nil while nothing is known of the cluster.
    public var missing: PartitionSet? {
        let snapshot = routing.withLock { $0.snapshot }
        guard snapshot.partitionCount > 0 else { return nil }
        let held = snapshot.nodes.filter { !$0.isSilent }.reduce(PartitionSet()) { $0.union($1.holds) }
        return PartitionSet(below: snapshot.partitionCount).subtracting(held)
    }

    /// Answers what was asked, closes idle connections, then the links.
    public func drain(deadline: Duration) async {
        await server.drain(idleGrace: .milliseconds(500), deadline: .milliseconds(deadline.milliseconds))
        try? await clients.stop()
    }

    private func sum(_ counter: KeyPath<FanOutCounters, UInt64>) -> UInt64 {
        counters.withLock { $0.reduce(0) { $0 + $1[keyPath: counter] } }
    }

    private func register(in registry: Registry) {
        let clients = clients
        registry.sampled("router_links_closed_total", .counter, help: "Links closed by this router, by reason.") {
            let counters = clients.linkCounters
            $0.add(Double(counters.malformed.load(ordering: .relaxed)), labels: [("reason", "malformed")])
            $0.add(Double(counters.silent.load(ordering: .relaxed)), labels: [("reason", "silent")])
        }
        registry.sampled(
            "monotonic_violations_total", .counter,
            help: "Answers older than one shown before: no holder was further on."
        ) { $0.add(Double(self.sum(\.monotonicViolations))) }
        registry.sampled(
            "router_view_kept", .gauge,
            help: "1 while requests go by the view kept on disk, since the control topic was not read yet."
        ) { $0.add(self.isViewKept ? 1 : 0) }
        registerFanOut(in: registry)
        registry.sampled("router_partitions_missing", .gauge, help: "Partitions without a live, ready holder.") {
            $0.add(self.missing?.count ?? 0)
        }
    }

    private func registerFanOut(in registry: Registry) {
        let plain: [(String, any KeyPath<FanOutCounters, UInt64> & Sendable, String)] = [
            ("router_asks_timed_out_total", \.askTimeouts, "Asks that a node was silent on."),
            ("router_asks_repeated_total", \.asksRepeated, "Asks put again to another node, hedges left out."),
            ("router_hedges_total", \.hedges, "Asks put to a second node since the first was later than most."),
            ("router_hedges_won_total", \.hedgesWon, "Hedges whose reply came first."),
            ("router_hedges_withheld_total", \.hedgesWithheld, "Late asks that were not hedged: the budget was spent."),
            ("router_nodes_left_total", \.nodesLeft, "How often a node was left since it failed or was silent."),
            (
                "router_fail_openings_total", \.failOpenings,
                "How often all nodes had been left, so that it counted no more."
            ),
            ("router_failed_open_total", \.failedOpen, "Asks of nodes that looked bad, since no other was left."),
            ("router_partial_answers_total", \.partialAnswers, "Answers that lack partitions without a holder."),
        ]
        for (name, counter, help) in plain {
            registry.sampled(name, .counter, help: help) { $0.add(Double(self.sum(counter))) }
        }
        registry.sampled(
            "router_no_holder_total", .counter,
            help: "Requests not answered in full, by each reason why a holder did not answer."
        ) { samples in
            let counters = self.counters.withLock { $0 }
            for reason in NoHolderReason.allCases {
                let count = counters.reduce(0) { $0 + $1.noHolder[Int(reason.rawValue)] }
                samples.add(Double(count), labels: [("reason", "\(reason.name)")])
            }
        }
    }
}

/// The holder of one event loop, from the time on that its node is there; before, nothing is ready.
private final class LateHolder: Holder {
    private let make: () -> (any Holder)?
    private var holder: (any Holder)?

    init(_ make: @escaping () -> (any Holder)?) { self.make = make }

    var progress: UInt64 { holder?.progress ?? 0 }

    func answer(
        _ query: HolderQuery, needs: PositionNeeds, knowing progress: UInt64?,
        part: (borrowing Part, ShownPosition?, Freshness) -> Void, refused: (HolderRefusal) -> Void
    ) {
        if holder == nil { holder = make() }
        guard let holder else { return refused(.notReady) }
        unsafe holder.answer(query, needs: needs, knowing: progress, part: part, refused: refused)
    }
}

/// A node in the router's own process.
public struct LocalNode: Sendable {
    public var id: ID
    /// A holder for one event loop; nil while the node is not there yet.
    public var makeHolder: @Sendable () -> (any Holder)?
    public var ready: @Sendable () -> PartitionSet

    public init(
        id: ID, makeHolder: @escaping @Sendable () -> (any Holder)?, ready: @escaping @Sendable () -> PartitionSet
    ) {
        self.id = id
        self.makeHolder = makeHolder
        self.ready = ready
    }
}
