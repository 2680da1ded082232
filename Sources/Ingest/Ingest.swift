// From Kafka's records to the store: the driver of the writer's thread.
//
//   source ─poll─► decode ─► StoreWriter.apply ─► advance
//                    └ invalid: counted, logged at most once a second per model, changes nothing
//
// `turn` is one round of the thread's loop: it polls a batch, applies it, does a slice of re-rendering and dropping,
// and frees memory. Whoever owns the thread calls it again and again. Nothing here reads a clock but the one given.

import Decode
public import Model
import Snapshot
public import Store
import Telemetry

/// One line for the log about something that came from outside.
public struct IngestNote: Sendable, Equatable {
    public var message: String
    /// How many of the kind were left out since the last one.
    public var suppressed: UInt64
}

public final class Ingest {
    /// Records of one poll: small enough that re-rendering, dropping and freeing get their turn often.
    static let batchMax = 1_000
    /// Events rendered again in one turn, about a millisecond's work.
    static let rerenderBudget = 500
    static let dropBudget = 500

    public let writer: StoreWriter
    public internal(set) var life: PartitionLife
    let source: any RecordSource
    let metrics: IngestMetrics
    let log: (IngestNote) -> Void
    private var decoder = Decoder()
    private var arena = MessageArena()
    private var decoded = DecodedEvents()
    private var invalidLog = [RateLimitedLog](repeating: RateLimitedLog(), count: ModelKind.allCases.count)
    private var failureLog = RateLimitedLog()
    private(set) var now: UInt64 = 0
    private var globalsMoved = false
    private var run: Run?
    private var batch = BatchCount()
    /// Partitions read to their targets that are not open to readers yet.
    private var reached: [PartitionID] = []
    /// Partitions that are read once more; see `Ingest+Reread.swift`.
    var rereads: [TopicPartition: Reread] = [:]
    var watch = ReadWatch()
    /// As of when each log's partition is; see `Ingest+Ages.swift`.
    var ages: LogAges
    /// What snapshots need of this thread; see `Ingest+Snapshots.swift`.
    var snapshots: SnapshotState

    /// `lineage`: a number drawn for this process, where there are snapshots.
    public init(
        source: any RecordSource, writer: StoreWriter, metrics: IngestMetrics, snapshots: (any SnapshotPort)? = nil,
        lineage: UInt64 = 0, log: @escaping (IngestNote) -> Void
    ) {
        self.source = source
        self.writer = writer
        self.metrics = metrics
        self.log = log
        self.snapshots = SnapshotState(
            port: snapshots, partitionCounts: writer.store.partitionCounts, lineage: lineage)
        life = PartitionLife(partitionCounts: writer.store.partitionCounts)
        ages = LogAges(partitionCounts: writer.store.partitionCounts)
    }

    /// These partitions of the events topic are to be held, and no others.
    public func hold(_ partitions: PartitionSet) {
        perform(life.hold(partitions))
        giveUpRestores()
    }

    /// Asks the source for the bounds of partitions that wait to be read, which may take its time. Returns how many still
    /// wait. `nowMs`: the machine's clock.
    public func startWaiting(nowMs: Int64) -> Int {
        let waiting = life.waiting
        guard !waiting.isEmpty else { return 0 }
        found(Array(zip(waiting, source.bounds(of: waiting))), askedMs: nowMs)
        return life.waiting.count
    }

    /// The bounds of partitions that waited when they were asked for; nil for one that could not be told. `askedMs`: by the
    /// machine's clock.
    public func found(_ bounds: [(TopicPartition, LogBounds?)], askedMs: Int64) {
        begin(bounds.filter { life[$0.0] == .waiting }, askedMs: askedMs)
        openGlobals()
        openPartitions()
    }

    /// Lets readers begin once the global topics were read to their targets and all they changed is rendered.
    private func openGlobals() {
        guard globalsReached, writer.rerenderPending == 0 else { return }
        writer.setGlobalsReady()
        globalsReached = false
        progressMarks += 1
    }

    /// Opens the partitions that were read to their targets. All at once where they are read together, since each opening
    /// builds their teams' lists anew: they wait while others come out of snapshots, or are still being loaded and the source
    /// has full batches.
    private func openPartitions() {
        guard !reached.isEmpty, !isRestoringEvents else { return }
        guard batch.records < Self.batchMax || !life.isLoadingEvents else { return }
        writer.setReady(reached)
        reached.removeAll()
        stockMemory()
        progressMarks += 1
    }

