// A consumer of chosen partitions: no group, positions given by the caller, records in batches.
//
// All partitions are forwarded into one librdkafka queue, from which `poll` takes a batch of pointers, hands each
// record over as borrowed bytes and frees them. Used by one thread.

import CRDKafka
public import Logging
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

@safe
public final class KafkaConsumer {
    /// Records taken out of librdkafka at a time.
    static let batchMax = 4_096
    /// Between two attempts to begin again at a log's start.
    static let restartInterval = Duration.seconds(1)

    public let topics: [String]
    private let client: RDKafkaClient
    private let queue: OpaquePointer
    private let batch: UnsafeMutableBufferPointer<UnsafeMutablePointer<rd_kafka_message_t>?>
    /// The open topics; nil for one not yet started. Opened late because librdkafka then asks for it by name, which
    /// makes the embedded broker create it.
    private var handles: [OpaquePointer?]
    /// For each topic and partition 0 where it is stopped, else the number of its start. A record of a batch that was
    /// taken before that start is of an older one and is dropped.
    private var starts: [[Int]]
    private var startsMade = 0
    private var isKnown: [Bool]
    private var failures = FailureGate()
    /// Partitions to be begun again at their log's start, and when.
    private var restarts: [(topic: Int, partition: PartitionID, at: ContinuousClock.Instant)] = []

    /// Connects in the background. Throws only on bad options.
    public init(options: KafkaClientOptions, topics: [String], logger: Logger) throws(KafkaError) {
        let client = try RDKafkaClient(role: .consumer, options: options, logger: logger)
        self.topics = topics
        self.client = client
        guard let queue = unsafe rd_kafka_queue_new(client.handle) else {
            throw KafkaError(.failed, "librdkafka could not make a queue")
        }
        unsafe self.queue = unsafe queue
        unsafe batch = .allocate(capacity: Self.batchMax)
        unsafe batch.initialize(repeating: nil)
        unsafe handles = topics.map { _ in nil }
        starts = topics.map { _ in [] }
        isKnown = topics.map { _ in false }
    }

    deinit {
        for (topic, partitions) in starts.enumerated() {
            for (partition, start) in partitions.enumerated() where start != 0 {
                if let handle = unsafe handles[topic] { unsafe rd_kafka_consume_stop(handle, Int32(partition)) }
            }
        }
        // Everything that points into the client goes before the client does.
        for unsafe case .some(let handle) in unsafe handles { unsafe rd_kafka_topic_destroy(handle) }
        unsafe rd_kafka_queue_destroy(queue)
        unsafe batch.deallocate()
    }

    /// The number of partitions; nil where the topic does not exist (yet) or no broker answers within 3 s.
    public func partitionCount(of topic: Int) -> Int? {
        do {
            let count = try client.partitionCounts()[topics[topic]]
            isKnown[topic] = count != nil
            return count
        } catch {
            failures.add(topic, nil, error.message)
            return nil
        }
    }

    /// The bounds of the log now, transactions not yet committed left out; nil where the topic does not exist or no
    /// broker answers within 3 s.
    public func bounds(of topic: Int, _ partition: PartitionID) -> LogBounds? {
        guard isKnown[topic] || partitionCount(of: topic) != nil else { return nil }
        do {
            return try client.bounds(topic: topics[topic], partition: partition)
        } catch {
            failures.add(topic, partition, error.message)
            return nil
        }
    }

    /// The end of a log that is being read, as the last answer to a fetch told it. Asks nobody.
    public func lastKnownEnd(of topic: Int, _ partition: PartitionID) -> Offset? {
        var low: Int64 = 0
        var high: Int64 = 0
        let error = unsafe rd_kafka_get_watermark_offsets(
            client.handle, topics[topic], partition.rawValue, &low, &high)
        // Negative while nothing was fetched yet.
        return error == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? Offset(high) : nil
    }

    /// Begins reading at `offset`. A partition that is being read begins anew. May be called while records are being
    /// handed over.
    public func start(_ topic: Int, _ partition: PartitionID, at offset: Offset) {
        stop(topic, partition)
        begin(topic, partition, at: max(0, offset.rawValue))
    }

