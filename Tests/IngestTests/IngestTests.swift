import Ingest
import Model
import Store
import Telemetry
import Testing

/// Ingest over a scripted source, and what it said.
final class Harness {
    let source = ScriptedSource()
    let registry = Registry()
    let store = Store(partitionCounts: [2, 1, 1, 1, 1, 1])
    let metrics: IngestMetrics
    let ingest: Ingest
    let reader: StoreReader
    private var notesBox: NotesBox
    var now: UInt64 = 0

    final class NotesBox { var notes: [IngestNote] = [] }

    init(retiredBytesMax: Int = 256 << 20) {
        let box = NotesBox()
        notesBox = box
        metrics = IngestMetrics(registry)
        ingest = Ingest(
            source: source, writer: StoreWriter(store, retiredBytesMax: retiredBytesMax), metrics: metrics
        ) { box.notes.append($0) }
        reader = StoreReader(store)
    }

    var messages: [String] { notesBox.notes.map(\.message) }
    var lastNote: IngestNote? { notesBox.notes.last }

    /// The log of every partition; empty ones where nothing is said.
    func topics(_ bounds: [TopicPartition: (Int64, Int64)] = [:]) {
        for kind in ModelKind.allCases {
            for partition in 0..<store.partitionCounts[Int(kind.rawValue)] {
                let key = TopicPartition(kind, PartitionID(partition))
                let (start, end) = bounds[key] ?? (0, 0)
                source.logs[key] = LogBounds(start: Offset(start), end: Offset(end))
            }
        }
    }

    func hold(_ partitions: Int...) {
        var set = PartitionSet()
        for partition in partitions { set.insert(PartitionID(partition)) }
        ingest.hold(set)
    }

    /// Asks for bounds until nothing changes.
    func start() {
        _ = ingest.startWaiting(nowMs: 0)
        _ = ingest.startWaiting(nowMs: 0)
    }

    func turn(_ count: Int = 1) {
        for _ in 0..<count { ingest.turn(nowNanoseconds: now, clock: { 0 }, timeoutMs: 7) }
    }

    func json(_ id: String, _ partition: Int = 0) -> String? {
        guard let id = ID(id) else { return nil }
        return reader.read { view in
            unsafe view.event(id, in: PartitionID(partition)).map {
                unsafe String(decoding: $0.record.json, as: UTF8.self)
            }
        }
    }

    func isReady(_ partition: Int) -> Bool { reader.readyPartitions.contains(PartitionID(partition)) }
}

private func key(_ kind: ModelKind, _ partition: Int = 0) -> TopicPartition {
    TopicPartition(kind, PartitionID(partition))
}

