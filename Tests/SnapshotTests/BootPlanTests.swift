import Model
import Testing

@testable import Snapshot

@Suite struct BootPlanTests {
    private static let day: Int64 = 86_400_000

    private static func header(_ change: (inout SnapshotHeader) -> Void = { _ in }) -> SnapshotHeader {
        var header = Samples.header()
        header.positions = [SnapshotPosition(resume: Offset(1_000), newest: Offset(1_100), last: nil)]
        header.rawBytes = 1_000
        header.caughtUpMs = 0
        change(&header)
        return header
    }

    private static func facts(_ change: (inout BootFacts) -> Void = { _ in }) -> BootFacts {
        var facts = BootFacts(
            topic: "favorites-api-events", clusterID: "c1uster",
            bounds: [LogBounds(start: Offset(0), end: Offset(2_000))], partitionCount: 8, deleteRetentionMs: day,
            nowMs: 1_000, rates: BootRates())
        change(&facts)
        return facts
    }

    struct Row: Sendable {
        var what: String
        var header: SnapshotHeader
        var facts: BootFacts
        var refusal: BootRefusal?
    }

    static let rows: [Row] = [
        Row(what: "all agrees", header: header(), facts: facts(), refusal: nil),
        Row(
            what: "another cluster", header: header { $0.clusterID = "other" }, facts: facts(),
            refusal: .otherCluster("other")),
        Row(what: "another topic", header: header { $0.topic = "t" }, facts: facts(), refusal: .otherTopic("t")),
        Row(what: "another schema", header: header { $0.schema = 9 }, facts: facts(), refusal: .otherSchema(9)),
        Row(
            what: "another partition count", header: header(), facts: facts { $0.partitionCount = 9 },
            refusal: .otherPartitionCount(8)),
        Row(
            what: "the log ends right where the walk ended", header: header(),
            facts: facts { $0.bounds[0].end = Offset(1_100) }, refusal: nil),
        Row(
            what: "the log ends below what the walk saw, though not below its position", header: header(),
            facts: facts { $0.bounds[0].end = Offset(1_099) },
            refusal: .beyondEnd(newest: Offset(1_100), end: Offset(1_099))),
        Row(
            what: "the log starts right at the position", header: header(),
            facts: facts { $0.bounds[0].start = Offset(1_000) }, refusal: nil),
        Row(
            what: "the log starts behind the position", header: header(),
            facts: facts { $0.bounds[0].start = Offset(1_001) },
            refusal: .belowStart(resume: Offset(1_000), start: Offset(1_001))),
        Row(
            what: "a little younger than nine tenths of the retention", header: header(),
            facts: facts { $0.nowMs = day / 10 * 9 - 1_000 }, refusal: nil),
        Row(
            what: "nine tenths of the retention", header: header(), facts: facts { $0.nowMs = day / 10 * 9 },
            refusal: .tooOld(ageMs: day / 10 * 9 + 3, limitMs: day / 10 * 9)),
        Row(
            what: "young, but replay takes longer than the retention", header: header(),
            facts: facts {
                $0.bounds[0].end = Offset(300_000 * 86_400)
                $0.nowMs = 0
            },
            refusal: .tooOld(ageMs: 86_399_996, limitMs: day / 10 * 9)),
        Row(
            what: "the brokers do not tell the retention", header: header(),
            facts: facts { $0.deleteRetentionMs = nil },
            refusal: .unknownRetention),
        Row(
            what: "of a distant future", header: header { $0.caughtUpMs = day }, facts: facts(),
            refusal: .tooOld(ageMs: 1_000 - day + 3, limitMs: day / 10 * 9)),
    ]

    @Test(arguments: rows) func refusals(row: Row) {
        let refusal = BootPlan.refusal(row.header, row.facts)
        #expect(refusal == row.refusal, "\(row.what)")
        if let refusal {
            #expect(BootRefusal.reasons.contains(refusal.reason) && !refusal.description.isEmpty)
            guard case .start(_, refusal) = BootPlan.choose(row.header, row.facts) else {
                Issue.record("\(row.what): a refused file was chosen")
                return
            }
        }
    }

    @Test func whateverIsSoonerIsChosen() {
        // 1,000 messages behind the file, 2,000 in the log.
        guard case .snapshot(let seconds) = BootPlan.choose(Self.header(), Self.facts()) else {
            Issue.record("a file that is sooner was not chosen")
            return
        }
        #expect(abs(seconds - 1_000 / 300e3) < 0.000_1)
        // A large file whose log was compacted to little.
        let large = Self.header { $0.rawBytes = 3_000_000_000 }
        #expect(BootPlan.choose(large, Self.facts()) == .start(seconds: 2_000 / 300e3, refusal: nil))
        #expect(BootPlan.choose(nil, Self.facts()) == .start(seconds: 2_000 / 300e3, refusal: nil))
    }

