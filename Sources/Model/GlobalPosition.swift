/// How far the global topics (all models but events) are applied: one position for each partition of each of the
/// five topics. A holder's answer depends on it, since an event shows the names of its participants.
public struct GlobalPosition: Sendable, Equatable {
    /// The number of partitions of each global topic, in the order of `ModelKind`, participants first.
    public let partitionCounts: [Int]
    /// All positions, topic behind topic.
    public private(set) var offsets: [Offset]

    public static let kinds: [ModelKind] = [.participant, .stage, .season, .region, .category]

    /// All positions 0.
    public init(partitionCounts: [Int]) {
        precondition(partitionCounts.count == Self.kinds.count)
        self.partitionCounts = partitionCounts
        self.offsets = Array(repeating: Offset(0), count: partitionCounts.reduce(0, +))
    }

    public subscript(kind: ModelKind, partition: PartitionID) -> Offset {
        get { offsets[index(kind, partition)] }
        set { offsets[index(kind, partition)] = newValue }
    }

    /// Sets the position at a flat index, as in `offsets`.
    public mutating func set(_ offset: Offset, at index: Int) { offsets[index] = offset }

    public func index(_ kind: ModelKind, _ partition: PartitionID) -> Int {
        precondition(kind != .event)
        let topic = Int(kind.rawValue) - 1
        precondition(partition.rawValue >= 0 && partition.rawValue < partitionCounts[topic])
        return partitionCounts[..<topic].reduce(0, +) + Int(partition.rawValue)
    }

    /// Whether every position is at least that of `other`; false where the shapes differ.
    public func reaches(_ other: GlobalPosition) -> Bool {
        guard partitionCounts == other.partitionCounts else { return false }
        return zip(offsets, other.offsets).allSatisfy { $0 >= $1 }
    }

    /// Raises every position to that of `other` where it is higher. Shapes must agree.
    public mutating func formMaximum(_ other: GlobalPosition) {
        precondition(partitionCounts == other.partitionCounts)
        for index in offsets.indices { offsets[index] = max(offsets[index], other.offsets[index]) }
    }
}
