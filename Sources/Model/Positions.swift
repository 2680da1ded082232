// The words for a place in Kafka.

/// The number of a partition within its topic.
@frozen
public struct PartitionID: Hashable, Comparable, Sendable, BitwiseCopyable {
    public let rawValue: Int32

    @inlinable
    public init(_ rawValue: some BinaryInteger) { self.rawValue = Int32(rawValue) }

    @inlinable
    public static func < (left: PartitionID, right: PartitionID) -> Bool { left.rawValue < right.rawValue }
}

extension PartitionID: CustomStringConvertible {
    public var description: String { "\(rawValue)" }
}

/// The offset of a message within its partition. As a position it names the next message: everything below it was
/// read or applied.
@frozen
public struct Offset: Hashable, Comparable, Sendable, BitwiseCopyable {
    public let rawValue: Int64

    @inlinable
    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    @inlinable
    public static func < (left: Offset, right: Offset) -> Bool { left.rawValue < right.rawValue }
}

extension Offset: CustomStringConvertible {
    public var description: String { "\(rawValue)" }
}
