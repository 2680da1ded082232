// The autoscaler with real processes: nodes that a hook starts and stops, webhooks, and what hooks do wrong.

import Foundation
import Model
import TestSupport
import Testing

/// A Kafka, a small offer in it, and a folder of nodes for `local-process.sh`.
private final class Scaled {
    static let script = TestPaths.root + "/deploy/autoscale/local-process.sh"

    let kafka: TestKafka
    let reference = Reference()
    let nodes: String
    private(set) var autoscalers: [ChildProcess] = []
    /// A process ends with its object.
    private var routers: [ChildProcess] = []

    init(binary: String) throws {
        kafka = try TestKafka(binary: binary)
        try SmallOffer().publish(kafka.producer(), reference)
        nodes = kafka.folder.path + "/nodes"
        try FileManager.default.createDirectory(atPath: nodes, withIntermediateDirectories: true)
        var settings = "kafka.brokers: \(kafka.brokers)\ncluster.replicas: max\nloops: 1\n"
        for (kind, topic) in zip(ModelKind.allCases, kafka.topics) {
            settings += "kafka.topics.\(kind.plural): \(topic)\n"
        }
        if let place = kafka.arguments.firstIndex(of: "--kafka-topics-cluster") {
            settings += "kafka.topics.cluster: \(kafka.arguments[place + 1])\n"
        }
        try settings.write(toFile: nodes + "/settings.yaml", atomically: true, encoding: .utf8)
    }

    /// Nodes belong to nobody: what the hook started is ended by its pid.
    deinit {
        for process in autoscalers { process.kill() }
        for node in (try? list()) ?? [] where node.pid > 0 { kill(node.pid, SIGKILL) }
    }

    @discardableResult
    func local(_ words: String...) throws -> String {
        let child = try ChildProcess(
            "local-\(UUID().uuidString.prefix(8))", binary: Self.script, arguments: [nodes] + words,
            folder: kafka.folder, environment: ["LOCAL_PROCESS_FAVORITES": kafka.binary])
        let code = try child.waitForExit(seconds: 20)
        guard code == 0 else { throw WaitFailure(description: "local-process.sh: \(code):\n\(child.output)") }
        return child.output
    }

    /// pid 0 where a node has ended.
    func list() throws -> [(name: String, pid: Int32)] {
        try local("list").split(separator: "\n").map { line in
            let words = line.split(separator: " ")
            return (String(words[0]), Int32(words[1]) ?? 0)
        }
    }

