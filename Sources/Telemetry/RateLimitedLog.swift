/// Decides whether a line that may come thousands of times a second is logged now: at most once a second. Pure; one
/// instance for each kind of line, owned by the thread that logs it.
public struct RateLimitedLog: Sendable {
    public static let intervalNanoseconds: UInt64 = 1_000_000_000

    private var lastNanoseconds: UInt64?
    private var suppressed: UInt64 = 0

    public init() {}

    /// How many lines were kept back since the last one that was logged; nil where this one is kept back too.
    /// `nowNanoseconds` is monotonic time.
    public mutating func shouldLog(nowNanoseconds: UInt64) -> UInt64? {
        if let lastNanoseconds, nowNanoseconds &- lastNanoseconds < Self.intervalNanoseconds {
            suppressed += 1
            return nil
        }
        defer { suppressed = 0 }
        lastNanoseconds = nowNanoseconds
        return suppressed
    }
}
