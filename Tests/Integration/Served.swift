// A Kafka of a test's own and one `favorites` process on it, with a small offer and the reference beside it.

import Foundation
import Kafka
import Logging
import Model
import TestSupport
import Testing

/// The embedded broker as a child, or the Kafka that `FAVORITES_TEST_KAFKA` (a bootstrap address) names, with topics of
/// names of their own there. Those topics stay behind: the project has no command that deletes.
final class TestKafka {
    static let real = ProcessInfo.processInfo.environment["FAVORITES_TEST_KAFKA"]
    static let isEmbedded = real == nil
    static let embedded: Comment = "needs the embedded broker: FAVORITES_TEST_KAFKA is set"

    let folder: TemporaryFolder
    let binary: String
    let brokers: String
    let partitions: Int
    /// By `ModelKind.rawValue`.
    let topics: [String]
    /// The embedded broker; nil on a real Kafka.
    let broker: ChildProcess?
    private let prefix: String

    init(binary: String, partitions: Int = 4) throws {
        self.binary = binary
        self.partitions = partitions
        folder = try TemporaryFolder()
        prefix = Self.isEmbedded ? "favorites" : "favorites-test-\(UUID().uuidString.prefix(8).lowercased())"
        topics = ModelKind.allCases.map { [prefix] in "\(prefix)-api-\($0.plural)" }
        guard let real = Self.real else {
            let file = folder.path + "/bootstrap"
            let broker = try ChildProcess(
                "broker", binary: binary,
                arguments: ["broker", "--partitions", "\(partitions)", "--bootstrap-file", file], folder: folder)
            self.broker = broker
            try wait(seconds: 20, for: "the bootstrap file:\n\(broker.output)") {
                broker.isRunning && FileManager.default.fileExists(atPath: file)
            }
            brokers = try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .newlines)
            return
        }
        broker = nil
        brokers = real
        _ = try ChildProcess.run(
            "topics", binary: binary,
            arguments: ["topics", "create", "--partitions", "\(partitions)", "--replication-factor", "1"] + arguments,
            folder: folder, seconds: 60)
    }

    /// What a command needs to find this Kafka and its topics.
    var arguments: [String] {
        var arguments = ["--kafka-brokers", brokers, "--kafka-topics-cluster", "\(prefix)-cluster"]
        for kind in ModelKind.allCases {
            arguments += ["--kafka-topics-\(kind.plural)", topics[Int(kind.rawValue)]]
        }
        return arguments
    }

    func producer() throws -> KafkaProducer {
        try KafkaProducer(
            options: KafkaClientOptions(brokers: brokers, passthrough: ["message.max.bytes": "2000000"]),
            topics: topics, logger: Logger(label: "test"))
    }

    func bounds(_ kind: ModelKind, _ partition: Int) throws -> LogBounds {
        let admin = try KafkaAdmin(options: KafkaClientOptions(brokers: brokers), logger: Logger(label: "test"))
        return try admin.bounds(of: topics[Int(kind.rawValue)], PartitionID(partition))
    }
}

/// One `favorites serve`, whose *now* stands still.
final class Served {
    static let now = "2026-03-13T12:00:00Z"
    static let nowMs = referenceMilliseconds(now)

    let process: ChildProcess
    let httpPort: Int
    let linkPort: Int
    let managementPort: Int
    let client: HTTPClient
    let management: HTTPClient

    /// Starts it, and waits until it is ready unless told otherwise.
    init(
        _ kafka: TestKafka, name: String = "serve", _ more: [String] = [], environment: [String: String] = [:],
        waits: Bool = true
    ) throws {
        httpPort = try freePort()
        linkPort = try freePort()
        managementPort = try freePort()
        client = HTTPClient(port: httpPort)
        management = HTTPClient(port: managementPort)
        process = try ChildProcess(
            name, binary: kafka.binary,
            arguments: [
                "serve", "--data-dir", kafka.folder.path + "/" + name, "--http-port", "\(httpPort)", "--link-port",
                "\(linkPort)", "--management-port", "\(managementPort)", "--clock-fixed", Self.now,
            ] + kafka.arguments + more, folder: kafka.folder, environment: environment)
        if waits { try waitUntilReady() }
    }

