// Placement: which nodes hold which partitions of the events topic. Every node and router computes it for itself from
// the same members, so it is a pure function of them: no clock, no random source, no order of arrival, no platform.
// Why it is this one and not another: docs/decisions/0001-placement.md.

public import Model

/// A node as placement sees it.
public struct PlacementMember: Sendable, Hashable {
    /// Largest weight; a member of weight 2 holds twice what one of weight 1 holds.
    public static let weightMax = 16

    public var id: ID
    /// 1 to `weightMax`.
    public var weight: Int
    /// Nodes that fail together share a zone. Without one, a node is a zone of its own.
    public var zone: ID?

    public init(id: ID, weight: Int = 1, zone: ID? = nil) {
        precondition(weight >= 1 && weight <= Self.weightMax)
        self.id = id
        self.weight = weight
        self.zone = zone
    }
}

/// How many nodes hold each partition (the setting `cluster.replicas`).
public enum Replicas: Sendable, Hashable {
    /// At least 1. More than there are members: all of them.
    case count(Int)
    /// Every node holds everything (`max`).
    case all
}

/// Partition → holders.
public struct Placement: Sendable, Equatable {
    /// In rising order of ids.
    public let members: [PlacementMember]
    public let partitionCount: Int
    /// How many holders each partition has: what was asked for, or the number of members where that is less.
    public let replicas: Int
    /// Whether more replicas were asked for than there are members.
    public let isShort: Bool
    /// How many copies stand on a member beyond its bound, because no other member could take them.
    public let copiesOverBound: Int

    /// Indexes into `members`, `replicas` of them for each partition, in order of preference.
    private let holders: [[Int]]

    /// Places `partitions` (1 to `Limits.partitionsMax`) on `members`, whose ids differ; their order does not count.
    public static func place(members: [PlacementMember], partitions: Int, replicas: Replicas) -> Placement {
        precondition(partitions >= 1 && partitions <= Limits.partitionsMax)
        let sorted = members.sorted { $0.id < $1.id }
        for index in sorted.indices.dropFirst() { precondition(sorted[index - 1].id != sorted[index].id) }
        var asked = sorted.count
        if case .count(let count) = replicas {
            precondition(count >= 1)
            asked = count
        }
        var assignment = Assignment(members: sorted, partitions: partitions, replicas: min(asked, sorted.count))
        assignment.run()
        return Placement(
            members: sorted, partitionCount: partitions, replicas: min(asked, sorted.count),
            isShort: asked > sorted.count, copiesOverBound: assignment.copiesOverBound, holders: assignment.ordered())
    }

    /// The holders of a partition, the preferred one first; empty without members.
    public func holders(of partition: PartitionID) -> [ID] {
        holders[Int(partition.rawValue)].map { members[$0].id }
    }

    /// What a node holds; nothing where it is no member.
    public func partitions(of node: ID) -> PartitionSet {
        var set = PartitionSet()
        guard let index = members.firstIndex(where: { $0.id == node }) else { return set }
        for partition in 0..<partitionCount where holders[partition].contains(index) {
            set.insert(PartitionID(partition))
        }
        return set
    }
}
