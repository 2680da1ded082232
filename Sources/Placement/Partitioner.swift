// Which partition a key belongs to: Kafka's default for keyed messages, so that any Kafka producer places keys where
// a router looks for them. The hash is murmur2 with Kafka's seed.

public import Model

public enum Partitioner {
    /// The partition of a key among `partitions`, which is at least 1.
    public static func partition(of id: ID, partitions: Int) -> PartitionID {
        let hash = murmur2(count: id.count) { index in
            // Four bytes, the first one lowest; bytes that are not there are zero.
            UInt32(truncatingIfNeeded: id.word(index >> 3) >> UInt64(32 - (index & 4) * 8)).byteSwapped
        }
        return partition(hash: hash, partitions: partitions)
    }

    /// The partition of a key among `partitions`, which is at least 1.
    public static func partition(of key: Span<UInt8>, partitions: Int) -> PartitionID {
        partition(hash: murmur2(key), partitions: partitions)
    }

    /// Kafka's `Utils.murmur2`.
    public static func murmur2(_ bytes: Span<UInt8>) -> Int32 {
        murmur2(count: bytes.count) { index in
            var word: UInt32 = 0
            for place in index..<min(index + 4, bytes.count) {
                word |= UInt32(bytes[place]) << UInt32(8 * (place - index))
            }
            return word
        }
    }

    private static func partition(hash: Int32, partitions: Int) -> PartitionID {
        precondition(partitions >= 1 && partitions <= Limits.partitionsMax)
        return PartitionID(Int(hash & 0x7fff_ffff) % partitions)
    }

    /// `word` gives the four bytes from an index on, the first one lowest, with zeros behind the end.
    @inline(__always)
    private static func murmur2(count: Int, word: (Int) -> UInt32) -> Int32 {
        let multiplier: UInt32 = 0x5bd1_e995
        var hash = 0x9747_b28c ^ UInt32(truncatingIfNeeded: count)
        var index = 0
        while index + 4 <= count {
            var mixed = word(index) &* multiplier
            mixed ^= mixed >> 24
            mixed &*= multiplier
            hash = (hash &* multiplier) ^ mixed
            index += 4
        }
        if index < count {
            hash ^= word(index)
            hash &*= multiplier
        }
        hash ^= hash >> 13
        hash &*= multiplier
        hash ^= hash >> 15
        return Int32(bitPattern: hash)
    }
}
