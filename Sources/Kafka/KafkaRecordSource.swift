// The six topics as ingest's source of records. Used by one thread, the writer's.

public import Logging
public import Model

/// Reads the models' topics; the meaning of each call is `RecordSource`'s. `partitionCount` and `bounds` block for at
/// most 3 s where no broker answers. Failures are handed over at most once a second.
public final class KafkaRecordSource: RecordSource {
    private let consumer: KafkaConsumer

    /// `topics` names the topic of each model, in the order of `ModelKind.allCases`. Throws only on bad options.
    public init(options: KafkaClientOptions, topics: [String], logger: Logger) throws(KafkaError) {
        precondition(topics.count == ModelKind.allCases.count)
        consumer = try KafkaConsumer(options: options, topics: topics, logger: logger)
    }

    public func partitionCount(of kind: ModelKind) -> Int? { consumer.partitionCount(of: kind.topic) }

    public func bounds(of partitions: [TopicPartition]) -> [LogBounds?] {
        consumer.bounds(of: partitions.map { ($0.kind.topic, $0.partition) })
    }

    public func lastKnownEnd(of partition: TopicPartition) -> Offset? {
        consumer.lastKnownEnd(of: partition.kind.topic, partition.partition)
    }

    public func start(_ partition: TopicPartition, at offset: Offset) {
        consumer.start(partition.kind.topic, partition.partition, at: offset)
    }

    public func stop(_ partition: TopicPartition) { consumer.stop(partition.kind.topic, partition.partition) }

    public func poll(recordsMax: Int, timeoutMs: Int, record: (Record) -> Void, event: (SourceEvent) -> Void) {
        unsafe consumer.poll(recordsMax: recordsMax, timeoutMs: timeoutMs) { message in
            unsafe record(
                Record(
                    source: TopicPartition(ModelKind(topic: message.topic), message.partition), offset: message.offset,
                    timestampMs: message.timestampMs, key: message.key, value: message.value))
        } event: {
            event(SourceEvent($0))
        }
    }
}

extension ModelKind {
    /// The model's place in the consumer's list of topics.
    fileprivate var topic: Int { Int(rawValue) }

    fileprivate init(topic: Int) {
        guard let kind = ModelKind(rawValue: UInt8(topic)) else { preconditionFailure("no topic \(topic)") }
        self = kind
    }
}

extension SourceEvent {
    fileprivate init(_ event: KafkaEvent) {
        self =
            switch event {
            case .endReached(let topic, let partition, let position):
                .endReached(TopicPartition(ModelKind(topic: topic), partition), position: position)
            case .positionLost(let topic, let partition):
                .positionLost(TopicPartition(ModelKind(topic: topic), partition))
            case .failure(let topic?, let partition?, let reason):
                .failure(TopicPartition(ModelKind(topic: topic), partition), reason: reason)
            case .failure(_, _, let reason): .failure(nil, reason: reason)
            }
    }
}
