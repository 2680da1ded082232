import ArgumentParser
import Foundation
import Model
import Placement
import Testing

@testable import Settings

/// Settings out of a YAML text, flags and variables.
func resolve(
    _ command: ServiceCommand = .serve, flags: [String] = [], yaml: String? = nil,
    environment: [String: String] = [:]
) throws -> ResolvedSettings {
    guard let yaml else {
        return try ResolvedSettings(
            command: command, arguments: flags, configPath: nil, environment: environment)
    }
    return try TemporaryFolder.with { folder in
        let path = folder + "/settings.yaml"
        try yaml.write(toFile: path, atomically: true, encoding: .utf8)
        return try ResolvedSettings(
            command: command, arguments: flags, configPath: path, environment: environment)
    }
}

/// The lines of the error, without the path of the file.
func problems(
    _ command: ServiceCommand = .serve, flags: [String] = [], yaml: String? = nil,
    environment: [String: String] = [:]
) throws -> [String] {
    do {
        _ = try resolve(command, flags: flags, yaml: yaml, environment: environment)
        return []
    } catch let error as CommandError {
        #expect(error.code == .usage)
        return error.message.split(separator: "\n").map { line in
            line.split(separator: "settings.yaml: ").last.map(String.init) ?? ""
        }
    }
}

enum TemporaryFolder {
    static func with<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "favorites-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder.path)
    }
}

struct SourcesTests {
    @Test func precedenceIsFlagVariableFileDefault() throws {
        let yaml = "http:\n  port: 3\n  connections-max: 3\nloops: 3\n"
        let environment = ["FAVORITES_HTTP_PORT": "2", "FAVORITES_HTTP_CONNECTIONS_MAX": "2"]
        let settings = RouterSettings(try resolve(flags: ["--http-port", "1"], yaml: yaml, environment: environment))
        #expect(settings.http.port == 1)
        #expect(settings.http.connectionsMax == 2)
        #expect(settings.member.loops == 3)
        #expect(settings.member.managementPort == 8081)
    }

    /// Each setting by each spelling; so the spellings agree with those of swift-configuration.
    @Test(arguments: SettingsTable.all.map(\.key))
    func everySettingHasThreeSpellings(key: String) throws {
        let setting = try #require(SettingsTable.all.first { $0.key == key })
        let command = try #require(setting.commands.first)
        let sample = Self.sample(setting)
        func shown(_ settings: ResolvedSettings) -> String? { settings.summary.first { $0.key == key }?.value }
        #expect(shown(try resolve(command, flags: [setting.flag, sample])) == sample)
        #expect(shown(try resolve(command, flags: ["\(setting.flag)=\(sample)"])) == sample)
        #expect(shown(try resolve(command, environment: [setting.variable: sample])) == sample)
        #expect(shown(try resolve(command, yaml: "\(key): \(sample)\n")) == sample)
        let nested = key.split(separator: ".").enumerated()
            .map { index, part in String(repeating: "  ", count: index) + part + ":" }.joined(separator: "\n")
        #expect(shown(try resolve(command, yaml: "\(nested) \(sample)\n")) == sample)
    }

    /// A legal text that is not the default.
    static func sample(_ setting: Setting) -> String {
        switch setting.type {
        case .text, .id, .topic: "other"
        case .addresses: "a:1,b:2"
        case .integer(let range): "\(range.upperBound)"
        case .port: "65535"
        case .duration: setting.key == "cluster.heartbeat" ? "2s" : "50s"
        case .choice(let choices): choices[0]
        case .replicas: "max"
        case .timestamp: "2018-12-26T00:00:00Z"
        }
    }

    @Test func listsMayBeYAMLSequences() throws {
        let settings = try resolve(yaml: "kafka:\n  brokers: [a:1, b:2]\n")
        #expect(KafkaSettings(settings).brokers == ["a:1", "b:2"])
    }

