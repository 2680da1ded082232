// A whole cluster of real processes for a test: broker, nodes and a router, each with ports that the test chose. All
// of them end with the object.

import Foundation
import Kafka
import Logging
import Model
import Offer
import TestSupport
import Testing

/// What a test of processes needs on this machine; without it such tests are skipped, and say so.
enum Prerequisites {
    static let comment: Comment = "needs a built `favorites` with its commands (FAVORITES_BIN or `swift build`)"

    /// The program, and an offer: the football fixtures where they are, else a generated one.
    static let met: (binary: String, offer: String)? = {
        guard let binary = TestPaths.binary, let folder = try? TemporaryFolder(),
            let help = try? ChildProcess.run(
                "help", binary: binary, arguments: ["node", "--help"], folder: folder, seconds: 20),
            help.contains("--cluster-replicas")
        else { return nil }
        if let football = TestPaths.football { return (binary, football) }
        // Left behind for whoever wants to look at it; the next run makes it anew.
        let offer = TestPaths.root + "/.build/integration-offer"
        try? FileManager.default.removeItem(atPath: offer)
        let generate = ["generate", "--events", "20000", "--out", offer]
        do {
            _ = try ChildProcess.run("generate", binary: binary, arguments: generate, folder: folder, seconds: 60)
        } catch {
            Issue.record("no offer to test with: \(error)")
            return nil
        }
        return (binary, offer)
    }()
}

final class Cluster {
    /// The embedded broker keeps 5 MiB a partition: enough for the longest live test.
    static let partitions = 48
    /// Of each global topic.
    static let globalPartitions = 12
    /// The topics by `ModelKind.rawValue`.
    static let topics = ModelKind.allCases.map { "favorites-api-\($0.plural)" }

    let folder: TemporaryFolder
    let binary: String
    let brokers: String
    let broker: ChildProcess
    /// Given to every member that is started from now on.
    var memberOptions: [String] = []
    /// Networks of their own for the nodes.
    var networks: NodeNetworks?
    /// By a node's number, what it is given besides.
    var nodeOptions: [Int: [String]] = [:]
    private(set) var nodes: [(process: ChildProcess, management: HTTPClient)] = []
    private(set) var routers: [(process: ChildProcess, management: HTTPClient)] = []

