// A node: memory, the thread that writes it, the server of its link. `NodeCore` puts them together and knows what the
// node should hold; it decides nothing about others.
//
//   control topic ─► ClusterMember ─► NodeCore.update ─► NodeLife ─► WriterThread.hold
//   Kafka ─► WriterThread ─► Store ◄─ StoreHolder (one for each event loop) ◄─ LinkServer ◄═ routers

import Cluster
import Ingest
import Link
public import Membership
public import Model
public import NIOCore
import Placement
public import Query
import Selection
public import Settings
public import Store
import Synchronization
public import Telemetry

public final class NodeCore: Sendable {
    public let id: ID
    public let store: Store
    public let writer: WriterThread
    private let link: LinkServer
    private let life: Mutex<NodeLife>
    private let status: NodeStatus
    private let keeper: HoldKeeper

    public var linkPort: Int { link.port }

    private init(
        id: ID, store: Store, writer: WriterThread, link: LinkServer, status: NodeStatus, keeper: HoldKeeper
    ) {
        self.id = id
        self.store = store
        self.writer = writer
        self.link = link
        self.status = status
        self.keeper = keeper
        life = Mutex(NodeLife(node: id))
    }

    /// Waits for the topics, then serves the link. Before `update` it holds of the events topic what the process before held
    /// last and has files of.
    public static func start(
        id: ID, settings: NodeSettings, writer: WriterThread, keeper: HoldKeeper, group: any EventLoopGroup,
        registry: Registry
    ) async throws -> NodeCore {
        let store = try await writer.start(heldLast: keeper.load())
        let status = NodeStatus()
        var linkSettings = LinkServerSettings(host: settings.member.host, port: settings.linkPort)
        linkSettings.queueAgeMax = .milliseconds(settings.queueAgeMax.milliseconds)
        let link = try await LinkServer.start(linkSettings, member: id, group: group, status: status) { _ in
            StoreHolder(store, nowMs: Self.nowMs)
        }
        let node = NodeCore(id: id, store: store, writer: writer, link: link, status: status, keeper: keeper)
        node.register(in: registry)
        return node
    }

    /// A holder that reads this node in place, for one event loop.
    public func makeHolder() -> any Holder { StoreHolder(store, nowMs: Self.nowMs) }

    private static func nowMs() -> UInt64 { Clocks.monotonicNs() / 1_000_000 }

    /// Takes the cluster's state in: loads what is placed here, drops what others have taken over.
    public func update(_ state: ClusterState) {
        writer.update(state.view)
        let ready = writer.report.ready
        guard let wish = life.withLock({ $0.update(state, ready: ready) }) else { return }
        writer.hold(wish)
        keeper.keep(wish)
    }

    /// Whether all that is placed here is ready.
    public var isReady: Bool {
        let held = life.withLock { $0.isPlaced ? $0.held : nil }
        guard let held else { return false }
        let report = writer.report
        return report.phase != .waitingForTopics && report.phase != .loadingGlobals
            && held.isSubset(of: report.ready)
    }

    /// Where this node stands between joining and gone.
    public var state: MemberState {
        let ready = writer.report.ready
        return life.withLock { $0.state(ready: ready) }
    }

    /// Draining, and nobody loses anything when the node goes now.
    public var isSafeToRemove: Bool { life.withLock { $0.isSafeToRemove } }

    /// From now on others take over what is held here. The next heartbeat says so.
    public func drain() { life.withLock { $0.drain() } }

    /// What replies say of how busy this process's loops are, in thousandths; nil where it was not measured.
    public func set(servingLoad: Int?) { status.set(loadPermille: UInt32(clamping: servingLoad ?? 0)) }

    /// The node's part of a heartbeat.
    public func describe(in heartbeat: inout Heartbeat, address: MemberAddress?) {
        heartbeat.link = address
        // What the process before held is nobody's business before it is placed here.
        let held = life.withLock { $0.held }
        heartbeat.holdings = writer.report.holdings.filter { held.contains($0.partition) }
        heartbeat.state = state
    }

    /// Ends the link and then the writer, which writes snapshots of what has changed for `drain` at most.
    public func stop(drain: Duration) async {
        await link.stop()
        await writer.stop(drain: drain)
    }

