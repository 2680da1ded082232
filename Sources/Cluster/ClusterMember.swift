// A process as a member of the cluster: the shell around `MembershipView`, on a thread of its own.
//
//   control topic ──► consumer ──► MembershipView ──► Placement ──► the owner's `changed`
//        ▲                                                              │
//        └────── producer ◄── heartbeat, about once a second ◄──────────┘
//
// Everybody reads the topic from a bounded tail and computes the same; nobody leads. While Kafka is away the view
// stands still, heartbeats expire in the client's queue (they would be old news), and the owner goes on with what it
// has.

import Foundation
public import Kafka
public import Logging
public import Membership
public import Model
public import Placement
import Synchronization

/// What the cluster looks like, as of one record of the control topic.
public struct ClusterState: Sendable {
    public var view: MembershipView
    /// Of the view's generation.
    public var placement: Placement

    public init(view: MembershipView, placement: Placement) {
        self.view = view
        self.placement = placement
    }
}

/// What its owner gives a member and wants of it. The closures are called on the member's thread.
public struct ClusterOwner: Sendable {
    /// The heartbeat to be written now.
    public var heartbeat: @Sendable (Incarnation, MembershipView) -> Heartbeat
    /// Called when anything changed, and at every heartbeat.
    public var changed: @Sendable (ClusterState) -> Void
    /// Another process lives under this id and is the younger: this one must stop.
    public var displaced: @Sendable () -> Void

    public init(
        heartbeat: @escaping @Sendable (Incarnation, MembershipView) -> Heartbeat,
        changed: @escaping @Sendable (ClusterState) -> Void, displaced: @escaping @Sendable () -> Void
    ) {
        self.heartbeat = heartbeat
        self.changed = changed
        self.displaced = displaced
    }
}

public struct ClusterMemberSettings: Sendable {
    public var id: ID
    public var topic: String
    public var kafka: KafkaClientOptions
    public var configuration: ClusterConfiguration
    public var timeouts: MembershipTimeouts
    public var heartbeatMs: Int64

    public init(
        id: ID, topic: String, kafka: KafkaClientOptions, configuration: ClusterConfiguration,
        timeouts: MembershipTimeouts, heartbeatMs: Int64
    ) {
        self.id = id
        self.topic = topic
        self.kafka = kafka
        self.configuration = configuration
        self.timeouts = timeouts
        self.heartbeatMs = heartbeatMs
    }
}

/// Why a process could not join.
public enum JoinError: Error, Sendable, CustomStringConvertible {
    case idTaken(ID)
    case disagrees(member: ID, mine: ClusterConfiguration, theirs: ClusterConfiguration)
    case kafka(KafkaError)
    case stopped

    public var description: String {
        switch self {
        case .idTaken(let id):
            "another process of this cluster lives under node.id \(id); give this one another --node-id or --data-dir"
        case .disagrees(let member, let mine, let theirs):
            "member \(member) runs with other settings: it has \(Self.describe(theirs)), this one \(Self.describe(mine)); "
                + "use the same kafka.topics.* and cluster.replicas everywhere (a topic's partition count never changes)"
        case .kafka(let error): error.description
        case .stopped: "stopped before it had joined"
        }
    }

    private static func describe(_ configuration: ClusterConfiguration) -> String {
        let replicas =
            switch configuration.replicas {
            case .count(let count): "\(count)"
            case .all: "max"
            }
        return "\(configuration.partitions) partitions of events, cluster.replicas \(replicas), "
            + "topics' fingerprint \(String(configuration.topics, radix: 16))"
    }
}

public final class ClusterMember: Sendable {
    /// Messages of the control topic read at start: every member's heartbeats for the length of the grace, and some.
    static let tailMax: Int64 = 20_000
    /// How long one turn of the thread waits for records; an announcement asked for goes out this much later at most.
    static let turnMs = 20

    private let settings: ClusterMemberSettings
    private let owner: ClusterOwner
    private let logger: Logger
    private let isStopping = Atomic<Bool>(false)
    private let announces = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)
    /// Messages of the control topic that were refused: malformed, of a newer version, too many members.
    public let refusedTotal = Atomic<UInt64>(0)

    private init(_ settings: ClusterMemberSettings, _ owner: ClusterOwner, _ logger: Logger) {
        self.settings = settings
        self.owner = owner
        self.logger = logger
    }

    /// Joins: reads the topic's tail, makes sure that the id is free and the configuration agrees, and begins to write
    /// heartbeats. Waits for the topic as long as it takes.
    public static func join(
        _ settings: ClusterMemberSettings, owner: ClusterOwner, logger: Logger
    ) async throws -> ClusterMember {
        let member = ClusterMember(settings, owner, logger)
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (joined: CheckedContinuation<Void, any Error>) in
                let thread = Thread { member.run(joined) }
                thread.name = "cluster"
                thread.start()
            }
        } onCancel: {
            member.isStopping.store(true, ordering: .relaxed)
        }
        return member
    }

    /// Writes the next heartbeat at once: something that others wait for has changed.
    public func announce() { announces.store(true, ordering: .relaxed) }

    /// Says goodbye (a tombstone) and ends the thread. Waits at most about 3 s.
    public func leave() async {
        isStopping.store(true, ordering: .relaxed)
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                _ = self.ended.wait(timeout: .now() + 4)
                continuation.resume()
            }
        }
    }

    // MARK: - The thread

    private func run(_ joined: CheckedContinuation<Void, any Error>) {
        defer { ended.signal() }
        do {
            let turn = try ClusterTurn(settings, logger)
            let incarnation = try turn.join { isStopping.load(ordering: .relaxed) }
            joined.resume()
            while !isStopping.load(ordering: .relaxed) { once(turn, incarnation) }
            turn.sayGoodbye()
        } catch let error as KafkaError {
            joined.resume(throwing: JoinError.kafka(error))
        } catch {
            joined.resume(throwing: error)
        }
    }

    private func once(_ turn: ClusterTurn, _ incarnation: Incarnation) {
        let isDue = turn.read(timeoutMs: Self.turnMs)
        refusedTotal.store(turn.refusedTotal, ordering: .relaxed)
        // Before its own first record is read the view still shows the life before this one.
        if turn.hasReadItself(incarnation), turn.view.verdict(onRunning: settings.id, incarnation) != .free {
            logger.error("another process took over this member's id; stopping")
            isStopping.store(true, ordering: .relaxed)
            turn.keepsQuiet = true
            return owner.displaced()
        }
        let announces = self.announces.exchange(false, ordering: .relaxed)
        if turn.isComplete, isDue || turn.hasChanged || announces { owner.changed(turn.state()) }
        if isDue || announces { turn.write(owner.heartbeat(incarnation, turn.view)) }
    }
}