    @Test func ratesFollowWhatIsMeasured() {
        var rates = BootRates()
        rates.loaded(bytes: 100, seconds: 1)
        rates.read(messages: 10, seconds: 1)
        #expect(rates == BootRates())
        for _ in 0..<20 {
            rates.loaded(bytes: 2_000_000, seconds: 0.001)
            rates.read(messages: 100_000, seconds: 0.1)
        }
        #expect(abs(rates.loadBytesPerSecond / 2e9 - 1) < 0.01 && abs(rates.messagesPerSecond / 1e6 - 1) < 0.01)
    }
}

@Suite struct SnapshotScheduleTests {
    private let second: UInt64 = 1_000_000_000
    private let one = SnapshotScope.events(PartitionID(1))
    private let two = SnapshotScope.topic(.stage)

    @Test func whatHasNoFileComesFirst() {
        var schedule = SnapshotSchedule(intervalNs: 60 * second, changedBytesMax: 1_000)
        schedule.found(one, nowNs: 0)
        #expect(schedule.next([one: 500, two: 0], nowNs: 1) == two)
        schedule.wrote(two, changedBytes: 0, nowNs: second)
        #expect(schedule.next([one: 500, two: 0], nowNs: 2 * second) == nil)
        #expect(schedule.next([:], nowNs: 1_000 * second) == nil)
    }

    @Test func intervalAndChangedBytes() {
        var schedule = SnapshotSchedule(intervalNs: 60 * second, changedBytesMax: 1_000)
        for scope in [one, two] { schedule.wrote(scope, changedBytes: 100, nowNs: 0) }
        #expect(schedule.next([one: 1_099, two: 100], nowNs: second) == nil)
        #expect(schedule.next([one: 1_100, two: 100], nowNs: second) == one)
        #expect(schedule.next([one: 101, two: 100], nowNs: 60 * second) == one)
        #expect(schedule.next([one: 100, two: 100], nowNs: 60 * second) == nil)
        // Unchanged files are written again too, before they grow old.
        #expect(schedule.next([one: 100, two: 100], nowNs: 360 * second) != nil)
        schedule.wrote(one, changedBytes: 1_100, nowNs: 61 * second)
        #expect(schedule.next([one: 1_100, two: 101], nowNs: 62 * second) == two)
    }

    @Test func aFailureWaits() {
        var schedule = SnapshotSchedule(intervalNs: 60 * second, changedBytesMax: 1_000)
        schedule.failed(one, nowNs: second)
        #expect(schedule.next([one: 0], nowNs: 2 * second) == nil)
        #expect(schedule.next([one: 0], nowNs: second + SnapshotSchedule.pauseNs) == one)
    }

    @Test func beforeTheEndWhateverHasChangedIsWritten() {
        var schedule = SnapshotSchedule(intervalNs: 60 * second, changedBytesMax: 1_000)
        schedule.found(one, nowNs: 0)
        schedule.found(two, nowNs: 0)
        #expect(schedule.last([one: 0, two: 1], nowNs: 1, endBeganNs: 1) == two)
        schedule.wrote(two, changedBytes: 1, nowNs: 2)
        #expect(schedule.last([one: 0, two: 1], nowNs: 3, endBeganNs: 1) == nil)
        #expect(schedule.last([one: 0, .topic(.region): 0], nowNs: 3, endBeganNs: 1) == .topic(.region))
    }

    /// Messages go on coming: what was written since the end began is not written once more.
    @Test func beforeTheEndEachScopeIsWrittenOnce() {
        var schedule = SnapshotSchedule(intervalNs: 60 * second, changedBytesMax: 1_000)
        schedule.wrote(one, changedBytes: 10, nowNs: 1)
        schedule.wrote(two, changedBytes: 10, nowNs: 2)
        var written: [SnapshotScope] = []
        for step in 1...10 as ClosedRange<UInt64> {
            let changed = [one: 10 + step, two: 10 + step]
            guard let scope = schedule.last(changed, nowNs: 10 + step, endBeganNs: 10) else { break }
            written.append(scope)
            schedule.wrote(scope, changedBytes: 10 + step, nowNs: 10 + step)
        }
        #expect(written == [one, two])
    }
}
