// Which partition a key belongs to: Kafka's default for keyed messages, so that any Kafka producer places keys where
// a router looks for them. The hash is murmur2 with Kafka's seed.

public import Model

public enum Partitioner {
    /// The partition of a key among `partitions`, which is at least 1.
    public static func partition(of id: ID, partitions: Int) -> PartitionID {
        partition(hash: murmur2(count: id.count) { id[$0] }, partitions: partitions)
    }

    /// The partition of a key among `partitions`, which is at least 1.
    public static func partition(of key: Span<UInt8>, partitions: Int) -> PartitionID {
        partition(hash: murmur2(key), partitions: partitions)
    }

    /// Kafka's `Utils.murmur2`.
    public static func murmur2(_ bytes: Span<UInt8>) -> Int32 {
        murmur2(count: bytes.count) { bytes[$0] }
    }

    private static func partition(hash: Int32, partitions: Int) -> PartitionID {
        precondition(partitions >= 1 && partitions <= Limits.partitionsMax)
        return PartitionID(Int(hash & 0x7fff_ffff) % partitions)
    }

    @inline(__always)
    private static func murmur2(count: Int, byte: (Int) -> UInt8) -> Int32 {
        let multiplier: UInt32 = 0x5bd1_e995
        var hash = 0x9747_b28c ^ UInt32(truncatingIfNeeded: count)
        var index = 0
        while index + 4 <= count {
            var word = UInt32(byte(index)) | UInt32(byte(index + 1)) << 8
            word |= UInt32(byte(index + 2)) << 16 | UInt32(byte(index + 3)) << 24
            word &*= multiplier
            word ^= word >> 24
            word &*= multiplier
            hash = (hash &* multiplier) ^ word
            index += 4
        }
        if index < count {
            for tail in index..<count { hash ^= UInt32(byte(tail)) << UInt32(8 * (tail - index)) }
            hash &*= multiplier
        }
        hash ^= hash >> 13
        hash &*= multiplier
        hash ^= hash >> 15
        return Int32(bitPattern: hash)
    }
}
