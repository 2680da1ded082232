// The commands as a user meets them: what bad input, missing brokers and early ends lead to. Real processes.

import Foundation
import Kafka
import Logging
import Model
import TestSupport
import Testing

/// The program, and a folder with what the tests give it.
private struct Program {
    let binary: String
    let folder: TemporaryFolder
    private let counter = Counter()

    private final class Counter { var count = 0 }

    init() throws {
        binary = try #require(TestPaths.binary)
        folder = try TemporaryFolder()
    }

    func start(_ arguments: [String]) throws -> ChildProcess {
        counter.count += 1
        return try ChildProcess(
            "\(counter.count)-\(arguments.first ?? "favorites")", binary: binary, arguments: arguments, folder: folder)
    }

    /// Runs to the end, which must come by itself within `seconds`.
    func run(_ arguments: [String], seconds: Double = 20) throws -> (code: Int32, output: String) {
        let child = try start(arguments)
        let code = try child.waitForExit(seconds: seconds)
        return (code, child.output)
    }

    /// A broker and its address. The process ends with the returned object.
    func broker(partitions: Int = 2, _ flags: [String] = []) throws -> (process: ChildProcess, address: String) {
        let process = try start(["broker", "--partitions", "\(partitions)"] + flags)
        let line = try process.waitForLine(containing: "serves at")
        let words = line.split(separator: " ")
        let index = try #require(words.firstIndex(of: "at"))
        return (process, String(words[index + 1].dropLast()))
    }

    func path(_ name: String) -> String { folder.path + "/" + name }

    /// An offer folder with these files.
    func offer(_ name: String, _ files: [String: String]) throws -> String {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
        for (file, text) in files { try text.write(toFile: path(name) + "/" + file, atomically: true, encoding: .utf8) }
        return path(name)
    }
}

/// A port that somebody listens on.
private final class TakenPort {
    let port: Int
    private let descriptor: Int32

    init() throws {
        port = try freePort()
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        try #require(isBound && listen(descriptor, 1) == 0)
    }

    deinit { close(descriptor) }
}

/// The lines with which a command says why it ends.
private func complaints(_ output: String) -> [Substring] {
    output.split(separator: "\n").filter { $0.hasPrefix("favorites: ") }
}

private func expect(
    _ result: (code: Int32, output: String), code: Int32, _ texts: [String],
    _ location: SourceLocation = #_sourceLocation
) {
    #expect(result.code == code, "\(result.output)", sourceLocation: location)
    let lines = complaints(result.output)
    #expect(lines.count == 1, "\(result.output)", sourceLocation: location)
    for text in texts {
        #expect(lines.first?.contains(text) == true, "wanted \(text):\n\(result.output)", sourceLocation: location)
    }
}

private let nowhere = "127.0.0.1:1"

@Suite(.serialized, .enabled(if: TestPaths.binary != nil, "needs a built `favorites` (FAVORITES_BIN or `swift build`)"))
struct CommandTests {
    // MARK: - Bad input

    @Test func badInputGivesOneLine() throws {
        let program = try Program()
        try "x".write(toFile: program.path("file"), atomically: true, encoding: .utf8)
        try "kafka:\n  brokerz: a:1\n".write(toFile: program.path("bad.yaml"), atomically: true, encoding: .utf8)
        let empty = try program.offer("empty", [:])
        let full = try program.offer("full", ["events.ndjson": "{\"key\":\"e\",\"value\":null}\n"])
        let free = ["--management-port", "0", "--data-dir", program.path("data")]
        let cases: [(arguments: [String], code: Int32, texts: [String])] = [
            (["publish", program.path("none")], 64, [program.path("none"), "no such folder"]),
            (["publish", empty], 64, [empty, "holds none of"]),
            (["publish"], 64, ["--help"]),
            (["publish", full, "--rate", "0"], 64, ["--rate takes 1 or more"]),
            (["publish", full, "--kafka-brokers", "no address"], 64, ["--kafka-brokers", "host:port"]),
            (["publish", full, "--kafka-client", "no.such.option=1"], 64, ["no.such.option"]),
            (
                ["publish", full, "--config", program.path("bad.yaml")], 64,
                ["bad.yaml", "kafka.brokerz", "kafka.brokers?"]
            ),
            (["node", "--config", program.path("bad.yaml")] + free, 64, ["kafka.brokerz", "kafka.brokers?"]),
            (["router", "--config", program.path("none.yaml")] + free, 64, ["none.yaml"]),
            (["node", "--cluster-replicas", "0"] + free, 64, ["--cluster-replicas"]),
            (["node", "--http-port", "1"] + free, 64, ["--http-port"]),
            (["router", "--http-port", "70000"] + free, 64, ["--http-port", "65535"]),
            (["serve", "--clock-fixed", "yesterday"] + free, 64, ["--clock-fixed", "RFC 3339"]),
            (["serve", "--kafka-client", "no.such.option=1"] + free, 64, ["no.such.option"]),
            (["node", "--management-port", "0", "--data-dir", program.path("file/x")], 71, ["data.dir", "file"]),
            (["generate", "--events", "0", "--out", program.path("new")], 64, ["--events"]),
            (["generate", "--events", "10", "--out", full], 64, [full]),
            (["generate", "--events", "10", "--out", program.path("file/x")], 71, ["file/x"]),
            (["broker", "--partitions", "0"], 64, ["--partitions takes 1 to 512"]),
            (["broker", "--global-partitions", "513"], 64, ["--global-partitions takes 1 to 512"]),
            (["broker", "--bootstrap-file", program.path("none/b")], 71, ["none/b"]),
            (["broker", "--kafka-topics-events", "favorites-cluster"], 64, ["kafka.topics"]),
            (["simulate", "--rate", "0"], 64, ["--rate"]),
            (["simulate", "--now", "noon"], 64, ["--now"]),
            (["topics", "create", "--partitions", "0", "--replication-factor", "1"], 64, ["--partitions takes"]),
            (["demo", "--nodes", "99"], 64, ["--nodes"]),
            (["demo", "--data", program.path("none")], 64, ["no such folder"]),
            (["nonsense"], 64, ["nonsense"]),
        ]
        for (arguments, code, texts) in cases {
            expect(try program.run(arguments), code: code, texts)
        }
    }

