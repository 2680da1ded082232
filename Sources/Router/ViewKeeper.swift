// A router's last view on disk: kept whenever what requests go by has changed, gone by at the next start until the control
// topic was read.
//
// The file is written on a queue of its own, since the cluster's thread must not wait for a disk: one at a time, at most
// one a second; what changes meanwhile is kept with the next heartbeat, or at the end of the process.

import Cluster
import Dispatch
public import Logging
public import Membership
import Model
public import Placement
public import Settings
import Synchronization
public import Telemetry

public final class ViewKeeper: Sendable {
    public static let name = "view"
    private static let pauseNs: UInt64 = 1_000_000_000

    /// What requests go by. Positions and loads change with every heartbeat and are not part of it.
    private struct Essence: Equatable {
        struct Node: Equatable {
            var id: ID
            var state: MemberState
            var isSilent: Bool
            var link: MemberAddress?
            var ready: PartitionSet
        }

        var generation: Generation
        var nodes: [Node]

        init(_ view: MembershipView) {
            generation = view.generation
            nodes = view.members.map { member in
                Node(
                    id: member.heartbeat.id, state: member.heartbeat.state, isSilent: member.isSilent,
                    link: member.heartbeat.link, ready: member.heartbeat.ready)
            }
        }
    }

    private struct State {
        var kept: Essence?
        /// Whether what was last seen is something else.
        var isBehind = false
        var isWriting = false
        var nextNs: UInt64 = 0
        /// What was last seen, while it is not what was last kept.
        var newest: (cluster: ClusterState, configuration: ClusterConfiguration)?
    }

    private let folder: DataDirectory
    private let place: String
    private let logger: Logger
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "view")

    /// `folder` is this process's own.
    public init(folder: DataDirectory, kafka: KafkaSettings, registry: Registry, logger: Logger) {
        self.folder = folder
        self.logger = logger
        place = "\(kafka.topics.cluster) at \(kafka.brokers.sorted().joined(separator: ","))"
        registry.sampled(
            "router_view_unwritten", .gauge, help: "1 while the view on disk is not the one that requests go by."
        ) { [self] in $0.add(state.withLock { $0.isBehind || $0.isWriting } ? 1 : 0) }
    }

    /// The cluster as it was last seen; nil where nothing is kept, or not of this cluster, which is logged.
    public func load(
        replicas: Replicas, topicNames: [String], timeouts: MembershipTimeouts
    ) -> ClusterState? {
        do {
            guard let bytes = try folder.contents(of: Self.name, bytesMax: KeptView.bytesMax) else { return nil }
            let topics = ClusterConfiguration(partitions: 1, replicas: replicas, topicNames: topicNames).topics
            let kept = try KeptView.decode(
                bytes, place: place, replicas: replicas, topics: topics, timeouts: timeouts)
            let placement = Placement.place(
                members: kept.view.placementMembers, partitions: kept.configuration.partitions, replicas: replicas)
            return ClusterState(view: kept.view, placement: placement)
        } catch {
            logger.warning("the view kept on disk is not gone by: \(error)", metadata: ["file": "\(Self.name)"])
            return nil
        }
    }

    /// Takes the cluster's state in, at every change and at every heartbeat.
    public func keep(_ cluster: ClusterState, configuration: ClusterConfiguration) {
        let essence = Essence(cluster.view)
        let nowNs = Clocks.monotonicNs()
        let isDue = state.withLock { state in
            state.isBehind = state.kept != essence
            state.newest = state.isBehind ? (cluster, configuration) : nil
            guard state.isBehind, !state.isWriting, nowNs >= state.nextNs else { return false }
            state.kept = essence
            state.isBehind = false
            state.newest = nil
            state.isWriting = true
            state.nextNs = nowNs + Self.pauseNs
            return true
        }
        guard isDue else { return }
        let bytes = KeptView(place: place, configuration: configuration, view: cluster.view).encode()
        queue.async { self.write(bytes) }
    }

    /// The end of the process: what changed within the pause is kept too.
    public func finish() {
        let newest = state.withLock { $0.newest }
        queue.sync {
            guard let newest else { return }
            write(KeptView(place: place, configuration: newest.configuration, view: newest.cluster.view).encode())
        }
    }

    private func write(_ bytes: [UInt8]) {
        var isWritten = true
        do throws(CommandError) {
            try folder.replace(Self.name, with: bytes)
        } catch {
            isWritten = false
            logger.warning("the cluster's view could not be kept on disk: \(error.message)")
        }
        state.withLock { state in
            state.isWriting = false
            // Tried again with the next heartbeat.
            if !isWritten {
                state.kept = nil
                state.isBehind = true
            }
        }
    }
}
