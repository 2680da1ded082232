// The settings of one command after all sources were asked: flag before environment before file before default.
// Everything is checked once, here, as a whole; each problem is one line.

import FoundationEssentials
import Model
import Placement

/// The values of one command, checked. `NodeSettings`, `RouterSettings`, `ServeSettings` and, for tools, `KafkaSettings`
/// are made of it.
public struct ResolvedSettings: Sendable {
    public let command: ServiceCommand
    private let values: [String: SettingValue]
    /// Of each key: the text it was given as, for `summary`.
    private let texts: [String: String]
    let clientOptions: ClientOptions

    /// Reads and checks all settings of `command`.
    ///
    /// - Parameters:
    ///   - arguments: the flags, without the command's name and without `--config`.
    ///   - configPath: the YAML file; nil for none.
    ///   - environment: all variables of the process.
    public init(
        command: ServiceCommand, arguments: [String], configPath: String?, environment: [String: String]
    ) throws(CommandError) {
        let flags = SettingsSource.flags(arguments, command: command)
        let variables = SettingsSource.environment(environment)
        let path = configPath ?? environment["FAVORITES_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        var readings = [flags, variables]
        if let path { readings.append(try SettingsSource.file(path)) }

        var problems = readings.flatMap(\.problems)
        let sources = readings.map(\.source)
        self.command = command
        (values, texts) = Self.values(of: command, sources, &problems)
        clientOptions = ClientOptions(Self.clientValues(sources, &problems))
        if problems.isEmpty { problems = relationProblems() }
        guard problems.isEmpty else { throw CommandError(problems.joined(separator: "\n")) }
    }

    private static func values(
        of command: ServiceCommand, _ sources: [SettingsSource], _ problems: inout [String]
    ) -> ([String: SettingValue], [String: String]) {
        var values: [String: SettingValue] = [:]
        var texts: [String: String] = [:]
        for setting in SettingsTable.settings(of: command) {
            let source = sources.first { $0.keys.contains(setting.key) }
            let given = source.flatMap { try? $0.text(setting.key) }
            let text = given ?? setting.defaultText(for: command)
            texts[setting.key] = text
            if given == nil, text.isEmpty, source == nil {
                values[setting.key] = .absent
            } else if let value = setting.type.parse(text) {
                values[setting.key] = value
            } else {
                let spelling = source?.spelling(setting.key) ?? setting.key
                problems.append("\(spelling): \(shown(text)) is not allowed; give \(setting.type.allowed)")
            }
        }
        return (values, texts)
    }

    private static func shown(_ text: String) -> String {
        text.isEmpty ? "nothing" : "`\(text.prefix(80).map { $0.isNewline ? " " : String($0) }.joined())`"
    }

    private static func clientValues(_ sources: [SettingsSource], _ problems: inout [String]) -> [String: String] {
        var values: [String: String] = [:]
        // The strongest source comes first, so it is written last.
        for source in sources.reversed() {
            for key in source.keys where key.hasPrefix(SettingsTable.clientPrefix) {
                let option = String(key.dropFirst(SettingsTable.clientPrefix.count))
                if let reason = SettingsTable.clientReserved[option] {
                    problems.append("\(source.spelling(key)): \(option) cannot be set; \(reason)")
                } else if let value = try? source.text(key) {
                    values[option] = value
                } else {
                    problems.append("\(source.spelling(key)): \(option) needs a value")
                }
            }
        }
        return values
    }

    /// What must hold between settings.
    private func relationProblems() -> [String] {
        var problems = repeated(SettingsTable.all.map(\.key).filter { $0.hasPrefix("kafka.topics.") }, "topic") { _ in
            false
        }
        guard command != .tool else { return problems }
        if duration("cluster.silent-after") < duration("cluster.heartbeat") * 2 {
            problems.append("cluster.silent-after: must be at least twice cluster.heartbeat")
        }
        if duration("cluster.grace") < duration("cluster.silent-after") {
            problems.append("cluster.grace: must be at least cluster.silent-after")
        }
        problems += AutoscaleSettings.problems(self)
        guard command != .autoscale else { return problems }
        if ["0.0.0.0", "::"].contains(text("host") ?? ""), text("advertised.host") == nil {
            problems.append("advertised.host: needed where host is \(text("host") ?? ""): give the address others use")
        }
        problems += repeated(["link.port", "management.port", "http.port"], "port") { $0 == "0" }
        return problems
    }

    private func repeated(_ keys: [String], _ what: String, except: (String) -> Bool) -> [String] {
        var seen: [String: String] = [:]
        var problems: [String] = []
        for key in keys {
            guard let text = texts[key], !except(text) else { continue }
            if let other = seen[text] { problems.append("\(key): \(text) is the \(what) of \(other) already") }
            seen[text] = key
        }
        return problems
    }

    /// Key and value of each setting in the table's order, for the log at start. Secrets are not shown.
    public var summary: [(key: String, value: String)] {
        let own = SettingsTable.settings(of: command).map {
            (key: $0.key, value: AutoscaleSettings.shown($0.key, texts[$0.key] ?? ""))
        }
        let client = clientOptions.shown.map { (key: SettingsTable.clientPrefix + $0.key, value: $0.value) }
        return own.filter { !$0.value.isEmpty } + client
    }
}

// MARK: - Typed access. A wrong key or type is a programmer's error and traps; a test makes every command's settings.

extension ResolvedSettings {
    private func value(_ key: String) -> SettingValue {
        guard let value = values[key] else { preconditionFailure("\(command.rawValue) has no setting \(key)") }
        return value
    }

    /// Nil where absent.
    func text(_ key: String) -> String? {
        switch value(key) {
        case .text(let text): text
        case .absent: nil
        case .list, .integer, .duration, .timestamp: preconditionFailure("\(key) is no text")
        }
    }

    func list(_ key: String) -> [String] {
        guard case .list(let texts) = value(key) else { preconditionFailure("\(key) is no list") }
        return texts
    }

    func integer(_ key: String) -> Int {
        guard case .integer(let number) = value(key) else { preconditionFailure("\(key) is no number") }
        return number
    }

    func duration(_ key: String) -> Duration {
        guard case .duration(let duration) = value(key) else { preconditionFailure("\(key) is no duration") }
        return duration
    }

    /// Nil where absent.
    func timestamp(_ key: String) -> Timestamp? {
        guard case .timestamp(let timestamp) = value(key) else { return nil }
        return timestamp
    }

    var replicas: Replicas {
        guard case .integer(let count) = value("cluster.replicas") else { return .all }
        return .count(count)
    }
}
