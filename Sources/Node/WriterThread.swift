// The one thread that writes a node's memory: it reads Kafka, applies, renders again, frees.
//
//   others ── hold(partitions), stop() ──► mailbox ──► turn, turn, turn … ──► report ──► others
//
// Others talk to it through two locked boxes: what is wanted (the newest wish replaces an older one, so the box never
// grows) and the last report.

import CMemory
import Cluster
import Foundation
import Ingest
public import Kafka
public import Logging
import Membership
public import Model
public import Store
import Synchronization
public import Telemetry

/// What the thread needs.
public struct WriterSettings: Sendable {
    public var kafka: KafkaClientOptions
    /// In the order of `ModelKind`.
    public var topics: [String]
    public var retiredBytesMax: Int
    public var packedBytesMax: Int

    public init(kafka: KafkaClientOptions, topics: [String], retiredBytesMax: Int, packedBytesMax: Int) {
        self.kafka = kafka
        self.topics = topics
        self.retiredBytesMax = retiredBytesMax
        self.packedBytesMax = packedBytesMax
    }
}

public final class WriterThread: Sendable {
    /// How long a turn waits for the first record. A wish is carried out this much later at most.
    private static let pollMs = 10
    /// Between two questions for the bounds of waiting partitions, and between two reports.
    private static let pauseNs: UInt64 = 100_000_000
    /// Between two looks at the topics' partition counts.
    private static let countsNs: UInt64 = 60_000_000_000

