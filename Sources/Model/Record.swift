// A message as it comes out of Kafka, and where such messages come from. `Kafka` implements the source over
// librdkafka; tests script one, with the gaps, markers and missing topics that the embedded broker cannot produce.

/// A partition of one of the six topics.
public struct TopicPartition: Hashable, Sendable {
    public var kind: ModelKind
    public var partition: PartitionID

    public init(_ kind: ModelKind, _ partition: PartitionID) {
        self.kind = kind
        self.partition = partition
    }
}

/// One message. Key and value are borrowed: valid only until the closure that got the record returns.
@unsafe
public struct Record {
    public var source: TopicPartition
    public var offset: Offset
    /// Kafka's message timestamp, milliseconds since 1970; 0 where the message has none.
    public var timestampMs: Int64
    /// Nil where the message has no key.
    public var key: UnsafeBufferPointer<UInt8>?
    /// Nil for a tombstone.
    public var value: UnsafeBufferPointer<UInt8>?

    public init(
        source: TopicPartition, offset: Offset, timestampMs: Int64, key: UnsafeBufferPointer<UInt8>?,
        value: UnsafeBufferPointer<UInt8>?
    ) {
        unsafe self.source = source
        unsafe self.offset = offset
        unsafe self.timestampMs = timestampMs
        unsafe self.key = key
        unsafe self.value = value
    }
}

/// What a source hands over besides records.
public enum SourceEvent: Sendable, Equatable {
    /// The position has reached the current end of the partition's log; `position` is the next offset, behind
    /// transaction markers and compacted gaps too.
    case endReached(TopicPartition, position: Offset)
    /// The position was no longer in the log, and reading went on at its start.
    case positionLost(TopicPartition)
    /// Something went wrong that the source goes on trying to mend.
    case failure(TopicPartition?, reason: String)
}

/// The first and the next offset of a partition's log.
public struct LogBounds: Sendable, Equatable {
    public var start: Offset
    public var end: Offset

    public init(start: Offset, end: Offset) {
        self.start = start
        self.end = end
    }
}

/// Where records come from. Used by one thread, the writer's.
public protocol RecordSource: AnyObject {
    /// The number of partitions of the topic; nil where it does not exist (yet) or the broker cannot be reached.
    func partitionCount(of kind: ModelKind) -> Int?
    /// The bounds of each log now, transactions not yet committed left out; nil where they cannot be had. One question
    /// for all, since each takes its time.
    func bounds(of partitions: [TopicPartition]) -> [LogBounds?]
    /// The end of a log that is being read, as the broker last told it; nil where it has not yet. Asks nobody.
    func lastKnownEnd(of partition: TopicPartition) -> Offset?
    /// Begins reading the partition at `offset`.
    func start(_ partition: TopicPartition, at offset: Offset)
    /// Ends reading it; no record of it is handed over afterwards.
    func stop(_ partition: TopicPartition)
    /// Waits at most `timeoutMs` for the first message, then hands over at most `recordsMax`, in order within each
    /// partition.
    func poll(recordsMax: Int, timeoutMs: Int, record: (Record) -> Void, event: (SourceEvent) -> Void)
}