    @Test func anUnreachableBrokerEndsATool() throws {
        let program = try Program()
        let offer = try program.offer("offer", ["events.ndjson": "{\"key\":\"e\",\"value\":null}\n"])
        let broker = ["--kafka-brokers", nowhere]
        let children = try [
            program.start(["publish", offer] + broker), program.start(["simulate"] + broker),
            program.start(["topics", "create", "--partitions", "1", "--replication-factor", "1"] + broker),
        ]
        for child in children {
            let code = try child.waitForExit(seconds: 20)
            expect((code, child.output), code: 69, ["no broker answers at \(nowhere)", "favorites broker"])
        }
    }

    @Test func aBrokenLineStopsBeforeAnythingIsSent() throws {
        let program = try Program()
        let broker = try program.broker()
        let good = "{\"key\":\"r1\",\"value\":{\"id\":\"r1\",\"name\":\"R\"}}\n"
        let offer = try program.offer("offer", ["regions.ndjson": good, "events.ndjson": good + "{\"key\":\n" + good])
        let publish = ["publish", offer, "--kafka-brokers", broker.address]
        expect(
            try program.run(publish), code: 65,
            ["\(offer)/events.ndjson:2:", "nothing was published", "--skip-invalid"])
        #expect(try messages(broker.address) == 0)
        let skipping = try program.run(publish + ["--skip-invalid"])
        #expect(skipping.code == 0 && skipping.output.contains("1 broken lines are left out"), "\(skipping.output)")
        #expect(try messages(broker.address) == 3)
    }

    private func messages(_ address: String) throws -> Int64 {
        let admin = try KafkaAdmin(options: KafkaClientOptions(brokers: address), logger: Logger(label: "test"))
        let bounds = try admin.bounds(of: Dictionary(uniqueKeysWithValues: Cluster.topics.map { ($0, 2) }))
        return bounds.values.joined().reduce(0) { $0 + $1.end.rawValue }
    }

    @Test func aPortInUseIsNamed() throws {
        let program = try Program()
        let broker = try program.broker()
        let taken = try TakenPort()
        let cases: [(command: String, key: String, others: [String])] = [
            ("router", "management.port", ["--http-port", "0"]), ("router", "http.port", ["--management-port", "0"]),
            ("node", "management.port", ["--link-port", "0"]), ("node", "link.port", ["--management-port", "0"]),
        ]
        for (command, key, others) in cases {
            let flag = "--" + key.replacingOccurrences(of: ".", with: "-")
            let result = try program.run(
                [command, "--kafka-brokers", broker.address, "--data-dir", program.path("data"), flag, "\(taken.port)"]
                    + others)
            expect(result, code: 69, ["\(key): 127.0.0.1:\(taken.port) is in use by another process", flag])
        }
        expect(try program.run(["demo", "--http-port", "\(taken.port)"]), code: 69, ["port \(taken.port) is in use"])
    }

    @Test func aSecondProcessOnADataDirectoryNamesTheFirst() throws {
        let program = try Program()
        let arguments = [
            "node", "--kafka-brokers", nowhere, "--management-port", "0", "--link-port", "0", "--data-dir",
            program.path("data"),
        ]
        let first = try program.start(arguments)
        _ = try first.waitForLine(containing: "management listens")
        expect(try program.run(arguments), code: 71, ["in use by process \(first.identifier)", "--data-dir"])
    }

    // MARK: - Stopping while starting

