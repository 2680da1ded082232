// The table as text: --help of a command, and docs/CONFIGURATION.md.

public enum SettingsHelp {
    /// All settings of a command, for its `discussion`.
    public static func text(for command: ServiceCommand) -> String {
        var lines = [
            "Each setting has one key and three spellings: in a YAML file (--config PATH) kafka.brokers, as a flag "
                + "--kafka-brokers, as a variable FAVORITES_KAFKA_BROKERS. A flag wins over a variable, a variable "
                + "over the file.", "", "SETTINGS:",
        ]
        for setting in SettingsTable.settings(of: command) {
            lines.append("  \(setting.flag) <\(setting.type.placeholder)>")
            lines += wrapped(setting.description + shownDefault(setting.defaultText(for: command)))
        }
        lines.append("  \(SettingsTable.clientFlag) <option=value>")
        lines += wrapped("An option of librdkafka, as in fetch.wait.max.ms=5; any number of times.")
        return lines.joined(separator: "\n")
    }

    /// Lines of at most 79 columns, indented under their flag; ArgumentParser would wrap them to the margin.
    private static func wrapped(_ text: String) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let line = lines.last, line.count + 1 + word.count <= 79 {
                lines[lines.count - 1] = line + " " + word
            } else {
                lines.append("        " + word)
            }
        }
        return lines
    }

    private static func shownDefault(_ text: String) -> String { text.isEmpty ? "" : " (default: \(text))" }

    /// docs/CONFIGURATION.md.
    static func document() -> String {
        var lines = [
            "# Configuration", "",
            "Made from the table in `Sources/Settings/SettingsTable.swift` by `make docs`; a test checks that it is up to date.",
            "",
            "Each setting has one key and three spellings. A flag wins over a variable, a variable over the file, the file over the",
            "default. A variable set to nothing counts as not set.", "",
            "| spelling | example |", "| --- | --- |",
            "| YAML file, named by `--config PATH` or `FAVORITES_CONFIG`; keys nested or dotted | `kafka.brokers: 127.0.0.1:9092` |",
            "| flag | `--kafka-brokers 127.0.0.1:9092` or `--kafka-brokers=127.0.0.1:9092` |",
            "| variable | `FAVORITES_KAFKA_BROKERS=127.0.0.1:9092` |", "",
            "An unknown key, flag or variable, and a value that is not allowed, end the command with code 64 and one line each that",
            "names the key and what is allowed. One file may serve all commands: keys of other commands are left alone.",
            "",
            "| key | flag, variable | default | allowed | used by | meaning |", "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += SettingsTable.all.map(row)
        lines += clientSection
        lines += exitCodes
        return lines.joined(separator: "\n") + "\n"
    }

    private static func row(_ setting: Setting) -> String {
        let defaults = setting.commands.map { (command: $0, text: setting.defaultText(for: $0)) }
        let same = Set(defaults.map(\.text)).count == 1
        let shown =
            same
            ? (defaults[0].text.isEmpty ? "none" : "`\(defaults[0].text)`")
            : defaults.map { "\($0.command.rawValue): `\($0.text)`" }.joined(separator: ", ")
        let cells = [
            "`\(setting.key)`", "`\(setting.flag)`, `\(setting.variable)`", shown,
            setting.type.allowed,
            setting.commands == ServiceCommand.allCases
                ? "all" : setting.commands.map(\.rawValue).joined(separator: ", "), setting.description,
        ]
        return "| " + cells.map { $0.split(separator: "|").joined(separator: "\\|") }.joined(separator: " | ") + " |"
    }

    private static let clientSection =
        [
            "", "## librdkafka's own options: `kafka.client.*`", "",
            "They pass through under librdkafka's names: `kafka.client.fetch.wait.max.ms: 5` in YAML,",
            "`--kafka-client fetch.wait.max.ms=5` (any number of times), `FAVORITES_KAFKA_CLIENT_FETCH_WAIT_MAX_MS=5` (every `_` behind",
            "the prefix stands for a dot). Values whose name looks like a secret (`sasl.password`, `ssl.key.…`) are never printed; give",
            "them by the file or the environment, since flags show in the list of processes. These cannot be set:", "",
            "| option | why |", "| --- | --- |",
        ] + SettingsTable.clientReserved.sorted { $0.key < $1.key }.map { "| `\($0.key)` | \($0.value) |" } + [
            "", "## Variables that are no settings", "",
            "`FAVORITES_CONFIG` (path of the settings file), `FAVORITES_BIN` (the binary the integration tests run),",
            "`FAVORITES_CORE_ONLY` (builds the core alone), `FAVORITES_ENDS_WITH_INPUT` (set to anything: the process stops when its",
            "standard input ends, as the demo's processes do when it is killed), `FAVORITES_AUTOSCALE_WEBHOOK_KEY` (the secret that signs",
            "webhooks, where no file holds it) and `FAVORITES_TEST_…` (of the tests).",
            "",
        ]

    private static let exitCodes =
        [
            "## Exit codes", "", "| code | meaning |", "| --- | --- |", "| 0 | done, or ended by SIGTERM or Ctrl-C |",
        ] + CommandError.Code.allCases.map { "| \($0.rawValue) | \($0.meaning) |" }
}
