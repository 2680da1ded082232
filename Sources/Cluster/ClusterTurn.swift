// What the member's thread does with Kafka: reading the control topic into the session, and writing to it.

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
    private var session: MemberSession
    /// Of the placement that was last told to be short of nodes.
    private var shortGeneration: Generation?
    private(set) var refusedTotal: UInt64 = 0
    private var refusedLog = RateLimitedLog()
    private var failureLog = RateLimitedLog()

    var view: MembershipView { session.view }
    var leaving: Incarnation? { session.leaving }

    /// Waits for the topic as long as it takes, or until `isStopping`, and begins to read its tail.
    init(_ settings: ClusterMemberSettings, _ logger: Logger, isStopping: () -> Bool) throws {
        self.settings = settings
        self.logger = logger
        consumer = try KafkaConsumer(options: settings.kafka, topics: [settings.topic], logger: logger)
        // A heartbeat that was not delivered by the time of the one after the next is old news.
        producer = try KafkaProducer(
            options: settings.kafka, topics: [settings.topic], queueMessagesMax: 100,
            // A heartbeat written twice does no harm; a producer that ends for good over one would.
            deliveryTimeoutMs: Int(2 * settings.heartbeatMs), isIdempotent: false, logger: logger)
        let bounds = try Self.waitForTopic(consumer, settings.topic, logger, isStopping)
        let start = Offset(max(bounds.start.rawValue, bounds.end.rawValue - ClusterMember.tailMax))
        session = MemberSession(
            id: settings.id, over: settings.over, configuration: settings.configuration, timeouts: settings.timeouts,
            heartbeatMs: settings.heartbeatMs, start: start, end: bounds.end)
        consumer.start(0, PartitionID(0), at: start)
    }

    private static func waitForTopic(
        _ consumer: KafkaConsumer, _ topic: String, _ logger: Logger, _ isStopping: () -> Bool
    ) throws -> LogBounds {
        var log = RateLimitedLog()
        while true {
            if let bounds = consumer.bounds(of: 0, PartitionID(0)) { return bounds }
            if isStopping() { throw JoinError.stopped }
            if log.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil {
                logger.warning(
                    "waiting for the control topic; `favorites topics create` makes it", metadata: ["topic": "\(topic)"]
                )
            }
            Clocks.pause(milliseconds: 200)
        }
    }

    // MARK: - One turn

    /// Reads what there is, waiting at most `timeoutMs`.
    func poll(timeoutMs: Int) {
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
    }

    func act(announces: Bool) -> [SessionAction] {
        let actions = session.turn(
            nowMs: Int64(Clocks.monotonicNs() / 1_000_000), wallMs: Clocks.wallMs(),
            number: UInt64.random(in: 0...UInt64.max), announces: announces)
        if case .joined? = actions.first, let over = settings.over,
            view.member(settings.id)?.heartbeat.incarnation == over
        {
            logger.notice("does not wait for the life before, which held the same lock and is over")
        }
        return actions
    }

    private func apply(_ record: (offset: Offset, timestampMs: Int64, key: [UInt8]?, value: [UInt8]?)) {
        do throws(HeartbeatError) {
            let changes = try session.read(
                offset: record.offset, timestampMs: record.timestampMs, key: record.key, value: record.value)
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
        case .endReached(_, _, let position): session.reached(end: position)
        case .positionLost: session.positionLost()
        case .failure(_, _, let reason):
            if failureLog.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil {
                logger.warning("control topic: \(reason)")
            }
        }
    }

    /// The cluster now.
    func state() -> ClusterState {
        let state = session.state()
        if state.placement.isShort, !state.placement.members.isEmpty, shortGeneration != state.view.generation {
            shortGeneration = state.view.generation
            logger.warning(
                "fewer nodes than cluster.replicas: every node holds everything",
                metadata: ["nodes": "\(state.placement.members.count)"])
        }
        return state
    }

    func write(_ heartbeat: Heartbeat) { produce(heartbeat.encode()) }

    /// The tombstone lets compaction forget the key.
    func sayGoodbye(_ heartbeat: Heartbeat) {
        produce(heartbeat.farewell.encode())
        produce(nil)
        if !producer.flush(timeoutMs: 2_000) { logger.warning("the cluster may not have heard this member leave") }
    }

    private func produce(_ value: [UInt8]?) {
        var key: [UInt8] = []
        settings.id.append(to: &key)
        do {
            try producer.produce(topic: 0, partition: PartitionID(0), key: key, value: value)
        } catch {
            if failureLog.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil {
                logger.warning("a heartbeat could not be written: \(error)")
            }
        }
    }
}
