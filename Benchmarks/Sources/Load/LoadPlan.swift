// What a run is to do, and what it found.

package import Histogram

package struct LoadPlan: Sendable {
    package var targets: [Address]
    package var requests: RequestSet
    package var law = Choices.Law.uniform
    package var seed: UInt64 = 1
    package var connections = 32
    package var threads = 1
    package var seconds = 10.0
    /// Load before the window that is measured.
    package var warmUpSeconds = 1.0
    /// Requests a second by schedule; nil: closed loop, each connection asks again as soon as it has its answer.
    package var rate: Double?
    package var arrivals = Arrivals.poisson
    /// A request without an answer for so long has failed, and its connection is closed.
    package var timeoutSeconds = 10.0
    /// Arrivals that wait for a free connection; one more is dropped and counted as failed.
    package var queueMax = 10_000
    /// Times that one connection is made again without an answer in between; then it is given up.
    package var reconnectsMax = 1_000
    package var retriesElsewhere = false
    /// Never sleep: a sleeping client is woken by the kernel on the server's time.
    package var spins = false
    /// Every how manieth answer is kept for the check; 0: none.
    package var checkEvery = 0
    /// Gets every answer with its body, and every failure, while the run goes on.
    package var observations: ObservationQueue?

    package init(targets: [Address], requests: RequestSet) {
        self.targets = targets
        self.requests = requests
    }

    /// The share of one thread of several.
    func share(_ thread: Int) -> LoadPlan {
        var share = self
        share.connections = connections / threads + (thread < connections % threads ? 1 : 0)
        share.rate = rate.map { $0 / Double(threads) }
        share.queueMax = max(1, queueMax / threads)
        share.seed = seed &+ UInt64(thread) &* 0x9e37_79b9
        return share
    }
}

package enum Failure: Int, Sendable, CaseIterable {
    /// The connection broke before the answer was there.
    case closed
    /// No answer in time.
    case timedOut
    /// A status other than 2xx, or a 304 that was not asked for.
    case status
    case malformed
    /// No connection was free and the queue full.
    case dropped

    package var name: String {
        switch self {
        case .closed: "closed"
        case .timedOut: "timed out"
        case .status: "status"
        case .malformed: "malformed"
        case .dropped: "dropped"
        }
    }
}

package typealias Latencies = Histogram<UInt64>

/// Nanoseconds up to two minutes, three digits.
package func emptyLatencies() -> Latencies {
    Latencies(highestTrackableValue: longestLatency, numberOfSignificantValueDigits: .three)
}

package let longestLatency: UInt64 = 120_000_000_000

/// An answer to be compared after the window.
package struct Sample: Sendable {
    package var request: Int
    package var isGzip: Bool
    package var body: [UInt8]

    package init(request: Int, isGzip: Bool, body: [UInt8]) {
        self.request = request
        self.isGzip = isGzip
        self.body = body
    }
}

/// Counts of the measured window: of requests that were due in it, whenever they were answered.
package struct LoadCounts: Sendable {
    /// From the moment a request was due to the end of its answer.
    package var latencies = emptyLatencies()
    /// From the moment it was sent: what a generator sees that waits for a stalled server before it asks again.
    package var services = emptyLatencies()
    /// How long after a request was due the generator came to it: its own delay, no server's.
    package var lateness = emptyLatencies()
    package var answered = 0
    /// Answers that came within the window: these make the rate.
    package var answeredInWindow = 0
    package var bodyBytes = 0
    package var notModified = 0
    package var gzip = 0
    package var statuses = [Int](repeating: 0, count: 1000)
    package var failures = [Int](repeating: 0, count: Failure.allCases.count)
    /// Answers that say something else than they must; the check adds to these.
    package var wrong = 0
    /// Arrivals the generator came to over a millisecond late.
    package var late = 0
    /// Arrivals that found no free connection.
    package var waited = 0
    /// Requests that were sent once more, elsewhere.
    package var repeats = 0
    package var reconnects = 0
    /// Connections that were not made again any more.
    package var givenUp = 0
    package var samples: [Sample] = []
    /// Samples that found no room.
    package var unsampled = 0
    package var windowNs: Int64 = 0
    /// Of the thread, within the window.
    package var cpuNs: Int64 = 0
    /// The busiest thread's share of the window.
    package var cpuShare = 0.0

    package init() {}

    package var failed: Int { failures.reduce(0, +) }

    package mutating func add(_ other: LoadCounts) {
        latencies.add(other.latencies)
        services.add(other.services)
        lateness.add(other.lateness)
        answered += other.answered
        answeredInWindow += other.answeredInWindow
        bodyBytes += other.bodyBytes
        notModified += other.notModified
        gzip += other.gzip
        for index in statuses.indices { statuses[index] += other.statuses[index] }
        for index in failures.indices { failures[index] += other.failures[index] }
        wrong += other.wrong
        late += other.late
        waited += other.waited
        repeats += other.repeats
        reconnects += other.reconnects
        givenUp += other.givenUp
        samples += other.samples
        unsampled += other.unsampled
        windowNs = max(windowNs, other.windowNs)
        cpuNs += other.cpuNs
        cpuShare = max(cpuShare, other.cpuShare)
    }
}
