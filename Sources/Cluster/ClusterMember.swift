// A process as a member of the cluster: the shell around `MemberSession`, on a thread of its own.
//
//   control topic ──► consumer ──► MemberSession: view, placement ──► the owner's `changed`
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
import Placement
import Synchronization

/// What its owner gives a member and wants of it. The closures are called on the member's thread.
public struct ClusterOwner: Sendable {
    /// The id is this process's: called once, before the first heartbeat is written.
    public var joined: @Sendable (Incarnation) -> Void
    /// The heartbeat to be written now.
    public var heartbeat: @Sendable (Incarnation, MembershipView) -> Heartbeat
    /// Called when anything changed, and at every heartbeat.
    public var changed: @Sendable (ClusterState) -> Void
    /// Another process lives under this id and is the younger: this one must stop.
    public var displaced: @Sendable () -> Void

    public init(
        joined: @escaping @Sendable (Incarnation) -> Void,
        heartbeat: @escaping @Sendable (Incarnation, MembershipView) -> Heartbeat,
        changed: @escaping @Sendable (ClusterState) -> Void, displaced: @escaping @Sendable () -> Void
    ) {
        self.joined = joined
        self.heartbeat = heartbeat
        self.changed = changed
        self.displaced = displaced
    }
}

public struct ClusterMemberSettings: Sendable {
    public var id: ID
    /// A life of the id that is known to have ended: nobody waits until it is silent.
    public var over: Incarnation?
    public var topic: String
    public var kafka: KafkaClientOptions
    public var configuration: ClusterConfiguration
    public var timeouts: MembershipTimeouts
    public var heartbeatMs: Int64

    public init(
        id: ID, over: Incarnation?, topic: String, kafka: KafkaClientOptions, configuration: ClusterConfiguration,
        timeouts: MembershipTimeouts, heartbeatMs: Int64
    ) {
        self.id = id
        self.over = over
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

    init(_ refusal: JoinRefusal, _ settings: ClusterMemberSettings) {
        switch refusal {
        case .idTaken: self = .idTaken(settings.id)
        case .disagrees(let member, let theirs):
            self = .disagrees(member: member, mine: settings.configuration, theirs: theirs)
        }
    }

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

    /// Says goodbye and ends the thread. Waits at most about 3 s.
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
        var waiting: CheckedContinuation<Void, any Error>? = joined
        do {
            let turn = try ClusterTurn(settings, logger, isStopping: { self.isStopping.load(ordering: .relaxed) })
            while !isStopping.load(ordering: .relaxed) {
                turn.poll(timeoutMs: Self.turnMs)
                refusedTotal.store(turn.refusedTotal, ordering: .relaxed)
                for action in turn.act(announces: announces.exchange(false, ordering: .relaxed)) {
                    switch action {
                    case .joined(let incarnation):
                        owner.joined(incarnation)
                        waiting.take()?.resume()
                    case .refused(let refusal): throw JoinError(refusal, settings)
                    case .displaced:
                        logger.error("another process took over this member's id; stopping")
                        isStopping.store(true, ordering: .relaxed)
                        owner.displaced()
                    case .tell: owner.changed(turn.state())
                    case .beat(let incarnation): turn.write(owner.heartbeat(incarnation, turn.view))
                    }
                }
            }
            if let incarnation = turn.leaving { turn.sayGoodbye(owner.heartbeat(incarnation, turn.view)) }
            waiting.take()?.resume(throwing: JoinError.stopped)
        } catch {
            waiting.take()?.resume(throwing: error)
        }
    }
}
