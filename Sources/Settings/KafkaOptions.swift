// Kafka's settings for the tools. They have arguments of their own, so their flags are declared to ArgumentParser one
// by one; texts, defaults and checks still come from the table, and a tool takes the file and the variables too.

public import ArgumentParser
import FoundationEssentials

/// The names of the topics.
public struct TopicOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("YAML file with settings; flags and FAVORITES_… variables win over it.", valueName: "path"))
    public var config: String?

    @Option(help: help("kafka.topics.events")) public var kafkaTopicsEvents: String?
    @Option(help: help("kafka.topics.participants")) public var kafkaTopicsParticipants: String?
    @Option(help: help("kafka.topics.stages")) public var kafkaTopicsStages: String?
    @Option(help: help("kafka.topics.seasons")) public var kafkaTopicsSeasons: String?
    @Option(help: help("kafka.topics.regions")) public var kafkaTopicsRegions: String?
    @Option(help: help("kafka.topics.categories")) public var kafkaTopicsCategories: String?
    @Option(help: help("kafka.topics.cluster")) public var kafkaTopicsCluster: String?

    public init() {}

    /// The names from the flags, the environment of this process and the file.
    public func resolve() throws(CommandError) -> TopicNames {
        try resolve(with: [], environment: ProcessInfo.processInfo.environment).topics
    }

    fileprivate func resolve(
        with others: [String], environment: [String: String]
    ) throws(CommandError) -> KafkaSettings {
        let given = [
            ("kafka.topics.events", kafkaTopicsEvents), ("kafka.topics.participants", kafkaTopicsParticipants),
            ("kafka.topics.stages", kafkaTopicsStages), ("kafka.topics.seasons", kafkaTopicsSeasons),
            ("kafka.topics.regions", kafkaTopicsRegions), ("kafka.topics.categories", kafkaTopicsCategories),
            ("kafka.topics.cluster", kafkaTopicsCluster),
        ]
        let flags = given.compactMap { key, value in value.map { "\(SettingSpelling.flag(key))=\($0)" } }
        return KafkaSettings(
            try ResolvedSettings(
                command: .tool, arguments: flags + others, configPath: config, environment: environment))
    }
}

/// Where Kafka is, and the names of the topics.
public struct KafkaOptions: ParsableArguments {
    @Option(help: help("kafka.brokers")) public var kafkaBrokers: String?
    @Option(help: ArgumentHelp("An option of librdkafka; any number of times.", valueName: "option=value"))
    public var kafkaClient: [String] = []
    @OptionGroup public var topics: TopicOptions

    public init() {}

    /// Kafka's settings from the flags, the environment of this process and the file.
    public func resolve() throws(CommandError) -> KafkaSettings {
        try resolve(environment: ProcessInfo.processInfo.environment)
    }

    func resolve(environment: [String: String]) throws(CommandError) -> KafkaSettings {
        let brokers = kafkaBrokers.map { ["\(SettingSpelling.flag("kafka.brokers"))=\($0)"] } ?? []
        let options = kafkaClient.map { "\(SettingsTable.clientFlag)=\($0)" }
        return try topics.resolve(with: brokers + options, environment: environment)
    }
}

private func help(_ key: String) -> ArgumentHelp {
    let setting = SettingsTable.setting(key)
    return ArgumentHelp(
        "\(setting.description) (default: \(setting.defaultText))", valueName: setting.type.placeholder)
}
