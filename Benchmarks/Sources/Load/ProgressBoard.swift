// Where the threads tell once a second how far they are, for the progress line.

import Histogram
import Synchronization

package struct ThreadProgress: Sendable {
    /// Seconds since the load began.
    package var seconds = 0.0
    package var answered = 0
    package var failed = 0
    package var latencies = emptyLatencies()

    package init() {}

    init(_ counts: LoadCounts, seconds: Double) {
        self.seconds = seconds
        answered = counts.answered
        failed = counts.failed
        // Shared until the thread counts on, which copies it: some 30 µs a second, seen as lateness if it matters.
        latencies = counts.latencies
    }
}

/// The newest of each thread.
package final class ProgressBoard: Sendable {
    private let threads: Mutex<[ThreadProgress]>

    package init(threads: Int) { self.threads = Mutex(Array(repeating: ThreadProgress(), count: threads)) }

    package func post(thread: Int, _ progress: ThreadProgress) {
        threads.withLock { $0[thread] = progress }
    }

    package func total() -> ThreadProgress {
        var total = ThreadProgress()
        for thread in threads.withLock({ $0 }) {
            total.seconds = max(total.seconds, thread.seconds)
            total.answered += thread.answered
            total.failed += thread.failed
            total.latencies.add(thread.latencies)
        }
        return total
    }
}
