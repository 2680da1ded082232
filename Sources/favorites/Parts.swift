// The running parts of a member, as the closures that connect them see them. Parts appear one after the other while
// the member starts; whoever finds one missing goes on without it.

import Cluster
import Logging
import Membership
import Model
import Node
import Router
import Settings
import Synchronization

final class Parts: Sendable {
    private struct State {
        var writer: WriterThread?
        var node: NodeCore?
        var router: RouterCore?
        var cluster: ClusterMember?
        var last: ClusterState?
        var autoscaler: Task<Void, Never>?
        var keeper: ViewKeeper?
        var isStopping = false
        var failure: CommandError?
        var waiting: CheckedContinuation<Void, Never>?
    }

    let id: ID
    /// How busy this process's loops are; nil where it serves nothing.
    let serving: ServingLoad?
    private let logger: Logger
    private let state = Mutex(State())

    init(id: ID, serving: ServingLoad? = nil, logger: Logger) {
        self.id = id
        self.serving = serving
        self.logger = logger
    }

    var writer: WriterThread? { state.withLock { $0.writer } }
    var node: NodeCore? { state.withLock { $0.node } }
    var router: RouterCore? { state.withLock { $0.router } }
    var cluster: ClusterMember? { state.withLock { $0.cluster } }
    var autoscaler: Task<Void, Never>? { state.withLock { $0.autoscaler } }
    var keeper: ViewKeeper? { state.withLock { $0.keeper } }
    var last: ClusterState? { state.withLock { $0.last } }
    var failure: CommandError? { state.withLock { $0.failure } }
    var isStopping: Bool { state.withLock { $0.isStopping } }

    func set(writer: WriterThread) { state.withLock { $0.writer = writer } }
    func set(node: NodeCore) { state.withLock { $0.node = node } }
    func set(router: RouterCore) { state.withLock { $0.router = router } }
    func set(autoscaler: Task<Void, Never>) { state.withLock { $0.autoscaler = autoscaler } }
    func set(keeper: ViewKeeper) { state.withLock { $0.keeper = keeper } }
    func set(cluster: ClusterMember) { state.withLock { $0.cluster = cluster } }

    // MARK: - Between the parts

    /// The cluster has changed, or a heartbeat is due. On the cluster's thread.
    func update(_ cluster: ClusterState) {
        let (node, router) = state.withLock { state in
            state.last = cluster
            return (state.node, state.router)
        }
        node?.update(cluster)
        router?.update(cluster)
    }

    /// The node's readiness has changed. On the writer's thread.
    func announce() {
        let (cluster, router) = state.withLock { ($0.cluster, $0.router) }
        cluster?.announce()
        router?.localChanged()
    }

    func heartbeat(
        _ incarnation: Incarnation, _ view: MembershipView, _ configuration: ClusterConfiguration,
        _ addresses: Addresses, node settings: NodeSettings?
    ) -> Heartbeat {
        let (node, router) = state.withLock { ($0.node, $0.router) }
        let kind: MemberKind = node == nil ? .router : router == nil ? .node : .both
        var heartbeat = Heartbeat(
            kind: kind, id: id, incarnation: incarnation, state: .serving, configuration: configuration)
        heartbeat.management = addresses.management
        heartbeat.http = addresses.http
        heartbeat.clockMs = view.clockMs
        heartbeat.generationSeen = view.generation
        heartbeat.positionSeen = router?.positionSeen ?? view.position ?? Offset(0)
        if let settings {
            heartbeat.weight = settings.weight
            heartbeat.zone = settings.zone.flatMap { ID($0) }
        }
        node?.describe(in: &heartbeat, address: addresses.link)
        heartbeat.servingLoad = serving?.thousandths
        node?.set(servingLoad: heartbeat.servingLoad)
        return heartbeat
    }

    // MARK: - The end

    func stop() {
        let waiting = state.withLock { state in
            state.isStopping = true
            return state.waiting.take()
        }
        waiting?.resume()
    }

    /// Stops, and makes the process end with this error.
    func fail(_ error: CommandError) {
        state.withLock { $0.failure = error }
        stop()
    }

    func waitForStop() async {
        await withCheckedContinuation { continuation in
            let isStopping = state.withLock { state in
                if !state.isStopping { state.waiting = continuation }
                return state.isStopping
            }
            if isStopping { continuation.resume() }
        }
    }
}
