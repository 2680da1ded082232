// The mean load over a sliding window. A gap in it begins it anew: nothing is concluded over a time not looked at.

struct LoadWindow: Sendable, Equatable {
    /// Looks kept, at most one more than this.
    static let samplesMax: Int64 = 60

    private let windowMs: Int64
    private let gapMaxMs: Int64
    private var samples: [Sample] = []
    private var sinceMs: Int64 = 0

    private struct Sample: Sendable, Equatable {
        var atMs: Int64
        var load: Int
    }

    init(windowMs: Int64, gapMaxMs: Int64) {
        self.windowMs = windowMs
        self.gapMaxMs = max(gapMaxMs, 2 * windowMs / Self.samplesMax)
    }

    mutating func clear() { samples.removeAll(keepingCapacity: true) }

    mutating func add(_ load: Int, nowMs: Int64) {
        if let last = samples.last {
            if nowMs - last.atMs > gapMaxMs { clear() }
            // Looks may come as often as they like.
            if !samples.isEmpty, nowMs - last.atMs < windowMs / Self.samplesMax { return }
        }
        if samples.isEmpty { sinceMs = nowMs }
        samples.append(Sample(atMs: nowMs, load: load))
        samples.removeAll { nowMs - $0.atMs > windowMs }
    }

    func isFull(nowMs: Int64) -> Bool { !samples.isEmpty && nowMs - sinceMs >= windowMs }

    var mean: Int? { samples.isEmpty ? nil : samples.reduce(0) { $0 + $1.load } / samples.count }
}