    /// One round. `timeoutMs`: how long to wait for the first record where there is nothing else to do. `wallMs` is the
    /// wall clock at `nowNanoseconds`, for the messages' timestamps.
    public func turn(nowNanoseconds: UInt64, wallMs: Int64 = 0, clock: () -> UInt64, timeoutMs: Int) {
        now = nowNanoseconds
        ages.wallAheadMs = wallMs - Int64(nowNanoseconds / 1_000_000)
        batch = BatchCount()
        let isBusy =
            writer.rerenderPending > 0 || life.droppingCount > 0 || isSnapshotBusy
            || rereads.values.contains { $0.gone != nil }
        writer.reclaim()
        // At the limit of retired bytes nothing more is applied or dropped until readers let go; the lag shows it. So
        // the limit is passed by the work of one turn at most. The owner pauses before the next.
        if !writer.isOverRetiredLimit {
            // A file that comes from a loader wakes nobody.
            let patientMs = snapshots.restores.isEmpty ? timeoutMs : min(timeoutMs, 1)
            pollBatch(clock: clock, timeoutMs: isBusy ? 0 : patientMs)
            _ = writer.rerender(budget: Self.rerenderBudget) { metrics.countRefused(.event) }
            dropSlice()
            rereadSlice()
            restoreSlice(clock: clock)
        }
        // It only reads: a reader that stays does not stop it.
        walkSlice()
        if globalsMoved {
            writer.publishGlobals()
            globalsMoved = false
        }
        noteAges(clock)
        openGlobals()
        openPartitions()
    }

    /// Rises with every step of a partition's life, so that the owner looks at once.
    public internal(set) var progressMarks = 0
    /// The global topics were read to their targets; readers may begin when all that they changed is rendered.
    private var globalsReached = false

    // MARK: - A batch

    /// Records of one partition that stand one behind the other: what holds for all of them is looked up once.
    private struct Run {
        var source: TopicPartition
        /// False for what was still in the client's queue when the partition was stopped.
        var isRead: Bool
        /// Whether its log is read once more.
        var isReread = false
        /// Behind the last one.
        var position = Offset(0)
    }

    private func pollBatch(clock: () -> UInt64, timeoutMs: Int) {
        unsafe source.poll(
            recordsMax: Self.batchMax, timeoutMs: timeoutMs,
            record: { record in
                let source = unsafe record.source
                if run?.source != source { beginRun(source, clock) }
                unsafe apply(record)
            },
            event: {
                endRun()
                handle($0)
            })
        endRun()
        batch.publish(metrics, clock)
    }

    private func beginRun(_ source: TopicPartition, _ clock: () -> UInt64) {
        endRun()
        batch.began(source.kind, metrics, clock)
        switch life[source] {
        case .loading, .ready: run = Run(source: source, isRead: true, isReread: rereads[source] != nil)
        case .idle, .waiting, .checking, .restoring, .dropping: run = Run(source: source, isRead: false)
        }
    }

    /// Says how far the run has come, and what follows from it.
    private func endRun() {
        guard let run else { return }
        applyDecoded()
        self.run = nil
        guard run.isRead else { return }
        advance(run.source, run.position)
        ages.touch(run.source)
    }

    private func apply(_ record: Record) {
        batch.records += 1
        guard run?.isRead == true else {
            if case .checking = unsafe life[record.source] { unsafe check(record) }
            return
        }
        unsafe run?.position = Offset(record.offset.rawValue + 1)
        let isReread = run?.isReread == true
        guard unsafe !isReread || reread(record) else { return }
        unsafe snapshots.note(record)
        unsafe applyValue(record)
        // A reference is applied at once: one that is new has its place now.
        if isReread, unsafe record.source.kind != .event { unsafe name(record) }
    }

    private func count(_ result: ApplyResult, _ source: TopicPartition, _ offset: Offset) {
        let kind = source.kind
        switch result {
        case .created: batch.count(kind, operation: 0)
        case .updated: batch.count(kind, operation: 1)
        case .deleted: batch.count(kind, operation: 2)
        case .unchanged: batch.count(kind, operation: 3)
        case .refused(let refusal):
            metrics.countRefused(kind)
            note(source, offset, "over a limit of the store (\(refusal)); the last good version stays")
        }
    }

