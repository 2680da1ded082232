// What the member's thread does with Kafka: reading the control topic into the view, and writing to it.

import Kafka
import Logging
import Membership
import Model
import Placement
import Telemetry

/// The state of the member's thread. Used by it alone.
final class ClusterTurn {
    private let settings: ClusterMemberSettings
    private let logger: Logger
    private let consumer: KafkaConsumer
    private let producer: KafkaProducer
    private(set) var view: MembershipView
    private var placement: Placement?
    private var placedGeneration = Generation.none
    /// Whether the view changed since `state` was last asked for.
    private(set) var hasChanged = false
    private(set) var refusedTotal: UInt64 = 0
    /// Nothing more is written: another process goes by this id.
    var keepsQuiet = false
    private var isRead = false
    private var refusedLog = RateLimitedLog()
    private var failureLog = RateLimitedLog()
    private var reachedEnd: Offset?
    private var nextHeartbeat = ContinuousClock.now

    init(_ settings: ClusterMemberSettings, _ logger: Logger) throws(KafkaError) {
        self.settings = settings
        self.logger = logger
        consumer = try KafkaConsumer(options: settings.kafka, topics: [settings.topic], logger: logger)
        // A heartbeat that was not delivered by the time of the one after the next is old news.
        producer = try KafkaProducer(
            options: settings.kafka, topics: [settings.topic], queueMessagesMax: 100,
            deliveryTimeoutMs: Int(2 * settings.heartbeatMs), logger: logger)
        view = MembershipView(timeouts: settings.timeouts)
    }

    // MARK: - Joining

    /// Reads the tail, and decides about the id. Ends with `JoinError.stopped` when `isStopping`.
    func join(_ isStopping: () -> Bool) throws -> Incarnation {
        let bounds = try waitForTopic(isStopping)
        let start = max(bounds.start.rawValue, bounds.end.rawValue - ClusterMember.tailMax)
        consumer.start(0, PartitionID(0), at: Offset(start))
        try readOn(isStopping) { turn in
            (turn.view.position ?? Offset(start)) >= bounds.end || (turn.reachedEnd ?? Offset(-1)) >= bounds.end
        }
        let configuration = settings.configuration
        let other = view.members(disagreeingWith: configuration).first {
            !$0.isSilent && $0.heartbeat.id != settings.id
        }
        if let other {
            throw JoinError.disagrees(
                member: other.heartbeat.id, mine: configuration, theirs: other.heartbeat.configuration)
        }
        let incarnation = view.incarnation(
            starting: settings.id, nowMs: Clocks.wallMs(), number: UInt64.random(in: 0...UInt64.max))
        try waitForIdentity(incarnation, logEnd: bounds.end, isStopping)
        return incarnation
    }

    private func waitForTopic(_ isStopping: () -> Bool) throws -> LogBounds {
        var log = RateLimitedLog()
        while true {
            if let bounds = consumer.bounds(of: 0, PartitionID(0)) { return bounds }
            if isStopping() { throw JoinError.stopped }
            if log.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil {
                logger.warning(
                    "waiting for the control topic; `favorites topics create` makes it",
                    metadata: ["topic": "\(settings.topic)"])
            }
            Clocks.pause(milliseconds: 200)
        }
    }

    private func waitForIdentity(
        _ incarnation: Incarnation, logEnd: Offset, _ isStopping: () -> Bool
    ) throws {
        let deadline = ContinuousClock.now + .milliseconds(settings.timeouts.silentMs)
        while true {
            switch view.verdict(onStarting: settings.id, incarnation, logEnd: logEnd) {
            case .free: return
            case .taken: throw JoinError.idTaken(settings.id)
            case .wait:
                if ContinuousClock.now >= deadline { return }
                try readOn(isStopping) { _ in true }
            }
        }
    }

