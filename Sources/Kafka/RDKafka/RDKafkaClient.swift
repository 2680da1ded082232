// One librdkafka client: its handle, its callbacks, and the questions that every kind of client may ask.

import CRDKafka
import Logging
import Model

/// What the callbacks get at. Owned by the client, which outlives the handle that points here.
final class RDKafkaContext {
    /// More errors than these between two polls are counted only.
    static let errorsMax = 16

    let log: RDKafkaLog
    /// Written by the error trampoline, which runs inside our own `rd_kafka_poll`, so on our thread.
    var errors: [String] = []
    /// Written by the delivery trampoline, which runs inside our own `rd_kafka_poll` and `rd_kafka_flush`.
    let deliveries = Deliveries()

    init(log: RDKafkaLog) { self.log = log }
}

/// Owns a `rd_kafka_t`; frees it, and waits for its threads, when the last reference goes.
@safe
final class RDKafkaClient {
    let handle: OpaquePointer
    let context: RDKafkaContext
    let options: KafkaClientOptions

    init(role: RDKafkaRole, options: KafkaClientOptions, logger: Logger) throws(KafkaError) {
        let context = RDKafkaContext(log: RDKafkaLog(logger: logger, options: options))
        let configuration = try unsafe makeConfiguration(role: role, options: options)
        // Not retained: `self.context` lives until the handle is destroyed.
        unsafe rd_kafka_conf_set_opaque(configuration, Unmanaged.passUnretained(context).toOpaque())
        unsafe rd_kafka_conf_set_log_cb(configuration, logTrampoline)
        unsafe rd_kafka_conf_set_error_cb(configuration, errorTrampoline)
        if case .producer = role { unsafe rd_kafka_conf_set_dr_msg_cb(configuration, deliveryTrampoline) }
        var reason = [CChar](repeating: 0, count: 512)
        // Takes the configuration over, but only when it succeeds.
        guard let handle = unsafe rd_kafka_new(role.type, configuration, &reason, reason.count) else {
            unsafe rd_kafka_conf_destroy(configuration)
            throw KafkaError(.configuration, "Kafka client: \(options.redact(text(of: reason)))")
        }
        unsafe self.handle = unsafe handle
        self.context = context
        self.options = options
    }

    deinit { unsafe rd_kafka_destroy(handle) }

    /// The partition counts of all topics. The request names no topic, since naming one is what makes a broker create
    /// it: the embedded broker (its metadata stops at version 2) creates whatever is named, and old brokers do too.
    func partitionCounts(timeoutMs: Int32 = requestTimeoutMs) throws(KafkaError) -> [String: Int] {
        let metadata = try unsafe metadata(timeoutMs: timeoutMs)
        defer { unsafe rd_kafka_metadata_destroy(metadata) }
        var counts: [String: Int] = [:]
        for index in 0..<Int(unsafe metadata.pointee.topic_cnt) {
            let topic = unsafe metadata.pointee.topics[index]
            guard unsafe topic.err == RD_KAFKA_RESP_ERR_NO_ERROR, unsafe topic.partition_cnt > 0,
                let name = unsafe topic.topic
            else { continue }
            counts[unsafe String(cString: name)] = Int(unsafe topic.partition_cnt)
        }
        return counts
    }

    /// Whether one of the brokers is the cluster's controller, which is who makes topics.
    func hasController(timeoutMs: Int32) throws(KafkaError) -> Bool {
        let metadata = try unsafe metadata(timeoutMs: timeoutMs)
        defer { unsafe rd_kafka_metadata_destroy(metadata) }
        let controller = unsafe rd_kafka_controllerid(handle, timeoutMs)
        for index in 0..<Int(unsafe metadata.pointee.broker_cnt)
        where unsafe metadata.pointee.brokers[index].id == controller { return true }
        return false
    }

    /// The caller frees it.
    private func metadata(timeoutMs: Int32) throws(KafkaError) -> UnsafePointer<rd_kafka_metadata> {
        var answer: UnsafePointer<rd_kafka_metadata>?
        let error = unsafe rd_kafka_metadata(handle, 1, nil, &answer, timeoutMs)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata = unsafe answer else {
            throw KafkaError(error, doing: "asking \(options.brokers) for its topics")
        }
        return unsafe metadata
    }