    private let settings: WriterSettings
    private let metrics: IngestMetrics
    private let topicsChanged: Gauge
    private let logger: Logger
    private let wanted = Mutex<PartitionSet?>(nil)
    private let lastReport = Mutex(NodeReport())
    private let isStopping = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)
    /// Called on the thread when the set of ready partitions or the phase has changed.
    private let changed: @Sendable () -> Void

    public var report: NodeReport { lastReport.withLock { $0 } }

    public init(
        _ settings: WriterSettings, registry: Registry, logger: Logger, changed: @escaping @Sendable () -> Void
    ) {
        self.settings = settings
        metrics = IngestMetrics(registry)
        topicsChanged = registry.gauge(
            "kafka_topics_partitions_changed", help: "Topics with another number of partitions than at start.")
        self.logger = logger
        self.changed = changed
    }

    /// Starts the thread; returns the store when the six topics exist and their partitions are counted. Waits for them
    /// as long as it takes.
    public func start() async throws -> Store {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (started: CheckedContinuation<Store, any Error>) in
                let thread = Thread { self.run(started) }
                thread.name = "writer"
                thread.start()
            }
        } onCancel: {
            isStopping.store(true, ordering: .relaxed)
        }
    }

    /// Hold these partitions of the events topic, and no others.
    public func hold(_ partitions: PartitionSet) { wanted.withLock { $0 = partitions } }

    /// Ends the thread after its turn. Readers must be gone by then.
    public func stop() async {
        isStopping.store(true, ordering: .relaxed)
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                _ = self.ended.wait(timeout: .now() + 5)
                continuation.resume()
            }
        }
    }

    // MARK: - The thread

    private func run(_ started: CheckedContinuation<Store, any Error>) {
        defer { ended.signal() }
        do {
            let source = try KafkaRecordSource(options: settings.kafka, topics: settings.topics, logger: logger)
            guard let counts = try waitForTopics() else { return started.resume(throwing: CancellationError()) }
            warnAboutPolicies()
            let store = Store(partitionCounts: counts)
            let writer = StoreWriter(
                store, retiredBytesMax: settings.retiredBytesMax, packedBytesMax: settings.packedBytesMax)
            let ingest = Ingest(source: source, writer: writer, metrics: metrics) { [logger] note in
                logger.warning("\(note.message)", metadata: ["suppressed": "\(note.suppressed)"])
            }
            started.resume(returning: store)
            loop(ingest, source)
            // A debug look-up may be reading still; its guard lasts for microseconds.
            while writer.retiredCount > 0 {
                writer.reclaim()
                Clocks.pause(milliseconds: 1)
            }
        } catch {
            started.resume(throwing: error)
        }
    }

    private func loop(_ ingest: Ingest, _ source: KafkaRecordSource) {
        var nextQuestion: UInt64 = 0
        var nextReport: UInt64 = 0
        var nextCounts = Clocks.monotonicNs() + Self.countsNs
        var load = LoadWatch()
        while !isStopping.load(ordering: .relaxed) {
            let now = Clocks.monotonicNs()
            if let wish = wanted.withLock({ $0.take() }) { ingest.hold(wish) }
            if now >= nextQuestion {
                _ = ingest.startWaiting()
                nextQuestion = now + Self.pauseNs
            }
            if now >= nextCounts {
                checkCounts(source, ingest.writer.store.partitionCounts)
                nextCounts = now + Self.countsNs
            }
            let before = ingest.progressMarks
            ingest.turn(nowNanoseconds: now, clock: Clocks.monotonicNs, timeoutMs: Self.pollMs)
            if ingest.writer.isOverRetiredLimit { Clocks.pause(milliseconds: 1) }
            load.turned(messages: metrics.messagesTotal, beganNs: now)
            let isNews = ingest.progressMarks != before
            if isNews || now >= nextReport {
                let report = makeReport(ingest, source)
                publish(report)
                let isLoaded = load.reported(
                    report.phase, messages: metrics.messagesTotal, nowNs: Clocks.monotonicNs(), logger: logger)
                // librdkafka's queues were full, and malloc keeps what they took.
                if isLoaded { cmemory_trim() }
                nextReport = now + Self.pauseNs
            }
        }
    }

    private func waitForTopics() throws -> [Int]? {
        var wait = try TopicWait(for: settings.topics, at: settings.kafka, logger: logger)
        while !isStopping.load(ordering: .relaxed) {
            if let counts = wait.look() { return counts }
            Clocks.pause(milliseconds: 200)
        }
        return nil
    }

    /// A topic's partition count is fixed for its life: with another one keys stand elsewhere. The node goes on with the
    /// count it began with, and says how to put it right.
    private func checkCounts(_ source: KafkaRecordSource, _ counts: [Int]) {
        var changed = 0
        for kind in ModelKind.allCases {
            // Nobody answers: the next look is early enough, and each question would wait for its time.
            guard let count = source.partitionCount(of: kind) else { return }
            let began = counts[Int(kind.rawValue)]
            guard count != began else { continue }
            changed += 1
            logger.error(
                "a topic's partition count changed: make a new topic, publish again, name it in kafka.topics.*",
                metadata: [
                    "topic": "\(settings.topics[Int(kind.rawValue)])", "partitions": "\(count)", "before": "\(began)",
                ])
        }
        topicsChanged.set(changed)
    }

    /// Without compaction a topic forgets old keys and keeps deleted ones for as long as its retention says.
    private func warnAboutPolicies() {
        guard let admin = try? KafkaAdmin(options: settings.kafka, timeoutMs: 2_000, logger: logger) else { return }
        for topic in settings.topics {
            // The embedded broker cannot tell; a broker that can't is asked for nothing more.
            guard let policy = try? admin.settings(of: topic)["cleanup.policy"] else { return }
            if policy != "compact" {
                logger.warning(
                    "a topic is not compacted: old values will be lost; set cleanup.policy=compact",
                    metadata: ["topic": "\(topic)", "cleanup.policy": "\(policy)"])
            }
        }
    }

    // MARK: - Reports

    private func publish(_ report: NodeReport) {
        let isChanged = lastReport.withLock { last in
            let isChanged = last.phase != report.phase || last.ready != report.ready
            last = report
            return isChanged
        }
        if isChanged { changed() }
    }

    private func makeReport(_ ingest: Ingest, _ source: KafkaRecordSource) -> NodeReport {
        let (life, writer) = (ingest.life, ingest.writer)
        var report = NodeReport()
        report.holdings = life.held.map { partition in
            let key = TopicPartition(.event, partition)
            let applied = writer.applied(key)
            return Holding(
                partition: partition, isReady: writer.isReady(partition), applied: applied,
                lag: lag(applied, source.lastKnownEnd(of: key), life[key]))
        }
        for (kind, count) in zip(GlobalPosition.kinds, writer.store.partitionCounts[1...]) {
            for partition in 0..<count {
                let key = TopicPartition(kind, PartitionID(partition))
                let applied = writer.published(key)
                report.globals.append(
                    NodeReport.GlobalReport(
                        partition: key, applied: applied,
                        lag: lag(applied, source.lastKnownEnd(of: key), life[key])))
            }
        }
        for index in report.models.indices {
            let kind = report.models[index].kind
            report.models[index].size = writer.count(kind)
            report.models[index].isLoaded =
                kind == .event
                ? !report.holdings.isEmpty && report.holdings.allSatisfy(\.isReady)
                : (0..<writer.store.partitionCounts[Int(kind.rawValue)]).allSatisfy {
                    life[TopicPartition(kind, PartitionID($0))] == .ready
                }
        }
        report.phase = !life.areGlobalsReady ? .loadingGlobals : report.models[0].isLoaded ? .ready : .loadingEvents
        report.recordBytes = writer.memoryBytes
        report.eventJSONBytes = writer.eventJSONBytes
        report.liveBytes = writer.liveBytes
        report.reservedBytes = writer.reservedBytes
        report.retiredBytes = writer.retiredBytes
        report.retiredBytesHighWater = writer.retiredBytesHighWater
        report.packedBytes = writer.packedBytes
        report.unpackedCount = writer.unpackedCount
        report.tableCapacity = writer.tableCapacity
        report.rerenderPending = writer.rerenderPending
        return report
    }

    /// Messages between `applied` and the log's end; while loading at least up to the target.
    private func lag(_ applied: Offset, _ end: Offset?, _ state: PartitionLife.State) -> Int64 {
        var end = end?.rawValue ?? 0
        if case .loading(let target) = state { end = max(end, target.rawValue) }
        return max(0, end - applied.rawValue)
    }
}
