// The built `favorites` program as child processes of a test. Each child's output goes to a file of its own, and every
// child is killed when its object goes, so a failed test leaves nothing behind.

import Foundation

public enum TestPaths {
    /// The package's folder.
    public static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The program: `FAVORITES_BIN`, or else the release build, or else the debug build. Nil where there is none.
    public static var binary: String? {
        let places = [
            ProcessInfo.processInfo.environment["FAVORITES_BIN"], root + "/.build/release/favorites",
            root + "/.build/debug/favorites",
        ]
        return places.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// The folder of real football fixtures: `FAVORITES_TEST_FOOTBALL`, or else `../shared/data/football`.
    public static var football: String? {
        let places = [
            ProcessInfo.processInfo.environment["FAVORITES_TEST_FOOTBALL"], root + "/../shared/data/football",
            root + "/../../shared/data/football",
        ]
        return places.compactMap { $0 }.first { FileManager.default.fileExists(atPath: $0) }
    }
}

/// A folder of its own for a test, removed when the object goes.
public final class TemporaryFolder {
    public let path: String

    public init() throws {
        path = NSTemporaryDirectory() + "/favorites-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A condition did not come true in time, or a child ended early.
public struct WaitFailure: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

/// Asks `condition` every few milliseconds until it is true. The pause only spares the processor: the condition alone
/// decides.
public func wait(seconds: Double, for what: @autoclosure () -> String, until condition: () throws -> Bool) throws {
    let deadline = Date().addingTimeInterval(seconds)
    while try !condition() {
        guard Date() < deadline else {
            throw WaitFailure(description: "after \(seconds) s still waiting for \(what())")
        }
        Thread.sleep(forTimeInterval: 0.01)
    }
}

/// One child. Used by one thread.
public final class ChildProcess {
    public let name: String
    public let outputPath: String
    private let process = Process()

    /// Starts `binary` with standard output and error in the file `<folder>/<name>.log`.
    public init(
        _ name: String, binary: String, arguments: [String], folder: TemporaryFolder,
        environment: [String: String] = [:]
    ) throws {
        self.name = name
        outputPath = folder.path + "/" + name + ".log"
        _ = FileManager.default.createFile(atPath: outputPath, contents: nil)
        let output = try FileHandle(forWritingTo: URL(fileURLWithPath: outputPath))
        process.executableURL = URL(fileURLWithPath: binary)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
    }

    deinit { kill() }

    public var identifier: Int32 { process.processIdentifier }
    public var isRunning: Bool { process.isRunning }
    public var output: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }

    public func send(signal: Int32) { Foundation.kill(process.processIdentifier, signal) }

    /// Ends the child at once and waits for its end.
    public func kill() {
        guard process.isRunning else { return }
        send(signal: SIGKILL)
        process.waitUntilExit()
    }

    /// The first output line that holds `text`.
    public func waitForLine(containing text: String, seconds: Double = 20) throws -> String {
        var found: Substring?
        try wait(seconds: seconds, for: "\"\(text)\" from \(name):\n\(output.suffix(2000))") {
            found = output.split(separator: "\n").first { $0.contains(text) }
            if found == nil, !isRunning { throw WaitFailure(description: "\(name) ended:\n\(output.suffix(2000))") }
            return found != nil
        }
        return String(found ?? "")
    }

    /// Waits for the child's end and returns its exit code.
    @discardableResult
    public func waitForExit(seconds: Double) throws -> Int32 {
        try wait(seconds: seconds, for: "the end of \(name)") { !process.isRunning }
        return process.terminationStatus
    }

    /// Runs a child to its end; throws where its exit code is not 0.
    public static func run(
        _ name: String, binary: String, arguments: [String], folder: TemporaryFolder, seconds: Double
    ) throws -> String {
        let child = try ChildProcess(name, binary: binary, arguments: arguments, folder: folder)
        let code = try child.waitForExit(seconds: seconds)
        guard code == 0 else { throw WaitFailure(description: "\(name) exited with \(code):\n\(child.output)") }
        return child.output
    }
}
