// The bits of a set, for codecs and for walks that must not allocate.

extension PartitionSet {
    /// How many words hold the bits.
    public static let wordCount = 8

    /// 64 bits of the set; bit b of word w stands for partition 64 w + b.
    @inlinable
    public subscript(word index: Int) -> UInt64 {
        get { words[index] }
        set { words[index] = newValue }
    }

    /// Calls `body` for each partition in rising order.
    @inlinable
    public func forEach<Failure: Error>(_ body: (PartitionID) throws(Failure) -> Void) throws(Failure) {
        for index in 0..<8 {
            var word = words[index]
            while word != 0 {
                try body(PartitionID(index << 6 + word.trailingZeroBitCount))
                word &= word &- 1
            }
        }
    }
}
