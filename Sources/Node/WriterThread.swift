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
public import NIOCore
public import Settings
import Snapshot
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
    /// Nil: no snapshots.
    public var snapshots: SnapshotSettings?
    /// Nil: peers are not asked for theirs.
    public var peers: SnapshotPeerAccess?
    /// Between two questions for the ends of the logs.
    public var watchInterval: Duration

    public init(
        kafka: KafkaClientOptions, topics: [String], retiredBytesMax: Int, packedBytesMax: Int,
        snapshots: SnapshotSettings?, peers: SnapshotPeerAccess?, watchInterval: Duration
    ) {
        self.kafka = kafka
        self.topics = topics
        self.retiredBytesMax = retiredBytesMax
        self.packedBytesMax = packedBytesMax
        self.snapshots = snapshots
        self.peers = peers
        self.watchInterval = watchInterval
    }
}

public final class WriterThread: Sendable {
    /// How long a turn waits for the first record. A wish is carried out this much later at most.
    private static let pollMs = 10
    /// Between two reports.
    private static let pauseNs: UInt64 = 100_000_000
    /// While there is news again and again, reports take one part of the time in so many.
    private static let reportShare: UInt64 = 10
    /// Between two looks at the topics' partition counts.
    private static let countsNs: UInt64 = 60_000_000_000

    private let settings: WriterSettings
    private let registry: Registry
    private let metrics: IngestMetrics
    private let topicsChanged: Gauge
    private let logger: Logger
    private let wanted = Mutex<PartitionSet?>(nil)
    private let lastReport = Mutex(NodeReport())
    private let isStopping = Atomic<Bool>(false)
    /// Nil until the topics are there, or for good.
    private let snapshots = Mutex<SnapshotService?>(nil)
    private let ended = DispatchSemaphore(value: 0)
    /// Called on the thread when the set of ready partitions or the phase has changed.
    private let changed: @Sendable () -> Void

    public var report: NodeReport { lastReport.withLock { $0 } }

    public init(
        _ settings: WriterSettings, registry: Registry, logger: Logger, changed: @escaping @Sendable () -> Void
    ) {
        self.settings = settings
        self.registry = registry
        metrics = IngestMetrics(registry)
        topicsChanged = registry.gauge(
            "kafka_topics_partitions_changed", help: "Topics with another number of partitions than at start.")
        self.logger = logger
        self.changed = changed
    }

