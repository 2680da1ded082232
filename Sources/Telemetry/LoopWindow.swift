/// How busy loops are, over windows of a second or more: the processor time they have used, of what they may use. That is
/// one core each, and all of what the process may use: what other threads do, replay above all, is not the loops' load. Only
/// where the process takes nearly all that it may, the loops can get no more than the others leave: under a small quota they
/// would never look full by the whole of it. Half of it counts as theirs even then: the system gives it to them when they
/// want it. Pure: clocks are read by the caller.
public struct LoopWindow: Sendable {
    /// Of what the process may use. Above it nothing is left to be had.
    private static let ceiling = 0.9

    private let threads: Double
    private let cores: Double
    // Both begin and end at the same instants.
    private var loops: CPUWindow
    private var process: CPUWindow

    /// `cores` is what the process may use.
    public init(
        threads: Int, cores: Double, nowNanoseconds: UInt64, loopsNanoseconds: UInt64, processNanoseconds: UInt64
    ) {
        self.threads = Double(threads)
        self.cores = cores
        loops = CPUWindow(nowNanoseconds: nowNanoseconds, cpuNanoseconds: loopsNanoseconds)
        process = CPUWindow(nowNanoseconds: nowNanoseconds, cpuNanoseconds: processNanoseconds)
    }

    /// 0 to 1; nil in the first second.
    public mutating func advance(
        nowNanoseconds: UInt64, loopsNanoseconds: UInt64, processNanoseconds: UInt64
    ) -> Double? {
        let used =
            loops.advance(nowNanoseconds: nowNanoseconds, cpuNanoseconds: loopsNanoseconds, cores: threads) * threads
        let all =
            process.advance(nowNanoseconds: nowNanoseconds, cpuNanoseconds: processNanoseconds, cores: cores) * cores
        guard loops.isMeasured else { return nil }
        let left = all < Self.ceiling * cores ? cores : max(cores - max(all - used, 0), cores / 2)
        let most = min(threads, left)
        return most > 0 ? min(used / most, 1) : 0
    }
}
