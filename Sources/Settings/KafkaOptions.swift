// Kafka's settings for the tools. They have arguments of their own, so their flags are declared to ArgumentParser one
// by one; texts, defaults and checks still come from the table, and a tool takes the file and the variables too.

public import ArgumentParser
import FoundationEssentials

public struct KafkaOptions: ParsableArguments {
    @Option(help: "YAML file with settings; flags and FAVORITES_… variables win over it.")
    public var config: String?

    @Option(help: Self.help("kafka.brokers")) public var kafkaBrokers: String?
    @Option(help: ArgumentHelp("An option of librdkafka; any number of times.", valueName: "option=value"))
    public var kafkaClient: [String] = []
    @Option(help: Self.help("kafka.topics.events")) public var kafkaTopicsEvents: String?
    @Option(help: Self.help("kafka.topics.participants")) public var kafkaTopicsParticipants: String?
    @Option(help: Self.help("kafka.topics.stages")) public var kafkaTopicsStages: String?
    @Option(help: Self.help("kafka.topics.seasons")) public var kafkaTopicsSeasons: String?
    @Option(help: Self.help("kafka.topics.regions")) public var kafkaTopicsRegions: String?
    @Option(help: Self.help("kafka.topics.categories")) public var kafkaTopicsCategories: String?
    @Option(help: Self.help("kafka.topics.cluster")) public var kafkaTopicsCluster: String?

    public init() {}

    private static func help(_ key: String) -> ArgumentHelp {
        let setting = SettingsTable.setting(key)
        return ArgumentHelp(
            "\(setting.description) (default: \(setting.defaultText))", valueName: setting.type.placeholder)
    }

    /// Kafka's settings from the flags, the environment of this process and the file.
    public func resolve() throws(CommandError) -> KafkaSettings {
        try resolve(environment: ProcessInfo.processInfo.environment)
    }

    func resolve(environment: [String: String]) throws(CommandError) -> KafkaSettings {
        let given = [
            ("kafka.brokers", kafkaBrokers), ("kafka.topics.events", kafkaTopicsEvents),
            ("kafka.topics.participants", kafkaTopicsParticipants), ("kafka.topics.stages", kafkaTopicsStages),
            ("kafka.topics.seasons", kafkaTopicsSeasons), ("kafka.topics.regions", kafkaTopicsRegions),
            ("kafka.topics.categories", kafkaTopicsCategories), ("kafka.topics.cluster", kafkaTopicsCluster),
        ]
        let flags = given.compactMap { key, value in value.map { "\(SettingSpelling.flag(key))=\($0)" } }
        let options = kafkaClient.map { "\(SettingsTable.clientFlag)=\($0)" }
        return KafkaSettings(
            try ResolvedSettings(
                command: .tool, arguments: flags + options, configPath: config, environment: environment))
    }
}
