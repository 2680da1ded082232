// The strong entity tag of an answer, and the evaluation of If-None-Match against it (RFC 9110, sections 8.8.3 and
// 13.1.2).

import Model

/// A strong entity tag: 128 bits, written as 32 hexadecimal digits in quotes.
@frozen
public struct EntityTag: Sendable, Equatable, BitwiseCopyable {
    /// Bytes of the written form, quotes included.
    public static let bytesCount = 34

    public var low: UInt64
    public var high: UInt64

    @inlinable
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// The written form.
    public var bytes: InlineArray<34, UInt8> {
        var bytes = InlineArray<34, UInt8>(repeating: 0x22)
        for index in 0..<16 {
            let shift = UInt64(60 - 4 * index)
            bytes[1 + index] = Self.digit(high >> shift)
            bytes[17 + index] = Self.digit(low >> shift)
        }
        return bytes
    }

    @inline(__always)
    private static func digit(_ value: UInt64) -> UInt8 {
        let nibble = UInt8(truncatingIfNeeded: value & 15)
        return nibble < 10 ? 0x30 + nibble : 0x57 + nibble
    }

    /// Whether one value of `If-None-Match` names this tag: `*`, or a list in which it stands. The comparison is the
    /// weak one, so `W/` makes no difference. A value that is no list matches nothing from the fault on: the client
    /// then gets the whole answer, which is never wrong.
    public func isListed(in value: Span<UInt8>) -> Bool {
        if value.count == 1, value[0] == 0x2A { return true }
        let own = bytes
        var index = 0
        while index < value.count {
            if isSeparator(value[index]) {
                index += 1
                continue
            }
            if value[index] == 0x57, index + 1 < value.count, value[index + 1] == 0x2F { index += 2 }
            guard index < value.count, value[index] == 0x22,
                let end = value.firstIndex(of: 0x22, in: index + 1..<value.count)
            else { return false }
            if Self.equals(own, value, index..<end + 1) { return true }
            index = end + 1
            // After a tag stands white space or a comma.
            if index < value.count, !isSeparator(value[index]) { return false }
        }
        return false
    }

    private func isSeparator(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x2C }

    private static func equals(_ own: InlineArray<34, UInt8>, _ value: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard range.count == bytesCount else { return false }
        for index in 0..<bytesCount where own[index] != value[range.lowerBound + index] { return false }
        return true
    }
}
