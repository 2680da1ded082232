import Model

/// Hands over what a test put in, in that order: with gaps, markers and whatever else the embedded broker cannot make.
final class ScriptedSource: RecordSource {
    enum Step {
        case record(TopicPartition, Int64, key: [UInt8]?, value: [UInt8]?)
        case event(SourceEvent)
    }

    var logs: [TopicPartition: LogBounds] = [:]
    var steps: [Step] = []
    /// Of every record that is handed over.
    var timestampMs: Int64 = 0
    private(set) var started: [TopicPartition: Offset] = [:]
    private(set) var stopped: [TopicPartition] = []
    private(set) var boundsAsked = 0
    private(set) var timeouts: [Int] = []

    func add(_ kind: ModelKind, _ partition: Int = 0, at offset: Int64, _ key: String?, _ value: String?) {
        steps.append(
            .record(
                TopicPartition(kind, PartitionID(partition)), offset, key: key.map { Array($0.utf8) },
                value: value.map { Array($0.utf8) }))
    }

    func add(_ event: SourceEvent) { steps.append(.event(event)) }

    func partitionCount(of kind: ModelKind) -> Int? { logs.keys.filter { $0.kind == kind }.count }

    func bounds(of partitions: [TopicPartition]) -> [LogBounds?] {
        boundsAsked += 1
        return partitions.map { logs[$0] }
    }

    func lastKnownEnd(of partition: TopicPartition) -> Offset? { logs[partition]?.end }
    func start(_ partition: TopicPartition, at offset: Offset) { started[partition] = offset }

    func stop(_ partition: TopicPartition) {
        started[partition] = nil
        stopped.append(partition)
    }

    func poll(recordsMax: Int, timeoutMs: Int, record: (Record) -> Void, event: (SourceEvent) -> Void) {
        timeouts.append(timeoutMs)
        let batch = steps.prefix(recordsMax)
        steps.removeFirst(batch.count)
        for step in batch {
            switch step {
            case .event(let what): event(what)
            case .record(let source, let offset, let key, let value):
                unsafe with(key) { key in
                    unsafe with(value) { value in
                        unsafe record(
                            Record(
                                source: source, offset: Offset(offset), timestampMs: timestampMs, key: key, value: value
                            ))
                    }
                }
            }
        }
    }

    private func with(_ bytes: [UInt8]?, _ body: (UnsafeBufferPointer<UInt8>?) -> Void) {
        guard let bytes else { return body(nil) }
        unsafe bytes.withUnsafeBufferPointer { unsafe body($0) }
    }
}
