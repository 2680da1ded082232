// What one snapshot file holds, and how large its pieces may be.

public import Model

/// One partition of the events topic, or one global topic with all its partitions.
public enum SnapshotScope: Hashable, Sendable {
    case events(PartitionID)
    /// Never `.event`.
    case topic(ModelKind)

    public var kind: ModelKind {
        switch self {
        case .events: .event
        case .topic(let kind): kind
        }
    }

    /// The scope whose file a partition's records stand in.
    public init(_ partition: TopicPartition) {
        self = partition.kind == .event ? .events(partition.partition) : .topic(partition.kind)
    }

    /// The partitions of its topic that it covers, of `count` that there are.
    public func partitions(of count: Int) -> [TopicPartition] {
        switch self {
        case .events(let partition): [TopicPartition(.event, partition)]
        case .topic(let kind): (0..<count).map { TopicPartition(kind, PartitionID($0)) }
        }
    }

    /// `events-17.snapshot`, `participants.snapshot`.
    public var fileName: String {
        switch self {
        case .events(let partition): "events-\(partition).snapshot"
        case .topic(let kind): "\(kind.plural).snapshot"
        }
    }

    /// Nil where no scope has a file of this name.
    public init?(fileName: String) {
        for kind in GlobalPosition.kinds where SnapshotScope.topic(kind).fileName == fileName {
            self = .topic(kind)
            return
        }
        let digits = fileName.dropFirst("events-".count).dropLast(".snapshot".count)
        guard let number = Int(digits), (0..<Limits.partitionsMax).contains(number) else { return nil }
        self = .events(PartitionID(number))
        // One partition, one name: no leading zeros or signs.
        guard self.fileName == fileName else { return nil }
    }
}

extension SnapshotScope: CustomStringConvertible {
    public var description: String {
        switch self {
        case .events(let partition): "events partition \(partition)"
        case .topic(let kind): kind.plural
        }
    }
}

public enum SnapshotLimits {
    /// What a file begins with.
    public static let preambleBytes = 24
    /// A header of 512 partitions of each topic takes about 50 KB.
    public static let headerBytesMax = 128 << 10
    public static let blockHeadBytes = 32
    /// A block is closed at this size, so it passes it by one image at most.
    public static let blockBytes = 256 << 10
    /// `blockBytes`, the largest image (an event's text and its name once more) and 65 ids.
    public static let blockRawBytesMax = 1 << 20
    /// Blocks of one file: 256 GiB.
    public static let blocksMax = 1 << 20
    /// Ids that the records of one file may name.
    public static let namesMax = 1 << 26
}

/// Why bytes are no usable snapshot.
public struct SnapshotError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Code: Equatable, Sendable {
        /// The first bytes are not a snapshot's.
        case notASnapshot
        /// A version of the format that this program does not know.
        case version(UInt32)
        /// Other bytes than were written.
        case damaged
        /// A rule of the format is broken though the hashes agree.
        case malformed
        /// It ends early.
        case truncated
        /// It could not be read or written.
        case file(errno: Int32)
        /// A peer did not hand it over.
        case transfer(PeerFault)
    }

    public var code: Code
    public var detail: String

    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    public var description: String {
        switch code {
        case .notASnapshot: "no snapshot: \(detail)"
        case .version(let version): "format version \(version) is unknown to this program: \(detail)"
        case .damaged: "damaged: \(detail)"
        case .malformed: "malformed: \(detail)"
        case .truncated: "truncated: \(detail)"
        case .file, .transfer: detail
        }
    }
}