    private func readOn(_ isStopping: () -> Bool, until isDone: (ClusterTurn) -> Bool) throws {
        repeat {
            if isStopping() { throw JoinError.stopped }
            _ = read(timeoutMs: 100)
        } while !isDone(self)
    }

    // MARK: - One turn

    /// Reads what there is, waiting at most `timeoutMs`. Returns whether a heartbeat is due.
    func read(timeoutMs: Int) -> Bool {
        var records: [(offset: Offset, timestampMs: Int64, key: [UInt8]?, value: [UInt8]?)] = []
        var events: [KafkaEvent] = []
        unsafe consumer.poll(recordsMax: 1_000, timeoutMs: timeoutMs) { record in
            unsafe records.append(
                (record.offset, record.timestampMs, record.key.map { Array($0) }, record.value.map { Array($0) }))
        } event: {
            events.append($0)
        }
        for record in records { apply(record) }
        for event in events { handle(event) }
        producer.serve()
        guard ContinuousClock.now >= nextHeartbeat else { return false }
        nextHeartbeat = ContinuousClock.now + .milliseconds(settings.heartbeatMs)
        return true
    }

    private func apply(_ record: (offset: Offset, timestampMs: Int64, key: [UInt8]?, value: [UInt8]?)) {
        do throws(HeartbeatError) {
            let changes = try view.apply(
                offset: record.offset, timestampMs: record.timestampMs, key: record.key, value: record.value)
            if !changes.isEmpty { hasChanged = true }
            for change in changes where change.isTopology { logger.info("membership: \(change)") }
        } catch {
            refusedTotal += 1
            if let suppressed = refusedLog.shouldLog(nowNanoseconds: Clocks.monotonicNs()) {
                logger.warning(
                    "a message of the control topic was refused: \(error)",
                    metadata: ["offset": "\(record.offset)", "suppressed": "\(suppressed)"])
            }
        }
    }

    private func handle(_ event: KafkaEvent) {
        switch event {
        case .endReached(_, _, let position): reachedEnd = position
        case .positionLost:
            // The topic was made anew: what was read of the old one is worth nothing.
            view = MembershipView(timeouts: settings.timeouts)
            placedGeneration = .none
            hasChanged = true
        case .failure(_, _, let reason):
            if failureLog.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil {
                logger.warning("control topic: \(reason)")
            }
        }
    }

    /// Whether this life's own heartbeat was ever read.
    func hasReadItself(_ incarnation: Incarnation) -> Bool {
        if !isRead, view.member(settings.id)?.heartbeat.incarnation == incarnation { isRead = true }
        return isRead
    }

    /// The cluster now. The placement is computed once a generation.
    func state() -> ClusterState {
        hasChanged = false
        if let placement, placedGeneration == view.generation { return ClusterState(view: view, placement: placement) }
        let placement = Placement.place(
            members: view.placementMembers, partitions: settings.configuration.partitions,
            replicas: settings.configuration.replicas)
        if placement.isShort, !placement.members.isEmpty {
            logger.warning(
                "fewer nodes than cluster.replicas: every node holds everything",
                metadata: ["nodes": "\(placement.members.count)"])
        }
        self.placement = placement
        placedGeneration = view.generation
        return ClusterState(view: view, placement: placement)
    }

    func write(_ heartbeat: Heartbeat) {
        var key: [UInt8] = []
        settings.id.append(to: &key)
        produce(key, heartbeat.encode())
    }

    func sayGoodbye() {
        guard !keepsQuiet else { return }
        var key: [UInt8] = []
        settings.id.append(to: &key)
        produce(key, nil)
        if !producer.flush(timeoutMs: 2_000) { logger.warning("the cluster may not have heard this member leave") }
    }

    private func produce(_ key: [UInt8], _ value: [UInt8]?) {
        do {
            try producer.produce(topic: 0, partition: PartitionID(0), key: key, value: value)
        } catch {
            if failureLog.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil {
                logger.warning("a heartbeat could not be written: \(error)")
            }
        }
    }
}
