// Waiting for topics at start, as a node (all six) and a router (the events topic) do.

public import Kafka
public import Logging
import Model
import Telemetry

public struct TopicWait {
    private let topics: [String]
    /// Connected, once `look` has succeeded.
    public let admin: KafkaAdmin
    private let brokers: String
    private let logger: Logger
    private var log = RateLimitedLog()

    /// Throws only on bad options.
    public init(for topics: [String], at kafka: KafkaClientOptions, logger: Logger) throws(KafkaError) {
        admin = try KafkaAdmin(options: kafka, timeoutMs: 1_000, logger: logger)
        self.topics = topics
        brokers = kafka.brokers
        self.logger = logger
    }

    /// The partition counts of all topics; nil while one of them is missing, has too many partitions, or no broker
    /// answers, which it says at most once a second. Blocks for a second at most.
    public mutating func look() -> [Int]? {
        do throws(KafkaError) {
            let all = try admin.partitionCounts()
            let counts = topics.compactMap { all[$0] }
            guard counts.count == topics.count else {
                let missing = topics.filter { all[$0] == nil }.joined(separator: ",")
                warn("waiting for topics; `favorites topics create` makes them", ["missing": "\(missing)"])
                return nil
            }
            guard counts.allSatisfy({ $0 <= Limits.partitionsMax }) else {
                warn("waiting: a topic has more than \(Limits.partitionsMax) partitions, the most there may be", [:])
                return nil
            }
            return counts
        } catch {
            warn(
                "waiting for Kafka: no broker answers; check kafka.brokers",
                ["kafka.brokers": "\(brokers)", "reason": "\(error.message)"])
            return nil
        }
    }

    private mutating func warn(_ message: String, _ metadata: Logger.Metadata) {
        guard log.shouldLog(nowNanoseconds: Clocks.monotonicNs()) != nil else { return }
        logger.warning("\(message)", metadata: metadata)
    }
}
