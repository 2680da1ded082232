// How busy the threads are that serve: the loops alone, so neither what a node reads from Kafka nor what it writes to
// disk counts as load, and a node that starts looks idle until it is asked (`LoopWindow` has what they may use).

import Foundation
import Glibc
import Synchronization
public import Telemetry

/// The CPU clock of one thread, readable from others.
public struct ThreadClock: Sendable {
    private let id: clockid_t

    /// Of the calling thread; nil where the system has none.
    public init?() {
        var id = clockid_t()
        guard unsafe pthread_getcpuclockid(pthread_self(), &id) == 0 else { return nil }
        self.id = id
    }

    /// All threads of this process together.
    static let process = ThreadClock(id: CLOCK_PROCESS_CPUTIME_ID)

    private init(id: clockid_t) { self.id = id }

    /// Nanoseconds that the thread has run; 0 once it has ended.
    var nanoseconds: UInt64 {
        var time = timespec()
        guard unsafe clock_gettime(id, &time) == 0, time.tv_sec >= 0 else { return 0 }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

public final class ServingLoad: Sendable {
    private let threads: [ThreadClock]
    private let process: [ThreadClock]
    private let window: Mutex<LoopWindow>

    public convenience init(threads: [ThreadClock]) {
        self.init(
            threads: threads, process: [.process], cores: Self.coresOfProcess, nowNs: Clocks.monotonicNs())
    }

    /// `process` are the clocks of all that uses the `cores`.
    init(threads: [ThreadClock], process: [ThreadClock], cores: Double, nowNs: UInt64) {
        self.threads = threads
        self.process = process
        window = Mutex(
            LoopWindow(
                threads: threads.count, cores: cores, nowNanoseconds: nowNs,
                loopsNanoseconds: Self.used(threads), processNanoseconds: Self.used(process)))
    }

    /// The share of what they may use that the threads used over the last second or more, 0 to 1; nil in the first
    /// second. Callers share the window. Any thread.
    public func look() -> Double? { look(nowNs: Clocks.monotonicNs()) }

    func look(nowNs: UInt64) -> Double? {
        let used = Self.used(threads)
        let usedByProcess = Self.used(process)
        return window.withLock {
            $0.advance(nowNanoseconds: nowNs, loopsNanoseconds: used, processNanoseconds: usedByProcess)
        }
    }

    /// The same in thousandths.
    public var thousandths: Int? { look().map { Int(($0 * 1_000).rounded()) } }

    public func register(in registry: Registry) {
        registry.sampled(
            "serving_cpu_ratio", .gauge,
            help: "CPU time of the loops that serve, over the last second or more, of what they may use, 0 to 1."
        ) { samples in
            if let share = self.look() { samples.add(share) }
        }
    }

    private static func used(_ threads: [ThreadClock]) -> UInt64 { threads.reduce(0) { $0 + $1.nanoseconds } }

    /// The cores this process is let run on, or less where its control group has a quota.
    private static var coresOfProcess: Double {
        let cores = Double(max(1, ProcessInfo.processInfo.activeProcessorCount))
        return min(cores, CPUQuota.ofProcess { try? String(contentsOfFile: $0, encoding: .utf8) } ?? cores)
    }
}
