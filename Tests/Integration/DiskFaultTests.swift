// Disks that refuse: a node says so, counts it, goes on, and comes back another way. The faults are made by a library that
// is preloaded into the process (Tests/Faults/disk_faults.c).

import Foundation
import Model
import TestSupport
import Testing

private enum Compiler {
    static let path: String? = {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let places = ["cc", "gcc", "clang"].flatMap { name in folders.map { "\($0)/\(name)" } }
        return places.first { FileManager.default.isExecutableFile(atPath: $0) }
    }()
}

@Suite(.serialized, .enabled(if: Prerequisites.met != nil && Compiler.path != nil, Prerequisites.comment))
struct DiskFaultTests {
    private static let target = SnapshotTests.target
    /// So often that there is always something to be written.
    private static let often = ["--snapshot-interval", "50ms"]

    private struct Setup {
        let kafka: TestKafka
        let reference = Reference()
        let environment: [String: String]
        let orders: String
        let snapshots: String

        init() throws {
            kafka = try TestKafka(binary: try #require(Prerequisites.met).binary, partitions: 2)
            try SmallOffer().publish(try kafka.producer(), reference)
            let library = kafka.folder.path + "/disk_faults.so"
            _ = try ChildProcess.run(
                "cc", binary: try #require(Compiler.path),
                arguments: [
                    "-shared", "-fPIC", "-O1", "-o", library, TestPaths.root + "/Tests/Faults/disk_faults.c", "-ldl",
                ], folder: kafka.folder, seconds: 60)
            orders = kafka.folder.path + "/orders"
            snapshots = kafka.folder.path + "/one/snapshots"
            environment = [
                "LD_PRELOAD": library, "DISK_FAULTS_ORDERS": orders,
                // The system may spell the way there otherwise.
                "DISK_FAULTS_FOLDER": URL(fileURLWithPath: kafka.folder.path).lastPathComponent + "/one/snapshots",
            ]
        }

        func serve(_ more: [String] = DiskFaultTests.often) throws -> Served {
            try Served(kafka, name: "one", more, environment: environment)
        }

        /// From now on this fails; nil: nothing does.
        func order(_ text: String?) throws {
            try Data((text ?? "").utf8).write(to: URL(fileURLWithPath: orders), options: .atomic)
        }

        /// In one call, since the process writes into the folder meanwhile.
        func takeAway() throws {
            let place = kafka.folder.path + "/away-\(UUID().uuidString)"
            guard unsafe rename(snapshots, place) == 0 || errno == ENOENT else {
                throw WaitFailure(description: "rename: \(errno)")
            }
        }

        func files() -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: snapshots)) ?? []).sorted()
        }
    }

    private func written(_ served: Served, _ result: String) throws -> Double {
        try served.metric("snapshot_written_total", "result=\"\(result)\"")
    }

    private func waitForMore(_ served: Served, _ result: String) throws {
        let before = try written(served, result)
        try wait(seconds: 40, for: "a snapshot with the result \(result):\n\(served.process.output.suffix(2000))") {
            try written(served, result) > before
        }
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var call: String
        var code: Int32
        var reason: String
        var testDescription: String { "\(call): \(reason)" }
    }

    @Test(arguments: [
        Fault(call: "write", code: ENOSPC, reason: "No space left on device"),
        Fault(call: "write", code: EIO, reason: "Input/output error"),
        Fault(call: "fsync", code: EIO, reason: "Input/output error"),
        Fault(call: "rename", code: EIO, reason: "Input/output error"),
        Fault(call: "create", code: EROFS, reason: "Read-only file system"),
    ])
    func aWriteThatFailsLeavesTheFilesBefore(fault: Fault) throws {
        let setup = try Setup()
        let first = try setup.serve()
        try first.waitUntilRight(Self.target, setup.reference)
        try wait(seconds: 30, for: "all seven files") { setup.files().count(where: { $0.hasSuffix(".snapshot") }) == 7 }
        try setup.order("\(fault.call) \(fault.code)\n")
        try waitForMore(first, "failed")
        #expect(first.process.output.contains("a snapshot could not be written; the one before stays"))
        #expect(first.process.output.contains(fault.reason), "\(first.process.output.suffix(1000))")
        try first.waitUntilRight(Self.target, setup.reference)
        // A writer that was killed in the middle leaves its unfinished file; one that failed does not.
        try setup.order(nil)
        try waitForMore(first, "ok")
        first.process.kill()
        let second = try setup.serve()
        try second.waitUntilRight(Self.target, setup.reference)
        #expect(try second.metric("snapshot_loaded_total") == 7, "\(second.process.output.suffix(2000))")
    }

    @Test func aFileThatCannotBeReadCostsNothingButTime() throws {
        let setup = try Setup()
        let first = try setup.serve(["--snapshot-interval", "10m"])
        try first.waitUntilRight(Self.target, setup.reference)
        first.process.send(signal: SIGTERM)
        #expect(try first.process.waitForExit(seconds: 60) == 0)
        #expect(setup.files().count == 7)
        try setup.order("read \(EIO)\n")
        let second = try setup.serve(["--snapshot-interval", "10m"])
        try second.waitUntilRight(Self.target, setup.reference)
        #expect(try second.metric("snapshot_refused_total", "reason=\"file\"") == 7)
        #expect(try second.metric("snapshot_loaded_total") == 0)
        #expect(second.process.output.contains("Input/output error"))
    }

    @Test func aFolderThatIsTakenAwayIsMadeAgain() throws {
        let setup = try Setup()
        let first = try setup.serve()
        try first.waitUntilRight(Self.target, setup.reference)
        try waitForMore(first, "ok")
        try setup.takeAway()
        try wait(seconds: 30, for: "the files again:\n\(first.process.output.suffix(2000))") {
            setup.files().contains { $0.hasSuffix(".snapshot") }
        }
        // Something else stands where it was. The process may be quicker and make its folder again.
        try wait(seconds: 30, for: "a file in the folder's place") {
            try setup.takeAway()
            let file = unsafe open(setup.snapshots, O_WRONLY | O_CREAT | O_EXCL, 0o600)
            if file >= 0 { close(file) }
            return file >= 0
        }
        try waitForMore(first, "failed")
        try first.waitUntilRight(Self.target, setup.reference)
        first.process.kill()
        try setup.takeAway()
        let second = try setup.serve()
        try second.waitUntilRight(Self.target, setup.reference)
    }
}
