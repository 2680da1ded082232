// How fresh the partitions are, on the writer's thread: what `LogAge` needs comes together here, and what it says goes to
// the store, where readers find it.

public import Model
import Snapshot
import Store
import Telemetry

struct LogAges {
    private var ages: [[LogAge]]
    /// Partitions of which something was applied and not noted yet, each once.
    private var touched: [TopicPartition] = []
    private var isTouched: [[Bool]]
    /// By how much the wall clock is ahead of the monotonic one in this turn.
    var wallAheadMs: Int64 = 0

    init(partitionCounts: [Int]) {
        ages = partitionCounts.map { Array(repeating: LogAge(), count: $0) }
        isTouched = partitionCounts.map { Array(repeating: false, count: $0) }
    }

    subscript(_ partition: TopicPartition) -> LogAge {
        get { ages[Int(partition.kind.rawValue)][Int(partition.partition.rawValue)] }
        set { ages[Int(partition.kind.rawValue)][Int(partition.partition.rawValue)] = newValue }
    }

    /// Something of the partition was applied.
    mutating func touch(_ partition: TopicPartition) {
        let (kind, index) = (Int(partition.kind.rawValue), Int(partition.partition.rawValue))
        guard !isTouched[kind][index] else { return }
        isTouched[kind][index] = true
        touched.append(partition)
    }

    mutating func takeTouched() -> [TopicPartition] {
        for partition in touched { isTouched[Int(partition.kind.rawValue)][Int(partition.partition.rawValue)] = false }
        defer { touched.removeAll(keepingCapacity: true) }
        return touched
    }

    /// The earliest of the global topics; 0 while something of one is not known.
    var globalsAsOfMs: UInt64 {
        ages[1...].reduce(UInt64.max) { earliest, ages in ages.reduce(earliest) { min($0, $1.asOfMs) } }
    }
}

extension Ingest {
    /// The brokers, asked at `askedMs`, said where these logs end.
    public func told(_ ends: [(TopicPartition, Offset)], askedMs: UInt64) {
        for (partition, end) in ends {
            ages[partition].told(end: end, askedMs: askedMs, applied: writer.published(partition))
            if partition.kind == .event { writer.setAsOf(partition.partition, ages[partition].asOfMs) }
        }
        if ends.contains(where: { $0.0.kind != .event }) { writer.setGlobalsAsOf(ages.globalsAsOfMs) }
    }

    /// The partition is begun anew, or its position was lost: what is here is as of no time that is known.
    func setAge(_ partition: TopicPartition, _ age: LogAge) {
        ages[partition] = age
        if partition.kind == .event {
            writer.setAsOf(partition.partition, 0)
        } else {
            writer.setGlobalsAsOf(0)
        }
    }

    /// As of when a partition is, and where its log ends.
    public func age(of partition: TopicPartition) -> LogAge { ages[partition] }

    /// The partitions that are read.
    public var readPartitions: [TopicPartition] { life.read }

    /// Notes what this turn has made visible.
    func noteAges(_ clock: () -> UInt64) {
        let touched = ages.takeTouched()
        guard !touched.isEmpty else { return }
        let nowMs = clock() / 1_000_000
        let wallMs = Int64(nowMs) + ages.wallAheadMs
        var newestMs: Int64 = 0
        var isGlobalNoted = false
        for partition in touched {
            guard let last = snapshots[partition].last else { continue }
            guard writer.published(partition) >= writer.applied(partition) else {
                // Of a global topic, and what it changed is still being rendered.
                ages.touch(partition)
                continue
            }
            ages[partition].applied(timestampMs: last.timestampMs, nowMs: nowMs, wallAheadMs: ages.wallAheadMs)
            if partition.kind == .event {
                writer.setAsOf(partition.partition, ages[partition].asOfMs)
            } else {
                isGlobalNoted = true
            }
            guard life[partition] == .ready, last.timestampMs > 0 else { continue }
            newestMs = max(newestMs, min(last.timestampMs, wallMs))
            metrics.visible.observe(nanoseconds: UInt64(max(0, wallMs - last.timestampMs)) * 1_000_000)
        }
        if isGlobalNoted { writer.setGlobalsAsOf(ages.globalsAsOfMs) }
        writer.raiseNewest(to: newestMs)
    }
}
