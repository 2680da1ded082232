// A broker in this process, and a consumer that is polled until something is so. Nothing sleeps: each poll waits for
// records, and a deadline ends a test that would wait for ever.

import Kafka
import Logging
import Model
import Testing

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// What a consumer handed over, copied.
struct Seen: Equatable {
    var topic: Int
    var partition: PartitionID
    var offset: Offset
    var key: [UInt8]?
    var value: [UInt8]?
    var timestampMs: Int64 = 0
}

final class Harness {
    /// Far above what anything here takes; a test that reaches it fails.
    static let deadline = Duration.seconds(60)

    let broker: MockBroker
    let options: KafkaClientOptions
    let topics: [String]
    /// Nil once closed.
    private var open: KafkaConsumer?
    private(set) var records: [Seen] = []
    private(set) var events: [KafkaEvent] = []

    init(topics: [String: Int], passthrough: [String: String] = [:]) throws {
        broker = try MockBroker(logger: quiet)
        for (name, partitions) in topics { try broker.createTopic(name, partitions: partitions) }
        options = KafkaClientOptions(brokers: broker.bootstrap, passthrough: passthrough)
        self.topics = topics.keys.sorted()
        open = try KafkaConsumer(options: options, topics: self.topics, logger: quiet)
    }

    var consumer: KafkaConsumer {
        guard let open else { preconditionFailure("closed") }
        return open
    }

    func close() { open = nil }

    func producer(_ passthrough: [String: String] = [:]) throws -> KafkaProducer {
        var options = options
        options.passthrough = passthrough
        return try KafkaProducer(options: options, topics: topics, logger: quiet)
    }

    /// Polls once. `onRecord` sees each record before it is kept.
    func poll(recordsMax: Int = 1_000, onRecord: (Seen) -> Void = { _ in }) {
        var records: [Seen] = []
        var events: [KafkaEvent] = []
        unsafe consumer.poll(recordsMax: recordsMax, timeoutMs: 20) { record in
            let seen = unsafe Seen(
                topic: record.topic, partition: record.partition, offset: record.offset,
                key: record.key.map { unsafe Array($0) }, value: record.value.map { unsafe Array($0) },
                timestampMs: record.timestampMs)
            records.append(seen)
            onRecord(seen)
        } event: {
            events.append($0)
        }
        self.records += records
        self.events += events
    }

    func poll(until condition: (Harness) -> Bool, _ location: SourceLocation = #_sourceLocation) throws {
        let start = ContinuousClock.now
        while !condition(self) {
            try #require(ContinuousClock.now - start < Self.deadline, "deadline", sourceLocation: location)
            poll()
        }
    }

    func reached(_ topic: Int, _ partition: PartitionID, _ position: Int64) -> Bool {
        events.contains(.endReached(topic: topic, partition: partition, position: Offset(position)))
    }

    func forget() {
        records = []
        events = []
    }
}

/// Publishes and waits.
func publish(
    _ messages: [(key: [UInt8]?, value: [UInt8]?)], to topic: Int = 0, partition: PartitionID? = PartitionID(0),
    with producer: KafkaProducer
) throws {
    for message in messages {
        try producer.produce(topic: topic, partition: partition, key: message.key, value: message.value)
    }
    try #require(producer.flush(timeoutMs: 60_000))
    try #require(producer.counts.failed == 0)
}