    @Test func clientOptionsPassThroughFromEverywhere() throws {
        let yaml =
            "kafka.client.fetch.wait.max.ms: 1\nkafka:\n  client:\n    sasl.password: s3cret\n    client.id: a,b\n"
        let settings = try resolve(
            flags: ["--kafka-client", "fetch.wait.max.ms=3", "--kafka-client=debug=topic,msg=x"], yaml: yaml,
            environment: ["FAVORITES_KAFKA_CLIENT_FETCH_WAIT_MAX_MS": "2", "FAVORITES_KAFKA_CLIENT_LINGER_MS": "7"])
        let options = KafkaSettings(settings).clientOptions
        #expect(
            options.values == [
                "fetch.wait.max.ms": "3", "debug": "topic,msg=x", "sasl.password": "s3cret", "client.id": "a,b",
                "linger.ms": "7",
            ])
        #expect(!"\(options) \(String(reflecting: KafkaSettings(settings))) \(settings.summary)".contains("s3cret"))
    }

    @Test func optionsWithEmptyPartsAreTwo() throws {
        let settings = try resolve(flags: [
            "--kafka-client", "a..b=1", "--kafka-client", "a.b=2", "--kafka-client", ".=3",
        ])
        #expect(KafkaSettings(settings).clientOptions.values == ["a..b": "1", "a.b": "2", ".": "3"])
    }

    @Test func variablesOfOthersAreLeftAlone() throws {
        let environment = [
            "FAVORITES_BIN": "x", "FAVORITES_CORE_ONLY": "1", "FAVORITES_TEST_KAFKA": "y", "HOME": "z",
            "FAVORITES_HTTP_PORT": "", "FAVORITES_UNKNOWN": "",
        ]
        #expect(try problems(environment: environment) == [])
    }

    @Test func oneFileServesAllCommands() throws {
        for command in ServiceCommand.allCases {
            #expect(try problems(command, yaml: "http.port: 1\nnode.weight: 2\nautoscale.mode: dry-run\n") == [])
        }
    }
}

