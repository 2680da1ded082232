// A gzip body joined of packed fragments: no byte is compressed again, none of the JSON is looked at.
//
//   begin() → text, piece, packed or json, in order → finish() → bytes
//
// One deflate block holds all (`DeflateCode`). A fragment's bits are copied, shifted to where they belong; its pieces
// become references to where they stood last. The checksum is made of the fragments' own. The bytes depend on what is
// joined alone, so they are the same on every router.

/// Joins one body after another; belongs to one event loop. Its memory stays as large as the largest body made it.
@safe
public final class GzipBody {
    /// What a gzip answer's entity tag differs by. Another code, other pieces or another packing give other bytes for the
    /// same JSON: they need another mark.
    public static let tagMark: UInt64 = 0x677A_6970_2D31_0000

    private let code = DeflateCode.shared
    private let crc = CRC32.shared
    private let pieces = Pieces.all
    /// By piece. Plain numbers: asking the piece would count references to its text.
    private let lengths = Pieces.all.map(\.text.count)
    private var packer: FragmentPacker?
    private var output = BitOutput()
    private var checksum: UInt32 = 0
    /// Bytes of JSON so far.
    private var position = 0
    /// Where each piece stood last; far enough below 0 where it has not been yet.
    private var last: [Int]
    /// A reference that is not written yet, since the next piece may make it longer.
    private var pending: (length: Int, distance: Int) = (0, 0)
    /// Fragments that came without their packed form, since the start.
    public private(set) var packedHere = 0

    private static let never = -1 << 32
    /// A piece's bits in bytes at most, and a match's.
    private static let pieceBytesMax = 96

    public init() { last = Array(repeating: Self.never, count: Pieces.all.count) }

    public func begin() {
        output.removeAll()
        output.reserve(code.opening.count + Self.pieceBytesMax)
        let left = code.openingBits > 0 ? 1 : 0
        for byte in code.opening.dropLast(left) { output.put(UInt64(byte), 8) }
        if left == 1 { output.put(UInt64(code.opening[code.opening.count - 1]), UInt64(code.openingBits)) }
        checksum = 0
        position = 0
        for index in last.indices { last[index] = Self.never }
        pending = (0, 0)
    }

    /// Appends bytes that are no fragment.
    public func text(_ bytes: UnsafeRawBufferPointer) {
        flush()
        output.reserve(2 * bytes.count)
        for index in 0..<bytes.count { output.put(unsafe code.literals[Int(bytes[index])]) }
        checksum = unsafe crc.extend(checksum, by: bytes)
        position += bytes.count
    }

    /// Appends a piece between fragments.
    public func connect(_ piece: Int) {
        output.reserve(Self.pieceBytesMax)
        put(piece)
        checksum = unsafe pieces[piece].text.withUnsafeBytes { unsafe crc.extend(checksum, by: $0) }
    }

    /// Appends a fragment that its holder has not packed.
    public func json(_ bytes: UnsafeBufferPointer<UInt8>) {
        let packer = self.packer ?? FragmentPacker()
        self.packer = packer
        packedHere += 1
        guard let packed = unsafe packer.pack(bytes), let base = packed.baseAddress else {
            // No record is that long; what comes over a link may be.
            return unsafe text(UnsafeRawBufferPointer(bytes))
        }
        unsafe self.packed(PackedFragment(base.assumingMemoryBound(to: UInt8.self)))
    }

    public func packed(_ fragment: PackedFragment) {
        let start = position
        let bits = unsafe fragment.bitCount
        let slots = unsafe fragment.slotCount
        output.reserve(bits >> 3 + 16 + slots * Self.pieceBytesMax)
        var bit = 0
        for index in 0..<slots {
            let slot = unsafe fragment.slot(index)
            if slot.bits > 0 {
                flush()
                unsafe output.copy(fragment.bits, offset: bit, count: slot.bits)
                bit += slot.bits
            }
            position += slot.gap
            put(slot.piece)
        }
        if bit < bits {
            flush()
            unsafe output.copy(fragment.bits, offset: bit, count: bits - bit)
        }
        let count = unsafe fragment.jsonCount
        position = start + count
        checksum = unsafe crc.combine(checksum, fragment.crc, count: count)
    }

    /// Ends the body; returns its bytes, which are valid until the next change.
    public func finish() -> UnsafeRawBufferPointer {
        flush()
        output.reserve(Self.pieceBytesMax)
        output.put(code.blockEnd)
        output.align()
        output.put(UInt64(checksum), 32)
        output.put(UInt64(truncatingIfNeeded: position) & 0xFFFF_FFFF, 32)
        return unsafe output.bytes
    }

    /// What `finish` returned.
    public var bytes: UnsafeRawBufferPointer { unsafe output.bytes }

    // MARK: - Pieces

    @inline(__always)
    private func put(_ piece: Int) {
        let length = lengths[piece]
        let distance = position - last[piece]
        last[piece] = position
        position += length
        // A piece right behind another, as it was where they stood last: one reference for both.
        if pending.distance == distance, pending.length + length <= DeflateCode.lengthMax {
            pending.length += length
            return
        }
        flush()
        if distance <= DeflateCode.distanceMax, length >= 4 {
            pending = (length, distance)
        } else {
            unsafe pieces[piece].packed.withUnsafeBytes { bytes in
                // A piece is never empty.
                unsafe output.copy(bytes.baseAddress.unsafelyUnwrapped, offset: 0, count: pieces[piece].packedBits)
            }
        }
    }

    @inline(__always)
    private func flush() {
        guard pending.length > 0 else { return }
        output.putMatch(pending.length, pending.distance, code)
        pending = (0, 0)
    }
}