    func waitUntilReady(seconds: Double = 60) throws {
        try wait(seconds: seconds, for: "\(process.name) to be ready:\n\(process.output.suffix(2000))") {
            guard process.isRunning else {
                throw WaitFailure(description: "\(process.name) ended:\n\(process.output.suffix(2000))")
            }
            return isReady
        }
    }

    var isReady: Bool { (try? management.request("GET", "/health/ready").status) == 200 }

    /// Waits until the answer to `target` is the reference's, byte for byte.
    func waitUntilRight(_ target: String, _ reference: Reference, seconds: Double = 30) throws {
        let expected = reference.answer(method: "GET", target: target, now: Self.nowMs)
        var last = ""
        try wait(seconds: seconds, for: "\(target):\n\(last)\ninstead of\n\(expected.body.map(text) ?? "")") {
            let response = try client.request("GET", target)
            last = response.text
            return response.status == expected.status && (expected.body == nil || response.body == expected.body)
        }
    }

    /// The sum of the samples of `metric` whose labels hold each of `labels`, as in `status="304"`.
    func metric(_ metric: String, _ labels: String...) throws -> Double {
        var sum = 0.0
        for line in try management.request("GET", "/metrics").text.split(separator: "\n") {
            guard line.hasPrefix(metric + "{") || line.hasPrefix(metric + " "), let space = line.lastIndex(of: " "),
                labels.allSatisfy({ line.contains($0) })
            else { continue }
            sum += Double(line[line.index(after: space)...]) ?? 0
        }
        return sum
    }

    /// Open file descriptors, as the kernel counts them.
    var openFiles: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.identifier)/fd").count) ?? 0
    }

    /// Resident memory in MiB, as the kernel counts it.
    var residentMiB: Int {
        let status = (try? String(contentsOfFile: "/proc/\(process.identifier)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// A few messages, made by hand: what every test of one process asks for.
struct SmallOffer {
    var messages: [OfferMessage] = []

    init(events: Int = 40, teams: Int = 20) {
        add(.region, "r1", #"{"id":"r1","name":"England","code":"ENG"}"#)
        add(.category, "c1", #"{"id":"c1","sport":"soccer","name":"England","slug":"england","regionId":"r1"}"#)
        add(.season, "s1", #"{"id":"s1","name":"2025/26"}"#)
        for stage in ["st1", "st2"] {
            add(
                .stage, stage,
                #"{"id":"\#(stage)","sport":"soccer","name":"Stage \#(stage)","categoryId":"c1","seasonId":"s1"}"#)
        }
        for team in 0..<teams {
            add(.participant, "t\(team)", #"{"id":"t\#(team)","sport":"soccer","name":"Team \#(team)"}"#)
        }
        for event in 0..<events {
            add(.event, "e\(event)", Self.event(event, home: event % teams, away: (event + 1) % teams))
        }
    }

    mutating func add(_ kind: ModelKind, _ key: String, _ value: String?) {
        messages.append(OfferMessage(kind: kind, key: Array(key.utf8), value: value.map { Array($0.utf8) }))
    }

    static func event(_ number: Int, home: Int, away: Int, score: Int = 0) -> String {
        let minute = number % 60 < 10 ? "0\(number % 60)" : "\(number % 60)"
        return #"{"id":"e\#(number)","sport":"soccer","stageId":"st\#(1 + number % 2)","#
            + #""scheduledStart":"2026-03-13T14:\#(minute):00Z","status":"IN_PROGRESS","#
            + #""participants":[{"id":"t\#(home)","score":"\#(score)"},{"id":"t\#(away)","score":"0"}]}"#
    }

    func publish(_ producer: KafkaProducer, _ reference: Reference) throws {
        for message in messages {
            reference.apply(message.kind, key: message.key, value: message.value)
            try producer.send(message.kind, key: message.key, value: message.value)
        }
        try producer.flushAll()
    }
}
