// `favorites demo` as a new user meets it.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: TestPaths.binary != nil, "needs a built `favorites` (FAVORITES_BIN or `swift build`)"))
struct DemoTests {
    private func start(_ arguments: [String] = []) throws -> (demo: ChildProcess, folder: TemporaryFolder) {
        let folder = try TemporaryFolder()
        let demo = try ChildProcess(
            "demo", binary: try #require(TestPaths.binary),
            arguments: ["demo", "--http-port", "0", "--nodes", "2"] + arguments, folder: folder,
            environment: ["TMPDIR": folder.path])
        return (demo, folder)
    }

    /// The pids in the lines `  kill 123   # node-1`, by name.
    private func children(_ demo: ChildProcess) throws -> [String: Int32] {
        let pairs = demo.output.matches(of: /kill (\d+) +# (\S+)/).compactMap { match in
            Int32(match.1).map { (String(match.2), $0) }
        }
        let children = Dictionary(uniqueKeysWithValues: pairs)
        try #require(Set(children.keys) == ["broker", "node-1", "node-2", "router", "simulate"], "\(demo.output)")
        return children
    }

    /// A zombie has ended; whoever should reap it may be slow.
    private func isRunning(_ pid: Int32) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8) else { return false }
        return !status.contains("State:\tZ")
    }

    private func waitForEnd(of children: [String: Int32]) throws {
        try wait(seconds: 20, for: "the end of the demo's processes") { !children.values.contains(where: isRunning) }
    }

    /// The printed lines, as pasted into a shell, have an answer.
    private func expectAnswers(_ demo: ChildProcess, _ folder: TemporaryFolder) throws {
        let lines = demo.output.split(separator: "\n").filter { $0.hasPrefix("  curl ") }
        #expect(lines.count == 3)
        for line in lines {
            let shell = try ChildProcess("shell", binary: "/bin/sh", arguments: ["-c", String(line)], folder: folder)
            #expect(try shell.waitForExit(seconds: 20) == 0)
            let hasAnswer = shell.output.contains("\"events\":[{") || shell.output.contains("\"teams\":[{")
            #expect(hasAnswer, "\(line)\n\(shell.output)")
        }
    }

    @Test func itsLinesWorkAndItGoesOnWithoutANode() throws {
        let (demo, folder) = try start()
        _ = try demo.waitForLine(containing: "Ctrl-C ends everything", seconds: 120)
        let children = try children(demo)
        try expectAnswers(demo, folder)
        kill(try #require(children["node-1"]), SIGKILL)
        _ = try demo.waitForLine(containing: "node-1 has ended; the others go on.")
        try expectAnswers(demo, folder)
        demo.send(signal: SIGINT)
        #expect(try demo.waitForExit(seconds: 20) == 0, "\(demo.output)")
        try waitForEnd(of: children)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains("demo-") } == [])
    }

    /// With an offer of the past, which wants a clock of the past.
    @Test func itsProcessesEndWithItHoweverItEnds() throws {
        let past = try TemporaryFolder()
        let generate = ["generate", "--events", "500", "--now", "2020-05-01T12:00:00Z", "--out", past.path + "/offer"]
        _ = try ChildProcess.run(
            "generate", binary: try #require(TestPaths.binary), arguments: generate, folder: past, seconds: 60)
        let (demo, folder) = try start(["--data", past.path + "/offer"])
        _ = try demo.waitForLine(containing: "Ctrl-C ends everything", seconds: 120)
        #expect(demo.output.contains("the cluster's clock stands still at 2020"))
        try expectAnswers(demo, folder)
        let children = try children(demo)
        demo.kill()
        try waitForEnd(of: children)
        withExtendedLifetime(folder) {}
    }

    @Test func itStopsWhileStarting() throws {
        let (demo, folder) = try start()
        _ = try demo.waitForLine(containing: "Publishing")
        demo.send(signal: SIGTERM)
        #expect(try demo.waitForExit(seconds: 20) == 0, "\(demo.output)")
        #expect(!demo.output.contains("favorites: "), "\(demo.output)")
        withExtendedLifetime(folder) {}
    }
}
