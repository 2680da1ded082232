// One row of the table of settings. Parsing, defaults, --help and docs/CONFIGURATION.md all come from it.

/// The commands that take settings.
public enum ServiceCommand: String, CaseIterable, Sendable {
    case node, router, serve, autoscale
    /// `topics`, `publish`, `simulate`: Kafka's settings alone, by `KafkaOptions`.
    case tool

    static let services: [ServiceCommand] = [.node, .router, .serve]
    /// Those that may decide how many nodes there are.
    static let scalers: [ServiceCommand] = [.router, .serve, .autoscale]
}

struct Setting: Sendable {
    /// Dotted, as in YAML.
    let key: String
    let type: SettingType
    /// As a user would write it; empty where the setting is absent unless given.
    let defaultText: String
    /// Differs from `defaultText` for some commands.
    let defaults: [ServiceCommand: String]
    let commands: [ServiceCommand]
    let description: String

    init(
        _ key: String, _ type: SettingType, _ defaultText: String, defaults: [ServiceCommand: String] = [:],
        for commands: [ServiceCommand] = ServiceCommand.services, _ description: String
    ) {
        self.key = key
        self.type = type
        self.defaultText = defaultText
        self.defaults = defaults
        self.commands = commands
        self.description = description
    }

    func defaultText(for command: ServiceCommand) -> String { defaults[command] ?? defaultText }

    var flag: String { SettingSpelling.flag(key) }
    var variable: String { SettingSpelling.variable(key) }
}

/// The spellings of a key as flag and as environment variable.
enum SettingSpelling {
    static let flagPrefix = "--"
    static let variablePrefix = "FAVORITES_"

    /// `data.eventsForSpecificTeam.teamMaxEvent` → `--data-events-for-specific-team-team-max-event`.
    static func flag(_ key: String) -> String { flagPrefix + words(key).joined(separator: "-").lowercased() }

    /// `kafka.brokers` → `FAVORITES_KAFKA_BROKERS`, as swift-configuration's environment provider spells it.
    static func variable(_ key: String) -> String {
        variablePrefix + words(key).joined(separator: "_").uppercased()
    }

    /// Words end at `.`, `-`, `_` and before a capital that follows a small letter.
    private static func words(_ key: String) -> [String] {
        var words = [""]
        var previous: Character = "."
        for character in key {
            if character == "." || character == "-" || character == "_" {
                words.append("")
            } else {
                if previous.isLowercase && character.isUppercase { words.append("") }
                words[words.count - 1].append(character)
            }
            previous = character
        }
        return words
    }
}