struct ProblemTests {
    @Test(arguments: [
        (["--kafka-brokrs", "a:1"], "--kafka-brokrs: unknown flag; did you mean --kafka-brokers?"),
        (["--zzzzzzzzzzzz=1"], "--zzzzzzzzzzzz: unknown flag; `favorites node --help` lists all"),
        (["--http-port", "1"], "--http-port: `favorites node` has no such setting; it is one of: router, serve"),
        (["-x"], "-x: unknown flag; `favorites node --help` lists all"),
        (["--host"], "--host: needs a value"),
        (["--host", "--loops", "1"], "--host: needs a value"),
        (["stray"], "stray: not expected here; settings are flags, as in --host 127.0.0.1"),
        (
            ["--link-port", "70000"],
            "--link-port: `70000` is not allowed; give a port from 0 to 65535; 0 takes a free one"
        ),
        (["--link-port="], "--link-port: nothing is not allowed; give a port from 0 to 65535; 0 takes a free one"),
        (["--kafka-brokers", "a"], "--kafka-brokers: `a` is not allowed; give host:port, several separated by commas"),
        (
            ["--cluster-replicas", "0"],
            "--cluster-replicas: `0` is not allowed; give a whole number from 1 to 256, or max"
        ),
        (
            ["--cluster-grace", "1 s"],
            "--cluster-grace: `1 s` is not allowed; give a duration from 0ms to 1d, as in 500ms, 5s, 10m, 12h, 7d"
        ),
        (["--kafka-client", "x"], "--kafka-client: takes option=value, as in --kafka-client fetch.wait.max.ms=5"),
        (
            ["--kafka-client", "bootstrap.servers=x"],
            "--kafka-client: bootstrap.servers cannot be set; set kafka.brokers instead"
        ),
        (["--cluster-silent-after", "1s"], "cluster.silent-after: must be at least twice cluster.heartbeat"),
        (["--cluster-grace", "1s"], "cluster.grace: must be at least cluster.silent-after"),
        (["--host", "0.0.0.0"], "advertised.host: needed where host is 0.0.0.0: give the address others use"),
        (["--link-port", "8082"], "management.port: 8082 is the port of link.port already"),
        (
            ["--kafka-topics-stages", "favorites-api-events"],
            "kafka.topics.stages: favorites-api-events is the topic of kafka.topics.events already"
        ),
    ])
    func flags(flags: [String], line: String) throws { #expect(try problems(.node, flags: flags) == [line]) }

    @Test(arguments: [
        ("kafka:\n  brokrs: a:1\n", "kafka.brokrs: unknown key; did you mean kafka.brokers?"),
        ("quite-another: 1\n", "quite-another: unknown key; docs/CONFIGURATION.md lists all"),
        ("http.port: 1\nhttp:\n  port: 2\n", "http.port: given twice, once nested and once dotted; keep one"),
        ("http.port: [1, 2]\n", "http.port: `1,2` is not allowed; give a port from 0 to 65535; 0 takes a free one"),
        ("http.port:\n", "http.port: nothing is not allowed; give a port from 0 to 65535; 0 takes a free one"),
        (
            "clock.fixed: yesterday\n",
            "clock.fixed: `yesterday` is not allowed; give a time in RFC 3339, as in 2026-03-13T12:00:00Z"
        ),
        (
            "log.level: loud\n",
            "log.level: `loud` is not allowed; give one of trace, debug, info, notice, warning, error, critical"
        ),
    ])
    func files(yaml: String, line: String) throws { #expect(try problems(yaml: yaml) == [line]) }

    @Test(arguments: ["a: [", "- 1\n", "\t", "a: 1\na: 2\n", "a:\n  - b: 1\n", "\u{0}", ""])
    func brokenFilesAreOneLine(yaml: String) throws {
        let lines = try problems(yaml: yaml)
        #expect(lines.count == 1)
        #expect(lines.first?.contains("no valid YAML") == true, "\(lines)")
    }

    @Test func missingFileIsNamed() {
        #expect(throws: CommandError("--config /nowhere.yaml: cannot be read; is the path right?")) {
            try ResolvedSettings(command: .node, arguments: [], configPath: "/nowhere.yaml", environment: [:])
        }
        #expect(throws: CommandError("--config /nowhere.yaml: cannot be read; is the path right?")) {
            try ResolvedSettings(
                command: .node, arguments: [], configPath: nil, environment: ["FAVORITES_CONFIG": "/nowhere.yaml"])
        }
    }

    @Test func unknownVariablesAreNamed() throws {
        #expect(
            try problems(environment: ["FAVORITES_HTP_PORT": "1"])
                == ["FAVORITES_HTP_PORT: unknown variable; did you mean FAVORITES_HTTP_PORT?"])
    }

    @Test func everyProblemIsNamedAtOnce() throws {
        let lines = try problems(flags: ["--http-port", "x", "--loops", "y", "--bogus-thing", "z"])
        #expect(lines.count == 3)
    }

    @Test func secretsAreNotInErrors() throws {
        let lines = try problems(yaml: "kafka.client.sasl.password: [[s3cret]]\nkafka.client.sasl.password2: s3cret\n")
        #expect(!lines.joined().contains("s3cret"))
        #expect(!lines.isEmpty)
    }
}

struct ServiceSettingsTests {
    @Test func defaultsAreTheContracts() throws {
        let settings = ServeSettings(try resolve())
        #expect(settings.router.rules == SelectionRules())
        #expect(settings.router.http.mymMaxAgeSeconds == 10)
        #expect(settings.router.http.mytMaxAgeSeconds == 3600)
        #expect(settings.router.clockFixed == nil)
        #expect(settings.node.cluster.replicas == .count(2))
        #expect(settings.node.kafka.topics[.event] == "favorites-api-events")
        #expect(settings.node.kafka.topics[.category] == "favorites-api-categories")
        #expect(settings.node.kafka.topics.cluster == "favorites-cluster")
        #expect(settings.node.member.dataDirectory == "./favorites-data/serve")
        #expect(settings.node.member.advertisedHost == "127.0.0.1")
        #expect(settings.node.member.loops >= 1)
    }