    /// A program that notes its call and then does `then`.
    func hook(_ name: String, then command: String) throws -> String {
        let path = kafka.folder.path + "/" + name
        let text = "#!/bin/bash\necho \"$AUTOSCALE_KEY\" >> \(path).calls\n\(command)\n"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    func calls(_ name: String) -> [String] {
        let text = try? String(contentsOfFile: kafka.folder.path + "/" + name + ".calls", encoding: .utf8)
        return (text ?? "").split(separator: "\n").map(String.init)
    }

    /// Windows and cool-downs of seconds.
    static let quick = [
        "--autoscale-window", "2s", "--autoscale-scale-out-cooldown", "1s", "--autoscale-scale-in-cooldown", "1s",
    ]

    @discardableResult
    func autoscale(
        _ name: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> (process: ChildProcess, management: HTTPClient) {
        let port = try freePort()
        let place = kafka.arguments.firstIndex(of: "--kafka-topics-cluster")
        let topic = place.map { Array(kafka.arguments[$0...($0 + 1)]) } ?? []
        let process = try ChildProcess(
            name, binary: kafka.binary,
            arguments: ["autoscale", "--kafka-brokers", kafka.brokers, "--management-port", "\(port)"] + topic
                + Self.quick + arguments,
            folder: kafka.folder, environment: environment)
        autoscalers.append(process)
        return (process, HTTPClient(port: port))
    }

    /// A router, with the names of the nodes that serve on its `/health`.
    func router(_ name: String, _ arguments: [String] = []) throws -> Routing {
        let (http, management) = (try freePort(), try freePort())
        let process = try ChildProcess(
            name, binary: kafka.binary,
            arguments: [
                "router", "--data-dir", kafka.folder.path + "/" + name, "--node-id", name, "--http-port", "\(http)",
                "--management-port", "\(management)", "--clock-fixed", Served.now, "--cluster-replicas", "max",
            ] + kafka.arguments + arguments, folder: kafka.folder)
        routers.append(process)
        return Routing(process: process, http: HTTPClient(port: http), management: HTTPClient(port: management))
    }
}

private struct Routing {
    let process: ChildProcess
    let http: HTTPClient
    let management: HTTPClient

    private struct Health: Decodable {
        struct Member: Decodable {
            var id: String
            var kind: String
            var state: String
            var silent: Bool
        }
        var members: [Member]?
    }

    func serving() throws -> [String] {
        let response = try management.request("GET", "/health")
        let health = try JSONDecoder().decode(Health.self, from: Data(response.body))
        return (health.members ?? []).filter { $0.kind == "node" && $0.state == "serving" && !$0.silent }.map(\.id)
    }

    func waitUntilServing(_ count: Int) throws {
        var found: [String] = []
        try wait(seconds: 60, for: "\(count) nodes that serve, not \(found):\n\(process.output.suffix(2000))") {
            found = (try? serving()) ?? []
            return found.count == count
        }
    }
}

private func sum(_ metric: String, _ label: String = "", at management: HTTPClient) throws -> Double {
    try management.request("GET", "/metrics").text.split(separator: "\n")
        .filter { ($0.hasPrefix(metric + "{") || $0.hasPrefix(metric + " ")) && $0.contains(label) }
        .reduce(0) { $0 + (Double($1.split(separator: " ").last ?? "") ?? 0) }
}

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct AutoscaleTests {
    /// Both call the hook under one key, and one node is started; then both shrink the cluster by one, once, while a
    /// client asks on.
    @Test func twoAutoscalersActOnce() throws {
        let (binary, _) = try #require(Prerequisites.met)
        let scaled = try Scaled(binary: binary)
        try scaled.local("start", "n1")
        let router = try scaled.router("router")
        try router.waitUntilServing(1)
        // The node comes late, so that the other one calls too before it sees it.
        let hook = try scaled.hook(
            "grow", then: "sleep 4; LOCAL_PROCESS_FAVORITES=\(binary) exec \(Scaled.script) \(scaled.nodes) \"$@\"")
        for name in ["one", "two"] {
            try scaled.autoscale(name, ["--autoscale-command", hook, "--autoscale-nodes-min", "2"])
        }
        try router.waitUntilServing(2)
        try wait(seconds: 30, for: "both calls: \(scaled.calls("grow"))") { scaled.calls("grow").count >= 2 }
        #expect(scaled.calls("grow").count == 2)
        #expect(Set(scaled.calls("grow")).count == 1)
        for process in scaled.autoscalers { _ = try process.waitForLine(containing: "the hook is done", seconds: 30) }
        #expect(try scaled.list().count == 2)
        for process in scaled.autoscalers { process.kill() }

        let shrink = try scaled.hook(
            "shrink", then: "LOCAL_PROCESS_FAVORITES=\(binary) exec \(Scaled.script) \(scaled.nodes) \"$@\"")
        for name in ["three", "four"] {
            try scaled.autoscale(name, ["--autoscale-command", shrink, "--autoscale-nodes-min", "1"])
        }
        var asked = 0
        let target = "/v1/api/app/mym/soccer?eventIds=e1,e2,e3&teamIds=t1"
        let expected = scaled.reference.answer(method: "GET", target: target, now: Served.nowMs)
        try wait(seconds: 60, for: "one node to be left") {
            let response = try router.http.request("GET", target)
            asked += 1
            guard response.status == 200, response.body == expected.body else {
                throw WaitFailure(description: "answer \(asked): \(response.status) \(response.text)")
            }
            return try asked % 20 == 0 && router.serving().count == 1
        }
        #expect(Set(scaled.calls("shrink")).count == 1)
        // It has said goodbye, and ends.
        try wait(seconds: 30, for: "one process to be left") { try scaled.list().count { $0.pid > 0 } == 1 }
        #expect(asked > 20)
    }

    /// Only the router of the lowest id decides; when it is gone, the next one does. A dry run calls nothing.
    @Test func theLiveRouterOfTheLowestIDDecides() throws {
        let (binary, _) = try #require(Prerequisites.met)
        let scaled = try Scaled(binary: binary)
        try scaled.local("start", "n1")
        let arguments = ["--autoscale-mode", "dry-run", "--autoscale-nodes-min", "2"] + Scaled.quick
        let second = try scaled.router("r2", arguments)
        let first = try scaled.router("r1", arguments)
        try first.waitUntilServing(1)
        _ = try first.process.waitForLine(containing: "dry run, no hook is called", seconds: 30)
        try wait(seconds: 20, for: "the other to know") {
            try sum("autoscale_reason", "reason=\"not-in-charge\"", at: second.management) == 1
        }
        #expect(!second.process.output.contains("dry run, no hook"))
        #expect(try sum("autoscale_hook_calls_total", "result=\"dry-run\"", at: first.management) >= 1)
        first.process.kill()
        _ = try second.process.waitForLine(containing: "dry run, no hook is called", seconds: 60)
    }

    /// A hook that hangs and one that fails: bounded, in the log and in metrics, called again after the cool-down.
    @Test func badHooksAreBoundedAndCalledAgain() throws {
        let (binary, _) = try #require(Prerequisites.met)
        let scaled = try Scaled(binary: binary)
        _ = try scaled.router("router")
        let hang = try scaled.hook("hang", then: "echo waiting; sleep 600")
        let fail = try scaled.hook("fail", then: "echo no room; exit 7")
        let hanging = try scaled.autoscale(
            "hanging", ["--autoscale-command", hang, "--autoscale-hook-timeout", "300ms"])
        let failing = try scaled.autoscale("failing", ["--autoscale-command", fail])
        try wait(seconds: 60, for: "three calls each") {
            scaled.calls("hang").count >= 3 && scaled.calls("fail").count >= 3
        }
        // Nothing has changed meanwhile, so neither has the key.
        #expect(Set(scaled.calls("hang") + scaled.calls("fail")).count == 1)
        _ = try hanging.process.waitForLine(containing: "it took too long and was ended: waiting")
        _ = try failing.process.waitForLine(containing: "it ended with code 7: no room")
        #expect(try sum("autoscale_hook_calls_total", "result=\"timeout\"", at: hanging.management) >= 2)
        #expect(try sum("autoscale_hook_calls_total", "result=\"exit-code\"", at: failing.management) >= 2)
        hanging.process.send(signal: SIGTERM)
        #expect(try hanging.process.waitForExit(seconds: 20) == 0)
    }

    /// Asked again while the receiver is busy, signed so that another implementation finds the same, and the secret is
    /// nowhere.
    @Test func webhooksAreSignedAndRepeated() throws {
        let (binary, _) = try #require(Prerequisites.met)
        let scaled = try Scaled(binary: binary)
        _ = try scaled.router("router")
        let receiver = try WebhookReceiver(statuses: [503], then: 202)
        let secret = "k3y-that-nobody-may-see"
        let url = "http://127.0.0.1:\(receiver.port)/scale?token=t0ken"
        let scaler = try scaled.autoscale(
            "webhook", ["--autoscale-webhook-url", url],
            environment: ["FAVORITES_AUTOSCALE_WEBHOOK_KEY": secret])
        _ = try scaler.process.waitForLine(containing: "the hook is done", seconds: 60)
        let requests = receiver.requests
        #expect(requests.count == 2)
        #expect(Set(requests.compactMap { $0.headers["idempotency-key"] }).count == 1)
        for request in requests {
            let program =
                "import hmac,sys;print(hmac.new(sys.argv[1].encode(),sys.argv[2].encode(),'sha256').hexdigest())"
            let text =
                "\(request.headers["favorites-timestamp"] ?? "").\(String(decoding: request.body, as: UTF8.self))"
            let expected = try ChildProcess.run(
                "hmac", binary: "/usr/bin/env", arguments: ["python3", "-c", program, secret, text],
                folder: scaled.kafka.folder, seconds: 30)
            #expect(request.headers["favorites-signature"] == "sha256=\(expected.filter { !$0.isNewline })")
        }
        scaler.process.send(signal: SIGTERM)
        #expect(try scaler.process.waitForExit(seconds: 20) == 0)
        #expect(!scaler.process.output.contains(secret))
        #expect(!scaler.process.output.contains("t0ken"))
    }

    @Test func badSettingsAreRefusedAndShowNoSecret() throws {
        let (binary, _) = try #require(Prerequisites.met)
        let folder = try TemporaryFolder()
        let secret = "k3y-that-nobody-may-see"
        func run(_ arguments: String..., key: String = "") throws -> (code: Int32, output: String) {
            let child = try ChildProcess(
                "bad", binary: binary, arguments: ["autoscale"] + arguments, folder: folder,
                environment: ["FAVORITES_AUTOSCALE_WEBHOOK_KEY": key])
            return (try child.waitForExit(seconds: 20), child.output)
        }
        let none = try run()
        #expect(none.code == 64 && none.output.contains("autoscale.command or autoscale.webhook.url, neither given"))
        let both = try run("--autoscale-command", "/bin/true", "--autoscale-webhook-url", "http://h/")
        #expect(both.code == 64 && both.output.contains("both given"))
        let user = try run("--autoscale-webhook-url", "http://me:\(secret)@h/")
        #expect(user.code == 64 && !user.output.contains(secret))
        #expect(try run("--autoscale-webhook-url", "http://h/").output.contains("needs a secret to sign with"))
        let short = try run("--autoscale-webhook-url", "http://h/", key: "k3y-that")
        #expect(short.code == 64 && short.output.contains("too short") && !short.output.contains("k3y-that"))
        let help = try run("--help", key: secret)
        #expect(help.code == 0 && help.output.contains("--autoscale-command") && !help.output.contains(secret))
        #expect(try run("--autoscale-mode", "off").code == 64)
    }

    /// Threads that serve count, and what a process does at its start does not.
    @Test func servingLoadIsWhatServingTakes() throws {
        let (binary, _) = try #require(Prerequisites.met)
        let kafka = try TestKafka(binary: binary)
        let reference = Reference()
        try SmallOffer().publish(kafka.producer(), reference)
        let served = try Served(kafka, ["--loops", "1", "--cluster-replicas", "max"])
        try wait(seconds: 20, for: "the first window") {
            try served.management.request("GET", "/metrics").text.contains("\nserving_cpu_ratio ")
        }
        try wait(seconds: 20, for: "an idle process") { try served.metric("serving_cpu_ratio") < 0.05 }
        // One client that asks without a pause takes a good part of a loop.
        let target = "/v1/api/app/mym/soccer?eventIds=e1,e2,e3,e4,e5&teamIds=t1,t2,t3"
        try wait(seconds: 60, for: "a busy one") {
            for _ in 0..<500 { _ = try served.client.request("GET", target) }
            return try served.metric("serving_cpu_ratio") > 0.15
        }
        try wait(seconds: 20, for: "an idle one again") { try served.metric("serving_cpu_ratio") < 0.05 }
    }
}
