import Kafka
import Logging
import Model
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(4)))
struct OptionsTests {
    private func error(_ passthrough: [String: String]) -> KafkaError? {
        let options = KafkaClientOptions(brokers: "127.0.0.1:1", passthrough: passthrough)
        return #expect(throws: KafkaError.self) { try KafkaConsumer(options: options, topics: [], logger: quiet) }
    }

    @Test(arguments: [
        ("no.such.option", "1"), ("fetch.wait.max.ms", "soon"), ("fetch.wait.max.ms", "-5"),
        ("isolation.level", "read_uncommitted"), ("partitioner", "random"), ("bootstrap.servers", "a:1"),
    ])
    func aBadOptionIsNamed(name: String, value: String) {
        let error = error([name: value])
        #expect(error?.code == .configuration)
        #expect(error?.message.contains("kafka.client.\(name)") == true, "\(error?.message ?? "")")
        #expect(error?.isRetriable == false)
    }

    @Test func noErrorShowsASecret() {
        // Refused by librdkafka with words that quote the value.
        let error = error(["ssl.key.pem": "hunter2", "security.protocol": "ssl"])
        #expect(error != nil)
        #expect(error?.message.contains("hunter2") == false, "\(error?.message ?? "")")
    }

    @Test func noLogShowsASecret() throws {
        let lines = Lines()
        let logger = Logger(label: "test") { _ in LineHandler(lines: lines) }
        let options = KafkaClientOptions(
            brokers: "127.0.0.1:1",
            passthrough: [
                "debug": "all", "sasl.username": "user", "sasl.password": "hunter2", "sasl.mechanism": "PLAIN",
                "security.protocol": "sasl_plaintext",
            ])
        let consumer = try KafkaConsumer(options: options, topics: ["t"], logger: logger)
        #expect(consumer.partitionCount(of: 0) == nil)
        #expect(!lines.all.isEmpty)
        #expect(!lines.all.contains { $0.contains("hunter2") })
    }

    @Test func passthroughReachesTheClient() throws {
        // Only read by librdkafka: with a limit of 1,000 bytes a message of 2,000 is refused.
        let harness = try Harness(topics: ["t": 1])
        let producer = try harness.producer(["message.max.bytes": "1000"])
        let error = #expect(throws: KafkaError.self) {
            try producer.produce(topic: 0, key: [1], value: [UInt8](repeating: 1, count: 2_000))
        }
        #expect(error?.code == .messageTooLarge)
    }

    @Test func theEmbeddedBrokerCannotCreateTopics() throws {
        let harness = try Harness(topics: ["t": 4])
        let admin = try KafkaAdmin(options: harness.options, logger: quiet)
        #expect(admin.clusterID() != nil)
        let creating = #expect(throws: KafkaError.self) {
            try admin.createTopic("new", partitions: 1, replicationFactor: 1, settings: ["cleanup.policy": "compact"])
        }
        #expect(creating?.code == .unsupported)
        let describing = #expect(throws: KafkaError.self) { try admin.settings(of: "t") }
        #expect(describing?.code == .unsupported)
        #expect(try admin.partitionCounts() == ["t": 4])
    }

    @Test func anUnreachableBrokerIsSaidInTime() throws {
        let admin = try KafkaAdmin(
            options: KafkaClientOptions(brokers: "127.0.0.1:1"), timeoutMs: 500, logger: quiet)
        let start = ContinuousClock.now
        let error = #expect(throws: KafkaError.self) { try admin.partitionCounts() }
        #expect(error?.code == .unreachable)
        #expect(error?.isRetriable == true)
        #expect(error?.message.contains("127.0.0.1:1") == true)
        #expect(ContinuousClock.now - start < .seconds(10))
    }
}

private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct LineHandler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.add("\(event.message) \(event.metadata ?? [:])") }
}