    @Test func eachCommandMakesItsOwn() throws {
        let node = NodeSettings(try resolve(.node, flags: ["--node-id", "n1", "--cluster-replicas", "max"]))
        #expect(node.member.id == ID("n1"))
        #expect(node.member.managementPort == 8082)
        #expect(node.cluster.replicas == .all)
        let router = RouterSettings(try resolve(.router, flags: ["--clock-fixed", "2018-12-26T00:00:00Z"]))
        #expect(router.clockFixed.map { "\($0)" } == "2018-12-26T00:00:00Z")
        #expect(router.member.dataDirectory == "./favorites-data/router")
    }

    @Test(arguments: [
        ("500ms", Duration.milliseconds(500)), ("5s", .seconds(5)), ("90m", .seconds(5_400)), ("12h", .seconds(43_200)),
        ("7d", .seconds(604_800)), ("0ms", .zero),
    ])
    func durations(text: String, duration: Duration) {
        #expect(DurationText.parse(text) == duration)
        #expect(DurationText.render(duration) == text)
    }

    @Test(arguments: [
        "", "5", "s", "-5s", "5 s", "1.5s", "5S", "٥s", "99999999999999999999s", "9223372036854775807d", "1h30m",
    ])
    func badDurations(text: String) { #expect(DurationText.parse(text) == nil) }
}

struct DocumentTests {
    static let path = URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "../../docs/CONFIGURATION.md")

    @Test func documentIsUpToDate() throws {
        let text = SettingsHelp.document()
        if ProcessInfo.processInfo.environment["FAVORITES_TEST_UPDATE_DOCS"] != nil {
            try text.write(to: Self.path, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: Self.path, encoding: .utf8) == text, "run make docs")
    }

    struct Tool: ParsableCommand {
        @Argument var folder: String
        @OptionGroup var kafka: KafkaOptions
    }

    @Test func toolsTakeKafkasSettingsBesideTheirOwn() throws {
        let arguments = ["--kafka-brokers", "a:1", "folder", "--kafka-client", "a=b", "--kafka-topics-stages=s"]
        let tool = try #require(try Tool.parseAsRoot(arguments) as? Tool)
        #expect(tool.folder == "folder")
        let settings = try tool.kafka.resolve(environment: ["FAVORITES_KAFKA_TOPICS_EVENTS": "e"])
        #expect(settings.brokers == ["a:1"])
        #expect(settings.clientOptions.values == ["a": "b"])
        #expect(ModelKind.allCases.map { settings.topics[$0] }.prefix(3) == ["e", "favorites-api-participants", "s"])
        #expect(throws: CommandError("kafka.topics.stages: s is the topic of kafka.topics.events already")) {
            try tool.kafka.resolve(environment: ["FAVORITES_KAFKA_TOPICS_EVENTS": "s"])
        }
    }

    /// Each of the table's settings of a tool is declared.
    @Test func toolsDeclareEverySettingOfTheirs() {
        let help = Tool.helpMessage(columns: 200)
        for setting in SettingsTable.settings(of: .tool) {
            #expect(help.contains("  \(setting.flag) <\(setting.type.placeholder)>"), "\(setting.key)")
            #expect(help.contains(setting.defaultText))
        }
    }

    @Test(arguments: ServiceCommand.services)
    func helpNamesEverySettingAndItsDefault(command: ServiceCommand) {
        let help = SettingsHelp.text(for: command)
        for setting in SettingsTable.settings(of: command) {
            #expect(help.contains("  \(setting.flag) <"))
            let text = setting.defaultText(for: command)
            #expect(text.isEmpty || help.split(whereSeparator: \.isWhitespace).contains("\(text))"))
        }
    }

    @Test func everyDefaultIsAllowed() {
        for setting in SettingsTable.all {
            for text in [setting.defaultText] + setting.defaults.values where !text.isEmpty {
                #expect(setting.type.parse(text) != nil, "\(setting.key)")
            }
        }
    }

    struct Sample: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "node", abstract: "A sample.", discussion: SettingsHelp.text(for: .node))
        @OptionGroup var options: SettingsOptions
    }

    @Test func argumentParserLeavesOurFlagsToTheTable() throws {
        let arguments = ["--http-port", "0", "--config", "x.yaml", "--kafka-client=a=b", "--loops=2"]
        let sample = try #require(try Sample.parseAsRoot(arguments) as? Sample)
        #expect(sample.options.config == "x.yaml")
        #expect(sample.options.flags == ["--http-port", "0", "--kafka-client=a=b", "--loops=2"])
        let help = Sample.helpMessage(columns: 100)
        #expect(help.contains("  --kafka-brokers <host:port,…>\n"), "\(help)")
    }
}

