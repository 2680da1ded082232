// Restarts of real processes: out of snapshots and the messages behind them, and never out of half a file.

import Foundation
import Kafka
import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct SnapshotTests {
    static let target = "/v1/api/app/mym/soccer?eventIds=e1,e2&teamIds=t3"

    /// Long enough that files are written at the end alone.
    private static let interval = ["--snapshot-interval", "10m"]

    private struct Setup {
        let kafka: TestKafka
        let reference = Reference()
        let producer: KafkaProducer

        init() throws {
            kafka = try TestKafka(binary: try #require(Prerequisites.met).binary, partitions: 4)
            producer = try kafka.producer()
            try SmallOffer().publish(producer, reference)
        }

        func send(_ kind: ModelKind, _ key: String, _ value: [UInt8]?) throws {
            reference.apply(kind, key: Array(key.utf8), value: value)
            try producer.send(kind, key: Array(key.utf8), value: value)
        }

        func sendScore(_ score: Int) throws {
            try send(.event, "e1", Array(SmallOffer.event(1, home: 1, away: 2, score: score).utf8))
        }
    }

    /// The number of files that were loaded, as the process counts them.
    private func loaded(_ served: Served) throws -> Double { try served.metric("snapshot_loaded_total") }

    /// Stops a process as an orderly restart does; it writes what has changed.
    private func stop(_ served: Served) throws {
        served.process.send(signal: SIGTERM)
        #expect(try served.process.waitForExit(seconds: 60) == 0)
    }

    @Test func aRestartComesBackOutOfItsSnapshots() throws {
        let setup = try Setup()
        let first = try Served(setup.kafka, name: "one", Self.interval)
        try first.waitUntilRight(Self.target, setup.reference)
        try setup.sendScore(3)
        try setup.producer.flushAll()
        try first.waitUntilRight(Self.target, setup.reference)
        try stop(first)
        // While nobody reads: an event goes, a participant is renamed, another one goes.
        try setup.send(.event, "e2", nil)
        try setup.sendScore(9)
        try setup.producer.flushAll()

        let second = try Served(setup.kafka, name: "one", Self.interval)
        try second.waitUntilRight(Self.target, setup.reference)
        // Four partitions of events and five global topics.
        #expect(try loaded(second) == 9, "\(second.process.output.suffix(3000))")
        #expect(second.process.output.contains("loaded a snapshot"))
    }

    /// Killed at random moments while files are written and scores come in: the next one agrees with the reference.
    @Test func killedWhileWritingItNeverLoadsHalfAFile() throws {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        let rounds = ProcessInfo.processInfo.environment["FAVORITES_TEST_KILLS"].flatMap(Int.init) ?? 5
        let setup = try Setup()
        for round in 0..<rounds {
            // So often that some file is being written all the time.
            let served = try Served(setup.kafka, name: "one", ["--snapshot-interval", "20ms"])
            try served.waitUntilRight(Self.target, setup.reference)
            let output = served.process.output
            #expect(!output.contains("damaged") && !output.contains("truncated"), "seed \(random.seed), round \(round)")
            // The number of updates decides when the kill comes.
            for _ in 0..<Int.random(in: 1...400, using: &random) {
                try setup.sendScore(Int.random(in: 0..<100, using: &random))
                try setup.producer.flushAll()
            }
            served.process.kill()
        }
        let last = try Served(setup.kafka, name: "one", Self.interval)
        try last.waitUntilRight(Self.target, setup.reference)
    }

    /// Killed, it said no goodbye. The lock shows that it is over, so nobody waits until it is silent; where that cannot be
    /// shown, the next one does wait.
    @Test func afterAKillTheNextLifeWaitsOnlyWhereTheFolderDoesNotTell() throws {
        let setup = try Setup()
        // Longer than any start here may take.
        let silent = ["--cluster-silent-after", "60s", "--cluster-grace", "60s", "--node-id", "one"]
        let life = setup.kafka.folder.path + "/one/life"
        for round in 0..<2 {
            let served = try Served(setup.kafka, name: "one", silent)
            try served.waitUntilRight(Self.target, setup.reference)
            #expect(served.process.output.contains("does not wait for the life before") == (round > 0))
            try wait(seconds: 30, for: "the life to be kept") { FileManager.default.fileExists(atPath: life) }
            served.process.kill()
        }
        let kept = try Data(contentsOf: URL(fileURLWithPath: life))
        try Data(kept.dropLast()).write(to: URL(fileURLWithPath: life))
        let damaged = try Served(setup.kafka, name: "one", silent, waits: false)
        let copied = setup.kafka.folder.path + "/two"
        try FileManager.default.createDirectory(atPath: copied, withIntermediateDirectories: true)
        try kept.write(to: URL(fileURLWithPath: copied + "/life"))
        let other = try Served(setup.kafka, name: "two", silent, waits: false)
        for (served, reason) in [(damaged, "it is damaged"), (other, "that life held another lock")] {
            try wait(seconds: 30, for: "\(reason):\n\(served.process.output.suffix(2000))") {
                served.process.output.contains("does not tell whether it is over: \(reason)")
            }
            // All it needs is there but its place, and it has read of the life before.
            try wait(seconds: 30, for: "all but the place:\n\(served.process.output.suffix(2000))") {
                let health = try served.management.request("GET", "/health").text
                return ["loading events", "ready"].contains { health.contains("\"phase\":\"\($0)\"") }
                    && served.process.output.contains("membership: ")
            }
            #expect(!served.isReady && !served.process.output.contains("joined the cluster"))
            served.process.kill()
        }
    }

    /// It waits for its place, and has loaded by then what the life before held; and drops it where it has no place any
    /// more, which the file says that it never had.
    @Test func whatWasHeldLastIsLoadedBeforeThePlaceIsKnown() throws {
        let setup = try Setup()
        let waits = Self.interval + ["--cluster-silent-after", "60s", "--cluster-grace", "60s"]
        let first = try Served(setup.kafka, name: "one", waits)
        try first.waitUntilRight(Self.target, setup.reference)
        try stop(first)
        let folder = setup.kafka.folder.path + "/one"
        #expect(try String(contentsOfFile: folder + "/held", encoding: .utf8) == "favorites held 1\n0 1 2 3\n")
        let second = try Served(setup.kafka, name: "one", waits)
        second.process.kill()
        // Two of the four are held at first, and their files are all that is loaded.
        try "favorites held 1\n1 3 400\n".write(toFile: folder + "/held", atomically: true, encoding: .utf8)
        try FileManager.default.removeItem(atPath: folder + "/life")
        let third = try Served(setup.kafka, name: "one", waits, waits: false)
        try wait(seconds: 30, for: "two partitions to be loaded:\n\(third.process.output.suffix(2000))") {
            (try? loaded(third)) == 7
        }
        #expect(!third.isReady && !third.process.output.contains("joined the cluster"))
        third.process.kill()
        try "favorites held 1\n1,3\n".write(toFile: folder + "/held", atomically: true, encoding: .utf8)
        let last = try Served(setup.kafka, name: "one", Self.interval)
        try last.waitUntilRight(Self.target, setup.reference)
        #expect(last.process.output.contains("what was held last is damaged on disk"))
        #expect(try loaded(last) == 9)
    }

    /// Every kind of damage to every file: the node says so and reads the log.
    @Test func damagedFilesCostNothingButTime() throws {
        let setup = try Setup()
        let first = try Served(setup.kafka, name: "one", Self.interval)
        try first.waitUntilRight(Self.target, setup.reference)
        try stop(first)
        let folder = setup.kafka.folder.path + "/one" + "/snapshots"
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(names.count == 9)
        for (index, name) in names.enumerated() {
            let path = folder + "/" + name
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            if index % 2 == 0 { bytes[bytes.count * (index + 1) / 20] ^= 0x40 } else { bytes.removeLast(index) }
            try bytes.write(to: URL(fileURLWithPath: path))
        }
        let second = try Served(setup.kafka, name: "one", Self.interval)
        try second.waitUntilRight(Self.target, setup.reference)
        #expect(second.process.output.contains("a snapshot is not used"))
        #expect(try loaded(second) == 0)
    }

    /// Whoever asks a process to stop may count on `drain.timeout`: what hangs is not waited for.
    @Test(.enabled(if: TestKafka.isEmbedded, TestKafka.embedded))
    func aBrokerThatHangsDoesNotHoldTheEnd() throws {
        let setup = try Setup()
        let served = try Served(setup.kafka, name: "one", Self.interval + ["--drain-timeout", "2s"])
        try served.waitUntilRight(Self.target, setup.reference)
        try setup.sendScore(7)
        try setup.producer.flushAll()
        try served.waitUntilRight(Self.target, setup.reference)
        setup.kafka.broker?.send(signal: SIGSTOP)
        defer { setup.kafka.broker?.send(signal: SIGCONT) }
        served.process.send(signal: SIGTERM)
        // Four for leaving the cluster, two to drain, one for the writer, one for the management's connections.
        #expect(try served.process.waitForExit(seconds: 12) == 0, "\(served.process.output.suffix(2000))")
    }

    // MARK: - Commands

    private func run(_ setup: Setup, _ script: String) throws -> (code: Int32, output: String) {
        let child = try ChildProcess(
            "command", binary: "/bin/bash", arguments: ["-c", script], folder: setup.kafka.folder,
            environment: ["favorites": setup.kafka.binary, "files": setup.kafka.folder.path + "/one/snapshots"])
        return (try child.waitForExit(seconds: 30), child.output)
    }

    @Test func theCommandsLookIntoEachFileAndSayWhatIsWrong() throws {
        let setup = try Setup()
        let first = try Served(setup.kafka, name: "one", Self.interval)
        try first.waitUntilRight(Self.target, setup.reference)
        try stop(first)
        #expect(try run(setup, "$favorites snapshot verify $files").code == 0)

        let exported = try run(setup, "$favorites snapshot export $files")
        #expect(exported.code == 0 && exported.output.contains(#"{"key":"e1","value":{"id":"e1""#))
        // What cannot be written is told; it is no crash, and no success.
        let full = try run(setup, "$favorites snapshot export $files > /dev/full")
        #expect(full.code == 71 && full.output.contains("No space left on device"), "\(full)")
        let closed = try run(setup, "$favorites snapshot export $files | true; exit ${PIPESTATUS[0]}")
        #expect([0, 71, 128 + SIGPIPE].contains(closed.code), "\(closed)")

        let differing = try run(setup, "$favorites snapshot diff $files/stages.snapshot $files/regions.snapshot")
        #expect(differing.code == 64 && differing.output.contains("holds stages"), "\(differing)")
        #expect(try run(setup, "$favorites snapshot diff $files/stages.snapshot $files/stages.snapshot").output.isEmpty)

        // One that is broken: the others are looked into all the same.
        let path = setup.kafka.folder.path + "/one/snapshots/categories.snapshot"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        try Data("no snapshot".utf8).write(to: URL(fileURLWithPath: path.replacing("categories", with: "participants")))
        let verified = try run(setup, "$favorites snapshot verify $files")
        #expect(verified.code == 65 && verified.output.components(separatedBy: ": whole").count == 8, "\(verified)")
        let inspected = try run(setup, "$favorites snapshot inspect $files")
        #expect(
            inspected.code == 65 && inspected.output.contains("stages")
                && inspected.output.contains("participants.snapshot"))
        let rest = try run(setup, "$favorites snapshot export $files")
        #expect(rest.code == 65 && rest.output.contains(#"{"key":"e1""#) && !rest.output.contains(#""key":"c1""#))
    }
}
