// Finding a byte, eight at a time in one integer register.

extension Span<UInt8> {
    /// Where `byte` stands first in `range`; nil where it does not.
    @inlinable @inline(__always)
    public func firstIndex(of byte: UInt8, in range: Range<Int>) -> Int? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let wanted = ones &* UInt64(byte)
        var index = range.lowerBound
        precondition(index >= 0 && range.upperBound <= count)
        while index + 8 <= range.upperBound {
            // SAFETY: in bounds by the loop's condition; any bit pattern is an integer.
            let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
            let difference = UInt64(littleEndian: word) ^ wanted
            // The borrow of the subtraction runs towards later bytes only, so the lowest raised bit is always right.
            let hit = (difference &- ones) & ~difference & 0x8080_8080_8080_8080
            if hit != 0 { return index + hit.trailingZeroBitCount >> 3 }
            index += 8
        }
        while index < range.upperBound {
            if self[index] == byte { return index }
            index += 1
        }
        return nil
    }
}
