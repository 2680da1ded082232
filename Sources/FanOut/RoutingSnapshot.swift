// What fan-out knows of the cluster: who holds what, and ready plans over it. Membership makes one whenever that
// changes, on its own thread; every event loop gets the same value.

public import Model

/// The place of a node in a snapshot's list.
@frozen
public struct NodeIndex: Hashable, Sendable, BitwiseCopyable {
    public let rawValue: Int32

    public init(_ rawValue: some BinaryInteger) { self.rawValue = Int32(rawValue) }

    var slot: Int { Int(rawValue) }
}

public struct RoutingNode: Sendable, Equatable {
    public var id: ID
    public var host: String
    public var port: Int
    /// Stands in this process and is read in place.
    public var isLocal: Bool
    /// Nothing was heard of it for a while on the control topic; it may live all the same.
    public var isSilent: Bool
    /// The partitions of the events topic that it may be asked for.
    public var holds: PartitionSet
    /// How much work it takes, relative to the others; 1 or more.
    public var weight: Int

    public init(
        id: ID, host: String, port: Int, isLocal: Bool = false, isSilent: Bool = false, holds: PartitionSet,
        weight: Int = 1
    ) {
        precondition(weight > 0)
        self.id = id
        self.host = host
        self.port = port
        self.isLocal = isLocal
        self.isSilent = isSilent
        self.holds = holds
        self.weight = weight
    }
}

/// One node's share of a cover.
struct CoverShare: Sendable, Equatable {
    var node: NodeIndex
    var partitions: PartitionSet
}

public struct RoutingSnapshot: Sendable, Equatable {
    /// Of the events topic; 0 while it is not known.
    public let partitionCount: Int
    /// At most `Limits.membersMax`, of different ids.
    public let nodes: [RoutingNode]
    /// Each share's node holds all of its partitions, and no partition stands in two shares of one cover.
    let covers: [[CoverShare]]

    public static let empty = RoutingSnapshot(partitionCount: 0, nodes: [], covers: [])

    /// A cover names a node for each partition, in order; nil where it has none. Covers are rotated over from request
    /// to request. What a cover does not say, or says of a node that does not hold the partition, is decided when asked.
    public init(partitionCount: Int, nodes: [RoutingNode], covers: [[NodeIndex?]]) {
        precondition(partitionCount <= Limits.partitionsMax && nodes.count <= Limits.membersMax)
        precondition(Set(nodes.map(\.id)).count == nodes.count)
        self.partitionCount = partitionCount
        self.nodes = nodes
        self.covers = covers.map { cover in
            nodes.indices.compactMap { slot in
                var partitions = PartitionSet()
                for (partition, node) in cover.enumerated() where node?.slot == slot {
                    partitions.insert(PartitionID(partition))
                }
                partitions = partitions.intersection(nodes[slot].holds)
                return partitions.isEmpty ? nil : CoverShare(node: NodeIndex(slot), partitions: partitions)
            }
        }
    }

    func index(of id: ID) -> NodeIndex? {
        nodes.firstIndex { $0.id == id }.map { NodeIndex($0) }
    }
}
