// The three places settings come from, each as a snapshot of swift-configuration and the list of keys it names.

import Configuration
import FoundationEssentials
import Synchronization

/// One place. Every value is read as text (or a list of texts) and parsed by the table's own types, so an error reads
/// the same wherever the value stood.
struct SettingsSource {
    let snapshot: any ConfigSnapshot
    /// The keys of the table and `kafka.client.…` that this source names, as far as they are known.
    let keys: Set<String>
    /// How the source spells a key, for messages.
    let spelling: (String) -> String

    /// Nil where this source does not name the key.
    func text(_ key: String) throws -> String? {
        guard keys.contains(key) else { return nil }
        let absolute = Self.absoluteKey(key)
        if let text = try? snapshot.value(forKey: absolute, type: .string).value, case .string(let text) = text.content
        {
            return text
        }
        if case .stringArray(let texts)? = try snapshot.value(forKey: absolute, type: .stringArray).value?.content {
            return texts.joined(separator: ",")
        }
        return nil
    }

    /// Empty parts are kept, so that two keys never become one.
    private static func absoluteKey(_ key: String) -> AbsoluteConfigKey {
        AbsoluteConfigKey(key.split(separator: ".", omittingEmptySubsequences: false).map(String.init))
    }
}

/// What reading a source came to: the source, and a line for each thing that is wrong with it.
struct SourceReading {
    var source: SettingsSource
    var problems: [String]
}

