// The one Huffman code that all gzip answers are written in (RFC 1951, section 3.2.7).
//
// An answer is one deflate block whose code is always this one, so a fragment's bits are the same in every answer and
// can be made before anyone asks. Trained by `scripts/train-deflate-code.py` on answers of real and generated offers;
// docs/decisions/0012-gzip.md.

/// Bits to write, the first one lowest.
@frozen
public struct BitCode: Sendable, BitwiseCopyable {
    public var bits: UInt32
    public var count: UInt32

    @inlinable
    public init(bits: UInt32, count: UInt32) {
        self.bits = bits
        self.count = count
    }
}

/// The code, ready to be written with.
public struct DeflateCode: Sendable {
    public static let shared = DeflateCode()

    public static let lengthMax = 258
    public static let distanceMax = 32768
    /// Bits of one byte or one match at most.
    public static let literalBitsMax = 15

    /// By byte.
    public let literals: [BitCode]
    /// By the length of a match, extra bits included; below 3 there is none.
    public let lengths: [BitCode]
    /// By the distance's symbol, without its extra bits.
    public let distances: [BitCode]
    public let blockEnd: BitCode
    /// The gzip header and the block's, up to the first symbol: whole bytes, and what is left of the last one.
    public let opening: [UInt8]
    public let openingBits: Int

    init() {
        let symbols = Self.canonical(Self.symbolLengths)
        literals = Array(symbols[..<256])
        blockEnd = symbols[256]
        distances = Self.canonical(Self.distanceLengths)
        lengths = (0...Self.lengthMax).map { length in
            guard length >= 3 else { return BitCode(bits: 0, count: 0) }
            let (symbol, extra, extraCount) = Self.lengthSymbol(length)
            let code = symbols[symbol]
            return BitCode(bits: code.bits | extra << code.count, count: code.count + extraCount)
        }
        (opening, openingBits) = Self.makeOpening()
    }

    /// The distance's symbol and its extra bits. 1 to `distanceMax`.
    @inline(__always)
    static func distanceSymbol(_ distance: Int) -> (symbol: Int, extra: UInt64, extraCount: Int) {
        let value = UInt64(distance - 1)
        guard value >= 4 else { return (Int(value), 0, 0) }
        let extraCount = 62 - value.leadingZeroBitCount
        return (2 * extraCount + Int(value >> UInt64(extraCount)), value & (1 << UInt64(extraCount) - 1), extraCount)
    }

    private static func lengthSymbol(_ length: Int) -> (symbol: Int, extra: UInt32, extraCount: UInt32) {
        let value = UInt32(length - 3)
        if length == lengthMax { return (285, 0, 0) }
        guard value >= 8 else { return (257 + Int(value), 0, 0) }
        let extraCount = UInt32(29 - value.leadingZeroBitCount)
        let symbol = 257 + 4 * Int(extraCount) + Int(value >> extraCount)
        return (symbol, value & (1 << extraCount - 1), extraCount)
    }

    /// The canonical code of the given lengths (RFC 1951, section 3.2.2), turned so that the first bit is the lowest.
    private static func canonical(_ lengths: [UInt8]) -> [BitCode] {
        var counts = [UInt32](repeating: 0, count: 16)
        for length in lengths { counts[Int(length)] += 1 }
        counts[0] = 0
        var next = [UInt32](repeating: 0, count: 16)
        for length in 1...15 { next[length] = (next[length - 1] + counts[length - 1]) << 1 }
        return lengths.map { length in
            guard length > 0 else { return BitCode(bits: 0, count: 0) }
            defer { next[Int(length)] += 1 }
            var bits: UInt32 = 0
            for bit in 0..<UInt32(length) { bits |= (next[Int(length)] >> bit & 1) << (UInt32(length) - 1 - bit) }
            return BitCode(bits: bits, count: UInt32(length))
        }
    }

    // MARK: - The block's header

