// What became of each request, handed from the generator's thread to one that judges while the run goes on.

import Synchronization

/// Times are nanoseconds of `monotonicNow`.
package struct Observation: Sendable {
    package enum Outcome: Sendable {
        /// Any status; the body as it came.
        case answered(status: Int, freshnessMs: Int?, body: [UInt8])
        case failed(Failure)
    }

    package var request: Int
    /// The one that answered, or that the request was last sent to; nil: it was sent to none.
    package var target: Int?
    /// Counts up when the target's process was found gone.
    package var life: Int
    package var dueAt: Int64
    package var sentAt: Int64
    package var endedAt: Int64
    package var outcome: Outcome

    package init(
        request: Int, target: Int?, life: Int, dueAt: Int64, sentAt: Int64, endedAt: Int64, outcome: Outcome
    ) {
        self.request = request
        self.target = target
        self.life = life
        self.dueAt = dueAt
        self.sentAt = sentAt
        self.endedAt = endedAt
        self.outcome = outcome
    }

    fileprivate var bytes: Int {
        guard case .answered(_, _, let body) = outcome else { return 100 }
        return 100 + body.count
    }
}

package final class ObservationQueue: Sendable {
    private struct State {
        var observations: [Observation] = []
        var bytes = 0
        var lost = 0
        var window: Range<Int64>?
    }

    /// What waits for the judge; more is lost, and counted.
    private let bytesMax: Int
    private let state = Mutex(State())

    package init(bytesMax: Int = 256 << 20) { self.bytesMax = bytesMax }

    /// The measured window, once it is known.
    package var window: Range<Int64>? { state.withLock { $0.window } }
    package var lost: Int { state.withLock { $0.lost } }

    func begin(_ window: Range<Int64>) { state.withLock { $0.window = window } }

    package func add(_ observation: Observation) {
        state.withLock { state in
            guard state.bytes + observation.bytes <= bytesMax else {
                state.lost += 1
                return
            }
            state.bytes += observation.bytes
            state.observations.append(observation)
        }
    }

    /// All that came since the last call, in the order of their ends.
    package func take() -> [Observation] {
        state.withLock { state in
            state.bytes = 0
            defer { state.observations = [] }
            return state.observations
        }
    }
}
