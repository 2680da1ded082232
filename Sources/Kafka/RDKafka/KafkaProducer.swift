// An idempotent producer: every message once, in order within its partition, or reported as failed. Used by one
// thread.

import CRDKafka
public import Logging
public import Model

/// What became of the messages.
public struct DeliveryCounts: Sendable, Equatable {
    public internal(set) var delivered = 0
    public internal(set) var failed = 0
    public internal(set) var firstError: KafkaError?

    public init() {}
}

/// Counts deliveries. Written inside our own `rd_kafka_poll` and `rd_kafka_flush`, so on the producer's thread.
@safe
final class Deliveries {
    private(set) var counts = DeliveryCounts()
    /// For each topic that was opened: its handle, and by partition the first offset delivered, -1 before.
    private var topics: [(handle: OpaquePointer, firstOffsets: [Int64])] = unsafe []

    func addTopic(_ handle: OpaquePointer, partitions: Int) {
        unsafe topics.append((handle, Array(repeating: -1, count: partitions)))
    }

    func firstOffsets(of handle: OpaquePointer) -> [PartitionID: Offset] {
        guard let topic = unsafe topics.first(where: { unsafe $0.handle == handle }) else { return [:] }
        var offsets: [PartitionID: Offset] = [:]
        for (partition, offset) in unsafe topic.firstOffsets.enumerated() where offset >= 0 {
            offsets[PartitionID(partition)] = Offset(offset)
        }
        return offsets
    }

    func add(_ message: rd_kafka_message_t) {
        guard unsafe message.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
            counts.failed += 1
            if counts.firstError == nil { counts.firstError = KafkaError(unsafe message.err, doing: "delivering") }
            return
        }
        counts.delivered += 1
        guard let topic = unsafe topics.firstIndex(where: { unsafe $0.handle == message.rkt }) else { return }
        let partition = Int(unsafe message.partition)
        // Offsets of one producer only rise within a partition.
        guard unsafe partition < topics[topic].firstOffsets.count, unsafe topics[topic].firstOffsets[partition] < 0
        else { return }
        unsafe topics[topic].firstOffsets[partition] = message.offset
    }
}

@safe
public final class KafkaProducer {
    /// Deliveries are served after this many messages, so that they do not pile up.
    private static let serveEvery = 1_024

    public let topics: [String]
    private let client: RDKafkaClient
    private var handles: [OpaquePointer?]
    private var sinceServed = 0

    /// `queueMessagesMax` messages (and 128 MiB) wait for delivery at most; one that no broker took within
    /// `deliveryTimeoutMs` has failed. Without idempotence a message may be written twice, and no error is fatal.
    /// Connects in the background. Throws only on bad options.
    public init(
        options: KafkaClientOptions, topics: [String], queueMessagesMax: Int = 100_000,
        deliveryTimeoutMs: Int = 30_000, isIdempotent: Bool = true, logger: Logger
    ) throws(KafkaError) {
        client = try RDKafkaClient(
            role: .producer(
                queueMessagesMax: queueMessagesMax, deliveryTimeoutMs: deliveryTimeoutMs, isIdempotent: isIdempotent),
            options: options, logger: logger)
        self.topics = topics
        unsafe handles = topics.map { _ in nil }
    }

    deinit {
        for index in unsafe handles.indices {
            if let handle = unsafe handles[index] { unsafe rd_kafka_topic_destroy(handle) }
        }
    }

    /// What became of the messages, as far as `produce`, `serve` and `flush` have seen.
    public var counts: DeliveryCounts { client.context.deliveries.counts }

    /// The first offset that was delivered to each partition of the topic.
    public func firstOffsets(of topic: Int) -> [PartitionID: Offset] {
        guard let handle = unsafe handles[topic] else { return [:] }
        return unsafe client.context.deliveries.firstOffsets(of: handle)
    }

    /// Queues a message; a nil `value` is a tombstone, a nil `partition` leaves the place to the key's murmur2. Where
    /// the queue is full it waits for room, which comes at the latest when a message in it has timed out. The first
    /// message to a topic asks whether the topic exists (at most 3 s) and throws `unknownTopic` where it doesn't:
    /// topics are never created by writing to them.
    public func produce(
        topic: Int, partition: PartitionID? = nil, key: [UInt8]?, value: [UInt8]?
    ) throws(KafkaError) {
        let handle = try unsafe open(topic)
        while true {
            let error = unsafe send(handle, partition?.rawValue ?? RD_KAFKA_PARTITION_UA, key, value)
            switch error {
            case RD_KAFKA_RESP_ERR_NO_ERROR:
                sinceServed += 1
                if sinceServed >= Self.serveEvery { serve() }
                return
            case RD_KAFKA_RESP_ERR__QUEUE_FULL: unsafe rd_kafka_poll(client.handle, 100)
            default: throw KafkaError(error, doing: "writing to \(topics[topic])")
            }
        }
    }

    /// Takes note of deliveries without waiting. Returns what librdkafka complained about meanwhile (at most 16).
    @discardableResult
    public func serve() -> [String] {
        sinceServed = 0
        unsafe rd_kafka_poll(client.handle, 0)
        defer { client.context.errors.removeAll(keepingCapacity: true) }
        return client.context.errors.map(client.options.redact)
    }

    /// Waits until all messages are delivered or failed. False where `timeoutMs` was not enough.
    public func flush(timeoutMs: Int) -> Bool {
        unsafe rd_kafka_flush(client.handle, Int32(clamping: timeoutMs)) == RD_KAFKA_RESP_ERR_NO_ERROR
    }

    private func open(_ topic: Int) throws(KafkaError) -> OpaquePointer {
        if let handle = unsafe handles[topic] { return unsafe handle }
        guard let partitions = try client.partitionCounts()[topics[topic]] else {
            throw KafkaError(
                .unknownTopic, "topic \(topics[topic]) does not exist: run `favorites topics create`",
                isRetriable: true)
        }
        let handle = try unsafe client.openTopic(topics[topic])
        unsafe client.context.deliveries.addTopic(handle, partitions: partitions)
        unsafe handles[topic] = unsafe handle
        return unsafe handle
    }

    private func send(
        _ handle: OpaquePointer, _ partition: Int32, _ key: [UInt8]?, _ value: [UInt8]?
    ) -> rd_kafka_resp_err_t {
        unsafe withPointer(to: key) { key, keyCount in
            unsafe withPointer(to: value) { value, valueCount in
                // Copies the bytes, so nothing of ours is kept.
                let result = unsafe rd_kafka_produce(
                    handle, partition, RD_KAFKA_MSG_F_COPY, value, valueCount, key, keyCount, nil)
                return result == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_last_error()
            }
        }
    }
}

/// librdkafka tells null from empty by the pointer, and an empty array need not have one.
private func withPointer<Result>(
    to bytes: [UInt8]?, _ body: (UnsafeMutableRawPointer?, Int) -> Result
) -> Result {
    guard let bytes else { return body(nil, 0) }
    guard !bytes.isEmpty else {
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1) { empty in
            unsafe empty.initialize(repeating: 0)
            return unsafe body(UnsafeMutableRawPointer(empty.baseAddress), 0)
        }
    }
    return unsafe bytes.withUnsafeBytes { buffer in
        // Not written to, only C has no const here.
        unsafe body(UnsafeMutableRawPointer(mutating: buffer.baseAddress), buffer.count)
    }
}
