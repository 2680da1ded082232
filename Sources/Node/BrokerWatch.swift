// Asks the brokers where the logs end, again and again, and where those begin that wait to be read: on a thread and a
// connection of its own. A broker that does not answer takes its time here, not the writer's; and an answer does not stand
// behind a fetch that waits for messages.
//
//   writer ── what is read, what waits ──► box ──► questions ──► box ──► ends, bounds ──► writer

import Cluster
import Foundation
import Kafka
import Logging
import Model
import Synchronization
import Telemetry

/// What the brokers said of logs that are read, asked at `askedMs` of the monotonic clock.
struct LogEnds: Sendable {
    var askedMs: UInt64
    var ends: [(TopicPartition, Offset)]
}

/// The bounds of logs that wait to be read, asked for at `askedMs` of the wall clock; nil for one that was not told.
struct FoundBounds: Sendable {
    var askedMs: Int64
    var bounds: [(TopicPartition, LogBounds?)]
}

final class BrokerWatch: Sendable {
    /// Filled by one side, emptied by the other; what is not taken in time is replaced by newer.
    private struct Box {
        var read: [TopicPartition] = []
        var waiting: [TopicPartition] = []
        /// Of one round.
        var ends: [LogEnds] = []
        var bounds: FoundBounds?
    }

    private let kafka: KafkaClientOptions
    private let topics: [String]
    private let interval: Duration
    private let failures: Counter
    private let logger: Logger
    private let box = Mutex(Box())
    private let isStopping = Atomic<Bool>(false)
    private let woken = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)

    /// `topics` in the order of `ModelKind`.
    init(
        _ kafka: KafkaClientOptions, topics: [String], interval: Duration, registry: Registry, logger: Logger
    ) throws(KafkaError) {
        self.kafka = kafka
        self.topics = topics
        self.interval = interval
        self.logger = logger
        failures = registry.counter(
            "kafka_watch_failures_total", help: "Questions for the ends of logs that brokers did not answer.")
        let consumer = try KafkaConsumer(options: kafka, topics: topics, logger: logger)
        // The thread's own from here on; nobody else has it.
        let handed = Handed(consumer)
        let thread = Thread { self.run(handed.consumer) }
        thread.name = "watch"
        thread.start()
    }

    // MARK: - The writer's side

    /// These are read, and these wait to be; asked of soon, where some wait.
    func watch(read: [TopicPartition], waiting: [TopicPartition]) {
        let isNew = box.withLock { box in
            box.read = read
            defer { box.waiting = waiting }
            return !waiting.isEmpty && box.waiting != waiting
        }
        if isNew { woken.signal() }
    }

    func takeEnds() -> [LogEnds] {
        box.withLock { box in
            defer { box.ends.removeAll() }
            return box.ends
        }
    }

    func takeBounds() -> FoundBounds? { box.withLock { $0.bounds.take() } }

    /// Ends the thread; waits until the question that is under way is over.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        woken.signal()
        _ = ended.wait(timeout: .now() + 4)
    }

    // MARK: - The thread

    private func run(_ consumer: KafkaConsumer) {
        defer { ended.signal() }
        while !isStopping.load(ordering: .relaxed) {
            let (read, waiting) = box.withLock { ($0.read, $0.waiting) }
            if !waiting.isEmpty { askBounds(consumer, waiting) }
            askEnds(consumer, read)
            // Lets librdkafka hand over its errors. The writer's own client tells the same, and logs it.
            unsafe consumer.poll(recordsMax: 0, timeoutMs: 0, record: { _ in }, event: { _ in })
            _ = woken.wait(timeout: .now() + .nanoseconds(Int(interval / .nanoseconds(1))))
        }
    }

    private func askBounds(_ consumer: KafkaConsumer, _ waiting: [TopicPartition]) {
        let askedMs = Clocks.wallMs()
        let bounds = consumer.bounds(of: waiting.map { (Int($0.kind.rawValue), $0.partition) })
        if bounds.contains(where: { $0 == nil }) { failures.add() }
        box.withLock { $0.bounds = FoundBounds(askedMs: askedMs, bounds: Array(zip(waiting, bounds))) }
    }

    private func askEnds(_ consumer: KafkaConsumer, _ read: [TopicPartition]) {
        var round: [LogEnds] = []
        var start = 0
        while start < read.count, !isStopping.load(ordering: .relaxed) {
            let asked = read[start..<min(start + KafkaConsumer.endsAtOnce, read.count)]
            let askedMs = Clocks.monotonicNs() / 1_000_000
            let ends = consumer.ends(of: asked.map { (Int($0.kind.rawValue), $0.partition) })
            let told = zip(asked, ends).compactMap { partition, end in end.map { (partition, $0) } }
            if told.count < asked.count { failures.add() }
            round.append(LogEnds(askedMs: askedMs, ends: told))
            start += asked.count
        }
        box.withLock { $0.ends = round }
    }
}

/// Carries the consumer to its thread.
///
/// `@unchecked`: it is made on one thread, handed over once, and used on the other alone.
private struct Handed: @unchecked Sendable {
    let consumer: KafkaConsumer

    init(_ consumer: KafkaConsumer) { self.consumer = consumer }
}
