// A consumer of chosen partitions: no group, positions given by the caller, records in batches.
//
// All partitions are forwarded into one librdkafka queue, from which `poll` takes a batch of pointers, hands each
// record over as borrowed bytes and frees them. Used by one thread.

import CRDKafka
public import Logging
public import Model

@safe
public final class KafkaConsumer {
    /// Records taken out of librdkafka at a time.
    static let batchMax = 4_096
    /// Between two attempts to begin a partition.
    static let restartInterval = Duration.seconds(1)

    /// A partition to be begun at the next poll after `due`; at its log's start where `offset` is nil.
    private struct Restart {
        var topic: Int
        var partition: PartitionID
        var offset: Offset?
        var due: ContinuousClock.Instant
    }

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
    private var restarts: [Restart] = []

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
        for index in unsafe handles.indices {
            if let handle = unsafe handles[index] { unsafe rd_kafka_topic_destroy(handle) }
        }
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

    /// The bounds of many logs, in two questions to each broker; nil for those whose topic does not exist or whose
    /// broker does not answer within 3 s.
    public func bounds(of partitions: [(topic: Int, partition: PartitionID)]) -> [LogBounds?] {
        for topic in Set(partitions.map(\.topic)) where !isKnown[topic] {
            // A question for an unknown topic would make the embedded broker create it; and where nobody answers, the
            // next topic's question would wait for nothing too.
            guard partitionCount(of: topic) != nil else { return partitions.map { _ in nil } }
        }
        do {
            return try client.bounds(of: partitions.map { (topics[$0.topic], $0.partition) })
        } catch {
            failures.add(nil, nil, error.message)
            return partitions.map { _ in nil }
        }
    }

    /// Logs that `ends` asks for at once.
    public static let endsAtOnce = RDKafkaClient.endsAtOnce

    /// The ends of at most `endsAtOnce` logs, transactions not yet committed left out, in one question to each broker; nil
    /// for those whose topic does not exist or whose broker does not answer within a second.
    public func ends(of partitions: [(topic: Int, partition: PartitionID)]) -> [Offset?] {
        for topic in Set(partitions.map(\.topic)) where !isKnown[topic] {
            guard partitionCount(of: topic) != nil else { return partitions.map { _ in nil } }
        }
        do {
            return try client.ends(of: partitions.map { (topics[$0.topic], $0.partition) }, timeoutMs: 1_000)
        } catch {
            failures.add(nil, nil, error.message)
            return partitions.map { _ in nil }
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
        begin(topic, partition, at: max(offset, Offset(0)))
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
        restart(now)
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

    private func begin(_ topic: Int, _ partition: PartitionID, at offset: Offset) {
        do throws(KafkaError) {
            let handle = try unsafe open(topic)
            guard unsafe rd_kafka_consume_start_queue(handle, partition.rawValue, offset.rawValue, queue) == 0 else {
                throw KafkaError(rd_kafka_last_error(), doing: "starting \(topics[topic]) [\(partition)]")
            }
        } catch {
            retry(topic, partition, at: offset, after: error)
            return
        }
        let index = Int(partition.rawValue)
        while starts[topic].count <= index { starts[topic].append(0) }
        startsMade += 1
        starts[topic][index] = startsMade
    }

    private func retry(_ topic: Int, _ partition: PartitionID, at offset: Offset?, after error: KafkaError) {
        failures.add(topic, partition, error.message)
        restarts.append(
            Restart(topic: topic, partition: partition, offset: offset, due: .now + Self.restartInterval))
    }

    private func open(_ topic: Int) throws(KafkaError) -> OpaquePointer {
        if let handle = unsafe handles[topic] { return unsafe handle }
        let handle = try unsafe client.openTopic(topics[topic])
        unsafe handles[topic] = unsafe handle
        return unsafe handle
    }

    private func restart(_ now: ContinuousClock.Instant) {
        guard restarts.contains(where: { $0.due <= now }) else { return }
        let due = restarts.filter { $0.due <= now }
        restarts.removeAll { $0.due <= now }
        for restart in due {
            // The log's start is asked for: librdkafka's own "beginning" may be one it remembers, and gone too.
            do throws(KafkaError) {
                let offset =
                    if let offset = restart.offset { offset } else {
                        try client.bounds(topic: topics[restart.topic], partition: restart.partition).start
                    }
                stop(restart.topic, restart.partition)
                begin(restart.topic, restart.partition, at: offset)
            } catch {
                retry(restart.topic, restart.partition, at: nil, after: error)
            }
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
            // Before it is told: whoever hears of it may stop the partition, and then it stays stopped.
            restarts.append(Restart(topic: topic, partition: partition, offset: nil, due: .now))
            event(.positionLost(topic: topic, partition: partition))
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
