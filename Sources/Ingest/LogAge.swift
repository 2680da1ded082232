// As of when what is shown of one partition is, and so how old it may be. Pure: positions and times in, a time out.
//
// Two things tell it:
// - Asked at a time t, the broker said that the log ends at e, and everything below e is applied: so what is shown is
//   complete as of t. An idle topic is as fresh as the broker's last answer, and while none comes its age grows.
// - The last message applied carries the timestamp T, and everything before it in the log is applied too: so what is
//   shown is as of T, as far as the producer's clock goes. It tells sooner than the broker is asked again.
// The later of the two holds. Both stay true for ever, since what is applied stays applied; only a log that is begun
// anew forgets them.
//
// Times are milliseconds of the machine's monotonic clock; 0 is never.

public import Model

public struct LogAge: Sendable, Equatable {
    public private(set) var asOfMs: UInt64 = 0
    /// The log's end as last told; nil while it was not.
    public private(set) var end: Offset?
    /// The position is of another log than the broker speaks of, until its end is met.
    private var isLost = false

    public init() {}

    /// The broker, asked at `askedMs`, said that the log ends at `end`; everything below `applied` is visible.
    public mutating func told(end: Offset, askedMs: UInt64, applied: Offset) {
        self.end = end
        if !isLost, applied >= end { asOfMs = max(asOfMs, askedMs) }
    }

    /// Everything up to a message of this timestamp is visible. `wallAheadMs` is what the wall clock is ahead of the
    /// monotonic one. A timestamp ahead of the clock counts as now, none (0 or less) for nothing.
    public mutating func applied(timestampMs: Int64, nowMs: UInt64, wallAheadMs: Int64) {
        guard !isLost, timestampMs > 0 else { return }
        let (time, overflow) = timestampMs.subtractingReportingOverflow(wallAheadMs)
        guard !overflow, time > 0 else { return }
        asOfMs = max(asOfMs, min(UInt64(time), nowMs))
    }

    /// Of a partition whose position was no longer in the log: reading goes on at its start with what is here.
    public static var lost: LogAge {
        var age = LogAge()
        age.isLost = true
        return age
    }

    /// The end of the log was met.
    public mutating func endReached() { isLost = false }

    /// How old what is shown may be; the largest number where nothing is known.
    public static func ageMs(asOf asOfMs: UInt64, nowMs: UInt64) -> UInt32 {
        asOfMs == 0 ? .max : UInt32(clamping: nowMs > asOfMs ? nowMs - asOfMs : 0)
    }
}