    /// Nothing of what a member waits for at its start keeps it from stopping.
    @Test(arguments: ["node", "router", "serve"])
    func aMemberStopsInEveryPhaseOfStarting(command: String) throws {
        let program = try Program()
        let broker = try program.broker()
        let phases: [(flags: [String], line: String)] = [
            (["--kafka-brokers", nowhere], "waiting for Kafka: no broker answers"),
            (["--kafka-brokers", broker.address, "--kafka-topics-events", "other"], "waiting for topics"),
            (["--kafka-brokers", broker.address, "--kafka-topics-cluster", "other"], "waiting for the control topic"),
            (["--kafka-brokers", broker.address], "joined the cluster"),
        ]
        let ports = ["--link-port", "0", "--http-port", "0"]
        for (flags, line) in phases {
            let management = try freePort()
            let child = try program.start(
                [command, "--data-dir", program.path("data"), "--management-port", "\(management)"] + flags
                    + (command == "serve" ? ports : command == "node" ? Array(ports[..<2]) : Array(ports[2...])))
            _ = try child.waitForLine(containing: line)
            let health = HTTPClient(port: management)
            #expect(try health.request("GET", "/health/live").status == 200)
            if line.hasPrefix("waiting") { #expect(try health.request("GET", "/health/ready").status == 503) }
            child.send(signal: SIGTERM)
            let code = try child.waitForExit(seconds: 8)
            #expect(code == 0 && complaints(child.output).isEmpty, "\(command), \(line):\n\(child.output)")
        }
    }

    // MARK: - The embedded broker and its topics

    @Test func topicsAreNeverChanged() throws {
        let program = try Program()
        let broker = try program.broker(partitions: 3, ["--global-partitions", "2"])
        let globals = ["--global-partitions", "2"]
        func create(_ partitions: Int, _ flags: [String]) throws -> (code: Int32, output: String) {
            try program.run(
                ["topics", "create", "--kafka-brokers", broker.address, "--replication-factor", "1"]
                    + ["--partitions", "\(partitions)"] + flags)
        }
        for _ in 0..<2 {
            let same = try create(3, globals)
            #expect(same.code == 0, "\(same.output)")
            for (topic, count) in zip(Cluster.topics, [3, 2, 2, 2, 2, 2]) {
                #expect(same.output.contains("\(topic): exists, partitions: \(count), unchanged"), "\(same.output)")
            }
        }
        for partitions in [2, 4] {
            expect(
                try create(partitions, globals), code: 64,
                ["nothing was made", "favorites-api-events has 3, not \(partitions)", "--kafka-topics-"])
        }
        // Without the option they are to have as many as the events.
        expect(try create(3, []), code: 64, ["nothing was made", "favorites-api-stages has 2, not 3"])
        expect(
            try create(3, globals + ["--kafka-topics-stages", "new"]), code: 69,
            ["cannot create topics", "favorites broker --partitions 3 --global-partitions 2"])
    }

    /// 12 MB into one partition, which keeps 5 MiB.
    @Test func lostMessagesAreNotKeptQuiet() throws {
        let program = try Program()
        let broker = try program.broker(partitions: 1)
        // Of random letters: what compresses well would fit.
        var random = SeededGenerator(seed: 1)
        let lines = (0..<60).map { number in
            let name = String(
                decoding: (0..<200_000).map { _ in UInt8.random(in: 0x41...0x5A, using: &random) }, as: UTF8.self)
            return
                "{\"key\":\"p\(number)\",\"value\":{\"id\":\"p\(number)\",\"sport\":\"soccer\",\"name\":\"\(name)\"}}\n"
        }
        let offer = try program.offer("offer", ["participants.ndjson": lines.joined()])
        let result = try program.run(["publish", offer, "--kafka-brokers", broker.address])
        expect(result, code: 65, ["has dropped some of these messages", "favorites broker --global-partitions"])
        let warning = try broker.process.waitForLine(containing: "WARNING: favorites-api-participants has lost")
        #expect(warning.contains("favorites broker --global-partitions"))
        broker.process.send(signal: SIGINT)
        #expect(try broker.process.waitForExit(seconds: 8) == 0)
        #expect(broker.process.output.contains("The broker dropped"))
    }

    // MARK: - Help

    @Test func everyCommandHasHelp() throws {
        let program = try Program()
        let plain = try program.run([])
        #expect(plain.code == 0 && plain.output.contains("SUBCOMMANDS:") && plain.output.contains("EXIT CODES:"))
        let commands = [
            "demo", "serve", "node", "router", "broker", "topics", "topics create", "publish", "generate", "simulate",
        ]
        for command in commands {
            let words = command.split(separator: " ").map(String.init)
            let help = try program.run(words + ["--help"])
            #expect(help.code == 0 && help.output.contains("USAGE: favorites \(command)"), "\(help.output)")
            // What the line breaks of the source look like where the terminal has fewer columns.
            let short = help.output.split(separator: "\n").filter { $0.contains("USAGE") == false && $0.count > 100 }
            #expect(short.isEmpty, "\(command): \(short)")
        }
    }
}