    /// Starts the thread; returns the store when the six topics exist and their partitions are counted. Waits for them
    /// as long as it takes. `heldLast`: partitions that are held until `hold` is called, where the own disk has their files.
    public func start(heldLast: PartitionSet) async throws -> Store {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (started: CheckedContinuation<Store, any Error>) in
                let thread = Thread { self.run(started, heldLast) }
                thread.name = "writer"
                thread.start()
            }
        } onCancel: {
            isStopping.store(true, ordering: .relaxed)
        }
    }

    /// Hold these partitions of the events topic, and no others: the node is placed.
    public func hold(_ partitions: PartitionSet) { wanted.withLock { $0 = partitions } }

    /// Writes snapshots of what has changed and ends the thread after its turn, both within `drain`, but for the second
    /// that the turn has at least. Readers must be gone by then.
    public func stop(drain: Duration) async {
        let began = ContinuousClock.now
        let service = snapshots.withLock { $0 }
        await service?.end(deadline: drain)
        isStopping.store(true, ordering: .relaxed)
        let left = max(.seconds(1), drain - began.duration(to: .now))
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                service?.endPeers()
                _ = self.ended.wait(timeout: .now() + .milliseconds(Int(left.milliseconds)))
                continuation.resume()
            }
        }
    }

    /// The cluster as it is now, for whoever looks for snapshots of peers.
    func update(_ view: MembershipView) { snapshots.withLock { $0 }?.update(view) }

    /// Answers a peer that wants a snapshot; `path` is what follows `/snapshots/`. False where there are none.
    public func answerPeer(
        _ path: Substring, on loop: any EventLoop, _ reply: @escaping (SnapshotSender.Answer) -> Void
    ) -> Bool {
        guard let service = snapshots.withLock({ $0 }) else { return false }
        service.sender.answer(path, offer: { service.offer($0) }, on: loop, reply)
        return true
    }

    // MARK: - The thread

    private func run(_ started: CheckedContinuation<Store, any Error>, _ heldLast: PartitionSet) {
        defer { ended.signal() }
        do {
            let source = try KafkaRecordSource(options: settings.kafka, topics: settings.topics, logger: logger)
            guard let (counts, admin) = try waitForTopics() else {
                return started.resume(throwing: CancellationError())
            }
            // So this client learns the partitions' leaders: else the first fetch waits for a look once a second.
            _ = source.partitionCount(of: .event)
            let store = Store(partitionCounts: counts)
            let writer = StoreWriter(
                store, retiredBytesMax: settings.retiredBytesMax, packedBytesMax: settings.packedBytesMax)
            let ends = try BrokerWatch(
                settings.kafka, topics: settings.topics, interval: settings.watchInterval, registry: registry,
                logger: logger)
            defer { ends.stop() }
            let (retention, clusterID) = askWhatSnapshotsNeed(admin)
            let service = makeSnapshots(counts, clusterID, retention)
            let watch = LogWatch(settings, partitionCounts: counts, retention: retention, logger: logger)
            let ingest = Ingest(
                source: source, writer: writer, metrics: metrics, snapshots: service,
                lineage: .random(in: .min ... .max)
            ) { [logger] note in
                logger.warning("\(note.message)", metadata: ["suppressed": "\(note.suppressed)"])
            }
            ingest.learned([], askedMs: 0, limitsMs: retention.limitsMs)
            started.resume(returning: store)
            service?.start()
            watch.start()
            defer { watch.stop() }
            snapshots.withLock { $0 = service }
            // Loading it again is under way while the cluster is joined.
            if let service { ingest.hold(service.beginEarly(heldLast)) }
            loop(ingest, source, ends, service, watch)
            // A debug look-up may be reading still; its guard lasts for microseconds.
            while writer.retiredCount > 0 {
                writer.reclaim()
                Clocks.pause(milliseconds: 1)
            }
        } catch {
            started.resume(throwing: error)
        }
    }

    private func loop(
        _ ingest: Ingest, _ source: KafkaRecordSource, _ ends: BrokerWatch, _ service: SnapshotService?,
        _ watch: LogWatch
    ) {
        var nextQuestion: UInt64 = 0
        var nextReport: UInt64 = 0
        var nextNewsReport: UInt64 = 0
        var isNews = false
        var nextCounts = Clocks.monotonicNs() + Self.countsNs
        var load = LoadWatch()
        var boot = BootWatch()
        var isPlaced = false
        while !isStopping.load(ordering: .relaxed) {
            let now = Clocks.monotonicNs()
            if let wish = wanted.withLock({ $0.take() }) {
                ingest.hold(wish)
                isPlaced = true
                // What waits now is asked about at once.
                nextReport = 0
            }
            hear(ends, ingest)
            if ingest.wantsBounds, now >= nextQuestion {
                watch.ask()
                nextQuestion = now + Self.pauseNs
            }
            if now >= nextCounts {
                checkCounts(source, ingest.writer.store.partitionCounts)
                nextCounts = now + Self.countsNs
            }
            if let found = watch.take() {
                ingest.learned(found.bounds, askedMs: found.askedMs, limitsMs: found.retention.limitsMs)
                service?.learned(deleteRetentionMs: found.retention.ms)
            }
            let before = ingest.progressMarks
            ingest.turn(
                nowNanoseconds: now, wallMs: Clocks.wallMs(), clock: Clocks.monotonicNs, timeoutMs: Self.pollMs)
            if ingest.writer.isOverRetiredLimit { Clocks.pause(milliseconds: 1) }
            load.turned(messages: metrics.messagesTotal, beganNs: now)
            isNews = isNews || ingest.progressMarks != before
            if isNews && now >= nextNewsReport || now >= nextReport {
                let turnedNs = Clocks.monotonicNs()
                var report = makeReport(ingest, source)
                if let service { describe(ingest, service, isPlaced: isPlaced, in: &report) }
                publish(report)
                ends.watch(read: ingest.readPartitions, waiting: ingest.life.waiting)
                let nowNs = Clocks.monotonicNs()
                let read = load.reported(
                    report.phase, messages: metrics.messagesTotal, nowNs: nowNs, logger: logger)
                if let read {
                    service?.measured(messages: read.messages, seconds: read.seconds)
                    // librdkafka's queues were full, and malloc keeps what they took.
                    cmemory_trim()
                }
                boot.reported(report, nowNs: nowNs, logger: logger)
                isNews = false
                nextReport = now + Self.pauseNs
                // A report looks at each partition of six topics, and a load makes news with each of them.
                nextNewsReport = nowNs + Self.reportShare * (nowNs - turnedNs)
            }
        }
    }

    /// Takes what the brokers said since the last turn.
    private func hear(_ ends: BrokerWatch, _ ingest: Ingest) {
        if let found = ends.takeBounds() { ingest.found(found.bounds, askedMs: found.askedMs) }
        for told in ends.takeEnds() { ingest.told(told.ends, askedMs: told.askedMs) }
    }

    private func waitForTopics() throws -> (counts: [Int], admin: KafkaAdmin)? {
        var wait = try TopicWait(for: settings.topics, at: settings.kafka, logger: logger)
        while !isStopping.load(ordering: .relaxed) {
            if let counts = wait.look() { return (counts, wait.admin) }
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

    // MARK: - Snapshots

    /// How long tombstones stay, and the cluster's id. Both are asked for again where nobody answers: without them no
    /// file is used, and one late answer is sooner than the whole log.
    private func askWhatSnapshotsNeed(_ admin: KafkaAdmin) -> (retention: TombstoneRetention, clusterID: String?) {
        var retention = TombstoneRetention()
        guard settings.snapshots != nil else {
            retention.ask(admin, settings.topics)
            return (retention, nil)
        }
        var question = BootQuestion(nowNs: Clocks.monotonicNs())
        var clusterID: String?
        let isAnswered = question.ask(clock: Clocks.monotonicNs, pause: { Clocks.pause(milliseconds: $0) }) {
            guard !isStopping.load(ordering: .relaxed) else { return true }
            guard retention.ask(admin, settings.topics) else { return false }
            clusterID = clusterID ?? admin.clusterID()
            return clusterID != nil
        }
        if !isAnswered {
            logger.warning("the brokers did not answer what snapshots need", metadata: ["asked": "\(question.asked)"])
        }
        return (retention, clusterID)
    }

    /// Nil where there are to be none, or where the cluster's id, which every file is checked against, is not told.
    private func makeSnapshots(
        _ counts: [Int], _ clusterID: String?, _ retention: TombstoneRetention
    ) -> SnapshotService? {
        guard let snapshots = settings.snapshots else { return nil }
        guard let clusterID else {
            logger.warning("no snapshots: the brokers do not tell the cluster's id")
            return nil
        }
        return SnapshotService(
            snapshots, settings, partitionCounts: counts, clusterID: clusterID, deleteRetentionMs: retention.ms,
            registry: registry, logger: logger)
    }

    /// Tells the service what has changed, and the report how far the boot is.
    private func describe(
        _ ingest: Ingest, _ service: SnapshotService, isPlaced: Bool, in report: inout NodeReport
    ) {
        var changed: [SnapshotScope: UInt64] = [:]
        for scope in ingest.snapshotScopes { changed[scope] = ingest.changedBytes(scope) }
        let wanted = ingest.life.wanted.map { SnapshotScope.events($0) }
        service.update(changed: changed, held: isPlaced ? wanted : nil)
        let rates = service.rates
        report.bootSecondsRemaining =
            report.phase == .ready
            ? 0
            : Double(ingest.restoringBytes) / rates.loadBytesPerSecond
                + Double(report.behind) / rates.messagesPerSecond
        for index in report.holdings.indices {
            report.eventSources.append(service.source(of: .events(report.holdings[index].partition)))
        }
        for index in report.globals.indices {
            report.globals[index].source = service.source(of: .topic(report.globals[index].partition.kind))
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
            report.eventsAsOfMs.append(ingest.age(of: key).asOfMs)
            return Holding(
                partition: partition, isReady: writer.isReady(partition), applied: applied,
                lag: lag(applied, source.lastKnownEnd(of: key), ingest.age(of: key).end, life[key]))
        }
        for (kind, count) in zip(GlobalPosition.kinds, writer.store.partitionCounts[1...]) {
            for partition in 0..<count {
                let key = TopicPartition(kind, PartitionID(partition))
                let applied = writer.published(key)
                report.globals.append(
                    NodeReport.GlobalReport(
                        partition: key, applied: applied,
                        lag: lag(applied, source.lastKnownEnd(of: key), ingest.age(of: key).end, life[key]),
                        asOfMs: ingest.age(of: key).asOfMs))
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

    /// Messages between `applied` and the log's end, as a fetch or a question told it last; while loading at least up to
    /// the target.
    private func lag(_ applied: Offset, _ fetched: Offset?, _ told: Offset?, _ state: PartitionLife.State) -> Int64 {
        var end = max(fetched?.rawValue ?? 0, told?.rawValue ?? 0)
        switch state {
        case .loading(let target): end = max(end, target.rawValue)
        case .checking(let bounds), .restoring(let bounds): end = max(end, bounds.end.rawValue)
        case .idle, .waiting, .ready, .dropping: break
        }
        return max(0, end - applied.rawValue)
    }
}
