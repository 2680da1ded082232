// What the kernel says about this process, parsed. Pure: bytes of /proc in, numbers out.

/// One look at the process. A number the kernel did not give is nil and its metric is left out of that scrape.
public struct ProcessSample: Sendable, Equatable {
    public var residentBytes: Int?
    public var virtualBytes: Int?
    public var threads: Int?
    public var openFiles: Int?
    public var filesMax: Int?
    /// CPU time of all threads, user and system, in nanoseconds.
    public var cpuNanoseconds: UInt64?

    public init() {}

    /// Takes what /proc/self/status says: lines of `Key:\tvalue[ kB]`.
    mutating func readStatus(_ text: some StringProtocol) {
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let words = line[line.index(after: colon)...].split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard let word = words.first, let number = Int(word), number >= 0, number <= 1 << 50 else { continue }
            switch line[..<colon] {
            case "VmRSS": residentBytes = number << 10
            case "VmSize": virtualBytes = number << 10
            case "Threads": threads = number
            default: continue
            }
        }
    }
}

/// CPU utilization over the time between two looks that are at least `windowNanoseconds` apart, so that two scrapes
/// in one moment do not divide noise by nothing.
public struct CPUWindow: Sendable {
    public static let windowNanoseconds: UInt64 = 1_000_000_000

    private var startNanoseconds: UInt64
    private var startCPUNanoseconds: UInt64
    private var utilization = 0.0
    /// Whether a window has passed.
    public private(set) var isMeasured = false

    public init(nowNanoseconds: UInt64, cpuNanoseconds: UInt64) {
        startNanoseconds = nowNanoseconds
        startCPUNanoseconds = cpuNanoseconds
    }

    /// The share of `cores` used, 0 to 1.
    public mutating func advance(nowNanoseconds: UInt64, cpuNanoseconds: UInt64, cores: Double) -> Double {
        // Whoever read the clocks before another one began this window comes behind it: its time is of the last.
        guard nowNanoseconds >= startNanoseconds + Self.windowNanoseconds else { return utilization }
        let elapsed = nowNanoseconds - startNanoseconds
        let used = cpuNanoseconds >= startCPUNanoseconds ? cpuNanoseconds - startCPUNanoseconds : 0
        utilization = cores > 0 ? min(1, Double(used) / Double(elapsed) / cores) : 0
        isMeasured = true
        startNanoseconds = nowNanoseconds
        startCPUNanoseconds = cpuNanoseconds
        return utilization
    }
}
