// The heartbeat: what a member writes to the control topic about once a second, under its id as the key. Everything
// else in this module is computed from heartbeats. `HeartbeatCodec.swift` gives the bytes.

public import Model
public import Placement

/// A number of the cluster's topology: the offset, in the control topic, of the last message that changed it.
@frozen
public struct Generation: Hashable, Comparable, Sendable, BitwiseCopyable {
    public let rawValue: Int64

    /// Before anything was read.
    public static let none = Generation(-1)

    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    public static func < (left: Generation, right: Generation) -> Bool { left.rawValue < right.rawValue }
}

/// What a process is to the cluster.
public enum MemberKind: UInt8, CaseIterable, Sendable {
    case node, router
    /// Node and router in one process (`favorites serve`).
    case both

    public var isNode: Bool { self != .router }
    public var isRouter: Bool { self != .node }
}

/// Joining: loads nothing yet. Warming: loads. Serving: answers. Draining: answers until the others have taken over;
/// placement leaves it out. Gone: this life's last word.
public enum MemberState: UInt8, CaseIterable, Sendable {
    case joining, warming, serving, draining, gone
}

/// One run of a process: a restarted id is a new life.
public struct Incarnation: Hashable, Sendable {
    /// By the clock of its own machine, milliseconds since 1970, not negative.
    public var startedMs: Int64
    /// Random, made at start.
    public var number: UInt64

    public init(startedMs: Int64, number: UInt64) {
        self.startedMs = startedMs
        self.number = number
    }

    /// Whether this life began after `other`. Of two that began in one millisecond the larger number is the younger.
    public func isYounger(than other: Incarnation) -> Bool {
        (startedMs, number) > (other.startedMs, other.number)
    }
}

public struct MemberAddress: Hashable, Sendable {
    /// Visible ASCII, 1 to `hostBytesMax` bytes.
    public var host: String
    public var port: UInt16

    public static let hostBytesMax = 255

    /// Nil where the host is not as it must be.
    public init?(host: String, port: UInt16) {
        guard (1...Self.hostBytesMax).contains(host.utf8.count), host.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        self.host = host
        self.port = port
    }
}

/// What all members must agree on, or they would compute different placements.
public struct ClusterConfiguration: Hashable, Sendable {
    /// Partitions of the events topic, 1 to `Limits.partitionsMax`.
    public var partitions: Int
    public var replicas: Replicas
    /// A fingerprint of the names of the six topics.
    public var topics: UInt64

    /// `topicNames` in the order of `ModelKind`.
    public init(partitions: Int, replicas: Replicas, topicNames: [String]) {
        // FNV-1a, with a byte behind each name that no name contains.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for name in topicNames {
            for byte in Array(name.utf8) + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        }
        self.init(partitions: partitions, replicas: replicas, topics: hash)
    }

    init(partitions: Int, replicas: Replicas, topics: UInt64) {
        self.partitions = partitions
        self.replicas = replicas
        self.topics = topics
    }
}

/// One partition that a node holds.
public struct Holding: Hashable, Sendable {
    public var partition: PartitionID
    /// Whether it may be asked for.
    public var isReady: Bool
    /// The position up to which it is applied.
    public var applied: Offset
    /// How many messages it is behind the log's end.
    public var lag: Int64

    public init(partition: PartitionID, isReady: Bool, applied: Offset, lag: Int64) {
        self.partition = partition
        self.isReady = isReady
        self.applied = applied
        self.lag = lag
    }
}

public struct Heartbeat: Hashable, Sendable {
    public var kind: MemberKind
    public var id: ID
    public var incarnation: Incarnation
    public var state: MemberState
    /// Where its link listens; nil for a router.
    public var link: MemberAddress?
    public var management: MemberAddress?
    /// Nil for a node.
    public var http: MemberAddress?
    /// 1 to `PlacementMember.weightMax`.
    public var weight: Int
    public var zone: ID?
    public var configuration: ClusterConfiguration
    /// CPU time of its serving loops over the last second or more, in thousandths of what they may use; nil where that
    /// was not measured, which is not the same as nothing.
    public var servingLoad: Int?
    /// The generation of its view.
    public var generationSeen: Generation
    /// Of the control topic: of a router the position that all its requests go by, of a node what it has read.
    public var positionSeen: Offset
    /// The log's clock as it has read it (`MembershipView`).
    public var clockMs: Int64
    /// Sorted by partition, each once.
    public var holdings: [Holding]

    public init(
        kind: MemberKind, id: ID, incarnation: Incarnation, state: MemberState, configuration: ClusterConfiguration,
        link: MemberAddress? = nil, management: MemberAddress? = nil, http: MemberAddress? = nil, weight: Int = 1,
        zone: ID? = nil, servingLoad: Int? = nil, generationSeen: Generation = .none, positionSeen: Offset = Offset(0),
        clockMs: Int64 = 0, holdings: [Holding] = []
    ) {
        self.kind = kind
        self.id = id
        self.incarnation = incarnation
        self.state = state
        self.configuration = configuration
        self.link = link
        self.management = management
        self.http = http
        self.weight = weight
        self.zone = zone
        self.servingLoad = servingLoad
        self.generationSeen = generationSeen
        self.positionSeen = positionSeen
        self.clockMs = clockMs
        self.holdings = holdings
    }

    /// The partitions that it says may be asked for.
    public var ready: PartitionSet {
        var set = PartitionSet()
        for holding in holdings where holding.isReady { set.insert(holding.partition) }
        return set
    }

    /// This life's last word.
    public var farewell: Heartbeat {
        var last = self
        last.state = .gone
        last.holdings = []
        return last
    }

    /// Whether the difference between the two changes the topology.
    func changesTopology(from other: Heartbeat) -> Bool {
        kind != other.kind || incarnation != other.incarnation || weight != other.weight || zone != other.zone
            || link != other.link || management != other.management || http != other.http
            || configuration != other.configuration || (state == .draining) != (other.state == .draining)
    }
}
