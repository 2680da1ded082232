// How fast this node hands its snapshots to others, all of them together: as fast as it may, and slower, down to a
// pause, while its own reads are slower than they usually are. A value without time or IO of its own.
//
//   idle ──asked──► resting (nothing leaves; the usual p99 is measured) ──► sending ──► resting …
//
// While it sends, each window of measured reads whose p99 is above `slower` times the usual makes the rate fall, and each
// other one makes it rise. It rests again and again, since what is usual changes with the load.

public struct PeerPace: Equatable, Sendable {
    private enum Phase: Equatable {
        /// Nobody has asked for `idleNs`. The initial phase; to `resting`.
        case idle
        /// To `sending`, `idle`.
        case resting(untilNs: UInt64)
        /// To `resting`, `idle`.
        case sending(untilNs: UInt64)
    }

    /// At this rate it pauses for `pauseNs` after each slow window: a reader gives up what comes for ever slower.
    public static let bytesPerSecondMin = 2_097_152.0
    public static let restNs: UInt64 = 200_000_000
    public static let sendNs: UInt64 = 4_000_000_000
    public static let pauseNs: UInt64 = 250_000_000
    public static let idleNs: UInt64 = 2_000_000_000
    /// A piece that would have to wait longer is refused: its reader comes again.
    public static let waitMaxNs: UInt64 = 500_000_000
    /// The project's aim is that reads take at most 1.5 times as long while a peer is served.
    static let slower = 1.25
    /// Reads that are faster than this are left alone: differences of so little are the system's.
    static let freeNs = 200_000.0

    private let bytesPerSecondMax: Double
    public private(set) var bytesPerSecond: Double
    /// Moving average over the rests; nil before the first.
    private var usualNs: Double?
    private var phase = Phase.idle
    /// When everything that was promised has left.
    private var freeAtNs: UInt64 = 0
    private var askedNs: UInt64 = 0

    public init(bytesPerSecondMax: Double) {
        self.bytesPerSecondMax = max(bytesPerSecondMax, Self.bytesPerSecondMin)
        bytesPerSecond = min(self.bytesPerSecondMax, 8 * Self.bytesPerSecondMin)
    }

    /// A piece is asked for. Returns how long it has to wait until it leaves, which it then does; nil where that is too
    /// long.
    public mutating func take(bytes: Int, nowNs: UInt64) -> UInt64? {
        turn(nowNs)
        if phase == .idle { phase = .resting(untilNs: nowNs + Self.restNs) }
        askedNs = nowNs
        var leavesNs = max(nowNs, freeAtNs)
        if case .resting(let untilNs) = phase { leavesNs = max(leavesNs, untilNs) }
        guard leavesNs - nowNs <= Self.waitMaxNs else { return nil }
        freeAtNs = leavesNs + UInt64(Double(bytes) / bytesPerSecond * 1e9)
        return leavesNs - nowNs
    }

    /// A window of reads was measured that lies in the phase of now.
    public mutating func measured(p99Ns: Double, nowNs: UInt64) {
        switch phase {
        case .idle: break
        case .resting: usualNs = usualNs.map { ($0 + p99Ns) / 2 } ?? p99Ns
        case .sending:
            guard p99Ns > max((usualNs ?? p99Ns) * Self.slower, Self.freeNs) else {
                bytesPerSecond = min(bytesPerSecond * 1.2, bytesPerSecondMax)
                return
            }
            bytesPerSecond = max(bytesPerSecond * 0.6, Self.bytesPerSecondMin)
            if bytesPerSecond == Self.bytesPerSecondMin { freeAtNs = max(freeAtNs, nowNs) + Self.pauseNs }
        }
    }

    /// Moves on with time. Returns whether the phase is another one: what was measured so far belongs to the one before.
    @discardableResult
    public mutating func turn(_ nowNs: UInt64) -> Bool {
        let before = phase
        switch phase {
        case .idle: break
        case .resting, .sending: if nowNs >= askedNs + Self.idleNs { phase = .idle }
        }
        switch phase {
        case .resting(let untilNs) where nowNs >= untilNs: phase = .sending(untilNs: nowNs + Self.sendNs)
        case .sending(let untilNs) where nowNs >= untilNs: phase = .resting(untilNs: nowNs + Self.restNs)
        case .idle, .resting, .sending: break
        }
        return phase != before
    }

    public var isIdle: Bool { phase == .idle }
    public var isSending: Bool { if case .sending = phase { true } else { false } }
}
