// How fast reads are, seen from outside of them: on each serving loop a probe is due every `period`, and what it comes
// too late is what a read that arrives at that moment waits before it is answered: for the reads before it, and for the
// processor. Probes run only while somebody wants to know.

import NIOCore
import Synchronization

final class LoopProbe: Sendable {
    static let period = TimeAmount.milliseconds(2)
    /// Delays kept until they are taken: a second's worth of 8 loops. At the limit the oldest windows' are forgotten.
    static let samplesMax = 4_096

    private struct State {
        var delaysNs: [Int64] = []
        /// Counts starts; nil while stopped. A probe of an earlier start is not set again.
        var running: Int?
        var starts = 0
    }

    private let loops: [any EventLoop]
    private let state = Mutex(State())

    init(_ group: any EventLoopGroup) { loops = group.makeIterator().map { $0 } }

    /// Returns false, and does nothing, where it runs already.
    func start() -> Bool {
        let start = state.withLock { state -> Int? in
            guard state.running == nil else { return nil }
            state.starts += 1
            state.running = state.starts
            return state.starts
        }
        guard let start else { return false }
        for loop in loops { schedule(loop, start) }
        return true
    }

    func stop() {
        state.withLock { state in
            state.running = nil
            state.delaysNs = []
        }
    }

    private func schedule(_ loop: any EventLoop, _ start: Int) {
        let due = NIODeadline.now() + Self.period
        loop.scheduleTask(deadline: due) {
            let delay = (NIODeadline.now() - due).nanoseconds
            let goesOn = self.state.withLock { state in
                guard state.running == start else { return false }
                if state.delaysNs.count >= Self.samplesMax { state.delaysNs.removeAll(keepingCapacity: true) }
                state.delaysNs.append(delay)
                return true
            }
            if goesOn { self.schedule(loop, start) }
        }
    }

    /// The 99th percentile since the last time; nil where there were too few to tell.
    func takeP99Ns(atLeast count: Int) -> Double? {
        let delays: [Int64]? = state.withLock { state in
            guard state.delaysNs.count >= count else { return nil }
            defer { state.delaysNs.removeAll(keepingCapacity: true) }
            return state.delaysNs
        }
        guard let sorted = delays?.sorted() else { return nil }
        return Double(max(0, sorted[sorted.count * 99 / 100]))
    }

    /// What was measured so far is of another phase.
    func forget() { state.withLock { $0.delaysNs.removeAll(keepingCapacity: true) } }
}
