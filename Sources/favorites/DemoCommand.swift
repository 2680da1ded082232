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
        commandName: "demo", abstract: "Run a whole cluster on this machine, with live updates.",
        discussion: """
            Starts the embedded broker, nodes and a router as processes, publishes an offer (a generated one, or the
            folder of --data) and plays a match day on it. Prints the addresses and how to end each process. Ctrl-C
            ends all of them.
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
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("favorites-demo-\(getpid())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var processes = DemoProcesses(folder: folder)
        defer { processes.endAll() }

        print("Starting the broker …")
        let bootstrap = folder + "/bootstrap"
        try processes.start(
            "broker", ["broker", "--partitions", "\(Self.partitions)", "--bootstrap-file", bootstrap])
        try processes.wait(seconds: 20, for: "broker") { FileManager.default.fileExists(atPath: bootstrap) }
        let brokers = try String(contentsOfFile: bootstrap, encoding: .utf8).trimmingCharacters(
            in: .whitespacesAndNewlines)
        let now = "\(Timestamp(milliseconds: Int64(Date().timeIntervalSince1970) * 1_000))"
        let offer = try data ?? generate(folder + "/offer", now: now)
        print("Publishing \(offer) …")
        try Self.call(["publish", offer, "--kafka-brokers", brokers])
        let port = try startMembers(&processes, brokers: brokers, folder: folder)
        if rate > 0 {
            try processes.start(
                "simulate",
                ["simulate", "--kafka-brokers", brokers, "--rate", "\(rate)", "--data", offer, "--now", now])
        }
        try explain(processes, port: port, offer: offer, brokers: brokers)
        while !isDemoEnding.load(ordering: .relaxed) {
            if let ended = processes.firstEnded {
                throw CommandError("\(ended) ended; see its log above", code: .unavailable)
            }
            _ = usleep(200_000)
        }
        print("\nEnding \(processes.count) processes …")
    }

    private func generate(_ path: String, now: String) throws -> String {
        print("Generating \(Self.events) events around now …")
        try Self.call(["generate", "--events", "\(Self.events)", "--seed", "1", "--out", path, "--now", now])
        return path
    }

    private func startMembers(_ processes: inout DemoProcesses, brokers: String, folder: String) throws -> Int {
        print("Starting \(nodes) nodes and a router …")
        for number in 1...nodes {
            try processes.start(
                "node-\(number)",
                [
                    "node", "--kafka-brokers", brokers, "--data-dir", "\(folder)/node-\(number)", "--link-port", "0",
                    "--management-port", "0", "--node-id", "node-\(number)", "--log-level", "warning",
                ])
        }
        let management = try Self.freePort()
        let port = httpPort == 0 ? try Self.freePort() : httpPort
        try processes.start(
            "router",
            [
                "router", "--kafka-brokers", brokers, "--data-dir", folder + "/router", "--http-port", "\(port)",
                "--management-port", "\(management)", "--node-id", "router-1", "--log-level", "warning",
            ])
        try processes.wait(seconds: 120, for: "router") {
            (try? Data(contentsOf: Self.url("http://127.0.0.1:\(management)/health/ready"))) != nil
        }
        print("Ready. Health and metrics of the router: http://127.0.0.1:\(management)/health and /metrics")
        return port
    }

    /// Three lines to paste, with ids of the offer that have an answer.
    private func explain(_ processes: DemoProcesses, port: Int, offer: String, brokers: String) throws {
        var team: (sport: String, id: String, event: String)?
        try OfferFolder(path: offer).forEach(.event) { _, key, value in
            guard team == nil, let value, let sample = DemoSample(value) else { return }
            team = (sample.sport, sample.participants.first?.id ?? "", String(decoding: key, as: UTF8.self))
        }
        let sample = team ?? ("soccer", "unknown", "unknown")
        print("Kafka: \(brokers)")
        for process in processes.list { print("  kill \(process.pid)   # \(process.name)") }
        print("Try:")
        let base = "http://127.0.0.1:\(port)/v1/api/app"
        print("  curl -s '\(base)/mym/\(sample.sport)?teamIds=\(sample.id)'")
        print("  curl -s '\(base)/mym/\(sample.sport)?eventIds=\(sample.event)'")
        print("  curl -si '\(base)/myt/\(sample.sport)?teamIds=\(sample.id)'")
        print("Ctrl-C ends it all.")
        fflush(nil)
    }

    private static func call(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CommandError("`favorites \(arguments[0])` failed; see above", code: .unavailable)
        }
    }

    static var executable: URL {
        // /proc/self/exe is the running file on Linux, however it was called.
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    }

    private static func url(_ text: String) throws -> URL {
        guard let url = URL(string: text) else { throw CommandError("\(text) is no URL") }
        return url
    }

    /// A port that is free now; whoever takes it in between makes the start fail with a clear error.
    private static func freePort() throws -> Int {
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(file) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = unsafe inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(file, address, size) == 0 && getsockname(file, address, &size) == 0
            }
        }
        guard isBound else { throw CommandError("no free port", code: .system) }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// What of an event the printed lines need.
private struct DemoSample: Decodable {
    struct Participant: Decodable { var id: String }
    var sport: String
    var participants: [Participant]

    init?(_ json: [UInt8]) {
        guard let sample = try? JSONDecoder().decode(DemoSample.self, from: Data(json)) else { return nil }
        self = sample
    }
}

/// The demo's processes; those still running end with `endAll`, newest first.
private struct DemoProcesses {
    let folder: String
    private var processes: [(name: String, process: Process)] = []

    init(folder: String) { self.folder = folder }

    var count: Int { processes.count }
    var list: [(name: String, pid: Int32)] { processes.map { ($0.name, $0.process.processIdentifier) } }
    var firstEnded: String? { processes.first { !$0.process.isRunning }?.name }

    mutating func start(_ name: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = DemoCommand.executable
        process.arguments = arguments
        try process.run()
        processes.append((name, process))
    }

    /// Waits until `isDone`; fails where the process ends before or the time is over.
    func wait(seconds: Int, for name: String, until isDone: () -> Bool) throws {
        for _ in 0..<seconds * 10 {
            if isDone() { return }
            if let ended = firstEnded { throw CommandError("\(ended) ended; see its log above", code: .unavailable) }
            if isDemoEnding.load(ordering: .relaxed) { throw CommandError("ended while starting", code: .unavailable) }
            _ = usleep(100_000)
        }
        throw CommandError("\(name) was not ready within \(seconds) s", code: .unavailable)
    }

    func endAll() {
        for entry in processes.reversed() where entry.process.isRunning { entry.process.terminate() }
        for _ in 0..<100 where processes.contains(where: \.process.isRunning) { _ = usleep(100_000) }
        for entry in processes where entry.process.isRunning { kill(entry.process.processIdentifier, SIGKILL) }
    }
}

/// Set by a signal handler, which may do little more.
private let isDemoEnding = Atomic<Bool>(false)