    /// The first and the next committed offset. Names the topic: ask only for one that exists.
    func bounds(topic: String, partition: PartitionID) throws(KafkaError) -> LogBounds {
        var low: Int64 = 0
        var high: Int64 = 0
        let error = unsafe rd_kafka_query_watermark_offsets(
            handle, topic, partition.rawValue, &low, &high, requestTimeoutMs)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(error, doing: "asking for the bounds of \(topic) [\(partition)]")
        }
        return LogBounds(start: Offset(low), end: Offset(high))
    }

    /// The bounds of many partitions; nil for one that its broker cannot tell. Topics must exist.
    func bounds(
        of partitions: [(topic: String, partition: PartitionID)], timeoutMs: Int32 = requestTimeoutMs
    ) throws(KafkaError) -> [LogBounds?] {
        let starts = try offsets(of: partitions, at: Int64(RD_KAFKA_OFFSET_BEGINNING), timeoutMs)
        let ends = try offsets(of: partitions, at: Int64(RD_KAFKA_OFFSET_END), timeoutMs)
        return zip(starts, ends).map { start, end in
            guard let start, let end else { return nil }
            return LogBounds(start: Offset(start), end: Offset(end))
        }
    }

    /// Asks each broker once for all its partitions: in Kafka's ListOffsets the log's two ends are timestamps of
    /// their own, -2 and -1, and librdkafka sends a timestamp as it is.
    private func offsets(
        of partitions: [(topic: String, partition: PartitionID)], at end: Int64, _ timeoutMs: Int32
    ) throws(KafkaError) -> [Int64?] {
        guard !partitions.isEmpty,
            let list = unsafe rd_kafka_topic_partition_list_new(Int32(clamping: partitions.count))
        else { return [] }
        defer { unsafe rd_kafka_topic_partition_list_destroy(list) }
        for (topic, partition) in partitions {
            // Adds an entry always: it grows the list where it must.
            let entry = unsafe rd_kafka_topic_partition_list_add(list, topic, partition.rawValue)
            unsafe entry?.pointee.offset = end
        }
        let error = unsafe rd_kafka_offsets_for_times(handle, list, timeoutMs)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(error, doing: "asking for the bounds of \(partitions.count) logs")
        }
        // librdkafka may have put the entries in another order.
        return partitions.map { topic, partition in
            guard let entry = unsafe rd_kafka_topic_partition_list_find(list, topic, partition.rawValue),
                unsafe entry.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR, unsafe entry.pointee.offset >= 0
            else { return nil }
            return unsafe entry.pointee.offset
        }
    }

    /// The ends of at most `endsAtOnce` logs, transactions not yet committed left out; nil for one that its broker cannot
    /// tell. Topics must exist.
    func ends(
        of partitions: [(topic: String, partition: PartitionID)], timeoutMs: Int32
    ) throws(KafkaError) -> [Offset?] {
        precondition(partitions.count <= Self.endsAtOnce)
        return try offsets(of: partitions, at: Int64(RD_KAFKA_OFFSET_END), timeoutMs).map { $0.map { Offset($0) } }
    }

    /// librdkafka looks for each answer in the list from its start, and so do we: the work grows with the square.
    static let endsAtOnce = 128

    /// Makes the local handle of a topic. The caller owns it and must free it before the client.
    func openTopic(_ name: String) throws(KafkaError) -> OpaquePointer {
        guard let topic = unsafe rd_kafka_topic_new(handle, name, nil) else {
            throw KafkaError(rd_kafka_last_error(), doing: "opening topic \(name)")
        }
        return unsafe topic
    }
}

/// Runs on any of librdkafka's threads.
private let logTrampoline:
    @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Void = {
        handle, level, facility, message in
        guard let handle = unsafe handle, let opaque = unsafe rd_kafka_opaque(handle), let message = unsafe message
        else { return }
        let context = unsafe Unmanaged<RDKafkaContext>.fromOpaque(opaque).takeUnretainedValue()
        let facility = unsafe facility.map { unsafe String(cString: $0) } ?? ""
        context.log.write(level: level, facility: facility, message: unsafe String(cString: message))
    }

/// Runs inside our own `rd_kafka_poll`.
private let errorTrampoline:
    @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void = {
        handle, error, reason, opaque in
        guard let opaque = unsafe opaque else { return }
        let context = unsafe Unmanaged<RDKafkaContext>.fromOpaque(opaque).takeUnretainedValue()
        guard context.errors.count < RDKafkaContext.errorsMax else { return }
        context.errors.append(
            unsafe reason.map { unsafe String(cString: $0) } ?? describe(rd_kafka_resp_err_t(rawValue: error)))
    }

/// Runs inside our own `rd_kafka_poll` and `rd_kafka_flush`.
private let deliveryTrampoline:
    @convention(c) (OpaquePointer?, UnsafePointer<rd_kafka_message_t>?, UnsafeMutableRawPointer?) -> Void = {
        handle, message, opaque in
        guard let opaque = unsafe opaque, let message = unsafe message else { return }
        unsafe Unmanaged<RDKafkaContext>.fromOpaque(opaque).takeUnretainedValue().deliveries.add(message.pointee)
    }
