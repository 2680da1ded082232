// The flags that the Kafka commands share, spelled as the services' settings are.

import ArgumentParser
import FoundationEssentials
import Kafka
import Logging
import Model

/// Ends a command: one line that says what was wrong and what to do.
struct CommandFailure: Error, CustomStringConvertible {
    var message: String
    init(_ message: String) { self.message = message }
    var description: String { message }
}

/// Where Kafka is.
struct KafkaCommandOptions: ParsableArguments {
    @Option(help: "Kafka's bootstrap addresses, host:port separated by commas. Or FAVORITES_KAFKA_BROKERS.")
    var kafkaBrokers: String?

    @Option(help: ArgumentHelp("An option of librdkafka; any number of times.", valueName: "option=value"))
    var kafkaClient: [String] = []

    /// How long a command tries to reach a broker before it says that it cannot.
    static let reachTimeoutMs = 10_000

    func clientOptions(id: String) throws -> KafkaClientOptions {
        guard let brokers = kafkaBrokers ?? ProcessInfo.processInfo.environment["FAVORITES_KAFKA_BROKERS"] else {
            throw CommandFailure("no broker is named: give --kafka-brokers host:port, or run `favorites broker` first")
        }
        var passthrough: [String: String] = [:]
        for option in kafkaClient {
            guard let equals = option.firstIndex(of: "="), equals != option.startIndex else {
                throw CommandFailure("--kafka-client takes option=value, as in linger.ms=5")
            }
            passthrough[String(option[..<equals])] = String(option[option.index(after: equals)...])
        }
        return KafkaClientOptions(brokers: brokers, clientID: id, passthrough: passthrough)
    }

    /// The partition counts of all topics, or an error that says that nobody is there.
    func partitionCounts(_ admin: KafkaAdmin, brokers: String) throws -> [String: Int] {
        do throws(KafkaError) {
            return try admin.partitionCounts()
        } catch {
            guard error.code == .unreachable || error.code == .timedOut else { throw error }
            throw CommandFailure(
                "no Kafka broker answers at \(brokers) (tried for \(Self.reachTimeoutMs / 1_000) s): "
                    + "check the address, or run `favorites broker` first")
        }
    }
}

/// The names of the topics.
struct TopicNameOptions: ParsableArguments {
    @Option(help: "Topic of the events.") var kafkaTopicsEvents = "favorites-api-events"
    @Option(help: "Topic of the participants.") var kafkaTopicsParticipants = "favorites-api-participants"
    @Option(help: "Topic of the stages.") var kafkaTopicsStages = "favorites-api-stages"
    @Option(help: "Topic of the seasons.") var kafkaTopicsSeasons = "favorites-api-seasons"
    @Option(help: "Topic of the regions.") var kafkaTopicsRegions = "favorites-api-regions"
    @Option(help: "Topic of the categories.") var kafkaTopicsCategories = "favorites-api-categories"
    @Option(help: "Control topic of the cluster; always of one partition.") var kafkaTopicsCluster = "favorites-cluster"

    /// The topics of the models, in the order of `ModelKind.allCases`.
    var models: [String] {
        ModelKind.allCases.map { kind in
            switch kind {
            case .event: kafkaTopicsEvents
            case .participant: kafkaTopicsParticipants
            case .stage: kafkaTopicsStages
            case .season: kafkaTopicsSeasons
            case .region: kafkaTopicsRegions
            case .category: kafkaTopicsCategories
            }
        }
    }

    mutating func validate() throws {
        let all = models + [kafkaTopicsCluster]
        if let repeated = all.first(where: { name in all.count { $0 == name } > 1 }) {
            throw ValidationError("two topics are named \(repeated); each needs a name of its own")
        }
    }
}

/// A command says what went wrong itself, once; librdkafka's own lines would bury that.
func commandLogger() -> Logger {
    var logger = Logger(label: "favorites") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .critical
    return logger
}
