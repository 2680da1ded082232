// A node's restart, without a node: ingest over scripted logs, and files in memory.

import Ingest
import Model
import Snapshot
import Store
import Telemetry
import Testing

/// One process: store and ingest, over logs that outlive it.
private final class Process {
    static let counts = [2, 1, 1, 1, 1, 1]
    let source = ScriptedSource()
    let store = Store(partitionCounts: counts)
    let port: MemoryPort
    let ingest: Ingest
    let reader: StoreReader

    init(_ port: MemoryPort, lineage: UInt64) {
        self.port = port
        ingest = Ingest(
            source: source, writer: StoreWriter(store), metrics: IngestMetrics(Registry()), snapshots: port,
            lineage: lineage, log: { _ in })
        reader = StoreReader(store)
    }

    func json(_ id: String, _ partition: Int = 0) -> String? {
        guard let id = ID(id) else { return nil }
        return reader.read { view in
            unsafe view.event(id, in: PartitionID(partition)).map {
                unsafe String(decoding: $0.record.json, as: UTF8.self)
            }
        }
    }

    func turn(_ count: Int = 3) {
        for _ in 0..<count { ingest.turn(nowNanoseconds: 0, clock: { 0 }, timeoutMs: 0) }
    }

    func isReady(_ partition: Int) -> Bool { reader.readyPartitions.contains(PartitionID(partition)) }
}

private let events = TopicPartition(.event, PartitionID(0))
private let participants = TopicPartition(.participant, PartitionID(0))

