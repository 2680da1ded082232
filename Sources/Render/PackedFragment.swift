// A fragment as bits of `DeflateCode`'s block, ready to stand anywhere in an answer.
//
//   offset  bytes  field
//   0       4      CRC-32 of the JSON
//   4       4      bytes of the JSON; from bit 24 on the number of slots
//   8       4      bits between the slots, b
//   12      ⌈b/8⌉  these bits
//   …       4      each slot, in order: bits 0–5 the piece, 6–15 bytes of JSON and 16–31 bits since the last one
//   …       …      zeros, so that at least seven bytes stand behind the bits
//
// All little endian and unaligned: it lies behind a record's text, and in frames. It is a pure function of the JSON, so
// an answer has the same bytes whoever packed its fragments.

/// A packed fragment in memory. Valid as long as that is.
@unsafe
public struct PackedFragment {
    static let headerBytes = 12
    static let slotBytes = 4
    /// What `BitOutput.copy` reads behind the last bit.
    static let padding = 7
    static let jsonBytesMax = 1 << 18 - 1
    static let gapMax = 1 << 10 - 1

    public let base: UnsafeRawPointer

    /// Of bytes that a `FragmentPacker` made.
    @inlinable
    public init(_ base: UnsafePointer<UInt8>) { unsafe self.base = UnsafeRawPointer(base) }

    /// Of bytes from outside; nil where reading them could lead beyond their end, or out of the pieces.
    public init?(checking bytes: UnsafeRawBufferPointer) {
        guard unsafe bytes.count >= Self.headerBytes, let base = bytes.baseAddress else { return nil }
        unsafe self.base = base
        let bits = unsafe bitCount
        guard unsafe jsonCount <= Self.jsonBytesMax, unsafe self.count == bytes.count else { return nil }
        var slotBits = 0
        var slotBytes = 0
        for index in unsafe 0..<slotCount {
            let slot = unsafe slot(index)
            guard slot.piece < Pieces.all.count else { return nil }
            slotBits += slot.bits
            slotBytes += slot.gap + Pieces.all[slot.piece].text.count
        }
        guard slotBits <= bits, unsafe slotBytes <= jsonCount else { return nil }
    }

    @inline(__always)
    private func word(_ offset: Int) -> Int {
        unsafe Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }

    public var crc: UInt32 { unsafe UInt32(truncatingIfNeeded: word(0)) }
    public var jsonCount: Int { unsafe word(4) & 0xFF_FFFF }
    public var slotCount: Int { unsafe word(4) >> 24 }
    public var bitCount: Int { unsafe word(8) }
    public var bits: UnsafeRawPointer { unsafe base + Self.headerBytes }

    /// The size of the whole.
    public var count: Int { unsafe Self.count(bits: bitCount, slots: slotCount) }

    static func count(bits: Int, slots: Int) -> Int {
        unsafe headerBytes + (bits + 7) >> 3 + max(slots * slotBytes, padding)
    }

    /// A slot: the piece that stands there, and how much stands between it and the last one.
    @inline(__always)
    public func slot(_ index: Int) -> (piece: Int, gap: Int, bits: Int) {
        let slot = unsafe word(Self.headerBytes + (bitCount + 7) >> 3 + index * Self.slotBytes)
        return (slot & 63, slot >> 6 & 1023, slot >> 16)
    }
}