    /// Starts the broker, which makes the topics.
    init(binary: String) throws {
        self.binary = binary
        folder = try TemporaryFolder()
        let bootstrap = folder.path + "/bootstrap"
        broker = try ChildProcess(
            "broker", binary: binary,
            arguments: [
                "broker", "--partitions", "\(Self.partitions)", "--global-partitions", "\(Self.globalPartitions)",
                "--bootstrap-file", bootstrap,
            ], folder: folder)
        var address = ""
        let process = broker
        try wait(seconds: 20, for: "the bootstrap file") {
            address = (try? String(contentsOfFile: bootstrap, encoding: .utf8)) ?? ""
            guard process.isRunning else { throw WaitFailure(description: "the broker ended:\n\(process.output)") }
            return address.hasSuffix("\n") || address.contains(":")
        }
        brokers = address.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func startNodes(_ count: Int, replicas: Int, flags: [String] = []) throws {
        for _ in 0..<count { nodes.append(try startNode(nodes.count, replicas: replicas, flags: flags)) }
    }

    func waitUntilReady(node number: Int) throws {
        try waitUntilReady(nodes[number].process, nodes[number].management)
    }

    /// Starts a node again that has ended, with the id and folder that it had, and waits until it is ready.
    func restartNode(_ number: Int, replicas: Int) throws {
        try startAgain(number, replicas: replicas)
        try waitUntilReady(nodes[number].process, nodes[number].management)
    }

    /// The same without waiting.
    func startAgain(_ number: Int, replicas: Int) throws {
        nodes[number] = try startNode(number, replicas: replicas)
    }

    private func startNode(
        _ number: Int, replicas: Int, flags: [String] = []
    ) throws -> (process: ChildProcess, management: HTTPClient) {
        let management = try freePort()
        let host = networks?.host(number) ?? "127.0.0.1"
        let process = try startProcess(
            "node", "node-\(number)",
            ["--host", host, "--management-port", "\(management)", "--cluster-replicas", "\(replicas)"]
                + (nodeOptions[number] ?? ["--link-port", "0"]) + flags, behind: networks?.words(number) ?? [])
        return (process, HTTPClient(host: host, port: management))
    }

    /// Starts a member behind the given words, with a folder that goes by its name.
    func startProcess(
        _ command: String, _ name: String, _ options: [String], behind words: [String] = []
    ) throws -> ChildProcess {
        let data = ["--kafka-brokers", brokers, "--data-dir", folder.path + "/" + name]
        return try ChildProcess(
            name, binary: words.isEmpty ? binary : "/usr/bin/env",
            arguments: (words.isEmpty ? [] : words + [binary]) + [command] + data + memberOptions + options,
            folder: folder)
    }

    /// Starts a node and router in one process, waits until it is ready, and returns a client of it.
    func startServer(now: String, replicas: String) throws -> HTTPClient {
        let http = try freePort()
        let management = try freePort()
        let process = try startProcess(
            "serve", "serve",
            [
                "--link-port", "0", "--http-port", "\(http)", "--management-port", "\(management)",
                "--cluster-replicas", replicas, "--clock-fixed", now,
            ])
        let client = HTTPClient(port: management)
        routers.append((process, client))
        try waitUntilReady(process, client)
        return HTTPClient(port: http)
    }

    func waitUntilReady(_ process: ChildProcess, _ management: HTTPClient) throws {
        try wait(seconds: 60, for: "\(process.name) to be ready:\n\(process.output.suffix(2000))") {
            guard process.isRunning else {
                throw WaitFailure(description: "\(process.name) ended:\n\(process.output.suffix(2000))")
            }
            return (try? management.request("GET", "/health/ready").status) == 200
        }
    }

    /// Starts a router whose *now* stands still at `now`, waits until it is ready unless told otherwise, and returns a client
    /// of it. `folder`: that of the router of this number; nil for a new one.
    func startRouter(now: String, folder number: Int? = nil, waits: Bool = true) throws -> HTTPClient {
        try startRouterManaged(now: now, folder: number, waits: waits).http
    }

    /// The same, with more arguments and a client of its management port.
    func startRouterManaged(
        now: String, folder number: Int? = nil, waits: Bool = true, arguments: [String] = []
    ) throws -> (http: HTTPClient, management: HTTPClient) {
        let http = try freePort()
        let management = try freePort()
        let process = try startProcess(
            "router", "router-\(number ?? routers.count)",
            ["--http-port", "\(http)", "--management-port", "\(management)", "--clock-fixed", now] + arguments)
        let client = HTTPClient(port: management)
        routers.append((process, client))
        if waits { try waitUntilReady(process, client) }
        return (HTTPClient(port: http), client)
    }

    /// Waits until each partition of the events topic is held by as many nodes as it is meant to be, and by no more.
    func waitUntilSpread(replicas: Int) throws {
        try wait(seconds: 60, for: "the partitions to be spread") {
            let held = nodes.map { node -> Int in
                guard let response = try? node.management.request("GET", "/health"),
                    let health = try? JSONDecoder().decode(NodeHealth.self, from: Data(response.body))
                else { return 0 }
                return health.partitions.count { $0.topic == ModelKind.event.plural }
            }
            return held.allSatisfy { $0 > 0 } && held.reduce(0, +) == replicas * Self.partitions
        }
    }

    /// Publishes a folder with the program's own command.
    func publish(_ folder: String) throws {
        _ = try ChildProcess.run(
            "publish", binary: binary, arguments: ["publish", folder, "--kafka-brokers", brokers], folder: self.folder,
            seconds: 120)
    }

    /// A producer for single messages, legal or not.
    func producer() throws -> KafkaProducer {
        try KafkaProducer(
            options: KafkaClientOptions(brokers: brokers), topics: Self.topics, logger: Logger(label: "test"))
    }

    /// Waits until everything that was published so far is applied on every node, so visible to the router: on each
    /// node's `/health` every partition that it reads stands at the log's end, as the broker tells it now.
    func waitUntilApplied(seconds: Double = 60) throws {
        let admin = try KafkaAdmin(options: KafkaClientOptions(brokers: brokers), logger: Logger(label: "test"))
        var ends: [String: Int64] = [:]
        for kind in ModelKind.allCases {
            for partition in 0..<(kind == .event ? Self.partitions : Self.globalPartitions) {
                let bounds = try admin.bounds(of: Self.topics[Int(kind.rawValue)], PartitionID(partition))
                #expect(bounds.start == Offset(0), "the broker has trimmed \(kind.plural) partition \(partition)")
                ends["\(kind.plural)/\(partition)"] = bounds.end.rawValue
            }
        }
        for node in nodes where node.process.isRunning {
            try wait(seconds: seconds, for: "\(node.process.name) to apply everything") {
                guard node.process.isRunning else {
                    throw WaitFailure(description: "\(node.process.name) ended:\n\(node.process.output.suffix(2000))")
                }
                guard let health = NodeHealth(node.management) else { return false }
                // All global partitions, and at least one of the events topic.
                guard health.partitions.count > 5 * Self.globalPartitions else { return false }
                return health.partitions.allSatisfy { $0.applied >= ends["\($0.topic)/\($0.partition)"] ?? 0 }
            }
        }
    }
}

/// What of `/health` the tests look at.
struct NodeHealth: Decodable {
    struct Partition: Decodable {
        var topic: String
        var partition: Int
        var ready: Bool?
        var applied: Int64
    }
    var state: String
    var safeToRemove: Bool

    /// Nil where nobody answers.
    init?(_ management: HTTPClient) {
        guard let response = try? management.request("GET", "/health"), response.status == 200,
            let health = try? JSONDecoder().decode(NodeHealth.self, from: Data(response.body))
        else { return nil }
        self = health
    }

    /// The partitions of the events topic that it may be asked for.
    var ready: Set<Int> { Set(partitions.filter { $0.topic == "events" && $0.ready == true }.map(\.partition)) }

    var partitions: [Partition]
}

extension KafkaProducer {
    struct Undelivered: Error {
        let counts: DeliveryCounts
    }

    func send(_ kind: ModelKind, key: [UInt8], value: [UInt8]?) throws {
        try produce(topic: Int(kind.rawValue), key: key, value: value)
    }

    /// Waits until every message sent so far is delivered.
    func flushAll() throws {
        guard flush(timeoutMs: 30_000), counts.failed == 0 else { throw Undelivered(counts: counts) }
    }
}
