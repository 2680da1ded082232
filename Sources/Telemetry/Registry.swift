// The families of metrics of one process. Handles are made at start, under a lock; `exposition` takes the same lock
// and reads the handles. Nothing that serves a request comes here.

import Synchronization

/// Where handles are made and shown.
public final class Registry: Sendable {
    /// Series of one family. More handles are a programmer's error and trap; more sampled series are left out and
    /// counted in `telemetry_series_dropped_total`. Six topics of 512 partitions take 3,072.
    public static let seriesPerFamilyMax = 4_096

    enum Handle: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }

    struct Series: Sendable {
        /// Rendered once: `a="1",b="2"`, without braces.
        var labels: String
        var handle: Handle
    }

    struct Family: Sendable {
        var name: String
        var kind: MetricKind
        var help: String
        var series: [Series] = []
        var samplers: [@Sendable (inout Samples) -> Void] = []
    }

    private let families = Mutex<[Family]>([])
    private let dropped = Counter()

    public init() {}

    /// The counter of these labels; the same one when asked again. The name ends in `_total`.
    public func counter(_ name: String, help: String, labels: [Label] = []) -> Counter {
        let handle = handle(name, .counter, help, labels) { .counter(Counter()) }
        guard case .counter(let counter) = handle else { preconditionFailure("\(name) is no counter") }
        return counter
    }

    /// The gauge of these labels; the same one when asked again.
    public func gauge(_ name: String, help: String, labels: [Label] = []) -> Gauge {
        let handle = handle(name, .gauge, help, labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = handle else { preconditionFailure("\(name) is no gauge") }
        return gauge
    }

    /// The histogram of these labels; the same one when asked again. It is shown once it has observed something, so
    /// that a fixed array of handles for every (route, status) costs no line until it is used.
    public func histogram(
        _ name: String, help: String, labels: [Label] = [], bounds: HistogramBounds = .latency
    ) -> Histogram {
        let handle = handle(name, .histogram, help, labels) { .histogram(Histogram(bounds: bounds)) }
        guard case .histogram(let histogram) = handle else { preconditionFailure("\(name) is no histogram") }
        return histogram
    }

    /// Values that are asked for at each scrape. `collect` runs on the scraping thread, with no lock held.
    public func sampled(
        _ name: String, _ kind: MetricKind, help: String, collect: @escaping @Sendable (inout Samples) -> Void
    ) {
        precondition(kind != .histogram, "a histogram is not sampled")
        families.withLock { families in
            let index = Self.family(name, kind, help, &families)
            families[index].samplers.append(collect)
        }
    }

    private func handle(
        _ name: String, _ kind: MetricKind, _ help: String, _ labels: [Label], make: () -> Handle
    ) -> Handle {
        let text = renderLabels(labels)
        return families.withLock { families in
            let index = Self.family(name, kind, help, &families)
            if let found = families[index].series.first(where: { $0.labels == text }) { return found.handle }
            precondition(families[index].series.count < Self.seriesPerFamilyMax, "too many series of \(name)")
            let handle = make()
            families[index].series.append(Series(labels: text, handle: handle))
            return handle
        }
    }

    private static func family(
        _ name: String, _ kind: MetricKind, _ help: String, _ families: inout [Family]
    ) -> Int {
        if let index = families.firstIndex(where: { $0.name == name }) {
            precondition(families[index].kind == kind, "\(name) was made as another kind")
            return index
        }
        precondition(isMetricName(name), "\(name) is no name of a metric")
        families.append(Family(name: name, kind: kind, help: help))
        return families.count - 1
    }

    /// Everything, in Prometheus' text format 0.0.4 (`Content-Type: text/plain; version=0.0.4; charset=utf-8`),
    /// families sorted by name.
    public func exposition() -> [UInt8] {
        // Lock, copy, unlock, act: samplers are other people's code.
        let families = families.withLock { $0 }.sorted { $0.name < $1.name }
        var text = Exposition()
        for family in families {
            text.begin(family)
            for series in family.series { text.append(series, of: family.name) }
            guard !family.samplers.isEmpty else { continue }
            var samples = Samples(max: Self.seriesPerFamilyMax)
            for collect in family.samplers { collect(&samples) }
            for sample in samples.values { text.append(sample.value, labels: sample.labels, of: family.name) }
            dropped.add(samples.dropped)
        }
        text.append(dropped)
        return text.bytes
    }
}

/// What a sampler adds to at a scrape.
public struct Samples: Sendable {
    var values: [(labels: String, value: Double)] = []
    var dropped: UInt64 = 0
    private let max: Int

    init(max: Int) { self.max = max }

    /// One value. Beyond `Registry.seriesPerFamilyMax` it is left out and counted.
    public mutating func add(_ value: Double, labels: [Label] = []) {
        guard values.count < max else {
            dropped += 1
            return
        }
        values.append((renderLabels(labels), value))
    }

    public mutating func add(_ value: Int, labels: [Label] = []) { add(Double(value), labels: labels) }
}
