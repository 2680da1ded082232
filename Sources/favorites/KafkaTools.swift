// What the commands that speak to Kafka share.

import Kafka
import Logging
import Settings

/// How long a command tries to reach a broker before it says that it cannot.
let reachTimeoutMs = 10_000

extension KafkaAdmin {
    /// The partition counts of all topics, or an error that says that nobody is there.
    func reach(_ settings: KafkaSettings) throws(CommandError) -> [String: Int] {
        do throws(KafkaError) {
            return try partitionCounts()
        } catch {
            guard error.code == .unreachable || error.code == .timedOut else { throw CommandError(error) }
            throw CommandError(
                "kafka.brokers: no broker answers at \(settings.brokers.joined(separator: ",")) (tried for "
                    + "\(reachTimeoutMs / 1_000) s): check the address, or run `favorites broker` first",
                code: .unavailable)
        }
    }
}

/// A command says what went wrong itself, once; librdkafka's own lines would bury that.
func commandLogger() -> Logger {
    var logger = Logger(label: "favorites") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .critical
    return logger
}
