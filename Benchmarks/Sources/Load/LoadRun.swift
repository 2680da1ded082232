// One run: its threads, its progress line.

import Dispatch
import Foundation
import Histogram
import Synchronization

package enum LoadRun {
    /// Runs the plan to its end. `progress` gets a line each second.
    package static func run(_ plan: LoadPlan, progress: ((String) -> Void)? = nil) throws(LoadError) -> LoadCounts {
        let board = progress == nil ? nil : ProgressBoard(threads: plan.threads)
        let outcomes = Outcomes()
        let group = DispatchGroup()
        for index in 0..<plan.threads {
            let share = plan.share(index)
            let thread = Thread {
                outcomes.add(
                    Result { () throws(LoadError) in
                        try Engine(plan: share, thread: index, board: board).run()
                    })
                group.leave()
            }
            group.enter()
            thread.start()
        }
        var reporter = ProgressReporter(warmUp: Int(plan.warmUpSeconds))
        while group.wait(timeout: .now() + 1) == .timedOut {
            if let progress, let board { progress(reporter.line(board.total())) }
        }
        return try outcomes.total()
    }
}

/// What the threads found.
private final class Outcomes: Sendable {
    private let all = Mutex<[Result<LoadCounts, LoadError>]>([])

    func add(_ outcome: Result<LoadCounts, LoadError>) { all.withLock { $0.append(outcome) } }

    func total() throws(LoadError) -> LoadCounts {
        var total = LoadCounts()
        for outcome in all.withLock({ $0 }) { total.add(try outcome.get()) }
        return total
    }
}

/// Makes the progress lines.
package struct ProgressReporter {
    private let warmUp: Int
    private var second = 0
    private var last = 0

    package init(warmUp: Int) { self.warmUp = warmUp }

    package mutating func line(_ progress: ThreadProgress) -> String {
        second += 1
        defer { last = progress.answered }
        guard progress.answered > 0 || second > warmUp else { return "\(second) s: warming up" }
        let micros = [50.0, 99.0].map { progress.latencies.valueAtPercentile($0) / 1000 }
        return "\(second) s: \(grouped(progress.answered - last))/s, so far p50 \(grouped(Int(micros[0]))) µs,"
            + " p99 \(grouped(Int(micros[1]))) µs, \(grouped(progress.failed)) failed"
    }
}