extension SettingsSource {
    /// `--key value`, `--key=value`, and `--kafka-client option=value` any number of times. Of a repeated flag the
    /// last one wins.
    static func flags(_ arguments: [String], command: ServiceCommand) -> SourceReading {
        let byFlag = Dictionary(uniqueKeysWithValues: SettingsTable.all.map { ($0.flag, $0) })
        let known = SettingsTable.settings(of: command).map(\.flag) + [SettingsTable.clientFlag, "--config"]
        var values: [String: String] = [:]
        var problems: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("-") else {
                problems.append("\(argument): not expected here; settings are flags, as in --host 127.0.0.1")
                continue
            }
            let name = String(argument.prefix { $0 != "=" })
            let inline = argument.count > name.count ? String(argument.dropFirst(name.count + 1)) : nil
            let setting = byFlag[name]
            guard name == SettingsTable.clientFlag || setting?.commands.contains(command) == true else {
                problems.append(unknownFlag(name, setting, known, command))
                if inline == nil, rest.first?.hasPrefix("--") == false { rest.removeFirst() }
                continue
            }
            guard let value = inline ?? (rest.first?.hasPrefix("--") == false ? rest.popFirst() : nil) else {
                problems.append("\(name): needs a value")
                continue
            }
            if let setting {
                values[setting.key] = value
            } else if let equals = value.firstIndex(of: "="), equals != value.startIndex {
                values[SettingsTable.clientPrefix + value[..<equals]] = String(value[value.index(after: equals)...])
            } else {
                problems.append("\(name): takes option=value, as in \(name) fetch.wait.max.ms=5")
            }
        }
        return SourceReading(
            source: SettingsSource(snapshot: snapshot(of: values), keys: Set(values.keys)) { key in
                key.hasPrefix(SettingsTable.clientPrefix) ? SettingsTable.clientFlag : SettingSpelling.flag(key)
            }, problems: problems)
    }

    private static func snapshot(of values: [String: String]) -> any ConfigSnapshot {
        let pairs = values.map { key, value in
            (absoluteKey(key), ConfigValue(.string(value), isSecret: true))
        }
        return InMemoryProvider(values: Dictionary(uniqueKeysWithValues: pairs)).snapshot()
    }

    private static func unknownFlag(
        _ name: String, _ setting: Setting?, _ known: [String], _ command: ServiceCommand
    ) -> String {
        if let setting {
            let commands = setting.commands.map(\.rawValue).joined(separator: ", ")
            return "\(name): `favorites \(command.rawValue)` has no such setting; it is one of: \(commands)"
        }
        let hint = nearest(to: name, in: known).map { "did you mean \($0)?" }
        return "\(name): unknown flag; \(hint ?? "`favorites \(command.rawValue) --help` lists all")"
    }

    /// `FAVORITES_…`. A variable that is set to nothing counts as not set.
    static func environment(_ environment: [String: String]) -> SourceReading {
        let byVariable = Dictionary(uniqueKeysWithValues: SettingsTable.all.map { ($0.variable, $0.key) })
        let clientPrefix = SettingSpelling.variable(SettingsTable.clientPrefix)
        var keys: Set<String> = []
        var problems: [String] = []
        for (variable, value) in environment.sorted(by: { $0.key < $1.key })
        where variable.hasPrefix(SettingSpelling.variablePrefix) && !value.isEmpty && !isOther(variable) {
            if let key = byVariable[variable] {
                keys.insert(key)
            } else if variable.hasPrefix(clientPrefix) {
                // librdkafka's options are small letters and dots.
                let option = variable.dropFirst(clientPrefix.count).lowercased().map { $0 == "_" ? "." : $0 }
                keys.insert(SettingsTable.clientPrefix + String(option))
            } else {
                let hint = nearest(to: variable, in: Array(byVariable.keys)).map { "did you mean \($0)?" }
                problems.append("\(variable): unknown variable; \(hint ?? "docs/CONFIGURATION.md lists all")")
            }
        }
        let provider = EnvironmentVariablesProvider(environmentVariables: environment)
            .prefixKeys(with: ConfigKey(["favorites"]))
        return SourceReading(
            source: SettingsSource(snapshot: provider.snapshot(), keys: keys, spelling: SettingSpelling.variable),
            problems: problems)
    }

    /// Variables of the project that are no settings: of tests, of the build, and the path of the file.
    private static func isOther(_ variable: String) -> Bool {
        [
            "FAVORITES_BIN", "FAVORITES_CORE_ONLY", "FAVORITES_CONFIG", "FAVORITES_ENDS_WITH_INPUT",
            AutoscaleSettings.keyVariable,
        ].contains(variable) || variable.hasPrefix("FAVORITES_TEST_")
    }

    /// Most bytes of a settings file; a real one has a few hundred.
    static let fileBytesMax = 1 << 20

    /// A YAML file with nested or dotted keys.
    static func file(_ path: String) throws(CommandError) -> SourceReading {
        let data: Data
        do { data = try Data(contentsOf: URL(filePath: path)) } catch {
            throw CommandError("--config \(path): cannot be read; is the path right?")
        }
        guard data.count <= fileBytesMax else {
            throw CommandError("--config \(path): over \(fileBytesMax) bytes; is this a settings file?")
        }
        // The library asks for each key of the file whether it is a secret: so the file's keys become known, which it
        // does not offer otherwise. See docs/workarounds.md.
        let named = Mutex<[String]>([])
        let options = YAMLSnapshot.ParsingOptions(
            secretsSpecifier: .dynamic { key, _ in
                named.withLock { $0.append(key) }
                return true
            })
        let snapshot: YAMLSnapshot
        do {
            snapshot = try YAMLSnapshot(data: data.bytes, providerName: path, parsingOptions: options)
        } catch {
            throw CommandError("--config \(path): no valid YAML: \(firstLine(of: error))")
        }
        return reading(snapshot, named: named.withLock { $0 }, path: path)
    }

    private static func reading(_ snapshot: YAMLSnapshot, named: [String], path: String) -> SourceReading {
        let known = SettingsTable.all.map(\.key)
        var keys: Set<String> = []
        var problems: [String] = []
        for key in named {
            if !keys.insert(key).inserted {
                problems.append("\(path): \(key): given twice, once nested and once dotted; keep one")
            } else if !known.contains(key), !key.hasPrefix(SettingsTable.clientPrefix) {
                let hint = nearest(to: key, in: known).map { "did you mean \($0)?" }
                problems.append("\(path): \(key): unknown key; \(hint ?? "docs/CONFIGURATION.md lists all")")
            }
        }
        return SourceReading(
            source: SettingsSource(snapshot: snapshot, keys: keys) { "\(path): \($0)" }, problems: problems)
    }

    private static func firstLine(of error: any Error) -> String {
        String("\(error)".split(separator: "\n").first ?? "unreadable")
    }
}