    /// Ends reading; no record of the partition is handed over afterwards. May be called while records are being
    /// handed over.
    public func stop(_ topic: Int, _ partition: PartitionID) {
        restarts.removeAll { $0.topic == topic && $0.partition == partition }
        guard startNumber(topic, partition) != 0, let handle = unsafe handles[topic] else { return }
        starts[topic][Int(partition.rawValue)] = 0
        // Waits for librdkafka's main thread, not for a broker. What the queue still holds of the partition is
        // outdated by version and skipped.
        unsafe rd_kafka_consume_stop(handle, partition.rawValue)
    }

    /// Waits at most `timeoutMs` for the first record or event, then hands over at most `recordsMax` of those that
    /// are there, in order within each partition.
    public func poll(
        recordsMax: Int, timeoutMs: Int, record: (KafkaRecord) -> Void, event: (KafkaEvent) -> Void
    ) {
        let now = ContinuousClock.now
        serveErrors()
        restartLost(now)
        let newestStart = startsMade
        for index in 0..<take(min(recordsMax, Self.batchMax), timeoutMs: Int32(clamping: timeoutMs)) {
            guard let message = unsafe batch[index] else { continue }
            unsafe hand(message, newestStart, record, event)
            unsafe rd_kafka_message_destroy(message)
        }
        if let failure = failures.next(ContinuousClock.now) { event(failure) }
    }

    // MARK: - Positions

    private func startNumber(_ topic: Int, _ partition: PartitionID) -> Int {
        let index = Int(partition.rawValue)
        return index >= 0 && index < starts[topic].count ? starts[topic][index] : 0
    }

    /// `offset` may be `RD_KAFKA_OFFSET_BEGINNING`.
    private func begin(_ topic: Int, _ partition: PartitionID, at offset: Int64) {
        do throws(KafkaError) {
            let handle = try unsafe open(topic)
            guard unsafe rd_kafka_consume_start_queue(handle, partition.rawValue, offset, queue) == 0 else {
                throw KafkaError(rd_kafka_last_error(), doing: "starting \(topics[topic]) [\(partition)]")
            }
        } catch {
            failures.add(topic, partition, error.message)
            restarts.append((topic, partition, .now + Self.restartInterval))
            return
        }
        let index = Int(partition.rawValue)
        while starts[topic].count <= index { starts[topic].append(0) }
        startsMade += 1
        starts[topic][index] = startsMade
    }

    private func open(_ topic: Int) throws(KafkaError) -> OpaquePointer {
        if let handle = unsafe handles[topic] { return unsafe handle }
        let handle = try unsafe client.openTopic(topics[topic])
        unsafe handles[topic] = unsafe handle
        return unsafe handle
    }

    private func restartLost(_ now: ContinuousClock.Instant) {
        guard restarts.contains(where: { $0.at <= now }) else { return }
        let due = restarts.filter { $0.at <= now }
        restarts.removeAll { $0.at <= now }
        for restart in due {
            stop(restart.topic, restart.partition)
            begin(restart.topic, restart.partition, at: Int64(RD_KAFKA_OFFSET_BEGINNING))
        }
    }

    // MARK: - Records

    /// Fills `batch` and says how far. librdkafka's batch call waits for all that was asked for, so it is never given
    /// time; the wait is for the first message alone.
    private func take(_ countMax: Int, timeoutMs: Int32) -> Int {
        guard countMax > 0, let base = unsafe batch.baseAddress else { return 0 }
        let ready = unsafe rd_kafka_consume_batch_queue(queue, 0, base, countMax)
        guard ready <= 0, timeoutMs > 0 else { return max(0, ready) }
        guard let first = unsafe rd_kafka_consume_queue(queue, timeoutMs) else { return 0 }
        unsafe base[0] = unsafe first
        guard countMax > 1 else { return 1 }
        return 1 + max(0, unsafe rd_kafka_consume_batch_queue(queue, 0, base + 1, countMax - 1))
    }

