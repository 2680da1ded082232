// The options every client is made with: this module's defaults, then the operator's, and those that correctness
// hangs on fixed.

import CRDKafka

/// What a librdkafka client is for.
enum RDKafkaRole {
    case consumer
    case producer(queueMessagesMax: Int, deliveryTimeoutMs: Int, isIdempotent: Bool)
    case admin
    /// Only carries the embedded broker.
    case broker

    var type: rd_kafka_type_t {
        switch self {
        case .consumer: RD_KAFKA_CONSUMER
        case .producer, .admin, .broker: RD_KAFKA_PRODUCER
        }
    }

    /// May be overridden by `KafkaClientOptions.passthrough`.
    var defaults: [(name: String, value: String)] {
        switch self {
        case .consumer: Self.consumerDefaults
        case .producer(let queueMessagesMax, let deliveryTimeoutMs, _):
            [
                ("queue.buffering.max.messages", "\(queueMessagesMax)"),
                ("queue.buffering.max.kbytes", "131072"),
                ("message.timeout.ms", "\(deliveryTimeoutMs)"),
                ("linger.ms", "20"),
                ("compression.codec", "lz4"),
                ("reconnect.backoff.max.ms", "1000"),
                // A message over Kafka's usual 1 MiB is the broker's to refuse, not ours.
                ("message.max.bytes", "2097152"),
                ("log.connection.close", "false"),
            ]
        case .admin, .broker: [("log.connection.close", "false")]
        }
    }

    /// The queue of fetched messages is shared by all partitions of a consumer (they are forwarded into one), so
    /// these two are its limits as a whole; at either librdkafka stops fetching. It must hold a second's worth:
    /// before release 2.2 librdkafka looks only once a second at a queue that was full. 400,000 messages of 300 bytes
    /// are 120 MB and as much again of bookkeeping, while loading; afterwards the queue is all but empty.
    private static let consumerDefaults: [(name: String, value: String)] = [
        ("queued.min.messages", "400000"),
        ("queued.max.messages.kbytes", "131072"),
        ("fetch.message.max.bytes", "2097152"),
        // One answer of one broker; `receive.message.max.bytes` must exceed it. A single larger message still passes.
        ("fetch.max.bytes", "16777216"),
        ("receive.message.max.bytes", "100000000"),
        // The embedded broker delays an empty answer by all of it, whatever arrives meanwhile. Apache Kafka answers at
        // once when something arrives, so there 100 or more spares idle requests and costs no time.
        ("fetch.wait.max.ms", "10"),
        ("fetch.error.backoff.ms", "100"),
        ("reconnect.backoff.max.ms", "1000"),
        ("topic.metadata.refresh.interval.ms", "30000"),
        ("check.crcs", "true"),
        ("log.connection.close", "false"),
    ]

    /// Never overridden: the code hangs on them.
    var fixed: [(name: String, value: String)] {
        switch self {
        case .consumer:
            [
                ("enable.partition.eof", "true"),
                // A position that is gone is an event, and the consumer itself goes back to the log's start.
                ("auto.offset.reset", "error"),
                ("isolation.level", "read_committed"),
                ("allow.auto.create.topics", "false"),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
            ]
        case .producer(_, _, let isIdempotent):
            [
                ("enable.idempotence", isIdempotent ? "true" : "false"),
                // Kafka's own default for keyed messages; the router computes the same.
                ("partitioner", "murmur2_random"),
            ]
        case .admin, .broker: []
        }
    }

    /// Options that no client may be given, and why.
    static let reserved: [String: String] = [
        "bootstrap.servers": "set kafka.brokers instead",
        "metadata.broker.list": "set kafka.brokers instead",
        "client.id": "it is the member's own id",
        "group.id": "partitions are assigned by the cluster's own placement",
        "enable.partition.eof": "readiness hangs on it",
        "auto.offset.reset": "a lost position is handled by the consumer",
        "isolation.level": "only committed messages are read",
        "allow.auto.create.topics": "topics are made by `favorites topics create`",
        "enable.auto.commit": "positions are kept in snapshots",
        "enable.auto.offset.store": "positions are kept in snapshots",
        "enable.idempotence": "messages must not be repeated or reordered",
        "partitioner": "keys must lie where the router looks for them",
        "test.mock.num.brokers": "run `favorites broker` instead",
    ]
}

/// Makes librdkafka's configuration. The caller owns it until it gives it to `rd_kafka_new`.
func makeConfiguration(role: RDKafkaRole, options: KafkaClientOptions) throws(KafkaError) -> OpaquePointer {
    guard let configuration = unsafe rd_kafka_conf_new() else {
        throw KafkaError(.failed, "librdkafka could not make a configuration")
    }
    do throws(KafkaError) {
        if case .broker = role {} else { try unsafe set("bootstrap.servers", options.brokers, on: configuration) }
        try unsafe set("client.id", options.clientID, on: configuration)
        for (name, value) in role.defaults { try unsafe set(name, value, on: configuration) }
        for (name, value) in options.passthrough.sorted(by: { $0.key < $1.key }) {
            if let reason = RDKafkaRole.reserved[name] {
                throw KafkaError(.configuration, "kafka.client.\(name) cannot be set: \(reason)")
            }
            try unsafe set(name, value, on: configuration, isPassthrough: true)
        }
        for (name, value) in role.fixed { try unsafe set(name, value, on: configuration) }
    } catch {
        unsafe rd_kafka_conf_destroy(configuration)
        throw error
    }
    return unsafe configuration
}

private func set(
    _ name: String, _ value: String, on configuration: OpaquePointer, isPassthrough: Bool = false
) throws(KafkaError) {
    var reason = [CChar](repeating: 0, count: 512)
    let result = unsafe rd_kafka_conf_set(configuration, name, value, &reason, reason.count)
    guard result != RD_KAFKA_CONF_OK else { return }
    let key = isPassthrough ? "kafka.client.\(name)" : name
    if result == RD_KAFKA_CONF_UNKNOWN {
        throw KafkaError(.configuration, "\(key) is no option of this librdkafka; see its CONFIGURATION.md")
    }
    // librdkafka's reason quotes the value.
    let why = KafkaClientOptions.isSecret(name) ? "its value was refused" : text(of: reason)
    throw KafkaError(.configuration, "\(key): \(why)")
}

/// The C string in a buffer that librdkafka wrote.
func text(of buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
