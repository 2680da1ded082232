// Runs many seeds of the simulated cluster; see docs/SIMULATION.md.
//
//   favorites-simulation [--first SEED] [--count N] [--faults NAME,…] [--broken NAME] [--trace]
//
// Exits with 1 when a seed has failed, after its trace and the command that repeats it.

import Foundation
import Simulation
import Synchronization

struct Arguments: Sendable {
    var first: UInt64 = 1
    var count = 10_000
    var options = SimulationOptions()

    static let usage = """
        usage: favorites-simulation [--first SEED] [--count N] [--faults NAME,…] [--broken NAME] [--trace]
        faults: \(Fault.allCases.map(\.rawValue).joined(separator: ", "))
        broken: \(BrokenPart.allCases.map(\.rawValue).joined(separator: ", "))

        """

    /// Nil where they are not as `usage` says.
    init?(_ words: some Sequence<String>) {
        var rest = Array(words)[...]
        while let word = rest.popFirst() {
            if word == "--trace" {
                options.traces = true
                continue
            }
            guard let value = rest.popFirst(), take(word, value) else { return nil }
        }
    }

    private mutating func take(_ word: String, _ value: String) -> Bool {
        switch word {
        case "--first":
            guard let seed = UInt64(value) else { return false }
            first = seed
        case "--count":
            guard let number = Int(value), number > 0 else { return false }
            count = number
        case "--faults":
            let faults = value.split(separator: ",").map { Fault(rawValue: String($0)) }
            guard !faults.contains(nil) else { return false }
            options.faults = faults.compactMap(\.self)
        case "--broken":
            guard let part = BrokenPart(rawValue: value) else { return false }
            options.broken = part
        default: return false
        }
        return true
    }
}

/// What all seeds came to.
struct Totals: Sendable {
    var seeds = 0
    var answered = 0
    var unanswered = 0
    var older = 0
    var drains = 0
    var safeDrains = 0
    var scaleOuts = 0
    var scaleIns = 0
    var repeatedCalls = 0
    var blindChanges = 0
    var failed: (seed: UInt64, failure: String)?

    mutating func add(_ seed: UInt64, _ result: SimulationResult) {
        seeds += 1
        answered += result.answered
        unanswered += result.unanswered
        older += result.older
        drains += result.drains
        safeDrains += result.safeDrains
        scaleOuts += result.scaleOuts
        scaleIns += result.scaleIns
        repeatedCalls += result.repeatedCalls
        blindChanges += result.blindChanges
        // The lowest of those that failed, so that two threads tell the same.
        if let failure = result.failure, seed < failed?.seed ?? .max { failed = (seed, failure) }
    }
}

@main
struct Runner {
    static func main() {
        guard let arguments = Arguments(CommandLine.arguments.dropFirst()) else {
            write(Arguments.usage)
            exit(2)
        }
        let totals = runAll(arguments)
        var options = arguments.options
        options.traces = true
        if let failed = totals.failed {
            let trace = Simulation.run(seed: failed.seed, options).trace
            print(trace.suffix(arguments.options.traces ? trace.count : 300).joined(separator: "\n"))
            print("\nseed \(failed.seed) failed: \(failed.failure)\nto repeat it: make sim SEED=\(failed.seed)")
            exit(1)
        }
        if arguments.options.traces {
            print(Simulation.run(seed: arguments.first, options).trace.joined(separator: "\n"))
        }
    }

    /// On all processors, until one seed fails.
    private static func runAll(_ arguments: Arguments) -> Totals {
        let totals = Mutex(Totals())
        let next = Atomic<Int>(0)
        let began = ContinuousClock.now
        DispatchQueue.concurrentPerform(iterations: ProcessInfo.processInfo.activeProcessorCount) { _ in
            while totals.withLock({ $0.failed == nil }) {
                // Relaxed: it hands out numbers, nothing else depends on it.
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < arguments.count else { return }
                let seed = arguments.first &+ UInt64(index)
                let result = Simulation.run(seed: seed, arguments.options)
                let now = totals.withLock { totals in
                    totals.add(seed, result)
                    return totals
                }
                if now.seeds % 50 == 0 { write("\r" + line(now, of: arguments.count, began.duration(to: .now))) }
            }
        }
        let all = totals.withLock { $0 }
        write("\r" + line(all, of: arguments.count, began.duration(to: .now)) + "\n")
        return all
    }

    private static func line(_ totals: Totals, of count: Int, _ time: Duration) -> String {
        "\(totals.seeds) of \(count) seeds in \(time.components.seconds) s: \(totals.answered) requests answered, "
            + "\(totals.unanswered) without a holder, \(totals.older) older than shown; "
            + "\(totals.safeDrains) of \(totals.drains) drains safe; \(totals.scaleOuts) nodes added, "
            + "\(totals.scaleIns) taken away, \(totals.repeatedCalls) calls repeated, \(totals.blindChanges) blind"
    }

    private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
