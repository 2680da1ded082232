// Someone who reads the control topic and is no member: `favorites autoscale`. It writes nothing.

import Foundation
public import Kafka
public import Logging
public import Membership
import Model
import Synchronization
import Telemetry

public final class ClusterObserver: Sendable {
    /// How long one turn of the thread waits for records.
    private static let turnMs = 100

    private struct State {
        var view: MembershipView
        /// Whether the topic was read to the end that it had at the start.
        var isComplete = false
    }

    private let state: Mutex<State>
    private let isStopping = Atomic<Bool>(false)
    private let topic: String
    private let timeouts: MembershipTimeouts
    private let logger: Logger

    private init(_ topic: String, _ timeouts: MembershipTimeouts, _ logger: Logger) {
        self.topic = topic
        self.timeouts = timeouts
        self.logger = logger
        state = Mutex(State(view: MembershipView(timeouts: timeouts)))
    }

    /// Begins to read. Throws on bad options alone; the topic may come later.
    public static func start(
        topic: String, kafka: KafkaClientOptions, timeouts: MembershipTimeouts, logger: Logger
    ) throws(KafkaError) -> ClusterObserver {
        let observer = ClusterObserver(topic, timeouts, logger)
        let consumer = try Handover(KafkaConsumer(options: kafka, topics: [topic], logger: logger))
        let thread = Thread { observer.run(consumer.consumer) }
        thread.name = "observer"
        thread.start()
        return observer
    }

    /// A consumer on its way to the one thread that uses it.
    /// Written once before the thread starts, which orders it; from then on that thread alone touches it.
    private final class Handover: @unchecked Sendable {
        let consumer: KafkaConsumer
        init(_ consumer: KafkaConsumer) { self.consumer = consumer }
    }

    /// The cluster as far as it is read; nil until the topic was read to the end that it had at the start.
    public var cluster: MembershipView? { state.withLock { $0.isComplete ? $0.view : nil } }

    /// The thread ends within a turn.
    public func stop() { isStopping.store(true, ordering: .relaxed) }

    // MARK: - The thread

    private func run(_ consumer: KafkaConsumer) {
        var waitLog = RateLimitedLog()
        var reading = Reading(start: Offset(0), end: Offset(0))
        while true {
            if isStopping.load(ordering: .relaxed) { return }
            if let bounds = consumer.bounds(of: 0, PartitionID(0)) {
                let start = Offset(max(bounds.start.rawValue, bounds.end.rawValue - ClusterMember.tailMax))
                reading = Reading(start: start, end: bounds.end)
                consumer.start(0, PartitionID(0), at: start)
                break
            }
            if waitLog.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil {
                logger.warning("waiting for the control topic", metadata: ["topic": "\(topic)"])
            }
            Clocks.pause(milliseconds: 200)
        }
        while !isStopping.load(ordering: .relaxed) { turn(consumer, &reading) }
    }

    private struct Reading {
        var start: Offset
        /// Of the log when reading began.
        var end: Offset
        var refusedLog = RateLimitedLog()
        var failureLog = RateLimitedLog()
    }

    private func turn(_ consumer: KafkaConsumer, _ reading: inout Reading) {
        var records: [(offset: Offset, timestampMs: Int64, key: [UInt8]?, value: [UInt8]?)] = []
        var events: [KafkaEvent] = []
        unsafe consumer.poll(recordsMax: 1_000, timeoutMs: Self.turnMs) { record in
            unsafe records.append(
                (record.offset, record.timestampMs, record.key.map { Array($0) }, record.value.map { Array($0) }))
        } event: {
            events.append($0)
        }
        for record in records {
            do throws(HeartbeatError) {
                try state.withLock { state throws(HeartbeatError) in
                    _ = try state.view.apply(
                        offset: record.offset, timestampMs: record.timestampMs, key: record.key, value: record.value)
                }
            } catch {
                if reading.refusedLog.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil {
                    logger.warning("a message of the control topic was refused: \(error)")
                }
            }
        }
        for event in events { handle(event, &reading) }
        let (start, end) = (reading.start, reading.end)
        state.withLock { state in
            if (state.view.position ?? start) >= end { state.isComplete = true }
        }
    }

    private func handle(_ event: KafkaEvent, _ reading: inout Reading) {
        switch event {
        case .endReached: state.withLock { $0.isComplete = true }
        case .positionLost:
            // The topic was made anew: until the new one is read to its end, nothing is told.
            // Of its end nothing is known: `endReached` will tell.
            state.withLock { $0 = State(view: MembershipView(timeouts: timeouts)) }
            reading = Reading(start: Offset(0), end: Offset(Int64.max))
        case .failure(_, _, let reason):
            if reading.failureLog.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil {
                logger.warning("control topic: \(reason)")
            }
        }
    }
}
