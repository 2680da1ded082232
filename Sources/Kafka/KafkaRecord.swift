// What a consumer hands over: borrowed records, and events beside them.

public import Model

/// One message. Key and value are borrowed: valid only until the closure that got the record returns.
@unsafe
public struct KafkaRecord {
    /// The topic's place in the list that the consumer was made with.
    public let topic: Int
    public let partition: PartitionID
    public let offset: Offset
    /// Kafka's message timestamp, milliseconds since 1970; 0 where the message has none.
    public let timestampMs: Int64
    /// Nil where the message has no key.
    public let key: UnsafeBufferPointer<UInt8>?
    /// Nil for a tombstone; empty where the message has a value of no bytes.
    public let value: UnsafeBufferPointer<UInt8>?
}

/// What a consumer hands over besides records. Topics are places in the consumer's list.
public enum KafkaEvent: Sendable, Equatable {
    /// The position has reached the current end of the log; `position` is the next offset, behind transaction markers
    /// and compacted gaps too. Comes once for each position reached.
    case endReached(topic: Int, partition: PartitionID, position: Offset)
    /// The position was not in the log (trimmed, or beyond its end because the topic was made anew); reading goes on
    /// at the log's start.
    case positionLost(topic: Int, partition: PartitionID)
    /// Something went wrong that librdkafka goes on trying to mend. At most one a second; the reason counts the others.
    case failure(topic: Int?, partition: PartitionID?, reason: String)
}
