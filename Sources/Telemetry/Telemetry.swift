// Numbers about the running process, and how they are shown.
//
//   loops, writer ──observe──► Counter, Gauge, Histogram ◄──load── Registry.exposition() ◄── GET /metrics
//
// Handles are made once, at start, from a `Registry`; making one takes a lock and renders its labels. From then on
// any thread updates a handle by relaxed atomic additions: no lock, no allocation, no look-up by name.
//
// Why relaxed is enough: every number stands for itself. Nobody decides anything from one number about the state of
// another, and a scrape that sees one of two additions of the same moment shows the other one in the next scrape.

/// A label of a series: name and value, in the order they are shown.
public typealias Label = (name: String, value: String)

/// What a family of series is, as Prometheus names it.
public enum MetricKind: String, Sendable {
    case counter, gauge, histogram
}
