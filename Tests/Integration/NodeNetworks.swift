// A network for each node of a test: a namespace of its own, joined to ours by a pair of interfaces, so that what passes
// between a node and the routers can be lost. Kafka comes in by a Unix socket, which no namespace holds up.

import Foundation
import TestSupport
import Testing

final class NodeNetworks {
    enum Way: String { case out = "output", into = "input" }

    static let comment: Comment = """
        LEFT OUT: no network namespaces here (they need root, iproute2, nftables and python3, and a system that permits them)
        """
    static let arePermitted: Bool = {
        guard getuid() == 0, Prerequisites.met != nil, let folder = try? TemporaryFolder() else { return false }
        let name = "favorites-probe-\(getpid())"
        defer { _ = try? run(["ip", "netns", "del", name], folder) }
        return (try? run(["ip", "netns", "add", name], folder)) != nil
            && (try? run(["ip", "netns", "exec", name, "nft", "list", "ruleset"], folder)) != nil
            && (try? run(["python3", "--version"], folder)) != nil
    }()

    private let folder: TemporaryFolder
    private let count: Int
    private var forwarders: [ChildProcess] = []

    /// Networks 0 to `count` - 1, each with the broker at its own `brokers` on loopback.
    init(_ count: Int, brokers: String, folder: TemporaryFolder) throws {
        self.folder = folder
        self.count = count
        let socket = "unix:" + folder.path + "/kafka"
        forwarders.append(try startForwarder("kafka", from: socket, to: "tcp:" + brokers, folder: folder))
        for number in 0..<count {
            let space = name(number)
            try run("ip", "netns", "add", space)
            try run("ip", "link", "add", interface(number), "type", "veth", "peer", "name", "wire", "netns", space)
            try run("ip", "addr", "add", "10.214.\(number).1/30", "dev", interface(number))
            try run("ip", "link", "set", interface(number), "up")
            try run("ip", "-n", space, "addr", "add", host(number) + "/30", "dev", "wire")
            try run("ip", "-n", space, "link", "set", "wire", "up")
            try run("ip", "-n", space, "link", "set", "lo", "up")
            forwarders.append(
                try startForwarder(
                    "kafka-\(number)", behind: words(number), from: "tcp:" + brokers, to: socket, folder: folder))
        }
    }

    deinit {
        for forwarder in forwarders { forwarder.kill() }
        for number in 0..<count { _ = try? run("ip", "netns", "del", name(number)) }
    }

    private func name(_ number: Int) -> String { "favorites-\(getpid())-\(number)" }
    private func interface(_ number: Int) -> String { "fv\(getpid() % 100_000)-\(number)" }

    /// What stands before a command that is to run there.
    func words(_ number: Int) -> [String] { ["ip", "netns", "exec", name(number)] }

    /// The node's address, seen from here.
    func host(_ number: Int) -> String { "10.214.\(number).2" }

    /// What the node sends, what it is sent is lost from now on; what is not named passes.
    func lose(_ ways: [Way], of number: Int) throws {
        func nft(_ words: String...) throws { try Self.run(self.words(number) + ["nft"] + words, folder) }
        try nft("flush", "ruleset")
        guard !ways.isEmpty else { return }
        try nft("add", "table", "inet", "fault")
        for way in ways {
            let hook = way.rawValue
            try nft("add", "chain", "inet", "fault", hook, "{ type filter hook \(hook) priority 0; }")
            try nft("add", "rule", "inet", "fault", hook, way == .out ? "oifname" : "iifname", "wire", "drop")
        }
    }

    private func run(_ words: String...) throws { try Self.run(words, folder) }

    private static func run(_ words: [String], _ folder: TemporaryFolder) throws {
        _ = try ChildProcess.run(words[0], binary: "/usr/bin/env", arguments: words, folder: folder, seconds: 20)
    }
}

/// Passes connections on, behind the given words. It can be told to be late: SIGUSR1, and again to be on time.
func startForwarder(
    _ name: String, behind words: [String] = [], delayMs: Int = 0, from: String, to: String, folder: TemporaryFolder
) throws -> ChildProcess {
    let program = ["python3", TestPaths.root + "/Benchmarks/forward.py", "--delay-ms", "\(delayMs)"]
    let forwarder = try ChildProcess(
        "forward-" + name, binary: "/usr/bin/env", arguments: words + program + [from, to], folder: folder)
    _ = try forwarder.waitForLine(containing: "ready")
    return forwarder
}
