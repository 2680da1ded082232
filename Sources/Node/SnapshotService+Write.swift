// The snapshot thread: decides what is written next, orders its walk, and writes what comes.

import Cluster
import Foundation
import Ingest
import Kafka
import Logging
import Model
import Settings
import Snapshot
import Synchronization
import Telemetry

extension SnapshotService {
    /// The writer has begun a walk, or handed the next piece over, by then: else the order is given up.
    private static let patienceNs: UInt64 = 10_000_000_000
    private static let lookMs = 250

    /// Starts the thread.
    func start() {
        let thread = Thread { self.run() }
        thread.name = "snapshot"
        thread.start()
    }

    /// Writes what has changed, until `deadline` at most, and ends the thread. One that hangs, in a question to Kafka or
    /// on a slow disk, is not waited for: what it has not finished goes at the next start.
    func end(deadline: Duration) async {
        let now = Clocks.monotonicNs()
        let milliseconds = max(0, deadline.milliseconds)
        state.withLock { $0.end = (now, now + UInt64(milliseconds) * 1_000_000) }
        wake.signal()
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                _ = self.ended.wait(timeout: .now() + .milliseconds(Int(milliseconds)))
                continuation.resume()
            }
        }
    }

    private func run() {
        defer { ended.signal() }
        // This thread alone: what serves, and what reads Kafka, comes first where processors are few.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
        guard let admin = try? KafkaAdmin(options: kafka, timeoutMs: 3_000, logger: logger) else { return }
        var schedule = SnapshotSchedule(
            intervalNs: UInt64(settings.interval.milliseconds) * 1_000_000,
            changedBytesMax: UInt64(settings.changedBytes))
        for scope in state.withLock({ $0.headers.keys.map { $0 } }) {
            schedule.found(scope, nowNs: Clocks.monotonicNs())
        }
        while true {
            let (changed, end) = state.withLock { ($0.changed, $0.end) }
            let now = Clocks.monotonicNs()
            if let end, now >= end.untilNs { return }
            let next: SnapshotScope? =
                if let end { schedule.last(changed, nowNs: now, endBeganNs: end.beganNs) } else {
                    schedule.next(changed, nowNs: now)
                }
            guard let scope = next else {
                if end != nil { return }
                _ = wake.wait(timeout: .now() + .milliseconds(Self.lookMs))
                continue
            }
            switch write(scope, admin) {
            case .written: schedule.wrote(scope, changedBytes: changed[scope] ?? 0, nowNs: now)
            case .failed: schedule.failed(scope, nowNs: Clocks.monotonicNs())
            case .unanswered:
                // Without a broker no file can be written, and each question would take its time.
                if end != nil { return }
                schedule.failed(scope, nowNs: Clocks.monotonicNs())
            }
        }
    }

    private enum Outcome {
        case written, failed
        /// No broker says where the log ends.
        case unanswered
    }

    /// Orders one snapshot and writes it.
    private func write(_ scope: SnapshotScope, _ admin: KafkaAdmin) -> Outcome {
        let began = Clocks.monotonicNs()
        var isAnswered = false
        do throws(SnapshotError) {
            let order = try order(scope, admin)
            isAnswered = true
            state.withLock { state in
                state.order = order
                state.isCancelled = false
            }
            defer { cancel() }
            guard let header = try receive(scope) else { return .failed }
            metrics.written.add()
            metrics.writtenBytes.add(UInt64(header.storedBytes))
            state.withLock { $0.headers[scope] = header }
            logger.info(
                "wrote a snapshot",
                metadata: [
                    "scope": "\(scope)", "records": "\(header.records)", "bytes": "\(header.storedBytes)",
                    "ms": "\((Clocks.monotonicNs() - began) / 1_000_000)",
                ])
            return .written
        } catch {
            metrics.failed.add()
            logger.warning(
                "a snapshot could not be written; the one before stays",
                metadata: ["scope": "\(scope)", "reason": "\(error)"])
            return isAnswered ? .failed : .unanswered
        }
    }

    /// Asks where the logs end: every message behind that is younger than the question.
    private func order(_ scope: SnapshotScope, _ admin: KafkaAdmin) throws(SnapshotError) -> SnapshotOrder {
        let kind = Int(scope.kind.rawValue)
        let asked = Clocks.wallMs()
        do throws(KafkaError) {
            let ends =
                switch scope {
                case .events(let partition): [try admin.bounds(of: topics[kind], partition).end]
                case .topic:
                    (try admin.bounds(of: [topics[kind]: partitionCounts[kind]])[topics[kind]] ?? []).map(\.end)
                }
            return SnapshotOrder(
                scope: scope, topic: topics[kind], clusterID: clusterID, ends: ends, caughtUpMs: asked)
        } catch {
            throw SnapshotError(.file(errno: 0), "the log's end is not known: \(error.message)")
        }
    }

    private func cancel() {
        state.withLock { state in
            state.order = nil
            state.isCancelled = true
            state.items.removeAll()
            state.blocks = 0
        }
    }

    /// Writes the pieces as they come. Nil where the walk was given up. The writer may not have seen yet that the order
    /// before was cancelled: pieces of another walk end this one, so that no scope gets another's file.
    private func receive(_ scope: SnapshotScope) throws(SnapshotError) -> SnapshotHeader? {
        var writer: SnapshotFileWriter?
        var isDone = false
        // Whatever way it ends: no half file stays.
        defer { if !isDone { writer?.abandon() } }
        let began = Clocks.monotonicNs()
        while true {
            switch try nextItem() {
            case .begin(let header):
                guard header.scope == scope, writer == nil else { throw Self.otherWalk }
                writer = try SnapshotFileWriter(header, in: folder, bytesMax: try budget(header.scope))
            case .block(let block):
                guard writer != nil else { throw Self.otherWalk }
                try writer?.add(block)
                holdRate(began, bytes: writer?.bytes ?? 0)
            case .finish(let newest, let globalsNewest):
                guard writer != nil else { throw Self.otherWalk }
                try writer?.finish(newest: newest, globalsNewest: globalsNewest)
                isDone = true
                return writer?.header
            case .abandon(let reason):
                logger.info("a snapshot was given up", metadata: ["reason": "\(reason)"])
                return nil
            }
        }
    }

    private static var otherWalk: SnapshotError {
        SnapshotError(.file(errno: 0), "pieces of a walk that was given up")
    }

    private var folder: DiskFolder { DiskFolder(path: settings.directory) }

    private func nextItem() throws(SnapshotError) -> Item {
        let limit = Clocks.monotonicNs() + Self.patienceNs
        while true {
            let (item, endNs) = state.withLock { state -> (Item?, UInt64?) in
                guard !state.items.isEmpty else { return (nil, state.end?.untilNs) }
                let item = state.items.removeFirst()
                if case .block = item { state.blocks -= 1 }
                return (item, state.end?.untilNs)
            }
            let now = Clocks.monotonicNs()
            if let endNs, now >= endNs {
                throw SnapshotError(.file(errno: 0), "the time for the end of the process is over")
            }
            if let item { return item }
            guard now < limit else { throw SnapshotError(.file(errno: 0), "the walk does not go on: the node lags") }
            _ = wake.wait(timeout: .now() + .milliseconds(Self.lookMs))
        }
    }

    /// What the budget leaves for a file. Those of partitions that this node holds no more make room first.
    private func budget(_ scope: SnapshotScope) throws(SnapshotError) -> Int64 {
        // Until the node is placed nobody knows what it will hold; and what is held may still be on its way to be loaded.
        let held = state.withLock { $0.held.map { Set($0.map(\.fileName)) } }
        var files = folder.list()
        let expected = files.first { $0.name == scope.fileName }?.bytes ?? 0
        var left = Int64(settings.diskBytesMax) - files.reduce(0) { $0 + $1.bytes }
        while let held, left < expected * 2 + (1 << 20),
            let index = files.firstIndex(where: { file in
                SnapshotScope(fileName: file.name).map { $0.kind == .event && !held.contains(file.name) } ?? false
            })
        {
            folder.remove(files[index].name)
            left += files[index].bytes
            if let gone = SnapshotScope(fileName: files[index].name) { state.withLock { $0.headers[gone] = nil } }
            files.remove(at: index)
        }
        return max(0, left)
    }

    /// Waits where more was written than the rate allows; not when the process ends.
    private func holdRate(_ began: UInt64, bytes: Int64) {
        guard state.withLock({ $0.end == nil }) else { return }
        let allowed = UInt64(Double(bytes) / Double(settings.bytesPerSecondMax) * 1e9)
        let taken = Clocks.monotonicNs() - began
        if allowed > taken + 1_000_000 { Clocks.pause(milliseconds: Int((allowed - taken) / 1_000_000)) }
    }
}