struct AutoscaleSettingsTests {
    private func settings(_ flags: String...) throws -> AutoscaleSettings? {
        RouterSettings(try resolve(.router, flags: flags)).autoscale
    }

    @Test func offUnlessSwitchedOn() throws {
        #expect(try settings() == nil)
        #expect(try settings("--autoscale-mode", "dry-run")?.target == nil)
        let command = try settings("--autoscale-mode", "on", "--autoscale-command", "/bin/scale  one two")
        #expect(command?.target == .command(["/bin/scale", "one", "two"]))
        let webhook = try settings("--autoscale-mode", "on", "--autoscale-webhook-url", "https://h/p?token=s3cret")
        #expect(webhook?.target == .webhook(url: "https://h/p?token=s3cret", keyFile: nil))
    }

    @Test(arguments: [
        (["--autoscale-mode", "on"], "neither given"),
        (["--autoscale-mode", "on", "--autoscale-command", "/a", "--autoscale-webhook-url", "http://h"], "both given"),
        (["--autoscale-mode", "on", "--autoscale-command", "scale"], "whole path"),
        (["--autoscale-mode", "on", "--autoscale-webhook-url", "ftp://h"], "must begin with http"),
        (["--autoscale-mode", "on", "--autoscale-webhook-url", "http://"], "must begin with http"),
        (["--autoscale-mode", "on", "--autoscale-webhook-url", "http://a:s3cret@h/"], "no user and password"),
        (["--autoscale-mode", "dry-run", "--autoscale-scale-in-below", "70"], "must be below"),
        (["--autoscale-mode", "dry-run", "--autoscale-nodes-min", "17"], "must not be above"),
    ])
    func relationsAreChecked(flags: [String], text: String) throws {
        let problems = try problems(.router, flags: flags)
        #expect(problems.count == 1)
        #expect(problems.first?.contains(text) == true && problems.first?.contains("s3cret") == false)
    }

    @Test func theCommandAloneNeedsAHook() throws {
        #expect(try problems(.autoscale).first?.contains("neither given") == true)
        #expect(try problems(.autoscale, flags: ["--autoscale-mode", "off"]).first?.contains("nothing to do") == true)
        let settings = AutoscaleCommandSettings(try resolve(.autoscale, flags: ["--autoscale-mode", "dry-run"]))
        #expect(settings.autoscale.target == nil && settings.managementPort == 8083)
    }

    @Test func theLogShowsNoToken() throws {
        let settings = try resolve(
            .autoscale, flags: ["--autoscale-webhook-url", "https://h/p?token=s3cret"],
            environment: ["FAVORITES_AUTOSCALE_WEBHOOK_KEY": "s3cret"])
        let shown = settings.summary.first { $0.key == "autoscale.webhook.url" }?.value
        #expect(shown == "https://h/p?(secret)")
        #expect(!"\(settings.summary)".contains("s3cret"))
    }
}