    private static func makeOpening() -> ([UInt8], Int) {
        // RFC 1952: deflate, no flags, no time, neither fastest nor best, no operating system.
        var bytes: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
        var word: UInt64 = 0
        var count: UInt64 = 0
        func put(_ bits: UInt32, _ bitCount: UInt32) {
            word |= UInt64(bits) << count
            count += UInt64(bitCount)
            while count >= 8 {
                bytes.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
                count -= 8
            }
        }
        // The last block, of a code of its own.
        put(0b101, 3)
        put(UInt32(symbolLengths.count - 257), 5)
        put(UInt32(distanceLengths.count - 1), 5)
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        put(UInt32(order.count - 4), 4)
        for symbol in order { put(UInt32(headerLengths[symbol]), 3) }
        let code = canonical(headerLengths)
        let lengths = symbolLengths + distanceLengths
        var index = 0
        while index < lengths.count {
            put(code[Int(lengths[index])].bits, code[Int(lengths[index])].count)
            var run = lengths[(index + 1)...].prefix { $0 == lengths[index] }.count
            index += 1
            while run >= 3 {
                put(code[16].bits, code[16].count)
                put(UInt32(min(run, 6) - 3), 2)
                index += min(run, 6)
                run -= min(run, 6)
            }
        }
        let left = Int(count)
        if left > 0 { bytes.append(UInt8(truncatingIfNeeded: word)) }
        return (bytes, left)
    }

    // MARK: - Lengths

    /// Of bytes, the block's end, and matches' lengths.
    private static let symbolLengths: [UInt8] = [
        15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
        15, 15, 15, 15,
        5, 11, 5, 11, 11, 11, 11, 11, 11, 11, 11, 11, 7, 4, 7, 8, 5, 5, 5, 6, 7, 6, 7, 8, 8, 8, 6, 11, 11, 11, 11, 11,
        11, 7, 8, 7, 8, 7, 7, 8, 9, 9, 10, 9, 8, 9, 8, 9, 8, 11, 8, 7, 7, 9, 9, 10, 11, 11, 10, 10, 11, 9, 11, 11,
        11, 5, 8, 6, 6, 5, 8, 6, 7, 6, 10, 9, 6, 7, 6, 6, 7, 11, 5, 5, 6, 7, 8, 9, 11, 8, 10, 9, 11, 7, 11, 15,
        12, 11, 10, 9, 11, 12, 10, 12, 12, 11, 12, 12, 11, 12, 12, 12, 12, 10, 12, 12, 12, 12, 12, 12, 11, 12, 11, 12,
        11, 11, 12, 12,
        11, 11, 12, 11, 11, 12, 12, 12, 12, 11, 12, 12, 10, 11, 12, 12, 12, 9, 12, 10, 12, 12, 11, 10, 12, 12, 12, 10,
        10, 11, 12, 12,
        15, 15, 12, 7, 11, 11, 12, 12, 12, 12, 12, 12, 12, 12, 7, 9, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12,
        12, 12, 12,
        12, 12, 12, 9, 12, 11, 11, 12, 12, 12, 12, 12, 12, 12, 12, 12, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
        15, 15, 15, 14,
        13, 14, 5, 7, 7, 6, 7, 8, 5, 5, 8, 6, 6, 6, 8, 9, 7, 8, 10, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14,
    ]

    private static let distanceLengths: [UInt8] = [
        13, 13, 13, 10, 10, 11, 10, 7, 4, 5, 5, 5, 4, 3, 3, 3, 3, 4, 3, 6, 5, 6, 7, 8, 8, 9, 10, 11, 11, 13,
    ]

    /// Of the lengths above: none below 3, then 3 to 15, and the run of three to six (16).
    private static let headerLengths: [UInt8] = [
        0, 0, 0, 6, 5, 4, 4, 3, 3, 4, 4, 3, 3, 5, 6, 5, 3, 0, 0,
    ]
}
