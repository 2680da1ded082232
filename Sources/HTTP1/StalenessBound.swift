// How old an answer may be at most, as its client says: `Favorites-Max-Staleness-Ms`.

public enum StalenessBound: Sendable, Equatable {
    case none
    /// A number that does not fit is the largest one below `UInt32.max`.
    case milliseconds(UInt32)
    /// Not ASCII digits, or more than one line.
    case invalid(ByteRange)
}

extension RequestHead {
    /// `bytes` are those of the head.
    public func stalenessBound(in bytes: Span<UInt8>) -> StalenessBound {
        guard stalenessCount > 0 else { return .none }
        guard stalenessCount == 1, !staleness.isEmpty else { return .invalid(staleness) }
        var bound: UInt64 = 0
        for index in staleness.range {
            let byte = bytes[index]
            guard byte >= 0x30, byte <= 0x39 else { return .invalid(staleness) }
            bound = min(bound * 10 + UInt64(byte - 0x30), UInt64(UInt32.max) - 1)
        }
        return .milliseconds(UInt32(bound))
    }
}