    private func hand(
        _ pointer: UnsafePointer<rd_kafka_message_t>, _ newestStart: Int, _ record: (KafkaRecord) -> Void,
        _ event: (KafkaEvent) -> Void
    ) {
        let message = unsafe pointer.pointee
        guard let topic = unsafe topic(of: message) else {
            failures.add(nil, nil, unsafe reason(of: message))
            return
        }
        let partition = PartitionID(unsafe message.partition)
        let start = startNumber(topic, partition)
        guard start != 0, start <= newestStart else { return }
        guard unsafe message.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
            unsafe hand(error: message, topic, partition, event)
            return
        }
        unsafe record(
            KafkaRecord(
                topic: topic, partition: partition, offset: Offset(message.offset), timestampMs: timestamp(of: pointer),
                key: bytes(message.key, message.key_len), value: bytes(message.payload, message.len)))
    }

    private func hand(
        error message: rd_kafka_message_t, _ topic: Int, _ partition: PartitionID, _ event: (KafkaEvent) -> Void
    ) {
        switch unsafe message.err {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
            event(.endReached(topic: topic, partition: partition, position: Offset(unsafe message.offset)))
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
            // The offset is that of the position, or a logical one where even the log's start could not be asked for.
            if unsafe message.offset >= 0 {
                event(.positionLost(topic: topic, partition: partition))
                restarts.append((topic, partition, .now))
            } else {
                failures.add(topic, partition, unsafe reason(of: message))
                restarts.append((topic, partition, .now + Self.restartInterval))
            }
        default: failures.add(topic, partition, unsafe reason(of: message))
        }
    }

    private func topic(of message: rd_kafka_message_t) -> Int? {
        guard let handle = unsafe message.rkt else { return nil }
        for index in unsafe handles.indices where unsafe handles[index] == handle { return index }
        return nil
    }

    /// Wants librdkafka's own pointer: the timestamp stands behind the public part of the message.
    private func timestamp(of message: UnsafePointer<rd_kafka_message_t>) -> Int64 {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let timestamp = unsafe rd_kafka_message_timestamp(message, &type)
        return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? 0 : max(0, timestamp)
    }

    /// Nil for a null pointer, which is how librdkafka tells null from empty.
    private func bytes(_ start: UnsafeMutableRawPointer?, _ count: Int) -> UnsafeBufferPointer<UInt8>? {
        guard let start = unsafe start else { return nil }
        return unsafe UnsafeBufferPointer(start: start.assumingMemoryBound(to: UInt8.self), count: count)
    }

    /// An error message carries its text as payload.
    private func reason(of message: rd_kafka_message_t) -> String {
        guard let text = unsafe bytes(message.payload, message.len) else { return describe(unsafe message.err) }
        return client.options.redact(unsafe String(decoding: text, as: UTF8.self))
    }

    // MARK: - Failures

    /// Errors that belong to no partition, such as a broker that is away.
    private func serveErrors() {
        unsafe rd_kafka_poll(client.handle, 0)
        guard !client.context.errors.isEmpty else { return }
        for error in client.context.errors { failures.add(nil, nil, client.options.redact(error)) }
        client.context.errors.removeAll(keepingCapacity: true)
    }
}

/// Lets one failure a second through: the newest, with a count of those it stands for.
struct FailureGate {
    static let interval = Duration.seconds(1)

    private var newest: (topic: Int?, partition: PartitionID?, reason: String)?
    private var others = 0
    private var passed: ContinuousClock.Instant?

    mutating func add(_ topic: Int?, _ partition: PartitionID?, _ reason: String) {
        if newest != nil { others += 1 }
        newest = (topic, partition, reason)
    }

    mutating func next(_ now: ContinuousClock.Instant) -> KafkaEvent? {
        guard let newest, passed.map({ now - $0 >= Self.interval }) ?? true else { return nil }
        let reason = others == 0 ? newest.reason : "\(newest.reason) (and \(others) more)"
        self.newest = nil
        others = 0
        passed = now
        return .failure(topic: newest.topic, partition: newest.partition, reason: reason)
    }
}
