// Bits into memory, the first one lowest in its byte, as deflate has them.

/// Memory that grows, and a place in it that need not be the start of a byte.
///
/// `put` and `copy` do not check for room: whoever writes reserves it first, once for many.
@safe
public struct BitOutput: ~Copyable {
    private var memory: UnsafeMutableRawPointer
    private var capacity: Int
    private var next: UnsafeMutableRawPointer
    /// Bits that are not in memory yet: below 8 between calls.
    private var word: UInt64 = 0
    private var wordBits: UInt64 = 0

    /// A word is written whole, and its first bytes are used.
    private static let slack = 8

    public init(capacity: Int = 4096) {
        self.capacity = capacity + Self.slack
        unsafe memory = .allocate(byteCount: self.capacity, alignment: 8)
        unsafe next = memory
    }

    deinit { unsafe memory.deallocate() }

    public mutating func removeAll() {
        unsafe next = memory
        word = 0
        wordBits = 0
    }

    /// Makes room for so many more bytes.
    @inline(__always)
    public mutating func reserve(_ bytes: Int) {
        if unsafe capacity - (next - memory) < bytes + 2 * Self.slack { grow(bytes) }
    }

    /// The memory stays as large as the largest content made it.
    private mutating func grow(_ bytes: Int) {
        let count = unsafe next - memory
        capacity = max(capacity * 2, count + bytes + 2 * Self.slack)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        unsafe larger.copyMemory(from: memory, byteCount: count)
        unsafe memory.deallocate()
        unsafe memory = larger
        unsafe next = larger + count
    }

    /// Appends up to 56 bits; those of `bits` above are 0.
    @inline(__always)
    public mutating func put(_ bits: UInt64, _ count: UInt64) {
        word |= bits << wordBits
        wordBits += count
        unsafe next.storeBytes(of: word.littleEndian, as: UInt64.self)
        unsafe next += Int(wordBits >> 3)
        word >>= wordBits & ~7
        wordBits &= 7
    }

    @inline(__always)
    public mutating func put(_ code: BitCode) { put(UInt64(code.bits), UInt64(code.count)) }

    /// Appends a match. Its length is 3 to 258, its distance 1 to 32768.
    @inline(__always)
    public mutating func putMatch(_ length: Int, _ distance: Int, _ code: borrowing DeflateCode) {
        let symbol = DeflateCode.distanceSymbol(distance)
        let first = code.lengths[length]
        let second = code.distances[symbol.symbol]
        // 20 bits of length, 15 of distance and 13 extra ones at most.
        put(
            UInt64(first.bits) | (UInt64(second.bits) | symbol.extra << UInt64(second.count)) << UInt64(first.count),
            UInt64(first.count + second.count) + UInt64(symbol.extraCount))
    }

    /// Appends `count` bits from bit `offset` of `source` on. No byte behind the last bit's is read.
    @inline(__always)
    public mutating func copy(_ source: UnsafeRawPointer, offset: Int, count: Int) {
        let end = (offset + count + 7) >> 3
        var offset = offset
        var left = count
        while left > 0 {
            let taken = min(left, 56)
            let start = offset >> 3
            let bytes =
                unsafe start + 8 <= end ? Self.word(source + start) : Self.word(source + start, count: end - start)
            put(bytes >> UInt64(offset & 7) & ((1 << UInt64(taken)) - 1), UInt64(taken))
            offset += taken
            left -= taken
        }
    }

    @inline(__always)
    private static func word(_ source: UnsafeRawPointer) -> UInt64 {
        unsafe UInt64(littleEndian: source.loadUnaligned(as: UInt64.self))
    }

    /// Of less than eight bytes.
    private static func word(_ source: UnsafeRawPointer, count: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<count {
            word |= UInt64(unsafe source.load(fromByteOffset: index, as: UInt8.self)) << UInt64(8 * index)
        }
        return word
    }

    /// Bits written so far.
    @inline(__always)
    public var bitCount: Int { unsafe (next - memory) << 3 + Int(wordBits) }

    /// Goes on at the next whole byte, so that `bytes` holds all.
    public mutating func align() { if wordBits > 0 { put(0, 8 - wordBits) } }

    /// Sets the first words, and returns all whole bytes, which are valid until the next change.
    mutating func finishHeader(_ words: [UInt32]) -> UnsafeRawBufferPointer {
        for index in words.indices {
            unsafe memory.storeBytes(of: words[index].littleEndian, toByteOffset: index * 4, as: UInt32.self)
        }
        return unsafe bytes
    }

    /// All whole bytes. Valid until the next change.
    public var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: memory, count: next - memory)
    }
}