    private func register(in registry: Registry) {
        let writer = writer
        registry.sampled("cache_size", .gauge, help: "Known models in memory.") { samples in
            for model in writer.report.models { samples.add(model.size, labels: [("name", model.kind.plural)]) }
        }
        registry.sampled("store_record_bytes", .gauge, help: "Bytes of records and lists, retired ones included.") {
            $0.add(writer.report.recordBytes)
        }
        registry.sampled("store_event_json_bytes", .gauge, help: "Bytes of the events' ready JSON.") {
            $0.add(writer.report.eventJSONBytes)
        }
        registry.sampled("store_live_bytes", .gauge, help: "Bytes of records, lists, tables and slab pages.") {
            $0.add(writer.report.liveBytes)
        }
        registry.sampled("store_reserved_bytes", .gauge, help: "Bytes mapped from the system to hold them.") {
            $0.add(writer.report.reservedBytes)
        }
        registry.sampled("store_retired_bytes", .gauge, help: "Bytes replaced but still readable by someone.") {
            $0.add(writer.report.retiredBytes)
        }
        registry.sampled("store_retired_bytes_max", .gauge, help: "The most retired bytes there ever were.") {
            $0.add(writer.report.retiredBytesHighWater)
        }
        registry.sampled("store_gzip_bytes", .gauge, help: "Bytes of fragments kept ready for gzip answers.") {
            $0.add(writer.report.packedBytes)
        }
        registry.sampled(
            "store_gzip_unpacked_total", .counter, help: "Fragments rendered without a gzip form for want of room."
        ) {
            $0.add(Double(writer.report.unpackedCount))
        }
        registry.sampled("store_rerender_pending", .gauge, help: "Models waiting to be rendered again.") {
            $0.add(writer.report.rerenderPending)
        }
        registry.sampled("kafka_lag_messages", .gauge, help: "Messages in the held logs that are not applied yet.") {
            $0.add(Double(writer.report.behind))
        }
        registerLag(in: registry)
        registerBoot(in: registry)
        let counters = link.counters
        registry.sampled("link_queries_total", .counter, help: "Queries of routers, by what became of them.") {
            $0.add(Double(counters.answered.load(ordering: .relaxed)), labels: [("result", "answered")])
            $0.add(Double(counters.refused.load(ordering: .relaxed)), labels: [("result", "refused")])
            $0.add(Double(counters.expired.load(ordering: .relaxed)), labels: [("result", "expired")])
            $0.add(Double(counters.shed.load(ordering: .relaxed)), labels: [("result", "shed")])
        }
        registry.sampled("link_closed_total", .counter, help: "Links closed by this node, by reason.") {
            $0.add(Double(counters.malformed.load(ordering: .relaxed)), labels: [("reason", "malformed")])
            $0.add(Double(counters.silent.load(ordering: .relaxed)), labels: [("reason", "silent")])
            $0.add(Double(counters.overLimit.load(ordering: .relaxed)), labels: [("reason", "limit")])
        }
    }

    private func registerLag(in registry: Registry) {
        let writer = writer
        registry.sampled(
            "kafka_partition_lag_messages", .gauge, help: "Messages in a log that are not applied yet."
        ) { samples in
            for lag in writer.report.lags { samples.add(Double(lag.messages), labels: lag.labels) }
        }
        registry.sampled(
            "kafka_partition_lag_ms", .gauge,
            help:
                "How old what is shown of a partition may be: since everything in its log was last known to be applied."
        ) { samples in
            let nowMs = Self.nowMs()
            for lag in writer.report.lags {
                // Nothing is known yet, or not any more: no number is better than a wrong one.
                guard lag.asOfMs > 0 else { continue }
                samples.add(Double(LogAge.ageMs(asOf: lag.asOfMs, nowMs: nowMs)), labels: lag.labels)
            }
        }
    }

    private func registerBoot(in registry: Registry) {
        let writer = writer
        registry.sampled(
            "boot_seconds_remaining", .gauge, help: "Estimated time until everything held is ready; 0 when it is."
        ) { $0.add(writer.report.bootSecondsRemaining) }
        registry.sampled("boot_source", .gauge, help: "1 for how a held partition came back: snapshot, peer or log.") {
            samples in
            let report = writer.report
            for (holding, source) in zip(report.holdings, report.eventSources) {
                samples.add(
                    1.0,
                    labels: [
                        ("partition", "\(holding.partition)"), ("source", source), ("topic", ModelKind.event.plural),
                    ])
            }
            for global in report.globals {
                samples.add(
                    1.0,
                    labels: [
                        ("partition", "\(global.partition.partition)"), ("source", global.source),
                        ("topic", global.partition.kind.plural),
                    ])
            }
        }
    }
}