private func event(_ id: String, score: String = "1", teams: [String] = ["a", "b"]) -> String {
    let participants = teams.map { #"{"id":"\#($0)","score":"\#(score)"}"# }.joined(separator: ",")
    return #"{"id":"\#(id)","sport":"soccer","stageId":"s","scheduledStart":"2026-01-01T00:00:00Z","#
        + #""status":"FINISHED","participants":[\#(participants)]}"#
}

private func participant(_ id: String, _ name: String) -> String {
    #"{"id":"\#(id)","sport":"soccer","name":"\#(name)"}"#
}

@Suite struct IngestTests {
    @Test func readinessWaitsForGlobalsAndTheFrozenEnd() {
        let harness = Harness()
        harness.topics([key(.event): (5, 12), key(.participant): (0, 2)])
        harness.hold(0)
        harness.start()
        #expect(harness.source.started[key(.participant)] == Offset(0))
        #expect(harness.source.started[key(.event)] == nil, "events wait for the global topics")
        // The log goes on growing; the end was frozen at 2.
        harness.source.logs[key(.participant)] = LogBounds(start: Offset(0), end: Offset(1_000))
        harness.source.add(.participant, at: 0, "a", participant("a", "A"))
        harness.turn()
        #expect(!harness.reader.areGlobalsReady)
        harness.source.add(.participant, at: 1, "b", participant("b", "B"))
        harness.turn()
        #expect(harness.reader.areGlobalsReady)
        harness.start()
        #expect(harness.source.started[key(.event)] == Offset(5), "the log starts above 0")
        #expect(harness.reader.applied(PartitionID(0)) == Offset(5))
        // Offsets with gaps, and a transaction marker at the end.
        harness.source.add(.event, at: 6, "e1", event("e1"))
        harness.source.add(.event, at: 10, "e2", event("e2"))
        harness.turn()
        #expect(!harness.isReady(0) && harness.reader.applied(PartitionID(0)) == Offset(11))
        harness.source.add(.endReached(key(.event), position: Offset(12)))
        harness.turn()
        #expect(harness.isReady(0) && !harness.isReady(1))
        #expect(harness.reader.applied(PartitionID(0)) == Offset(12))
        #expect(harness.json("e2")?.contains("A - B") == true)
    }

    @Test func anEmptyLogIsReadyAtOnce() {
        let harness = Harness()
        harness.topics([key(.event, 1): (40, 40)])
        harness.hold(0, 1)
        harness.start()
        #expect(harness.reader.areGlobalsReady && harness.isReady(0) && harness.isReady(1))
        #expect(harness.reader.applied(PartitionID(1)) == Offset(40))
    }

    /// All that wait are asked for in one question, again and again.
    @Test func missingTopicsAreAskedForAgain() {
        let harness = Harness()
        harness.hold(0)
        #expect(harness.ingest.startWaiting(nowMs: 0) == 5)
        #expect(harness.source.boundsAsked == 1)
        harness.topics()
        harness.source.logs[key(.participant)] = nil
        #expect(harness.ingest.startWaiting(nowMs: 0) == 1 && harness.source.boundsAsked == 2)
        #expect(harness.ingest.life.waiting == [key(.participant)])
        #expect(!harness.reader.areGlobalsReady && !harness.isReady(0))
        harness.topics()
        harness.start()
        #expect(harness.reader.areGlobalsReady && harness.isReady(0))
    }

    @Test func tombstonesForUnknownKeysChangeNothing() {
        let harness = Harness()
        harness.topics([key(.event): (0, 3)])
        harness.hold(0)
        harness.start()
        harness.source.add(.event, at: 0, "never", nil)
        harness.source.add(.event, at: 1, "no id!", nil)
        harness.source.add(.event, at: 2, nil, nil)
        harness.source.add(.participant, at: 0, "never", nil)
        harness.turn()
        #expect(harness.isReady(0))
        #expect(harness.metrics.invalidTotal(.event) == 2 && harness.metrics.invalidTotal(.participant) == 0)
        #expect(harness.ingest.writer.memoryBytes == 0)
    }

    @Test func invalidMessagesLeaveTheLastGoodVersion() {
        let harness = Harness()
        harness.topics()
        harness.hold(0)
        harness.start()
        harness.now = 5_000_000_000
        harness.source.add(.event, at: 0, "e", event("e", score: "1"))
        harness.turn()
        let good = harness.json("e")
        #expect(good != nil)
        let values = [
            "", "x", "{}", "[]", "null", "{\"id\":\"e\"}", event("other"),
            event("e").replacing("FINISHED", with: "DONE"),
            event("e", teams: []), event("e", teams: Array(repeating: "a", count: 65)),
            event("e", score: String(repeating: "1", count: 256 << 10)), event("e", score: "\u{1}"),
            event("e").replacing("2026-01-01", with: "2026-02-30"),
        ]
        for (index, value) in values.enumerated() { harness.source.add(.event, at: Int64(index + 1), "e", value) }
        harness.source.add(.event, at: 100, nil, event("e"))
        harness.turn()
        #expect(harness.json("e") == good)
        #expect(harness.metrics.invalidTotal(.event) == UInt64(values.count + 1))
        #expect(harness.reader.applied(PartitionID(0)) == Offset(101), "invalid messages are passed")
        #expect(harness.messages.count == 1, "once a second for each model")
        #expect(harness.messages[0].hasPrefix("invalid event in events partition 0 offset 1: "))
        // Another model has a second of its own; the next second says how many were left out.
        harness.source.add(.season, at: 0, "s", "x")
        harness.turn()
        #expect(harness.messages.count == 2 && harness.messages[1].contains("seasons partition 0 offset 0"))
        harness.now += 999_999_999
        harness.source.add(.event, at: 101, "e", "x")
        harness.turn()
        #expect(harness.messages.count == 2)
        harness.now += 1
        harness.source.add(.event, at: 102, "e", "x")
        harness.turn()
        #expect(harness.lastNote?.suppressed == UInt64(values.count + 1))
        #expect(harness.metrics.invalidTotal(.season) == 1)
    }

    @Test func recordsOfStoppedPartitionsAreIgnored() {
        let harness = Harness()
        harness.topics()
        harness.hold(0, 1)
        harness.start()
        harness.source.add(.event, 1, at: 0, "e", event("e"))
        harness.turn()
        #expect(harness.json("e", 1) != nil)
        harness.hold(0)
        #expect(harness.source.stopped == [key(.event, 1)] && !harness.isReady(1))
        harness.source.add(.event, 1, at: 1, "e2", event("e2"))
        harness.source.add(.endReached(key(.event, 1), position: Offset(9)))
        harness.turn(3)
        #expect(harness.json("e", 1) == nil && harness.json("e2", 1) == nil)
        #expect(harness.ingest.life[key(.event, 1)] == .idle)
        #expect(harness.ingest.writer.count(.event) == 0)
        // Held again it is read from the log's start.
        harness.source.logs[key(.event, 1)] = LogBounds(start: Offset(0), end: Offset(1))
        harness.hold(0, 1)
        harness.start()
        #expect(!harness.isReady(1) && harness.source.started[key(.event, 1)] == Offset(0))
        harness.source.add(.event, 1, at: 0, "e", event("e"))
        harness.turn()
        #expect(harness.isReady(1) && harness.json("e", 1) != nil)
    }

    /// What was deleted while the position was out of the log is never told: the partition is read anew.
    @Test func aLostPositionIsCountedToldAndReadAnew() {
        let harness = Harness()
        harness.topics()
        harness.hold(0)
        harness.start()
        harness.source.add(.event, at: 0, "deleted-meanwhile", event("deleted-meanwhile"))
        harness.turn()
        #expect(harness.json("deleted-meanwhile") != nil)
        harness.source.add(.positionLost(key(.event)))
        harness.source.add(.failure(nil, reason: "all brokers are down"))
        harness.turn()
        #expect(harness.metrics.positionsLost.value == 1 && harness.metrics.sourceFailures.value == 1)
        #expect(
            harness.messages == [
                "the position in events partition 0 is no longer in the log; it is read from its start"
            ])
        #expect(!harness.isReady(0))
        harness.source.logs[key(.event)] = LogBounds(start: Offset(50), end: Offset(51))
        harness.turn(3)
        harness.start()
        harness.source.add(.event, at: 50, "e", event("e"))
        harness.turn()
        #expect(harness.isReady(0) && harness.reader.applied(PartitionID(0)) == Offset(51))
        #expect(harness.json("e") != nil && harness.json("deleted-meanwhile") == nil)
    }

    /// Events wait to be looked up side by side: in order all the same, whatever stands between them.
    @Test func theLastOfAKeyWinsWithinABatch() {
        let harness = Harness()
        harness.topics()
        harness.hold(0, 1)
        harness.start()
        for round in 0..<50 {
            harness.source.add(.event, at: Int64(round), "e\(round % 3)", event("e\(round % 3)", score: "\(round)"))
            if round % 10 == 4 { harness.source.add(.event, 1, at: Int64(round), "other", event("other")) }
        }
        harness.source.add(.event, at: 50, "e0", nil)
        harness.source.add(.event, at: 51, "e1", "no JSON")
        harness.source.add(.participant, at: 0, "a", participant("a", "Arsenal"))
        harness.source.add(.event, at: 52, "e2", event("e2", score: "last"))
        harness.source.add(.endReached(key(.event), position: Offset(60)))
        harness.turn(2)
        #expect(harness.json("e0") == nil)
        #expect(harness.json("e1")?.contains("\"score\":\"49\"") == true)
        #expect(harness.json("e2")?.contains("\"score\":\"last\"") == true)
        #expect(harness.json("e1")?.contains("Arsenal - b") == true && harness.json("e2")?.contains("Arsenal") == true)
        #expect(harness.metrics.invalidTotal(.event) == 1 && harness.metrics.messagesTotal == 59)
        #expect(harness.reader.applied(PartitionID(0)) == Offset(60))
        #expect(harness.reader.applied(PartitionID(1)) == Offset(45))
    }

    /// Opening a partition builds its teams' lists: those that are loaded together wait for each other, but for no log
    /// that stands still.
    @Test func partitionsThatAreLoadedTogetherOpenTogether() {
        let harness = Harness()
        harness.topics([key(.event): (0, 3), key(.event, 1): (0, 1_500)])
        harness.hold(0, 1)
        harness.start()
        for offset in 0..<3 { harness.source.add(.event, at: Int64(offset), "a\(offset)", event("a\(offset)")) }
        for offset in 0..<1_400 { harness.source.add(.event, 1, at: Int64(offset), "b\(offset)", event("b\(offset)")) }
        harness.turn()
        #expect(!harness.isReady(0) && harness.ingest.life[key(.event)] == .ready, "a full batch: more is on its way")
        harness.turn()
        #expect(harness.isReady(0) && !harness.isReady(1), "the other log stands still")
        for offset in 1_400..<1_500 {
            harness.source.add(.event, 1, at: Int64(offset), "b\(offset)", event("b\(offset)"))
        }
        harness.turn()
        #expect(harness.isReady(1))
    }

    /// A partition that is given up between its last message and its opening stays closed.
    @Test func whatIsDroppedBeforeItOpensStaysClosed() {
        let harness = Harness()
        harness.topics([key(.event): (0, 3), key(.event, 1): (0, 1_500)])
        harness.hold(0, 1)
        harness.start()
        for offset in 0..<3 { harness.source.add(.event, at: Int64(offset), "a\(offset)", event("a\(offset)")) }
        for offset in 0..<1_400 { harness.source.add(.event, 1, at: Int64(offset), "b\(offset)", event("b\(offset)")) }
        harness.turn()
        harness.hold(1)
        harness.turn(3)
        #expect(!harness.isReady(0) && harness.ingest.life[key(.event)] == .idle && harness.json("a0") == nil)
    }

    /// Readers may begin only when everything that the global topics changed is rendered.
    @Test func globalsAreReadyBehindTheirRendering() {
        let harness = Harness()
        harness.topics()
        let count = 3_000
        harness.source.logs[key(.participant)] = LogBounds(start: Offset(0), end: Offset(Int64(count)))
        harness.source.logs[key(.region)] = LogBounds(start: Offset(0), end: Offset(1))
        harness.start()
        for index in 0..<count {
            harness.source.add(
                .participant, at: Int64(index), "p\(index)",
                #"{"id":"p\#(index)","sport":"soccer","name":"P","regionId":"r"}"#)
        }
        harness.source.add(.region, at: 0, "r", #"{"id":"r","name":"R"}"#)
        while harness.ingest.life.areGlobalsReady == false { harness.turn() }
        #expect(harness.ingest.writer.rerenderPending > 0 && !harness.reader.areGlobalsReady)
        while harness.ingest.writer.rerenderPending > 0 { harness.turn() }
        #expect(harness.reader.areGlobalsReady)
    }

    /// At the limit of retired bytes nothing is read; when the reader lets go, all goes on.
    @Test func aReaderThatStaysStopsApplying() {
        let harness = Harness(retiredBytesMax: 4_000)
        harness.topics()
        harness.hold(0, 1)
        harness.start()
        harness.source.add(.event, at: 0, "e", event("e", score: "0"))
        harness.turn()
        harness.reader.hold()
        for round in 1...40 {
            harness.source.add(.event, at: Int64(round), "e", event("e", score: "\(round)"))
            harness.turn()
        }
        let left = harness.source.steps.count
        #expect(harness.ingest.writer.isOverRetiredLimit && left > 0 && left < 40)
        #expect(harness.ingest.writer.retiredBytes < 5_000)
        harness.reader.letGo()
        harness.turn(2)
        #expect(harness.source.steps.isEmpty && !harness.ingest.writer.isOverRetiredLimit)
        #expect(harness.json("e")?.contains("\"score\":\"40\"") == true)
    }
}

@Suite struct GlobalPositionTests {
    private func renamed(events: Int) -> Harness {
        let harness = Harness()
        harness.topics()
        harness.hold(0)
        harness.start()
        for index in 0..<events {
            harness.source.add(.event, at: Int64(index), "e\(index)", event("e\(index)", teams: ["a", "b"]))
        }
        while !harness.source.steps.isEmpty { harness.turn() }
        harness.source.add(.participant, at: 0, "a", participant("a", "Renamed"))
        return harness
    }

    private func applied(_ harness: Harness, _ kind: ModelKind) -> Offset {
        harness.reader.appliedGlobals()[kind, PartitionID(0)]
    }

    /// 7,000 events of one team: the rename takes many turns, a score behind it one.
    @Test func aScoreIsAppliedBetweenSlices() {
        let harness = renamed(events: 7_000)
        harness.turn()
        #expect(harness.ingest.writer.rerenderPending > 0)
        #expect(harness.source.timeouts.last == 7)
        harness.source.add(.event, at: 7_000, "e6999", event("e6999", score: "77"))
        harness.turn()
        #expect(harness.source.timeouts.last == 0, "there is work, so no waiting")
        #expect(harness.ingest.writer.rerenderPending > 0)
        #expect(harness.json("e6999")?.contains("\"score\":\"77\"") == true)
        #expect(applied(harness, .participant) == Offset(0), "applied once the rendering is done")
        #expect(harness.reader.startedGlobals().0[.participant, PartitionID(0)] == Offset(1))
        var turns = 2
        while harness.ingest.writer.rerenderPending > 0, turns < 100 {
            harness.turn()
            turns += 1
        }
        #expect((14...16).contains(turns))
        #expect(applied(harness, .participant) == Offset(1))
        for index in 0..<7_000 where harness.json("e\(index)")?.contains("Renamed - b") != true {
            Issue.record("e\(index) has the old name")
        }
    }

    /// A message that causes no work, read while others' work goes on, is applied with the last of it.
    @Test func whatComesDuringARoundIsAppliedWithIt() {
        let harness = renamed(events: 2_000)
        harness.turn()
        harness.source.add(.season, at: 0, "unused", #"{"id":"unused","name":"2025"}"#)
        harness.turn()
        #expect(applied(harness, .season) == Offset(0))
        harness.turn(10)
        #expect(harness.ingest.writer.rerenderPending == 0)
        #expect(applied(harness, .participant) == Offset(1))
        #expect(applied(harness, .season) == Offset(1))
    }
}
