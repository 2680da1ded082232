import Cluster
import Query
import Telemetry

/// How fresh the answers are, and why requests got none. The handles of all loops.
struct FreshnessMetrics: Sendable {
    private let ages: Histogram
    private let visible: Histogram
    /// No holder was as fresh as was asked for.
    let stale: Counter
    /// Too many requests in flight, too many bytes of replies, or all holders shed load.
    let overloaded: Counter

    init(_ registry: Registry) {
        ages = registry.histogram(
            "answer_freshness_seconds", help: "How old answers may have been when their holders read them.",
            bounds: Self.bounds)
        visible = registry.histogram(
            "produce_to_visible_seconds",
            help:
                "From a message's timestamp to the first reply of its node that shows it, of each node's newest message.",
            bounds: Self.bounds)
        stale = registry.counter(
            "router_requests_stale_total", help: "Requests that no holder was fresh enough for; answered 503.")
        overloaded = registry.counter(
            "router_requests_overloaded_total",
            help: "Requests over a limit of the router or its holders; answered 503.")
    }

    /// 1 ms to 60 s: from the usual to a broker that is away for a while.
    private static let bounds = HistogramBounds(nanoseconds: [
        1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
        1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000, 60_000_000_000,
    ])

    /// Not where the age is unknown, which no bucket and no sum can say.
    func answered(_ freshness: Freshness) {
        guard freshness.ageMs != .max else { return }
        ages.observe(nanoseconds: UInt64(freshness.ageMs) * 1_000_000)
    }

    /// A message of this timestamp, the newest of its node, is seen for the first time. Another machine wrote the
    /// timestamp, so it may lie ahead of this one's clock; it then counts as no time at all.
    func seen(_ timestampMs: Int64) {
        let tookMs = max(0, Clocks.wallMs() - timestampMs)
        visible.observe(nanoseconds: UInt64(tookMs) * 1_000_000)
    }
}
