// How long a scope waits for its peers whose log has lost its beginning: what stood there comes out of a peer's file alone.
// A peer that has no time, is slow or does not answer says nothing about its file, so it is asked again, after a pause
// that grows; one whose file or answer is wrong is asked no more. A value without time or IO of its own.
//
//   asked ──nobody hands over──► pause ──► asked again ──► … ──► the longest time: the log is read, and what it lost is missing

public import Model

public struct PeerPatience: Equatable, Sendable {
    /// The first pause; each is twice as long as the one before, up to the longest.
    public static let pauseMinNs: UInt64 = 500_000_000
    public static let pauseMaxNs: UInt64 = 10_000_000_000
    /// From the first question on. A transfer that is under way then is not ended by it.
    public static let longestNs: UInt64 = 600_000_000_000

    private let beganNs: UInt64
    public private(set) var pauses = 0
    /// Peers whose file or answer was wrong.
    public private(set) var dropped: Set<ID> = []

    public init(nowNs: UInt64) { beganNs = nowNs }

    /// What this peer has is not wanted, whatever becomes of the others.
    public mutating func drop(_ peer: ID) { dropped.insert(peer) }

    /// When all may be asked again; nil where the longest time is over.
    public mutating func pause(nowNs: UInt64) -> UInt64? {
        guard nowNs < beganNs + Self.longestNs else { return nil }
        let pauseNs = min(Self.pauseMinNs << UInt64(min(pauses, 16)), Self.pauseMaxNs)
        pauses += 1
        return min(nowNs + pauseNs, beganNs + Self.longestNs)
    }
}
