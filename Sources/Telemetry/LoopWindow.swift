/// How busy loops are, over windows of a second or more: the processor time they have used, of what they may use. That is
/// one core each, and of what the process may use what its other threads leave: under a small quota loops never get more,
/// and by the whole of it they would not look full when they are. Half of it counts as theirs all the same: the system
/// gives it to them when they want it, so a replay that takes all there is does not make a node look full that serves
/// little. Pure: clocks are read by the caller.
public struct LoopWindow: Sendable {
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
        let left = max(cores - max(all - used, 0), cores / 2)
        let most = min(threads, left)
        return most > 0 ? min(used / most, 1) : 0
    }
}