private func event(_ id: String, score: Int, teams: [String] = ["a", "b"]) -> String {
    let participants = teams.map { #"{"id":"\#($0)","score":"\#(score)"}"# }.joined(separator: ",")
    return #"{"id":"\#(id)","sport":"soccer","stageId":"s","scheduledStart":"2026-01-01T00:00:00Z","#
        + #""status":"FINISHED","participants":[\#(participants)]}"#
}

private func participant(_ id: String, _ name: String) -> String {
    #"{"id":"\#(id)","sport":"soccer","name":"\#(name)"}"#
}

/// The logs of the world, as far as the test cares: partition 0 of events and participants.
private struct Logs {
    var messages: [TopicPartition: [(offset: Int64, key: String, value: String?)]] = [events: [], participants: []]
    var starts: [TopicPartition: Int64] = [:]

    mutating func add(_ source: TopicPartition, _ key: String, _ value: String?) {
        messages[source, default: []].append((end(source), key, value))
    }

    func end(_ source: TopicPartition) -> Int64 { (messages[source]?.last?.offset ?? -1) + 1 }

    func bounds(_ process: Process) {
        for kind in ModelKind.allCases {
            for partition in 0..<Process.counts[Int(kind.rawValue)] {
                let source = TopicPartition(kind, PartitionID(partition))
                process.source.logs[source] = LogBounds(
                    start: Offset(starts[source] ?? 0), end: Offset(end(source)))
            }
        }
    }

    /// Starts a process over the logs and runs it until nothing more comes.
    func run(_ port: MemoryPort, lineage: UInt64 = 1) -> Process {
        let process = Process(port, lineage: lineage)
        bounds(process)
        var held = PartitionSet()
        held.insert(PartitionID(0))
        process.ingest.hold(held)
        var fed: [TopicPartition: Offset] = [:]
        for _ in 0..<12 {
            // What was read for a file that is refused is read again for the next.
            for source in [participants, events] where process.ingest.life[source] == .waiting { fed[source] = nil }
            _ = process.ingest.startWaiting(nowMs: 0)
            for source in [participants, events] {
                guard let start = process.source.started[source], fed[source] != start else { continue }
                fed[source] = start
                for message in messages[source] ?? [] where message.offset >= start.rawValue {
                    process.source.add(source.kind, at: message.offset, message.key, message.value)
                }
            }
            process.turn()
        }
        return process
    }
}

@Suite struct RestartTests {
    private func snapshot(_ process: Process, _ scope: SnapshotScope, ends: Int64 = 0) {
        process.port.order = SnapshotOrder(
            scope: scope, topic: "t", clusterID: "c", ends: [Offset(ends)], caughtUpMs: 500)
        process.turn()
    }

    private func world() -> (Logs, MemoryPort, Process) {
        var logs = Logs()
        logs.add(participants, "a", participant("a", "A"))
        logs.add(participants, "b", participant("b", "B"))
        for number in 0..<5 { logs.add(events, "e\(number)", event("e\(number)", score: number)) }
        let port = MemoryPort(counts: Process.counts)
        let process = logs.run(port)
        #expect(process.isReady(0) && process.json("e4")?.contains("A - B") == true)
        return (logs, port, process)
    }

    private func snapshotAll(_ process: Process) {
        for kind in GlobalPosition.kinds { snapshot(process, .topic(kind)) }
        snapshot(process, .events(PartitionID(0)))
        #expect(process.port.files.count == 6)
    }

    @Test func aRestartReadsTheFileAndWhatIsBehindIt() {
        var (logs, port, first) = world()
        snapshotAll(first)
        #expect(port.files[.events(PartitionID(0))]?.header.positions[0].resume == Offset(5))
        logs.add(events, "e0", nil)
        logs.add(events, "e1", event("e1", score: 77))
        let second = logs.run(port, lineage: 2)
        #expect(port.restoredScopes.count == 6 && port.refusals.isEmpty && port.rerendered == 0)
        #expect(second.source.started[events] == Offset(5), "reading goes on behind the file")
        #expect(second.isReady(0) && second.json("e0") == nil)
        #expect(second.json("e1")?.contains("77") == true && second.json("e2") == first.json("e2"))
    }

    /// A global topic goes on with what it has when its position is lost: keys that were deleted in the gap among it.
    /// No file may keep them beyond this process. Events are read anew, and so are whole again.
    @Test func whatLostMessagesIsNotWritten() {
        let (_, port, process) = world()
        process.source.add(.positionLost(participants))
        process.turn()
        snapshot(process, .topic(.participant))
        #expect(port.files.isEmpty && port.abandoned.count == 1)
        #expect(!process.ingest.snapshotScopes.contains(.topic(.participant)))
        snapshot(process, .topic(.region))
        #expect(port.files.keys.map { $0 } == [.topic(.region)])
    }

    /// Ready is decided by the log's end, which lies behind all that the walk may have seen.
    @Test func readyWaitsForTheEndOfTheLog() {
        var (logs, port, first) = world()
        snapshotAll(first)
        logs.add(events, "e1", event("e1", score: 77))
        let second = Process(port, lineage: 2)
        logs.bounds(second)
        var held = PartitionSet()
        held.insert(PartitionID(0))
        second.ingest.hold(held)
        for _ in 0..<6 {
            _ = second.ingest.startWaiting(nowMs: 0)
            logs.feedOnlyChecks(second)
            second.turn()
        }
        #expect(second.reader.areGlobalsReady && second.json("e1") != nil && !second.isReady(0))
    }

    /// Each opening builds teams' lists anew, so a partition waits for those that are on their way out of files.
    @Test func partitionsOpenWhenNoFileIsLeft() {
        let (logs, port, first) = world()
        snapshotAll(first)
        port.holdsEvents = true
        let second = Process(port, lineage: 2)
        logs.bounds(second)
        var held = PartitionSet()
        held.insert(PartitionID(0))
        second.ingest.hold(held)
        for _ in 0..<6 {
            _ = second.ingest.startWaiting(nowMs: 0)
            logs.feedOnlyChecks(second)
            second.turn()
        }
        // Its log is empty.
        held.insert(PartitionID(1))
        second.ingest.hold(held)
        _ = second.ingest.startWaiting(nowMs: 0)
        second.turn()
        #expect(second.ingest.life[TopicPartition(.event, PartitionID(1))] == .ready && !second.isReady(1))
        port.holdsEvents = false
        second.turn()
        #expect(second.isReady(0) && second.isReady(1))
    }

    @Test(arguments: [true, false]) func aParticipantChangedBetweenTheFiles(isDeleted: Bool) {
        for participantsFirst in [true, false] {
            var (logs, port, first) = world()
            let scopes: [SnapshotScope] = [.topic(.participant), .events(PartitionID(0))]
            snapshot(first, participantsFirst ? scopes[0] : scopes[1])
            let change = (offset: logs.end(participants), value: isDeleted ? nil : participant("a", "New"))
            logs.add(participants, "a", change.value)
            first.source.add(.participant, at: change.offset, "a", change.value)
            first.turn()
            snapshot(first, participantsFirst ? scopes[1] : scopes[0])
            let second = logs.run(port, lineage: 2)
            #expect(port.restoredScopes.count == 2 && second.isReady(0))
            #expect(second.json("e3") == first.json("e3"))
            #expect(second.json("e3")?.contains(isDeleted ? #""name":"a - B""# : "New - B") == true)
            // Only a file that is older than the change has anything to render again, or one that names what is unknown.
            #expect(port.rerendered == (participantsFirst && !isDeleted ? 0 : 5))
        }
    }

    /// The participants' file is lost: its log is read anew, and offsets are not compared.
    @Test func withoutTheParticipantsFileEveryEventIsRenderedAgain() {
        let (logs, port, first) = world()
        snapshotAll(first)
        port.files[.topic(.participant)] = nil
        let second = logs.run(port, lineage: 2)
        #expect(port.rerendered == 5 && second.isReady(0) && second.json("e3") == first.json("e3"))
    }

    @Test func aDamagedFileCostsItsOwnPartition() {
        let (logs, port, first) = world()
        snapshotAll(first)
        port.damaged = [.events(PartitionID(0))]
        let second = logs.run(port, lineage: 2)
        #expect(port.refusals == [.events(PartitionID(0)): .unreadable(SnapshotError(.damaged, ""))])
        #expect(port.restoredScopes.count == 5 && second.source.started[events] == Offset(0))
        #expect(second.isReady(0) && second.json("e3") == first.json("e3"))
    }

    /// The topic was made anew, and is longer than the one before: its offsets say nothing.
    @Test func anotherMessageWhereTheLastOneStood() {
        var (logs, port, first) = world()
        snapshotAll(first)
        logs.messages[events] = []
        for number in 0..<9 { logs.add(events, "n\(number)", event("n\(number)", score: number)) }
        let second = logs.run(port, lineage: 2)
        #expect(port.refusals == [.events(PartitionID(0)): .otherMessage(Offset(4))])
        #expect(second.isReady(0) && second.json("e1") == nil && second.json("n8") != nil)
    }

    /// Compaction has taken the last message: what comes first is a later one.
    @Test func aCompactedLastMessageIsNoObjection() {
        var (logs, port, first) = world()
        snapshotAll(first)
        logs.messages[events]?.removeLast()
        logs.messages[events]?.append((offset: 7, key: "e4", value: event("e4", score: 78)))
        let second = logs.run(port, lineage: 2)
        #expect(port.refusals.isEmpty && second.isReady(0) && second.json("e4")?.contains("78") == true)
    }

    @Test func filesThatDoNotFitTheLogAreRefused() {
        var (logs, port, first) = world()
        snapshotAll(first)
        logs.starts[events] = 6
        logs.add(events, "e1", event("e1", score: 77))
        logs.add(events, "e1", event("e1", score: 78))
        logs.messages[events]?.removeFirst(6)
        let second = logs.run(port, lineage: 2)
        #expect(
            port.refusals == [.events(PartitionID(0)): .belowStart(resume: Offset(5), start: Offset(6))])
        #expect(second.isReady(0) && second.json("e1")?.contains("78") == true && second.json("e2") == nil)
    }

    @Test func aPartitionThatIsGivenUpWhileItIsLoadedLeavesNothing() {
        let (logs, port, first) = world()
        snapshotAll(first)
        let second = Process(port, lineage: 2)
        logs.bounds(second)
        var held = PartitionSet()
        held.insert(PartitionID(0))
        second.ingest.hold(held)
        for _ in 0..<3 {
            _ = second.ingest.startWaiting(nowMs: 0)
            logs.feedOnlyChecks(second)
            second.turn(1)
        }
        second.ingest.hold(PartitionSet())
        second.turn(5)
        #expect(second.ingest.writer.count(.event) == 0 && second.ingest.restoringBytes == 0)
        second.ingest.hold(held)
        #expect(second.ingest.life[events] == .waiting)
    }

    // MARK: - Peers

    /// While it is not known who has what, the scope waits, and others do not wait for it.
    @Test func whatIsNotKnownYetIsAskedForAgain() {
        let (logs, port, first) = world()
        snapshotAll(first)
        port.waits = [.topic(.participant): 2, .events(PartitionID(0)): 3]
        let second = Process(port, lineage: 2)
        logs.bounds(second)
        _ = second.ingest.startWaiting(nowMs: 0)
        #expect(second.ingest.life[participants] == .waiting && second.source.started[participants] == nil)
        #expect(second.ingest.life[TopicPartition(.region, PartitionID(0))] != .waiting)
        let third = logs.run(port, lineage: 2)
        #expect(third.isReady(0) && port.restoredScopes.count == 6 && third.json("e4") == first.json("e4"))
    }

    /// One peer's file is of another log, the next one's is damaged, the third one's is right.
    @Test func afterOnePeerTheNextHasItsTurn() throws {
        let (logs, port, first) = world()
        snapshotAll(first)
        let scope = SnapshotScope.events(PartitionID(0))
        let right = try #require(port.files[scope])
        var other = right
        other.header.positions[0].last?.keyHash ^= 1
        var old = right
        old.header.clusterID = "another"
        port.arePeers = true
        port.others[scope] = [right, other]
        port.files[scope] = old
        let second = logs.run(port, lineage: 2)
        #expect(port.others[scope] == [] && port.refusals[scope] == .otherMessage(Offset(4)))
        #expect(port.restoredScopes.contains(scope) && second.isReady(0) && second.json("e3") == first.json("e3"))
        #expect(second.source.started[events] == Offset(5))
    }

    @Test func afterTheLastPeerTheLogIsRead() {
        let (logs, port, first) = world()
        snapshotAll(first)
        port.arePeers = true
        port.damaged = [.events(PartitionID(0)), .topic(.participant)]
        let second = logs.run(port, lineage: 2)
        #expect(port.refusals.count == 2 && port.restoredScopes.count == 4)
        #expect(second.isReady(0) && second.json("e3") == first.json("e3"))
    }

    /// Peers that were written at different times: each topic's file is the newest or the oldest of the two.
    @Test(arguments: [true, false], [true, false])
    func aPeerThatIsAheadOrBehind(isAhead: Bool, isDeleted: Bool) {
        var (logs, port, first) = world()
        let participantsScope = SnapshotScope.topic(.participant)
        let eventsScope = SnapshotScope.events(PartitionID(0))
        // The node that read the topics from their start at another time than the first: its lineage is its own.
        let other = logs.run(MemoryPort(counts: Process.counts), lineage: 77)
        snapshot(isAhead ? other : first, participantsScope)
        if !isAhead { snapshot(other, eventsScope) }
        let change = (offset: logs.end(participants), value: isDeleted ? nil : participant("a", "New"))
        logs.add(participants, "a", change.value)
        for process in [first, other] {
            process.source.add(.participant, at: change.offset, "a", change.value)
            process.turn()
        }
        // Events of the one peer, participants of the other, one before and one behind the change.
        if isAhead { snapshot(first, eventsScope) } else { snapshot(other, participantsScope) }
        for (scope, file) in other.port.files where port.files[scope] == nil { port.files[scope] = file }
        port.arePeers = true
        #expect(port.files.count == 2)
        let second = logs.run(port, lineage: 3)
        #expect(port.restoredScopes.count == 2 && second.isReady(0) && port.refusals.isEmpty)
        for id in ["e0", "e3"] {
            #expect(second.json(id) == first.json(id))
            #expect(second.json(id)?.contains(isDeleted ? #""name":"a - B""# : "New - B") == true)
        }
    }

    /// A node that waits for the blocks of partition 0, which are its own disk's or a peer's.
    private func waiting(
        arePeers: Bool, isDamaged: Bool = false
    ) -> (logs: Logs, port: MemoryPort, first: Process, node: Process) {
        let (logs, port, first) = world()
        snapshotAll(first)
        (port.holdsEvents, port.arePeers) = (true, arePeers)
        if isDamaged { port.damaged = [.events(PartitionID(0))] }
        let second = Process(port, lineage: 2)
        logs.bounds(second)
        second.ingest.hold(PartitionSet(below: 1))
        for _ in 0..<8 {
            _ = second.ingest.startWaiting(nowMs: 0)
            logs.feedOnlyChecks(second)
            second.turn()
        }
        if case .restoring = second.ingest.life[events] {} else { Issue.record("\(second.ingest.life[events])") }
        return (logs, port, first, second)
    }

    /// A partition that a peer still hands over does not keep back those that are ready to be opened.
    @Test func nobodyWaitsForAPeersFile() {
        for arePeers in [true, false] {
            let second = waiting(arePeers: arePeers).node
            // Its log is empty.
            second.ingest.hold(PartitionSet(below: 2))
            _ = second.ingest.startWaiting(nowMs: 0)
            second.turn()
            #expect(second.isReady(1) == arePeers && !second.isReady(0))
        }
    }

    /// Nor while the peer's file is being put into the store, block after block and file after file.
    @Test func nobodyWaitsWhileAPeersFileComesIntoTheStore() {
        for arePeers in [true, false] {
            let (_, port, _, second) = waiting(arePeers: arePeers)
            port.holdsEvents = false
            // Its blocks are in the store, and still to be audited.
            second.turn(1)
            #expect(!port.restoredScopes.contains(.events(PartitionID(0))))
            second.ingest.hold(PartitionSet(below: 2))
            _ = second.ingest.startWaiting(nowMs: 0)
            #expect(second.isReady(1) == arePeers && !second.isReady(0))
        }
    }

    /// The file comes when the partition was given up and wanted again, by way of another file.
    @Test func aFileThatComesTooLateIsNotTakenForAnother() throws {
        let scope = SnapshotScope.events(PartitionID(0))
        let (logs, port, _, second) = waiting(arePeers: false)
        // Read, and not yet taken; meanwhile the partition goes and comes back, and another file is chosen for it.
        second.ingest.hold(PartitionSet())
        second.turn(5)
        var file = try #require(port.files[scope])
        file.header.createdMs += 1
        file.blocks = []
        port.files[scope] = file
        second.ingest.hold(PartitionSet(below: 1))
        for _ in 0..<4 {
            _ = second.ingest.startWaiting(nowMs: 0)
            logs.feedOnlyChecks(second)
            second.turn()
        }
        port.holdsEvents = false
        second.turn()
        // The first read's blocks are not put under the second file's header, whose count says that they are missing.
        #expect(second.ingest.writer.count(.event) == 0)
    }

    /// The file was read for a partition that was given up, and comes when the partition is wanted again and the same file
    /// is not checked against the log yet.
    @Test(arguments: [false, true]) func aFileThatComesBeforeItIsCheckedIsReadAgain(isDamaged: Bool) {
        let (logs, port, first, second) = waiting(arePeers: false, isDamaged: isDamaged)
        second.ingest.hold(PartitionSet())
        second.turn(5)
        port.damaged = []
        second.ingest.hold(PartitionSet(below: 1))
        _ = second.ingest.startWaiting(nowMs: 0)
        port.holdsEvents = false
        second.turn()
        guard case .checking = second.ingest.life[events] else {
            Issue.record("\(second.ingest.life[events])")
            return
        }
        logs.feedOnlyChecks(second)
        second.turn()
        #expect(second.isReady(0) && second.json("e3") == first.json("e3"))
        #expect(port.refusals.isEmpty && port.restoredScopes.count == 6)
    }

    // MARK: - Writing

    @Test func aWalkWaitsForTheEndThatWasAskedForAndForRoom() {
        let (_, port, first) = world()
        snapshot(first, .events(PartitionID(0)), ends: 6)
        #expect(port.files.isEmpty, "offset 5 is not applied yet")
        port.room = 0
        first.source.add(.event, at: 5, "e5", event("e5", score: 5))
        first.turn()
        #expect(port.files.isEmpty, "there is no room")
        port.room = 10
        first.turn()
        #expect(port.files[.events(PartitionID(0))]?.header.records == 6)
        #expect(port.files[.events(PartitionID(0))]?.header.positions[0].resume == Offset(6))
    }

    @Test func aWalkEndsWithItsPartition() {
        let (_, port, first) = world()
        port.room = 0
        snapshot(first, .events(PartitionID(0)))
        first.ingest.hold(PartitionSet())
        first.turn()
        #expect(port.files.isEmpty && port.abandoned.count == 1)
        snapshot(first, .events(PartitionID(1)))
        #expect(port.abandoned.count == 2, "never held")
    }

    @Test func changedBytesAreCounted() {
        let (_, _, first) = world()
        let scope = SnapshotScope.events(PartitionID(0))
        let before = first.ingest.changedBytes(scope)
        #expect(before > 100 && first.ingest.snapshotScopes.count == 6)
        first.source.add(.event, at: 5, "e5", nil)
        first.turn()
        #expect(first.ingest.changedBytes(scope) == before + 2)
    }
}

extension Logs {
    /// Of each log that is read, only the first message: what a check looks at.
    fileprivate func feedOnlyChecks(_ process: Process) {
        for source in [participants, events] {
            guard let start = process.source.started[source],
                let message = messages[source]?.first(where: { $0.offset >= start.rawValue })
            else { continue }
            if case .checking = process.ingest.life[source] {
                process.source.add(source.kind, at: message.offset, message.key, message.value)
            }
        }
    }
}
