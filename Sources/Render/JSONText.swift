// Writing JSON text into a buffer that the caller reuses.

extension [UInt8] {
    /// Appends ASCII known at compile time, such as a field's name with its punctuation.
    @inlinable
    public mutating func append(ascii text: StaticString) {
        unsafe append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends the inside of a JSON string: `text` escaped only where JSON demands it (RFC 8259, section 7): quotation
    /// mark, reverse solidus and the control characters below U+0020, in their short form where there is one.
    /// Returns whether anything was escaped.
    @discardableResult
    public mutating func append(escaping text: ArraySlice<UInt8>) -> Bool {
        guard text.contains(where: { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C }) else {
            append(contentsOf: text)
            return false
        }
        for byte in text { append(escaping: byte) }
        return true
    }

    private mutating func append(escaping byte: UInt8) {
        switch byte {
        case 0x22: append(ascii: "\\\"")
        case 0x5C: append(ascii: "\\\\")
        case 0x08: append(ascii: "\\b")
        case 0x09: append(ascii: "\\t")
        case 0x0A: append(ascii: "\\n")
        case 0x0C: append(ascii: "\\f")
        case 0x0D: append(ascii: "\\r")
        case 0..<0x20:
            append(ascii: "\\u00")
            append(Self.hexDigit(byte >> 4))
            append(Self.hexDigit(byte & 15))
        default: append(byte)
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

    /// Appends a decimal number.
    public mutating func append(decimal value: Int64) {
        // Digits come last first; no integer has more than 20.
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var index = digits.count
        var rest = value.magnitude
        repeat {
            index -= 1
            digits[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        if value < 0 { append(0x2D) }
        while index < digits.count {
            append(digits[index])
            index += 1
        }
    }
}
