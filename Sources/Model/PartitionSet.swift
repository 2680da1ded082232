/// A set of partitions of one topic, as bits: a value of 64 bytes that needs no memory of its own.
@frozen
public struct PartitionSet: Sendable, BitwiseCopyable {
    @usableFromInline var words = InlineArray<8, UInt64>(repeating: 0)  // Limits.partitionsMax bits

    @inlinable
    public init() {}

    /// All partitions below `count`.
    @inlinable
    public init(below count: Int) {
        precondition(count >= 0 && count <= 512)
        for partition in 0..<count { insert(PartitionID(partition)) }
    }

    @inlinable
    public func contains(_ partition: PartitionID) -> Bool {
        let index = Int(partition.rawValue)
        guard index >= 0, index < 512 else { return false }
        return words[index >> 6] & (1 << UInt64(index & 63)) != 0
    }

    /// Traps where the partition is not below `Limits.partitionsMax`.
    @inlinable
    public mutating func insert(_ partition: PartitionID) {
        let index = Int(partition.rawValue)
        precondition(index >= 0 && index < 512)
        words[index >> 6] |= 1 << UInt64(index & 63)
    }

    @inlinable
    public mutating func remove(_ partition: PartitionID) {
        guard contains(partition) else { return }
        let index = Int(partition.rawValue)
        words[index >> 6] &= ~(1 << UInt64(index & 63))
    }

    @inlinable
    public var isEmpty: Bool {
        for index in 0..<8 where words[index] != 0 { return false }
        return true
    }

    @inlinable
    public var count: Int {
        var count = 0
        for index in 0..<8 { count += words[index].nonzeroBitCount }
        return count
    }

    @inlinable
    public func intersection(_ other: PartitionSet) -> PartitionSet {
        var result = PartitionSet()
        for index in 0..<8 { result.words[index] = words[index] & other.words[index] }
        return result
    }

    @inlinable
    public func union(_ other: PartitionSet) -> PartitionSet {
        var result = PartitionSet()
        for index in 0..<8 { result.words[index] = words[index] | other.words[index] }
        return result
    }

    @inlinable
    public func subtracting(_ other: PartitionSet) -> PartitionSet {
        var result = PartitionSet()
        for index in 0..<8 { result.words[index] = words[index] & ~other.words[index] }
        return result
    }

    @inlinable
    public func isSubset(of other: PartitionSet) -> Bool { subtracting(other).isEmpty }

    /// The partitions in rising order.
    public var partitions: [PartitionID] {
        var result: [PartitionID] = []
        for index in 0..<8 {
            var word = words[index]
            while word != 0 {
                result.append(PartitionID(index << 6 + word.trailingZeroBitCount))
                word &= word &- 1
            }
        }
        return result
    }
}

extension PartitionSet: Hashable {
    @inlinable
    public static func == (left: PartitionSet, right: PartitionSet) -> Bool {
        for index in 0..<8 where left.words[index] != right.words[index] { return false }
        return true
    }

    @inlinable
    public func hash(into hasher: inout Hasher) {
        for index in 0..<8 { hasher.combine(words[index]) }
    }
}
