import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Cluster

/// A thread that works when it is told to, for as long as its own clock says.
private final class Worker: Sendable {
    let clock: ThreadClock
    private let jobs = DispatchSemaphore(value: 0)
    private let ends = DispatchSemaphore(value: 0)
    private let shared: Shared

    init() throws {
        let (jobs, ends) = (jobs, ends)
        let began = DispatchSemaphore(value: 0)
        let shared = Shared()
        let thread = Thread {
            let clock = ThreadClock()
            shared.set(clock)
            began.signal()
            guard let clock else { return }
            while true {
                jobs.wait()
                guard let goal = shared.goal else { break }
                while clock.nanoseconds < goal {}
                ends.signal()
            }
            ends.signal()
        }
        thread.start()
        began.wait()
        self.shared = shared
        clock = try #require(shared.clock)
    }

    /// Returns when the thread has run for this long more, and waits again.
    func work(_ nanoseconds: UInt64) {
        shared.set(goal: clock.nanoseconds + nanoseconds)
        jobs.signal()
        ends.wait()
    }

    func end() {
        shared.set(goal: nil)
        jobs.signal()
        ends.wait()
    }

    /// What the thread and its owner tell each other; each waits for the other between.
    private final class Shared: Sendable {
        private struct Values {
            var clock: ThreadClock?
            var goal: UInt64?
        }

        private let values = Mutex(Values())
        var clock: ThreadClock? { values.withLock { $0.clock } }
        var goal: UInt64? { values.withLock { $0.goal } }
        func set(_ clock: ThreadClock?) { values.withLock { $0.clock = clock } }
        func set(goal: UInt64?) { values.withLock { $0.goal = goal } }
    }
}

struct ServingLoadTests {
    private static let second: UInt64 = 1_000_000_000

    /// Time is the test's own; what the threads have used is real.
    @Test func onlyTheThreadsThatServeCount() throws {
        let (serving, replay) = (try Worker(), try Worker())
        defer {
            serving.end()
            replay.end()
        }
        // Boot and replay are another thread's, and what a loop did before is over.
        serving.work(30_000_000)
        let load = ServingLoad(
            threads: [serving.clock], process: [serving.clock, replay.clock], cores: 1, nowNs: 0)
        replay.work(200_000_000)
        #expect(load.look(nowNs: Self.second - 1) == nil)
        let idle = try #require(load.look(nowNs: Self.second))
        #expect(idle < 0.02, "of the replay's 0.2 nothing")
        serving.work(60_000_000)
        replay.work(50_000_000)
        let busy = try #require(load.look(nowNs: 2 * Self.second))
        // At least what it was to do; that the thread goes to wait again is not much.
        #expect(busy >= 0.06 && busy < 0.09, "\(busy)")
    }

    @Test func aThreadOfTwoIsHalfOfTheLoad() throws {
        let (one, other) = (try Worker(), try Worker())
        defer {
            one.end()
            other.end()
        }
        let load = ServingLoad(
            threads: [one.clock, other.clock], process: [one.clock, other.clock], cores: 2, nowNs: 0)
        one.work(100_000_000)
        let share = try #require(load.look(nowNs: Self.second))
        #expect(share >= 0.05 && share < 0.07, "\(share)")
    }

    /// Looks that come often share one window, and see the last one that was whole.
    @Test func looksShareAWindow() throws {
        let serving = try Worker()
        defer { serving.end() }
        let load = ServingLoad(threads: [serving.clock], process: [serving.clock], cores: 1, nowNs: 0)
        let idle = try #require(load.look(nowNs: Self.second))
        serving.work(50_000_000)
        #expect(load.look(nowNs: Self.second + 1) == idle)
        #expect(try #require(load.look(nowNs: 2 * Self.second)) >= 0.05)
    }

    @Test func aThreadThatHasEndedUsesNothing() throws {
        let serving = try Worker()
        let load = ServingLoad(threads: [serving.clock], process: [serving.clock], cores: 1, nowNs: 0)
        serving.work(50_000_000)
        #expect(try #require(load.look(nowNs: Self.second)) >= 0.05)
        serving.end()
        // It has only said so; its clock stops when the system has taken it down.
        try wait(seconds: 30, for: "the thread's end") { serving.clock.nanoseconds == 0 }
        #expect(load.look(nowNs: 2 * Self.second) == 0)
    }
}
