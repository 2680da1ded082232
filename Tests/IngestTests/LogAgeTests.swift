import Model
import Testing

@testable import Ingest

/// What happens to one partition, and how old what is shown of it may be then.
@Suite struct LogAgeTests {
    enum Step {
        /// Asked at a time, the broker said where the log ends, while so much was applied.
        case told(end: Int64, askedMs: UInt64, applied: Int64)
        /// A message of this timestamp is visible at a time. The wall clock is 1,000,000 ahead.
        case applied(timestampMs: Int64, nowMs: UInt64)
        case lost
        case endReached
    }

    struct Case: Sendable {
        var what: String
        var steps: [Step]
        var nowMs: UInt64
        var ageMs: UInt32
    }

    static let cases = [
        Case(what: "nothing is known", steps: [], nowMs: 5_000, ageMs: .max),
        Case(what: "an empty log", steps: [.told(end: 0, askedMs: 4_990, applied: 0)], nowMs: 5_000, ageMs: 10),
        Case(
            what: "an idle log is fresh, however old its last message is",
            steps: [.applied(timestampMs: 1_000_001, nowMs: 100), .told(end: 7, askedMs: 900_000, applied: 7)],
            nowMs: 900_050, ageMs: 50),
        Case(
            what: "one that is behind is as old as the last message applied",
            steps: [.applied(timestampMs: 1_004_000, nowMs: 4_900), .told(end: 9, askedMs: 4_990, applied: 7)],
            nowMs: 5_000, ageMs: 1_000),
        Case(
            what: "but not older than when it was last complete",
            steps: [
                .told(end: 7, askedMs: 4_800, applied: 7), .applied(timestampMs: 1_000_100, nowMs: 4_850),
                .told(end: 9, askedMs: 4_900, applied: 8),
            ], nowMs: 5_000, ageMs: 200),
        Case(
            what: "a broker that is away: age grows from its last answer",
            steps: [.told(end: 7, askedMs: 5_000, applied: 7)], nowMs: 65_000, ageMs: 60_000),
        Case(
            what: "behind at first, caught up when asked again",
            steps: [
                .told(end: 9, askedMs: 100, applied: 7), .told(end: 9, askedMs: 200, applied: 9),
            ], nowMs: 230, ageMs: 30),
        Case(
            what: "markers and compacted gaps stand below the position, which is the end",
            steps: [.told(end: 12, askedMs: 200, applied: 12)], nowMs: 200, ageMs: 0),
        Case(
            what: "a timestamp ahead of the clock counts as now",
            steps: [.applied(timestampMs: 9_000_000, nowMs: 4_000)], nowMs: 5_000, ageMs: 1_000),
        Case(
            what: "a message without timestamp tells nothing",
            steps: [.applied(timestampMs: 0, nowMs: 4_000)], nowMs: 5_000, ageMs: .max),
        Case(
            what: "a timestamp before the machine's start tells nothing",
            steps: [.applied(timestampMs: 999_000, nowMs: 4_000)], nowMs: 5_000, ageMs: .max),
        Case(
            what: "an absurd timestamp does not trap",
            steps: [.applied(timestampMs: .max, nowMs: 4_000), .applied(timestampMs: .min, nowMs: 4_000)],
            nowMs: 5_000, ageMs: 1_000),
        Case(
            what: "an older message after a newer one takes nothing back",
            steps: [.applied(timestampMs: 1_004_000, nowMs: 4_500), .applied(timestampMs: 1_003_000, nowMs: 4_600)],
            nowMs: 5_000, ageMs: 1_000),
        Case(
            what: "a lost position: the broker speaks of another log until its end is met",
            steps: [
                .told(end: 9, askedMs: 100, applied: 9), .lost, .told(end: 3, askedMs: 200, applied: 9),
                .applied(timestampMs: 1_000_250, nowMs: 250),
            ], nowMs: 300, ageMs: .max),
        Case(
            what: "a lost position, and the end met",
            steps: [.lost, .endReached, .told(end: 3, askedMs: 200, applied: 3)], nowMs: 300, ageMs: 100),
    ]

    @Test(arguments: cases) func age(_ example: Case) {
        var age = LogAge()
        for step in example.steps {
            switch step {
            case .told(let end, let askedMs, let applied):
                age.told(end: Offset(end), askedMs: askedMs, applied: Offset(applied))
            case .applied(let timestampMs, let nowMs):
                age.applied(timestampMs: timestampMs, nowMs: nowMs, wallAheadMs: 1_000_000)
            case .lost: age = .lost
            case .endReached: age.endReached()
            }
        }
        #expect(LogAge.ageMs(asOf: age.asOfMs, nowMs: example.nowMs) == example.ageMs, "\(example.what)")
    }
}
