// `favorites demo`: a whole cluster on this machine, each part a process of its own, until Ctrl-C.

import ArgumentParser
import Foundation
import Glibc
import Model
import Offer
import Settings
import Synchronization

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Runs a whole cluster on this machine, with live updates.",
        discussion: """
            Starts the embedded broker, nodes and a router as processes, publishes an offer (a generated one, or the \
            folder of --data) and plays a match day on it. Prints addresses, three curl lines that have an answer, and \
            how to end each process: end a node and see that the answers stay. Where the offer lies in the past the \
            cluster's clock stands still at its last days.

            Each process writes a log into a folder of its own under the temporary folder, which is removed at the \
            end. Ctrl-C ends everything; kill -9 too, but leaves the folder.
            """)

    @Option(help: ArgumentHelp("An offer folder to publish instead of a generated one.", valueName: "DIR"))
    var data: String?

    @Option(help: ArgumentHelp("Nodes, 1 to 16.", valueName: "N"))
    var nodes = 3

    @Option(help: ArgumentHelp("Port of the public endpoints; 0 for a free one.", valueName: "PORT"))
    var httpPort = 8080

    @Option(help: ArgumentHelp("Live updates a second, 0 to 1000.", valueName: "N"))
    var rate = 50

    /// The embedded broker keeps 5 MiB a partition: at 50 updates a second of about 400 bytes these last for hours.
    private static let partitions = 64
    private static let events = 20_000

    func validate() throws {
        guard (1...16).contains(nodes) else { throw ValidationError("--nodes must be 1 to 16.") }
        guard (0...1_000).contains(rate) else { throw ValidationError("--rate must be 0 to 1000.") }
        guard (0...65_535).contains(httpPort) else { throw ValidationError("--http-port must be 0 to 65535.") }
    }

    func run() throws {
        signal(SIGINT) { _ in isDemoEnding.store(true, ordering: .relaxed) }
        signal(SIGTERM) { _ in isDemoEnding.store(true, ordering: .relaxed) }
        let given = try data.map { path in try OfferFolder(path: path) }
        guard let port = Loopback.free(httpPort), let management = Loopback.free(0) else {
            throw CommandError(
                "port \(httpPort) is in use by another process; give another --http-port, or 0 for a free one",
                code: .unavailable)
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("favorites-demo-\(getpid())").path
        guard unsafe mkdir(folder, 0o755) == 0 else {
            throw CommandError("cannot make \(folder): \(systemError()); set TMPDIR to a folder", code: .system)
        }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var processes = DemoProcesses(folder: folder)
        defer { processes.endAll() }
        do {
            let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970) * 1_000)
            let brokers = try startBroker(&processes)
            let offer = try given ?? generate(processes, now: now)
            guard let shown = try DemoOffer(offer, now: now) else {
                throw CommandError("\(offer.path): has no events to show", code: .data)
            }
            try publish(offer, processes, brokers: brokers)
            try startMembers(&processes, shown, brokers: brokers, ports: (port, management))
            if rate > 0 { try play(&processes, offer, brokers: brokers, now: shown.frozen ?? now) }
            explain(processes, shown, brokers: brokers, ports: (port, management))
            watch(&processes)
        } catch is DemoEnded {}
        say("\nEnding everything …")
    }

    // MARK: - Starting

    private func startBroker(_ processes: inout DemoProcesses) throws -> String {
        say("Starting the broker …")
        let bootstrap = processes.folder + "/bootstrap"
        try processes.start(
            "broker", ["broker", "--partitions", "\(Self.partitions)", "--bootstrap-file", bootstrap])
        try processes.wait(seconds: 20, for: "broker") { FileManager.default.fileExists(atPath: bootstrap) }
        return try String(contentsOfFile: bootstrap, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func generate(_ processes: DemoProcesses, now: Timestamp) throws -> OfferFolder {
        let path = processes.folder + "/offer"
        say("Generating \(Self.events) events around now …")
        try processes.call(["generate", "--events", "\(Self.events)", "--seed", "1", "--out", path, "--now", "\(now)"])
        return try OfferFolder(path: path)
    }

    private func publish(_ offer: OfferFolder, _ processes: DemoProcesses, brokers: String) throws {
        say("Publishing \(offer.path) …")
        try processes.call(["publish", offer.path, "--kafka-brokers", brokers])
    }

    private func startMembers(
        _ processes: inout DemoProcesses, _ shown: DemoOffer, brokers: String, ports: (http: Int, management: Int)
    ) throws {
        say("Starting \(nodes == 1 ? "a node" : "\(nodes) nodes") and a router …")
        let kafka = ["--kafka-brokers", brokers, "--cluster-replicas", "\(min(2, nodes))"]
        var members: [Int] = [ports.management]
        for number in 1...nodes {
            guard let management = Loopback.free(0) else { throw CommandError("no port is free", code: .system) }
            members.append(management)
            try processes.start(
                "node-\(number)",
                ["node", "--data-dir", "\(processes.folder)/node-\(number)", "--node-id", "node-\(number)"]
                    // Ctrl-C ends the broker as well, and then nobody can take over: not longer than this.
                    + ["--link-port", "0", "--management-port", "\(management)", "--drain-timeout", "5s"] + kafka)
        }
        try processes.start(
            "router",
            ["router", "--data-dir", processes.folder + "/router", "--node-id", "router-1"]
                + ["--http-port", "\(ports.http)", "--management-port", "\(ports.management)"] + kafka
                + (shown.frozen.map { ["--clock-fixed", "\($0)"] } ?? []))
        say("Waiting until everything is loaded …")
        // The router is ready when each partition has one holder; whoever then ends a node wants the second one too.
        try processes.wait(seconds: 120, for: "router") { members.allSatisfy(Loopback.isReady) }
    }

    private func play(_ processes: inout DemoProcesses, _ offer: OfferFolder, brokers: String, now: Timestamp) throws {
        try processes.start(
            "simulate",
            ["simulate", "--kafka-brokers", brokers, "--rate", "\(rate)", "--data", offer.path, "--now", "\(now)"])
    }

    // MARK: - Running

    private func explain(
        _ processes: DemoProcesses, _ shown: DemoOffer, brokers: String, ports: (http: Int, management: Int)
    ) {
        let base = "http://127.0.0.1:\(ports.http)/v1/api/app"
        let kills = processes.list.map { "  kill \($0.pid)   # \($0.name)" }
        let frozen = shown.frozen.map { ["The offer lies in the past, so the cluster's clock stands still at \($0)."] }
        let lines =
            ["", "Ready."] + (frozen ?? []) + ["Try:"] + [
                "  curl -s '\(base)/mym/\(shown.sport)?teamIds=\(shown.team)'",
                "  curl -s '\(base)/mym/\(shown.sport)?eventIds=\(shown.event)&teamIds=\(shown.team)'",
                "  curl -si '\(base)/myt/\(shown.sport)?teamIds=\(shown.team)'", "",
                "Health:   http://127.0.0.1:\(ports.management)/health",
                "Metrics:  http://127.0.0.1:\(ports.management)/metrics", "Kafka:    \(brokers)",
                "Logs:     tail -f \(processes.folder)/*.log", "", "To end one process:",
            ] + kills + ["", "Ctrl-C ends everything."]
        say(lines.joined(separator: "\n"))
    }

    /// Until Ctrl-C, or until nobody is left. Children may end: that the others go on is what there is to see.
    private func watch(_ processes: inout DemoProcesses) {
        while !isDemoEnding.load(ordering: .relaxed), processes.runningCount > 0 {
            _ = usleep(100_000)
            // Ctrl-C ends them all at once.
            guard !isDemoEnding.load(ordering: .relaxed) else { return }
            for name in processes.ended() { say("\(name) has ended; the others go on.") }
        }
    }

    private func say(_ text: String) { FileOutput.standardOutput.write(text + "\n") }
}
