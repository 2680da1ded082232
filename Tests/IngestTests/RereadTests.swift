// Tombstones that were gone before they were read, and what is done about it.

import Model
import Store
import Telemetry
import Testing

@testable import Ingest

private let events = TopicPartition(.event, PartitionID(0))
private let participants = TopicPartition(.participant, PartitionID(0))
private let hour: Int64 = 3_600_000

private func value(_ id: String, _ score: Int) -> String {
    #"{"id":"\#(id)","sport":"soccer","stageId":"s","scheduledStart":"2026-01-01T00:00:00Z","status":"FINISHED","#
        + #""participants":[{"id":"a","score":"\#(score)"}]}"#
}

private func team(_ id: String, _ name: String) -> String { #"{"id":"\#(id)","sport":"soccer","name":"\#(name)"}"# }

/// A watch over one partition whose log had ten messages at the time 0.
private final class Watch {
    private var watch = ReadWatch()

    init(limitMs: Int64?) {
        watch.limitsMs[0] = limitMs
        watch.begin(events, sinceMs: 0, start: Offset(0), askedMs: 0, end: Offset(10))
    }

    func isCutOff(_ partition: TopicPartition = events, end: Int64, atMs: Int64, applied: Int64) -> Bool {
        watch.learned(partition, end: Offset(end), askedMs: atMs, applied: Offset(applied))
    }

    func isWhole(end: Int64, atMs: Int64) -> Bool { watch.isWhole(events, end: Offset(end), askedMs: atMs) }
}

@Suite struct ReadWatchTests {

    @Test func whoKeepsUpIsNeverCutOff() {
        let watch = Watch(limitMs: 100)
        for step in 1...50 as ClosedRange<Int64> {
            #expect(!watch.isCutOff(end: 10 + step, atMs: step * 10, applied: 10 + step))
        }
    }

    @Test func whoHearsNothingForTooLongIsCutOff() {
        let watch = Watch(limitMs: 100)
        #expect(!watch.isCutOff(end: 10, atMs: 50, applied: 10))
        #expect(watch.isWhole(end: 11, atMs: 150))
        #expect(!watch.isWhole(end: 11, atMs: 151))
        // Whatever was applied meanwhile: it was applied too late.
        #expect(watch.isCutOff(end: 11, atMs: 151, applied: 11))
    }

    @Test func whereNothingWasWrittenNothingIsMissed() {
        let watch = Watch(limitMs: 100)
        #expect(!watch.isCutOff(end: 10, atMs: 50, applied: 10))
        #expect(!watch.isCutOff(end: 10, atMs: 5_000, applied: 10))
        #expect(!watch.isCutOff(end: 20, atMs: 5_100, applied: 20))
    }

    /// It answers, but what it said so long ago is still not applied.
    @Test func whoLagsForTooLongIsCutOff() {
        let watch = Watch(limitMs: 100)
        #expect(!watch.isCutOff(end: 1_000, atMs: 50, applied: 5))
        #expect(!watch.isCutOff(end: 2_000, atMs: 100, applied: 9))
        #expect(watch.isCutOff(end: 3_000, atMs: 101, applied: 9))
        // One that lags by less goes on.
        let other = Watch(limitMs: 100)
        for step in 1...50 as ClosedRange<Int64> {
            #expect(!other.isCutOff(end: 10 + step, atMs: step * 10, applied: 10 + max(0, step - 3)))
        }
    }

    @Test func whereTombstonesStayNobodyIsCutOff() {
        let watch = Watch(limitMs: nil)
        #expect(!watch.isCutOff(end: 99, atMs: .max / 2, applied: 1))
        #expect(!watch.isCutOff(participants, end: 99, atMs: .max / 2, applied: 1), "never begun")
    }
}

@Suite struct RereadTests {
    private let limits = [Int64?](repeating: 21 * hour, count: 6)

    /// Two teams and two events, read to the end, at the time 0.
    private func loaded() -> Harness {
        let harness = Harness()
        harness.topics([events: (0, 2), participants: (0, 2)])
        harness.hold(0)
        harness.start()
        harness.source.add(.participant, at: 0, "a", team("a", "A"))
        harness.source.add(.participant, at: 1, "b", team("b", "B"))
        harness.turn()
        harness.start()
        harness.source.add(.event, at: 0, "stays", value("stays", 1))
        harness.source.add(.event, at: 1, "goes", value("goes", 1))
        harness.turn()
        #expect(harness.isReady(0) && harness.json("goes") != nil)
        learn(harness, atHours: 0)
        return harness
    }

    private func learn(_ harness: Harness, atHours hours: Int64) {
        harness.ingest.learned(
            harness.source.logs.sorted { $0.key.kind.rawValue < $1.key.kind.rawValue }.map { ($0.key, $0.value) },
            askedMs: hours * hour, limitsMs: limits)
    }

    /// The node heard nothing for a day. Meanwhile `goes` was deleted, its tombstone dropped, and `new` came.
    private func cutOff(_ harness: Harness) {
        harness.source.logs[events] = LogBounds(start: Offset(0), end: Offset(5))
        // The client is back before the watch is: it has read what is new already.
        harness.source.add(.event, at: 4, "new", value("new", 1))
        harness.turn()
        #expect(harness.reader.applied(PartitionID(0)) == Offset(5))
        learn(harness, atHours: 24)
    }

    @Test func aKeyWhoseTombstoneWasMissedGoes() {
        let harness = loaded()
        cutOff(harness)
        #expect(harness.source.started[events] == Offset(0), "its log is read from the start")
        #expect(harness.isReady(0) && harness.json("goes") != nil, "served meanwhile")
        #expect(harness.metrics.rereads.value == 1 && harness.messages.count == 1)
        harness.source.add(.event, at: 0, "stays", value("stays", 1))
        harness.turn()
        #expect(harness.json("goes") != nil && harness.json("new") != nil)
        harness.source.add(.event, at: 4, "new", value("new", 1))
        harness.turn(2)
        #expect(harness.json("goes") == nil && harness.json("stays") != nil && harness.json("new") != nil)
        #expect(harness.isReady(0) && harness.metrics.rereadDeleted.value == 1)
        // It goes on as before.
        harness.source.add(.event, at: 5, "stays", value("stays", 7))
        harness.turn()
        #expect(harness.json("stays")?.contains("7") == true && harness.reader.applied(PartitionID(0)) == Offset(6))
        harness.source.logs[events] = LogBounds(start: Offset(0), end: Offset(6))
        learn(harness, atHours: 25)
        #expect(harness.metrics.rereads.value == 1)
    }

    /// What is in effect already is not applied again: nobody sees an older score, or a key come back for a moment.
    @Test func nothingGoesBackInTime() {
        let harness = loaded()
        harness.source.add(.event, at: 2, "stays", value("stays", 2))
        harness.source.add(.event, at: 3, "goes", nil)
        harness.turn()
        cutOff(harness)
        harness.source.add(.event, at: 0, "stays", value("stays", 1))
        harness.source.add(.event, at: 1, "goes", value("goes", 1))
        harness.turn()
        #expect(harness.json("stays")?.contains(#""score":"2""#) == true && harness.json("goes") == nil)
        harness.source.add(.endReached(events, position: Offset(5)))
        harness.turn(2)
        // The log of this test has lost all but two keys' messages.
        #expect(harness.json("stays") != nil && harness.json("new") == nil)
    }

    /// What comes in while the log is read once more was never missed.
    @Test func whatIsWrittenMeanwhileStays() {
        let harness = loaded()
        cutOff(harness)
        for (offset, id) in [(0, "stays"), (4, "new"), (5, "later"), (6, "goes")] as [(Int64, String)] {
            harness.source.add(.event, at: offset, id, value(id, 3))
        }
        harness.turn(2)
        for id in ["stays", "new", "later", "goes"] { #expect(harness.json(id) != nil, "\(id)") }
        #expect(harness.metrics.rereadDeleted.value == 0)
    }

    /// More keys go than one turn deletes. One of them is written again, another deleted and written again, in between,
    /// and of a third comes a message that is invalid, so that its last good version stays: all three are there.
    @Test func aKeyThatComesBackWhileOthersGoStays() {
        let harness = Harness()
        let count = 2 * Int64(Ingest.dropBudget) + 10
        harness.topics([events: (0, count)])
        harness.hold(0)
        harness.start()
        for offset in 0..<count { harness.source.add(.event, at: offset, "e\(offset)", value("e\(offset)", 1)) }
        harness.turn(3)
        #expect(harness.isReady(0) && harness.ingest.writer.count(.event) == Int(count))
        learn(harness, atHours: 0)
        harness.source.logs[events] = LogBounds(start: Offset(0), end: Offset(count + 1))
        learn(harness, atHours: 24)
        harness.source.add(.endReached(events, position: Offset(count + 1)))
        harness.turn()
        let left = harness.ingest.writer.count(.event)
        #expect(left > 10 && left < Int(count), "\(left) are left after one turn")
        // Some of those that are still to go; the last ones go first, or the first ones.
        let ids = (0..<count).map { "e\($0)" }.filter { harness.json($0) != nil }
        let (written, again, invalid) = (ids[0], ids[1], ids[2])
        harness.source.add(.event, at: count + 1, written, value(written, 2))
        harness.source.add(.event, at: count + 2, again, nil)
        harness.source.add(.event, at: count + 3, again, value(again, 3))
        harness.source.add(.event, at: count + 4, invalid, "{}")
        harness.turn(4)
        #expect(harness.ingest.rereads.isEmpty && harness.ingest.writer.count(.event) == 3)
        #expect(harness.json(invalid)?.contains(#""score":"1""#) == true)
        #expect(harness.json(written)?.contains(#""score":"2""#) == true)
        #expect(harness.json(again)?.contains(#""score":"3""#) == true)
    }

    @Test func aGlobalTopicIsReadOnceMoreToo() {
        let harness = loaded()
        harness.source.logs[participants] = LogBounds(start: Offset(0), end: Offset(4))
        learn(harness, atHours: 24)
        #expect(harness.source.started[participants] == Offset(0) && harness.isReady(0))
        harness.source.add(.participant, at: 1, "b", team("b", "B"))
        harness.source.add(.endReached(participants, position: Offset(4)))
        harness.turn(3)
        #expect(harness.json("stays")?.contains(#""name":"a""#) == true, "a is unknown now")
        #expect(harness.ingest.writer.count(.participant) == 1 && harness.metrics.rereadDeleted.value == 1)
    }

    /// Its place in the log is lost: retention passed it, or the topic is another one. What the log has counts.
    @Test func aLostPositionOfAGlobalTopicBringsNoKeyAlong() {
        let harness = loaded()
        harness.source.add(.positionLost(participants))
        harness.source.add(.participant, at: 0, "c", team("c", "C"))
        harness.turn()
        #expect(harness.ingest.wantsBounds && harness.ingest.writer.count(.participant) == 3)
        harness.source.logs[participants] = LogBounds(start: Offset(0), end: Offset(2))
        learn(harness, atHours: 1)
        #expect(!harness.ingest.wantsBounds)
        harness.source.add(.participant, at: 1, "b", team("b", "Other"))
        harness.turn(2)
        #expect(
            harness.ingest.writer.count(.participant) == 2 && harness.json("stays")?.contains(#""name":"a""#) == true)
    }

    /// Nobody is served from a partition that is still being loaded: it is emptied.
    @Test func aLoadThatTakesTooLongBeginsAnew() {
        let harness = Harness()
        harness.topics([events: (0, 9)])
        harness.hold(0)
        harness.start()
        harness.source.add(.event, at: 0, "goes", value("goes", 1))
        harness.turn()
        harness.source.logs[events] = LogBounds(start: Offset(0), end: Offset(20))
        learn(harness, atHours: 22)
        harness.turn(3)
        #expect(harness.json("goes") == nil && !harness.isReady(0))
        #expect(harness.ingest.life[events] == .waiting)
    }

    @Test func aPartitionThatIsGivenUpIsReadNoMore() {
        let harness = loaded()
        cutOff(harness)
        harness.ingest.hold(PartitionSet())
        harness.turn(3)
        #expect(harness.ingest.writer.count(.event) == 0 && harness.ingest.rereads.isEmpty)
    }
}
