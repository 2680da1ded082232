// The checksum of gzip (RFC 1952, section 8), and that of two texts one behind the other from their own.
//
// Polynomials over two elements stand reflected, as the checksum has them: the highest bit is the constant term.

/// Tables of the checksum. Values are those a gzip trailer holds.
public struct CRC32: Sendable {
    public static let shared = CRC32()

    /// Eight tables of 256: what a byte does that has 0 to 7 bytes behind it.
    private let steps: [UInt32]
    /// x to the power of 8n, for n below 1024, and for 1024n.
    private let powers: [UInt32]
    private let highPowers: [UInt32]

    private static let polynomial: UInt32 = 0xEDB8_8320
    /// Longer texts are no fragments.
    static let countMax = 256 * 1024 - 1

    init() {
        var steps = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value >> 1 ^ (value & 1 == 1 ? Self.polynomial : 0) }
            steps[byte] = value
        }
        for index in 256..<8 * 256 { steps[index] = steps[index - 256] >> 8 ^ steps[Int(steps[index - 256] & 255)] }
        self.steps = steps
        var power: UInt32 = 1 << 31
        var powers: [UInt32] = []
        for _ in 0..<1024 {
            powers.append(power)
            power = power >> 8 ^ steps[Int(power & 255)]
        }
        self.powers = powers
        let step = power
        power = 1 << 31
        var highPowers: [UInt32] = []
        for _ in 0..<256 {
            highPowers.append(power)
            power = Self.multiply(power, step, steps)
        }
        self.highPowers = highPowers
    }

    /// The checksum of what `first` is that of with `bytes` behind it.
    public func extend(_ first: UInt32, by bytes: UnsafeRawBufferPointer) -> UInt32 {
        var value = ~first
        var index = 0
        while index + 8 <= bytes.count {
            let word = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let mixed = word ^ UInt64(value)
            value = 0
            for byte in 0..<8 { value ^= steps[(7 - byte) << 8 | Int(mixed >> UInt64(byte * 8) & 255)] }
            index += 8
        }
        while index < bytes.count {
            value = unsafe value >> 8 ^ steps[Int((value ^ UInt32(bytes[index])) & 255)]
            index += 1
        }
        return ~value
    }

    /// The checksum of two texts one behind the other; `count` is the second one's, `countMax` at most.
    @inline(__always)
    public func combine(_ first: UInt32, _ second: UInt32, count: Int) -> UInt32 {
        var moved = Self.multiply(first, powers[count & 1023], steps)
        if count >= 1024 { moved = Self.multiply(moved, highPowers[count >> 10], steps) }
        return moved ^ second
    }

    /// The product modulo the polynomial.
    @inline(__always)
    private static func multiply(_ left: UInt32, _ right: UInt32, _ steps: [UInt32]) -> UInt32 {
        // Reflected, a product of 32 bits each has 63, so it is one place off.
        let product = multiplyWithoutCarry(UInt64(left), UInt64(right)) << 1
        let low = UInt32(truncatingIfNeeded: product)
        return UInt32(truncatingIfNeeded: product >> 32) ^ steps[3 << 8 | Int(low & 255)]
            ^ steps[2 << 8 | Int(low >> 8 & 255)] ^ steps[1 << 8 | Int(low >> 16 & 255)] ^ steps[Int(low >> 24)]
    }

    /// Every fourth bit alone, sums of up to eight ones do not reach the next: an integer multiplication then adds
    /// without carrying (Thomas Pornin, BearSSL, `ghash_ctmul64.c`).
    @inline(__always)
    private static func multiplyWithoutCarry(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let mask: UInt64 = 0x1111_1111_1111_1111
        let (a0, a1, a2, a3) = (left & mask, left & mask << 1, left & mask << 2, left & mask << 3)
        let (b0, b1, b2, b3) = (right & mask, right & mask << 1, right & mask << 2, right & mask << 3)
        let c0 = a0 &* b0 ^ a1 &* b3 ^ a2 &* b2 ^ a3 &* b1
        let c1 = a0 &* b1 ^ a1 &* b0 ^ a2 &* b3 ^ a3 &* b2
        let c2 = a0 &* b2 ^ a1 &* b1 ^ a2 &* b0 ^ a3 &* b3
        let c3 = a0 &* b3 ^ a1 &* b2 ^ a2 &* b1 ^ a3 &* b0
        return c0 & mask | c1 & mask << 1 | c2 & mask << 2 | c3 & mask << 3
    }
}
