// Topics: which exist, how they are set, and making them. Used by one thread.

import CRDKafka
public import Logging
public import Model

@safe
public final class KafkaAdmin {
    private let client: RDKafkaClient
    private let timeoutMs: Int32

    /// Connects in the background; every call waits at most `timeoutMs`. Throws only on bad options.
    public init(options: KafkaClientOptions, timeoutMs: Int = 10_000, logger: Logger) throws(KafkaError) {
        client = try RDKafkaClient(role: .admin, options: options, logger: logger)
        self.timeoutMs = Int32(clamping: timeoutMs)
    }

    /// The partition count of every topic. Creates none.
    public func partitionCounts() throws(KafkaError) -> [String: Int] {
        try client.partitionCounts(timeoutMs: timeoutMs)
    }

    /// The cluster's id; nil where no broker told one in time.
    public func clusterID() -> String? {
        guard let id = unsafe rd_kafka_clusterid(client.handle, timeoutMs) else { return nil }
        // Ours to free.
        defer { unsafe rd_kafka_mem_free(client.handle, id) }
        return unsafe String(cString: id)
    }

    /// Whether the cluster is the embedded broker, librdkafka's, by the id that it gives itself.
    public static func isEmbedded(_ clusterID: String) -> Bool { clusterID.hasPrefix("mockCluster") }

    /// The bounds of a partition's log. The topic must exist: the embedded broker creates what is asked for.
    public func bounds(of topic: String, _ partition: PartitionID) throws(KafkaError) -> LogBounds {
        try client.bounds(topic: topic, partition: partition)
    }

    /// The bounds of all partitions of the topics, which are given with their partition counts and must exist.
    public func bounds(of topics: [String: Int]) throws(KafkaError) -> [String: [LogBounds]] {
        let partitions = topics.flatMap { topic, count in (0..<count).map { (topic, PartitionID($0)) } }
        let found = try client.bounds(of: partitions, timeoutMs: timeoutMs)
        var bounds: [String: [LogBounds]] = [:]
        for ((topic, partition), found) in zip(partitions, found) {
            guard let found else {
                throw KafkaError(.failed, "no broker tells the bounds of \(topic) [\(partition)]")
            }
            bounds[topic, default: []].append(found)
        }
        return bounds
    }

    /// Makes a topic. Throws `topicExists`, and `unsupported` at the embedded broker.
    public func createTopic(
        _ name: String, partitions: Int, replicationFactor: Int, settings: [String: String]
    ) throws(KafkaError) {
        var reason = [CChar](repeating: 0, count: 512)
        guard
            let topic = unsafe rd_kafka_NewTopic_new(
                name, Int32(clamping: partitions), Int32(clamping: replicationFactor), &reason, reason.count)
        else { throw KafkaError(.configuration, "topic \(name): \(text(of: reason))") }
        defer { unsafe rd_kafka_NewTopic_destroy(topic) }
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
            unsafe rd_kafka_NewTopic_set_config(topic, key, value)
        }
        var topics: [OpaquePointer?] = unsafe [topic]
        try unsafe ask("creating topic \(name)", RD_KAFKA_ADMIN_OP_CREATETOPICS) { options, queue in
            unsafe rd_kafka_CreateTopics(client.handle, &topics, 1, options, queue)
        } answer: { event throws(KafkaError) in
            var count = 0
            guard let result = unsafe rd_kafka_event_CreateTopics_result(event),
                let results = unsafe rd_kafka_CreateTopics_result_topics(result, &count), count == 1
            else { throw KafkaError(.failed, "creating topic \(name): no answer") }
            let error = unsafe rd_kafka_topic_result_error(results[0])
            guard error != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
            let detail = unsafe rd_kafka_topic_result_error_string(results[0]).map { unsafe String(cString: $0) }
            throw KafkaError(error, doing: "creating topic \(name)", detail: detail)
        }
    }

    /// The topic's settings, defaults included. Throws `unsupported` at the embedded broker.
    public func settings(of topic: String) throws(KafkaError) -> [String: String] {
        guard let resource = unsafe rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic) else {
            throw KafkaError(.configuration, "topic \(topic) has no legal name")
        }
        defer { unsafe rd_kafka_ConfigResource_destroy(resource) }
        var resources: [OpaquePointer?] = unsafe [resource]
        var settings: [String: String] = [:]
        try unsafe ask("describing topic \(topic)", RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS) { options, queue in
            unsafe rd_kafka_DescribeConfigs(client.handle, &resources, 1, options, queue)
        } answer: { event throws(KafkaError) in
            settings = try unsafe describedSettings(event, topic)
        }
        return settings
    }

    private func describedSettings(_ event: OpaquePointer, _ topic: String) throws(KafkaError) -> [String: String] {
        var count = 0
        guard let result = unsafe rd_kafka_event_DescribeConfigs_result(event),
            let resources = unsafe rd_kafka_DescribeConfigs_result_resources(result, &count), count == 1,
            let resource = unsafe resources[0]
        else { throw KafkaError(.failed, "describing topic \(topic): no answer") }
        let error = unsafe rd_kafka_ConfigResource_error(resource)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(error, doing: "describing topic \(topic)") }
        var settings: [String: String] = [:]
        let entries = unsafe rd_kafka_ConfigResource_configs(resource, &count)
        for index in 0..<count {
            guard let entry = unsafe entries?[index], let name = unsafe rd_kafka_ConfigEntry_name(entry),
                let value = unsafe rd_kafka_ConfigEntry_value(entry)
            else { continue }
            settings[unsafe String(cString: name)] = unsafe String(cString: value)
        }
        return settings
    }

    /// Sends a request and waits for its answer, which is freed here.
    private func ask(
        _ doing: String, _ operation: rd_kafka_admin_op_t, request: (OpaquePointer?, OpaquePointer) -> Void,
        answer: (OpaquePointer) throws(KafkaError) -> Void
    ) throws(KafkaError) {
        // librdkafka waits for the controller until the timeout; the embedded broker has none and never will.
        guard try client.hasController(timeoutMs: timeoutMs) else {
            throw KafkaError(
                .unsupported,
                "\(doing): \(client.options.brokers) has no controller, as the embedded broker, which makes its "
                    + "topics itself when it starts")
        }
        guard let queue = unsafe rd_kafka_queue_new(client.handle) else {
            throw KafkaError(.failed, "\(doing): librdkafka could not make a queue")
        }
        defer { unsafe rd_kafka_queue_destroy(queue) }
        let options = unsafe rd_kafka_AdminOptions_new(client.handle, operation)
        defer { if let options = unsafe options { unsafe rd_kafka_AdminOptions_destroy(options) } }
        unsafe rd_kafka_AdminOptions_set_request_timeout(options, timeoutMs, nil, 0)
        unsafe request(options, queue)
        guard let event = unsafe rd_kafka_queue_poll(queue, timeoutMs + 1_000) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, doing: doing)
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        let error = unsafe rd_kafka_event_error(event)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(error, doing: doing, detail: unsafe String(cString: rd_kafka_event_error_string(event)))
        }
        try unsafe answer(event)
    }
}
