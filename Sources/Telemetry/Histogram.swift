// A histogram of durations over fixed bounds.
//
// Any thread observes: one addition to a bucket and one to the sum. The count is not kept: it is the sum of the
// buckets, so a scrape that runs beside an observation still shows a `+Inf` bucket equal to the count.

import Synchronization

/// The upper bounds of a histogram's buckets, in nanoseconds, rising.
public struct HistogramBounds: Sendable, Equatable {
    /// One bucket more than this stands for everything above the last bound.
    public static let boundsMax = 23

    public let nanoseconds: [UInt64]

    /// Traps where the bounds do not rise or are more than `boundsMax`: they are written in code.
    public init(nanoseconds: [UInt64]) {
        precondition(!nanoseconds.isEmpty && nanoseconds.count <= Self.boundsMax, "bounds of a histogram")
        for index in nanoseconds.indices.dropFirst() {
            precondition(nanoseconds[index - 1] < nanoseconds[index], "bounds of a histogram rise")
        }
        self.nanoseconds = nanoseconds
    }

    /// 50 µs to 10 s: what a request or a batch of messages takes.
    public static let latency = HistogramBounds(nanoseconds: [
        50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
        100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 10_000_000_000,
    ])
}

/// Durations, counted by bucket.
public final class Histogram: Sendable {
    public let bounds: HistogramBounds
    private let buckets = InlineArray<24, Atomic<UInt64>> { _ in Atomic<UInt64>(0) }
    /// Nanoseconds; wraps after 584 years of observed time.
    private let sum = Atomic<UInt64>(0)

    init(bounds: HistogramBounds) { self.bounds = bounds }

    /// Counts one duration. A bound belongs to its bucket (Prometheus' `le`). Relaxed: see the module's header.
    public func observe(nanoseconds: UInt64) {
        let bounds = bounds.nanoseconds
        var bucket = 0
        while bucket < bounds.count, bounds[bucket] < nanoseconds { bucket += 1 }
        buckets[bucket].wrappingAdd(1, ordering: .relaxed)
        sum.wrappingAdd(nanoseconds, ordering: .relaxed)
    }

    /// Counts one duration; a negative one counts as zero.
    public func observe(_ duration: Duration) {
        let parts = duration.components
        guard parts.seconds >= 0, parts.attoseconds >= 0 else { return observe(nanoseconds: 0) }
        let (seconds, overflow) = UInt64(parts.seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (total, carried) = seconds.addingReportingOverflow(UInt64(parts.attoseconds / 1_000_000_000))
        observe(nanoseconds: overflow || carried ? UInt64.max : total)
    }

    public struct Snapshot: Sendable, Equatable {
        /// By bucket, not yet added up; the last one stands for everything above the last bound.
        public var counts: [UInt64]
        public var sumNanoseconds: UInt64
        public var count: UInt64 { counts.reduce(0, &+) }
    }

    public var snapshot: Snapshot {
        var counts: [UInt64] = []
        counts.reserveCapacity(bounds.nanoseconds.count + 1)
        for bucket in 0...bounds.nanoseconds.count { counts.append(buckets[bucket].load(ordering: .relaxed)) }
        return Snapshot(counts: counts, sumNanoseconds: sum.load(ordering: .relaxed))
    }
}
