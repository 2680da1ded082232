// How long a query was on its way and waited, as the node sees it, without a clock that both sides share.

/// Of one connection. The router's clock and the node's differ by a constant; the least of (received − sent) over all
/// frames is that constant and the fastest way there. What a frame took beyond it, it has waited: in the router's output,
/// in the network, in the node's socket. A value without clock.
///
/// Clocks drift by some 50 in a million, so the least of long ago says nothing: it is that of this window and the one
/// before, which drift by 3 ms at most.
public struct QueryAge: Sendable {
    static let windowMs: UInt64 = 30_000

    private var windowEndMs: UInt64?
    private var least: Int64 = .max
    private var leastBefore: Int64 = .max

    public init() {}

    /// How much longer this frame took than the fastest one. `nowMs` is the node's monotonic clock; `sentMs` comes from
    /// outside and may be anything.
    public mutating func received(sentMs: UInt64, nowMs: UInt64) -> UInt64 {
        if nowMs >= windowEndMs ?? 0 {
            // After a window without a frame the one before it is of long ago.
            leastBefore = nowMs &- (windowEndMs ?? 0) >= Self.windowMs ? .max : least
            least = .max
            windowEndMs = nowMs + Self.windowMs
        }
        let took = Int64(bitPattern: nowMs &- sentMs)
        least = min(least, took)
        return UInt64(bitPattern: took) &- UInt64(bitPattern: min(least, leastBefore))
    }
}
