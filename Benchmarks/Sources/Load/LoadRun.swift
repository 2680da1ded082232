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
        var reporter = ProgressReporter()
        while group.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
            if let progress, let board, let line = reporter.line(board.total()) { progress(line) }
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

/// Makes the progress lines: one whenever the threads have told something new.
package struct ProgressReporter {
    private var last = ThreadProgress()

    package init() {}

    package mutating func line(_ progress: ThreadProgress) -> String? {
        let passed = progress.seconds - last.seconds
        guard passed >= 0.5 else { return nil }
        let rate = Double(progress.answered - last.answered) / passed
        last = progress
        let when = "\(Int(progress.seconds.rounded())) s: "
        guard progress.answered + progress.failed > 0 else { return when + "nothing counted yet" }
        let micros = [50.0, 99.0].map { Int(progress.latencies.valueAtPercentile($0) / 1000) }
        return when + "\(grouped(Int(rate.rounded())))/s, so far p50 \(grouped(micros[0])) µs,"
            + " p99 \(grouped(micros[1])) µs, \(grouped(progress.failed)) failed"
    }
}
