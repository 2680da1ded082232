// The sizes of blocks. Fine steps: what is lost to rounding is a few bytes of an ordinary record.

/// A size of blocks, counted from the smallest on.
struct SizeClass: Equatable {
    let index: Int

    /// Larger blocks are runs of whole units.
    static let bytesMax = 32 << 10
    /// Every 8 bytes to 256, every 16 to 1024, then 16 steps to each doubling: at most 6.25 % above 256 are lost.
    static let count = 32 + 48 + 5 * 16

    init(index: Int) { self.index = index }

    /// The smallest size that holds `bytes`, 1 to `bytesMax`.
    @inline(__always)
    init(holding bytes: Int) {
        assert(bytes >= 1 && bytes <= Self.bytesMax)
        if bytes <= 256 {
            index = (bytes + 7) >> 3 - 1
        } else if bytes <= 1024 {
            index = 32 + (bytes - 256 + 15) >> 4 - 1
        } else {
            // Sizes from 2^n + 1 to 2^(n + 1), n being 10 to 14.
            let n = Int.bitWidth - 1 - (bytes - 1).leadingZeroBitCount
            index = 80 + (n - 10) * 16 + (bytes - 1 - 1 << n) >> (n - 4)
        }
    }

    var bytes: Int {
        if index < 32 { return (index + 1) << 3 }
        if index < 80 { return 256 + (index - 31) << 4 }
        let n = 10 + (index - 80) >> 4
        return 1 << n + ((index - 80) & 15 + 1) << (n - 4)
    }

    /// The units of a span: one, or four where one would hold fewer than 16 blocks.
    var units: Int { bytes <= 4 << 10 ? 1 : 4 }
}
