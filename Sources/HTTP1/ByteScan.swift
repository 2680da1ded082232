// Searches over request bytes, eight at a time in one integer register.
//
// A word is loaded little-endian, so its lowest byte is the first one. `below(word, n)` raises the high bit of each
// byte that is smaller than `n`: the borrow of the subtraction can only run towards later bytes, so the lowest raised
// bit is always right, and the lowest is the only one that is used.

extension UInt64 {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// The high bit of the first byte below `limit` (1 to 128) is raised.
    @inline(__always)
    fileprivate func below(_ limit: UInt8) -> UInt64 {
        (self &- Self.ones &* UInt64(limit)) & ~self & Self.highs
    }

    /// The high bit of the first byte equal to `byte` is raised.
    @inline(__always)
    fileprivate func equal(_ byte: UInt8) -> UInt64 { (self ^ (Self.ones &* UInt64(byte))).below(1) }

    /// The high bit of the first byte that may not stand in a request target is raised: controls, space, DEL,
    /// anything that is not ASCII, and `#`, which a client never sends.
    @inline(__always)
    fileprivate var notTarget: UInt64 { below(0x21) | equal(0x7F) | equal(0x23) | (self & Self.highs) }

    /// The high bit of the first control byte is raised, the tab included.
    @inline(__always)
    fileprivate var control: UInt64 { below(0x20) | equal(0x7F) }
}

extension Span<UInt8> {
    /// The eight bytes from `index` on, the first one lowest.
    @inline(__always)
    private func word(_ index: Int) -> UInt64 {
        // SAFETY: the callers' loops keep `index + 8 <= count`; any bit pattern is an integer.
        unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self))
    }

    /// Whether every byte of `range` may stand in a request target.
    @inline(__always)
    func isTarget(_ range: Range<Int>) -> Bool {
        var index = range.lowerBound
        precondition(index >= 0 && range.upperBound <= count)
        while index + 8 <= range.upperBound {
            if word(index).notTarget != 0 { return false }
            index += 8
        }
        while index < range.upperBound {
            let byte = self[index]
            if byte <= 0x20 || byte >= 0x7F || byte == 0x23 { return false }
            index += 1
        }
        return true
    }

    /// Whether `range` holds no control byte but tabs.
    @inline(__always)
    func isFieldValue(_ range: Range<Int>) -> Bool {
        var index = range.lowerBound
        precondition(index >= 0 && range.upperBound <= count)
        while index < range.upperBound {
            if index + 8 <= range.upperBound {
                let hit = word(index).control
                if hit == 0 {
                    index += 8
                    continue
                }
                index += hit.trailingZeroBitCount >> 3
            }
            let byte = self[index]
            if (byte < 0x20 && byte != 0x09) || byte == 0x7F { return false }
            index += 1
        }
        return true
    }

    /// Whether the bytes of `range` are `lowercase`, an ASCII text in lower case, whatever their own case.
    @inline(__always)
    func equalsIgnoringCase(_ range: Range<Int>, _ lowercase: StaticString) -> Bool {
        guard range.count == lowercase.utf8CodeUnitCount else { return false }
        for index in 0..<range.count {
            // SAFETY: `index` is below the text's length, checked above.
            let wanted = unsafe lowercase.utf8Start[index]
            var byte = self[range.lowerBound + index]
            if byte >= 0x41 && byte <= 0x5A { byte |= 0x20 }
            if byte != wanted { return false }
        }
        return true
    }
}

/// What RFC 9110, section 5.6.2, allows in a token (method, field name), as bits: one word for the bytes below 64, one
/// for those from 64 on.
enum TokenBytes {
    /// `! # $ % & ' * + - .` and digits
    @inline(__always) private static var low: UInt64 { 0x03ff_6cfa_0000_0000 }
    /// Letters and `^ _ ` | ~`
    @inline(__always) private static var high: UInt64 { 0x57ff_ffff_c7ff_fffe }

    @inline(__always)
    static func contains(_ byte: UInt8) -> Bool {
        if byte >= 128 { return false }
        return (byte < 64 ? low : high) >> UInt64(byte & 63) & 1 == 1
    }
}
