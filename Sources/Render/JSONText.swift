// Writing JSON text into an array that the caller reuses: the few pieces of an answer that are not ready fragments.

extension [UInt8] {
    /// Appends ASCII known at compile time, such as a field's name with its punctuation.
    @inlinable
    public mutating func append(ascii text: StaticString) {
        unsafe append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends a decimal number.
    public mutating func append(decimal value: Int64) {
        let digits = DecimalDigits(value)
        for index in digits.start..<DecimalDigits.countMax { append(digits.bytes[index]) }
    }
}

/// The decimal digits of a number, right-aligned, its sign before them.
struct DecimalDigits {
    /// No integer of 64 bits has more, its sign included.
    static let countMax = 20
    private(set) var bytes = InlineArray<20, UInt8>(repeating: 0)
    private(set) var start = countMax

    init(_ value: Int64) {
        var rest = value.magnitude
        repeat {
            start -= 1
            bytes[start] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        if value < 0 {
            start -= 1
            bytes[start] = 0x2D
        }
    }
}
