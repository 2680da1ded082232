// The id of a model: 1 to 64 bytes out of `A-Z a-z 0-9 . _ : -`.
//
// An id is a plain value of 80 bytes without a reference count, so the read path copies and compares ids
// without touching the allocator. It carries its hash: whoever reads an id looks it up next. The bytes stand big-endian in eight words, padded with zeros: since no
// legal byte is zero, comparing the words as integers is comparing the ids byte by byte.

/// The id of a model, checked when made.
@frozen
public struct ID: Sendable, BitwiseCopyable {
    public static let bytesMax = 64

    @usableFromInline var words: InlineArray<8, UInt64>
    /// Length in bytes, 1 to 64.
    public let count: Int
    /// A 64-bit hash of fixed seed, the same on every machine.
    public let hash: UInt64

    /// Nil where `bytes` is not a legal id.
    @inlinable @inline(__always)
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count >= 1, bytes.count <= Self.bytesMax else { return nil }
        var words = InlineArray<8, UInt64>(repeating: 0)
        let wholeWords = bytes.count >> 3
        for index in 0..<wholeWords {
            // In bounds: the last whole word ends at or before `count`.
            let word = unsafe bytes.withUnsafeBytes {
                unsafe UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: index << 3, as: UInt64.self))
            }
            guard Self.areLegal(word) else { return nil }
            words[index] = word
        }
        let rest = bytes.count & 7
        if rest != 0 {
            var word: UInt64 = 0
            if wholeWords > 0 {
                // The last eight bytes, without those that were looked at.
                word = unsafe bytes.withUnsafeBytes {
                    unsafe UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self))
                }
            } else {
                for index in 0..<rest { word = (word << 8) | UInt64(bytes[index]) }
            }
            word <<= UInt64(8 * (8 - rest))
            // The bytes that are not there are judged as '0'.
            guard Self.areLegal(word | 0x3030_3030_3030_3030 >> UInt64(8 * rest)) else { return nil }
            words[wholeWords] = word
        }
        self.words = words
        self.count = bytes.count
        hash = Self.hash(words, bytes.count)
    }

    /// Nil where `text` is not a legal id.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        self.init(bytes.span)
    }

    /// Whether all eight bytes of the word are legal, judged at once: decoding spends more on ids than on any other
    /// field. Adding 128 - x to a byte below 128 sets its highest bit exactly where the byte is x or more.
    @inlinable
    static func areLegal(_ word: UInt64) -> Bool {
        let highest: UInt64 = 0x8080_8080_8080_8080
        guard word & highest == 0 else { return false }
        let legal =
            isWithin(word, 0x2D, 0x2E) | isWithin(word, 0x30, 0x3A)  // '-' and '.', '0' to '9' and ':'
            | isWithin(word, 0x41, 0x5A) | isWithin(word, 0x5F, 0x5F) | isWithin(word, 0x61, 0x7A)  // A-Z, '_', a-z
        return legal & highest == highest
    }

    /// The highest bit of each byte says whether it is from `low` to `high`. The other bits mean nothing.
    @inlinable
    static func isWithin(_ word: UInt64, _ low: UInt64, _ high: UInt64) -> UInt64 {
        let each: UInt64 = 0x0101_0101_0101_0101
        return (word &+ (128 - low) &* each) & ~(word &+ (127 - high) &* each)
    }

    @inlinable
    public subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count)
        return UInt8(truncatingIfNeeded: words[index >> 3] >> UInt64(8 * (7 - index & 7)))
    }

    /// The eight bytes from `8 * index` on, the first one highest; bytes that are not there are zero.
    @inlinable
    public func word(_ index: Int) -> UInt64 { words[index] }

    @inlinable
    public func append(to bytes: inout [UInt8]) {
        for index in 0..<count { bytes.append(self[index]) }
    }

    /// Mixes two words at a time with the 128-bit multiply of wyhash (https://github.com/wangyi-fudan/wyhash), the
    /// cheapest mixer that leaves no pattern.
    @inlinable
    static func hash(_ words: InlineArray<8, UInt64>, _ count: Int) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: count) ^ 0x2d35_8dcc_aa6c_78a5
        var index = 0
        let used = (count + 7) >> 3
        while index < used {
            let second = index + 1 < used ? words[index + 1] : 0
            hash = Self.mix(words[index] ^ 0x8bb8_4b93_962e_acc9, second ^ hash)
            index += 2
        }
        return Self.mix(hash ^ 0x4b33_a62e_d433_d4a3, 0x4d5a_2da5_1de1_aa47)
    }

    @inlinable
    static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}

extension ID: Hashable, Comparable {
    @inlinable
    public static func == (left: ID, right: ID) -> Bool {
        guard left.hash == right.hash, left.count == right.count else { return false }
        var difference: UInt64 = 0
        for index in 0..<((left.count + 7) >> 3) { difference |= left.words[index] ^ right.words[index] }
        return difference == 0
    }

    @inlinable
    public static func < (left: ID, right: ID) -> Bool {
        for index in 0..<8 where left.words[index] != right.words[index] {
            return left.words[index] < right.words[index]
        }
        return false
    }

    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}

extension ID: CustomStringConvertible {
    public var description: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
