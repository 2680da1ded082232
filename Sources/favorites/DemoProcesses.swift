// The demo's children. Each writes to a log of its own in the demo's folder, and each has the reading end of one pipe
// as its input, whose writing end only the demo has: when the demo ends, however it ends, its children stop too.

import Foundation
import Glibc
import Settings
import Synchronization

/// Set by a signal handler, which may do little more. Relaxed: it carries no other data.
let isDemoEnding = Atomic<Bool>(false)

/// Ctrl-C or SIGTERM came while the demo was starting. No failure.
struct DemoEnded: Error {}

struct DemoProcesses {
    /// How long the children have for their stop until they are killed.
    private static let stopSeconds = 15

    let folder: String
    private let input = Pipe()
    private var processes: [(name: String, process: Process)] = []
    private var told: Set<String> = []

    init(folder: String) { self.folder = folder }

    var list: [(name: String, pid: Int32)] { processes.map { ($0.name, $0.process.processIdentifier) } }

    func log(of name: String) -> String { "\(folder)/\(name).log" }

    /// Starts a child that runs on.
    mutating func start(_ name: String, _ arguments: [String]) throws {
        _ = FileManager.default.createFile(atPath: log(of: name), contents: nil)
        let log = try FileHandle(forWritingTo: URL(fileURLWithPath: log(of: name)))
        let process = makeProcess(arguments)
        process.standardOutput = log
        process.standardError = log
        try process.run()
        processes.append((name, process))
    }

    /// Runs a command to its end. Its output, which shows progress, goes where the demo's goes.
    func call(_ arguments: [String]) throws {
        let process = makeProcess(arguments)
        try process.run()
        while process.isRunning {
            if isDemoEnding.load(ordering: .relaxed) { process.terminate() }
            _ = usleep(20_000)
        }
        // Ctrl-C reaches the command as well; it is no failure of the command then.
        if isDemoEnding.load(ordering: .relaxed) { throw DemoEnded() }
        guard process.terminationStatus == 0 else {
            throw CommandError("`favorites \(arguments[0])` failed; see above", code: .unavailable)
        }
    }

    private func makeProcess(_ arguments: [String]) -> Process {
        let process = Process()
        // The running file, however it was called.
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("FAVORITES_") }
            .merging(["FAVORITES_ENDS_WITH_INPUT": "1"]) { $1 }
        process.standardInput = input.fileHandleForReading
        return process
    }

    /// Waits until `isDone`. Fails where a child ends before, or the time is over.
    func wait(seconds: Int, for name: String, until isDone: () -> Bool) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !isDone() {
            if isDemoEnding.load(ordering: .relaxed) { throw DemoEnded() }
            if let ended = processes.first(where: { !$0.process.isRunning }) { throw failure(ended.name, "ended") }
            if ContinuousClock.now > deadline { throw failure(name, "was not ready within \(seconds) s") }
            _ = usleep(50_000)
        }
    }

    /// With the end of the child's log, since the folder goes.
    private func failure(_ name: String, _ what: String) -> CommandError {
        let text = (try? String(contentsOfFile: log(of: name), encoding: .utf8)) ?? ""
        let lines = text.split(separator: "\n").suffix(5).map { "\(name): \($0)" }
        return CommandError((lines + ["\(name) \(what)"]).joined(separator: "\n"), code: .unavailable)
    }

    /// The names of the children that ended since it was last asked.
    mutating func ended() -> [String] {
        let names = processes.filter { !$0.process.isRunning && !told.contains($0.name) }.map(\.name)
        told.formUnion(names)
        return names
    }

    var runningCount: Int { processes.count { $0.process.isRunning } }

    /// Stops those that still run, the newest first, and kills whoever takes too long. The first one, the broker, goes
    /// when the others have: they take leave of each other by it.
    func endAll() {
        let deadline = ContinuousClock.now + .seconds(Self.stopSeconds)
        for group in [processes.dropFirst(), processes.prefix(1)] {
            for entry in group.reversed() where entry.process.isRunning { entry.process.terminate() }
            while group.contains(where: { $0.process.isRunning }), ContinuousClock.now < deadline { _ = usleep(20_000) }
        }
        for entry in processes where entry.process.isRunning { kill(entry.process.processIdentifier, SIGKILL) }
    }
}