    private func advance(_ partition: TopicPartition, _ position: Offset) {
        // What was decoded and applied together has said so already.
        if writer.applied(partition) < position {
            writer.advance(partition, to: position)
            if partition.kind != .event { globalsMoved = true }
        }
        perform(life.reached(partition, position))
    }

    private func applyValue(_ record: Record) {
        let (source, offset) = unsafe (record.source, record.offset)
        let key = unsafe record.key ?? UnsafeBufferPointer(start: nil, count: 0)
        guard let value = unsafe record.value else {
            guard let id = unsafe ID(key.span) else {
                metrics.countInvalid(source.kind)
                return note(source, offset, "a tombstone whose key is no id")
            }
            applyDecoded()
            count(writer.delete(source.kind, id, partition: source.partition, offset: offset), source, offset)
            return
        }
        do throws(InvalidMessage) {
            if source.kind == .event {
                try unsafe decoded.add(source, offset, key: key.span, value: value.span, &decoder, writer)
                if decoded.isFull { applyDecoded() }
            } else {
                let message = unsafe try decoder.decode(source.kind, key: key.span, value: value.span, into: &arena)
                applyDecoded()
                count(writer.apply(message, arena, partition: source.partition, offset: offset), source, offset)
            }
        } catch {
            metrics.countInvalid(source.kind)
            note(source, offset, error.description)
        }
    }

    /// Applies the events that were decoded and wait, in their order, and says so: *applied* is never further behind
    /// *started* than these few.
    private func applyDecoded() {
        var last: (source: TopicPartition, position: Offset)?
        decoded.apply(to: writer) { result, source, offset in
            count(result, source, offset)
            last = (source, Offset(offset.rawValue + 1))
        }
        guard let last, writer.applied(last.source) < last.position else { return }
        writer.advance(last.source, to: last.position)
    }

    // MARK: - What else the source says

    private func handle(_ event: SourceEvent) {
        switch event {
        case .endReached(let partition, let position):
            ages[partition].endReached()
            switch life[partition] {
            case .loading, .ready:
                if let reread = rereads[partition] {
                    rereads[partition]?.position = max(reread.position, position)
                }
                advance(partition, position)
            case .checking: passed(partition)
            case .idle, .waiting, .restoring, .dropping: break
            }
        case .positionLost(let partition):
            metrics.positionsLost.add()
            lostPosition(partition)
            setAge(partition, .lost)
            fail(
                "the position in \(partition.kind.plural) partition \(partition.partition) is no longer in the log; it is "
                    + "read from its start")
            perform(life.lost(partition))
        case .failure(let partition, let reason):
            metrics.sourceFailures.add()
            fail(partition.map { "\($0.kind.plural) partition \($0.partition): \(reason)" } ?? reason)
        }
    }

    private func fail(_ message: String) {
        guard let suppressed = failureLog.shouldLog(nowNanoseconds: now) else { return }
        log(IngestNote(message: message, suppressed: suppressed))
    }

    private func note(_ source: TopicPartition, _ offset: Offset, _ reason: @autoclosure () -> String) {
        guard let suppressed = invalidLog[Int(source.kind.rawValue)].shouldLog(nowNanoseconds: now) else { return }
        log(
            IngestNote(
                message: "invalid \(source.kind.name) in \(source.kind.plural) partition \(source.partition) "
                    + "offset \(offset): \(reason())", suppressed: suppressed))
    }

    // MARK: - Actions

    func perform(_ actions: [PartitionLife.Action]) {
        progressMarks += actions.count
        for action in actions {
            switch action {
            case .start(let partition, let offset):
                // What the log does not hold counts as applied: the start of an empty or trimmed log is a position too.
                writer.advance(partition, to: offset)
                if partition.kind != .event { globalsMoved = true }
                setAge(partition, LogAge())
                source.start(partition, at: offset)
            case .stop(let partition): source.stop(partition)
            case .markReady(let partition): reached.append(partition)
            case .markGlobalsReady: globalsReached = true
            case .drop(let partition):
                reached.removeAll { $0 == partition }
                rereads[TopicPartition(.event, partition)] = nil
                watch.forget(TopicPartition(.event, partition))
                giveUpRestores()
                writer.beginDrop(partition)
            }
        }
    }

    private func dropSlice() {
        guard life.droppingCount > 0 else { return }
        _ = writer.dropSlice(budget: Self.dropBudget)
        for partition in life.dropping where !writer.isDropping(partition) { life.dropped(partition) }
    }
}
