// Latencies around the moments of a run: before anything happened, and after each thing that did.

/// Percentiles of the requests that were due in a stretch of the run.
package struct Stretch: Codable, Sendable, Equatable {
    package var name: String
    /// Seconds of the window.
    package var from: Double
    package var to: Double
    package var answers: Int
    package var failed: Int
    package var p50Us: Double
    package var p99Us: Double
    package var p999Us: Double
    package var maxUs: Double
}

/// Every latency with the instant at which its request was due.
package struct Moments: Sendable {
    /// Of one run: 64 MB. What comes beyond is not taken; the report says less then than it could.
    private static let entriesMax = 4_000_000
    /// How long after a moment counts as its doing.
    package static let afterNs: Int64 = 30_000_000_000

    private let window: Range<Int64>
    private var entries: [(dueAt: Int64, latency: Int64)] = []
    private var failures: [Int64] = []
    private var marks: [Int64] = []

    package init(window: Range<Int64>) { self.window = window }

    package mutating func mark(_ time: Int64) { marks.append(time) }

    /// A failure where `latency` is nil.
    package mutating func add(dueAt: Int64, latency: Int64?) {
        guard window.contains(dueAt) else { return }
        guard let latency else { return failures.append(dueAt) }
        if entries.count < Self.entriesMax { entries.append((dueAt, latency)) }
    }

    /// The whole window; what was undisturbed, up to the first mark; and up to 30 s from each mark to the next.
    package func stretches() -> [Stretch] {
        let marks = marks.filter { window.contains($0) }
        var stretches = [stretch("whole", window)]
        guard let first = marks.first else { return stretches }
        stretches.append(stretch("before", window.lowerBound..<first))
        for (number, mark) in marks.enumerated() {
            let next = number + 1 < marks.count ? marks[number + 1] : window.upperBound
            stretches.append(stretch("after \(number + 1)", mark..<min(next, mark + Self.afterNs)))
        }
        return stretches
    }

    private func stretch(_ name: String, _ range: Range<Int64>) -> Stretch {
        let latencies = entries.filter { range.contains($0.dueAt) }.map(\.latency).sorted()
        func micros(_ percentile: Double) -> Double {
            guard !latencies.isEmpty else { return 0 }
            // The smallest that so many are not above. 99.9 % of 1,000 is a little over 999 in binary, and is 999.
            let rank = Int((percentile / 100 * Double(latencies.count) - 1e-6).rounded(.up))
            return Double(latencies[min(max(rank, 1), latencies.count) - 1]) / 1000
        }
        func seconds(_ time: Int64) -> Double { Double(time - window.lowerBound) / 1e9 }
        return Stretch(
            name: name, from: seconds(range.lowerBound), to: seconds(range.upperBound), answers: latencies.count,
            failed: failures.count { range.contains($0) }, p50Us: micros(50), p99Us: micros(99), p999Us: micros(99.9),
            maxUs: micros(100))
    }
}
