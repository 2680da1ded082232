// What ingest tells readers of the partitions' age.

import Model
import Store
import Telemetry
import Testing

@testable import Ingest

@Suite struct AgesTests {
    private final class Scene {
        let source = ScriptedSource()
        let registry = Registry()
        let store = Store(partitionCounts: [2, 1, 1, 1, 1, 1])
        let ingest: Ingest
        let reader: StoreReader
        let both = PartitionSet(below: 2)
        /// The monotonic clock; the wall clock is 1,000,000 ahead.
        var nowMs: UInt64 = 1_000

        init() {
            ingest = Ingest(
                source: source, writer: StoreWriter(store), metrics: IngestMetrics(registry), log: { _ in })
            reader = StoreReader(store)
            for kind in ModelKind.allCases {
                for partition in 0..<store.partitionCounts[Int(kind.rawValue)] {
                    source.logs[TopicPartition(kind, PartitionID(partition))] = LogBounds(
                        start: Offset(0), end: Offset(0))
                }
            }
            ingest.hold(both)
            _ = ingest.startWaiting(nowMs: 0)
            _ = ingest.startWaiting(nowMs: 0)
        }

        var all: [TopicPartition] { ingest.readPartitions }

        func turn() {
            let nowNs = nowMs * 1_000_000
            ingest.turn(
                nowNanoseconds: nowNs, wallMs: Int64(nowMs) + 1_000_000, clock: { nowNs }, timeoutMs: 0)
        }

        func told(_ partitions: [TopicPartition], end: Int64, askedMs: UInt64) {
            ingest.told(partitions.map { ($0, Offset(end)) }, askedMs: askedMs)
        }
    }

    private func key(_ kind: ModelKind, _ partition: Int = 0) -> TopicPartition {
        TopicPartition(kind, PartitionID(partition))
    }

    @Test func anAnswerIsAsOldAsTheWorstOfItsPartitionsAndTheGlobalOnes() {
        let scene = Scene()
        #expect(scene.all.count == 7)
        #expect(scene.reader.asOf(scene.both) == 0)
        scene.told(scene.all, end: 0, askedMs: 900)
        #expect(scene.reader.asOf(scene.both) == 900)
        scene.told([key(.event, 1)], end: 0, askedMs: 950)
        var second = PartitionSet()
        second.insert(PartitionID(1))
        #expect(scene.reader.asOf(second) == 900)
        scene.told(scene.all.filter { $0.kind != .event }, end: 0, askedMs: 940)
        #expect(scene.reader.asOf(second) == 940)
        #expect(scene.reader.asOf(scene.both) == 900)
        #expect(scene.reader.asOf(PartitionSet()) == 940)
    }

    @Test func aGlobalTopicThatIsBehindMakesEveryAnswerOld() {
        let scene = Scene()
        scene.told(scene.all, end: 0, askedMs: 900)
        scene.told(scene.all.filter { $0.kind != .stage }, end: 0, askedMs: 990)
        scene.told([key(.stage)], end: 3, askedMs: 990)
        #expect(scene.reader.asOf(scene.both) == 900)
        #expect(scene.ingest.age(of: key(.stage)).end == Offset(3))
    }

    @Test func aMessageTellsSoonerThanTheBroker() {
        let scene = Scene()
        scene.told(scene.all, end: 0, askedMs: 900)
        scene.told(scene.all.filter { $0.kind != .event }, end: 0, askedMs: 999)
        scene.source.timestampMs = 1_000_980
        scene.source.add(.event, at: 0, "e", nil)
        scene.turn()
        var first = PartitionSet()
        first.insert(PartitionID(0))
        #expect(scene.reader.asOf(first) == 980)
        #expect(scene.reader.newestMs == 1_000_980)
    }

    @Test func aRenameCountsWhenAllItChangedIsRendered() {
        let scene = Scene()
        let event =
            #"{"id":"e","sport":"soccer","stageId":"s","scheduledStart":"2026-01-01T00:00:00Z","#
            + #""status":"FINISHED","participants":[{"id":"p"}]}"#
        for index in 0..<1_200 {
            scene.source.add(.event, at: Int64(index), "e\(index)", event.replacing("\"e\"", with: "\"e\(index)\""))
        }
        scene.turn()
        scene.turn()
        scene.told(scene.all, end: 0, askedMs: 900)
        scene.source.timestampMs = 1_000_990
        scene.source.add(.participant, at: 0, "p", #"{"id":"p","sport":"soccer","name":"Arsenal"}"#)
        for kind in [ModelKind.stage, .season, .region, .category] { scene.told([key(kind)], end: 0, askedMs: 995) }
        scene.turn()
        // 1,200 events are more than one turn renders.
        #expect(scene.ingest.writer.rerenderPending > 0)
        #expect(scene.reader.asOf(PartitionSet()) == 900)
        while scene.ingest.writer.rerenderPending > 0 { scene.turn() }
        scene.turn()
        #expect(scene.reader.asOf(PartitionSet()) == 990)
    }

    @Test func aPartitionReadAnewIsOfNoKnownAge() {
        let scene = Scene()
        scene.told(scene.all, end: 0, askedMs: 900)
        scene.source.add(.positionLost(key(.event, 1)))
        scene.turn()
        #expect(scene.reader.asOf(scene.both) == 0)
        var first = PartitionSet()
        first.insert(PartitionID(0))
        #expect(scene.reader.asOf(first) == 900)
    }
}
