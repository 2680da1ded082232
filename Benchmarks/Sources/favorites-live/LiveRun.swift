// The run: the generator's thread, and the one that publishes and judges.

import Foundation
import Glibc
import Load
import Model
import Synchronization
import TestSupport

/// Counts SIGUSR1. The handler may do nothing else. Relaxed: it carries no other data.
private let marks = Atomic<Int>(0)

/// What the generator's thread found, once it has ended.
private final class LoadOutcome: Sendable {
    private let result = Mutex<Result<LoadCounts, LoadError>?>(nil)

    func set(_ outcome: Result<LoadCounts, LoadError>) { result.withLock { $0 = outcome } }
    func get() -> Result<LoadCounts, LoadError>? { result.withLock { $0 } }
}

struct LiveRun {
    /// Judging pauses for updates that are due after so many answers.
    private static let judgedAtOnce = 20
    private static let restUs: UInt32 = 200

    private let options: FavoritesLive
    private let plan: LoadPlan
    private let reference: Reference
    private let checker: LiveChecker
    private let observations = ObservationQueue()
    private let nowMs: Int64
    private var updates: Updates
    private var judge: Judge
    private var waiting: ArraySlice<Observation> = []
    private var marksSeen = 0
    private var moments: Moments?

    init(_ options: FavoritesLive) throws {
        self.options = options
        nowMs = Timestamp(options.now)?.milliseconds ?? 0
        reference = try DataFolder(path: options.data).reference()
        checker = LiveChecker(
            reference: reference, sport: options.sport, now: nowMs, freshness: Int64(options.freshness) * 1_000_000,
            hotMax: options.hot, seed: options.seed)
        let requests = (0..<options.distinct).map { [checker] _ in checker.nextRequest() }
        var plan = LoadPlan(
            targets: try options.target.map { text throws(LoadError) in try Address(text) },
            requests: RequestSet(requests.map { RequestText(path: $0.target) }, host: options.target[0]))
        plan.seed = options.seed
        plan.connections = options.connections
        plan.rate = options.rate
        plan.seconds = options.seconds
        plan.warmUpSeconds = options.warmUp
        plan.timeoutSeconds = options.timeout
        plan.retriesElsewhere = options.retryElsewhere
        plan.reconnectsMax = .max
        plan.observations = observations
        self.plan = plan
        updates = try Updates(brokers: options.kafkaBrokers, rate: options.updates)
        judge = Judge(checker: checker, requests: requests)
    }

    mutating func run() throws -> LiveReport {
        signal(SIGUSR1) { _ in marks.add(1, ordering: .relaxed) }
        let outcome = LoadOutcome()
        let plan = plan
        Thread {
            outcome.set(Result { () throws(LoadError) in try LoadRun.run(plan, progress: complain) })
        }.start()
        while outcome.get() == nil { try turn() }
        let counts = try outcome.get()?.get() ?? LoadCounts()
        repeat { try turn(ends: true) } while !waiting.isEmpty || !updates.flow.isDone
        var report = LiveReport(
            load: Report(counts, plan: plan, mix: "\(options.distinct) different, seed \(options.seed)"),
            judge: judge, stretches: moments?.stretches() ?? [])
        report.updates = updates.flow.sent
        report.updatesFailed = updates.failed
        report.slowestUpdateMs = Double(updates.flow.slowestNs) / 1e6
        report.notJudged = observations.lost
        if let nodes = options.nodes {
            let comparison = FinalComparison(
                targets: options.target, kafkaBrokers: options.kafkaBrokers, nodesFile: nodes,
                requests: options.compare, seed: options.seed, now: nowMs)
            report.compared = try comparison.run(reference) { wrong in report.addWrong(wrong) }
        }
        return report
    }

    /// Publishes what is due, then judges some of what has come.
    private mutating func turn(ends: Bool = false) throws {
        let now = monotonicNow()
        try updates.turn(checker, now: now, ends: ends)
        if moments == nil, let window = observations.window, now >= window.lowerBound {
            moments = Moments(window: window)
            complain("the window begins")
        }
        let marked = marks.load(ordering: .relaxed)
        for _ in marksSeen..<marked { moments?.mark(now) }
        marksSeen = marked
        if waiting.isEmpty { waiting = observations.take()[...] }
        if waiting.isEmpty { usleep(Self.restUs) }
        for observation in waiting.prefix(Self.judgedAtOnce) { take(observation) }
        waiting = waiting.dropFirst(Self.judgedAtOnce)
    }

    private mutating func take(_ observation: Observation) {
        judge.judge(observation)
        var latency: Int64? = observation.endedAt - observation.dueAt
        switch observation.outcome {
        case .answered(let status, _, _) where status == 200: break
        default: latency = nil
        }
        moments?.add(dueAt: observation.dueAt, latency: latency)
    }
}
