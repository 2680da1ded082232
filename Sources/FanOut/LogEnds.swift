// Tells, from what nodes say of themselves, when a partition's log was made anew.
//
// A node that has a partition ready has applied its log up to some offset, and never goes back from there while the log is
// the same: not even over a restart, since it is ready only once it has read to the end that it found. So where a ready
// holder has applied less than it had, the log is another one. How far the log goes by others' account proves nothing: one
// of them may have heard of its end before another.

public import Model

/// One for a router; used on the thread that reads the cluster's state.
public struct LogEnds: Sendable {
    private var applied: [ID: [PartitionID: Offset]] = [:]

    public init() {}

    /// A node says how far it has applied a partition that it has ready. Whether that is less than it said before.
    public mutating func fell(_ node: ID, _ partition: PartitionID, to offset: Offset) -> Bool {
        let last = applied[node, default: [:]].updateValue(offset, forKey: partition)
        return last.map { offset < $0 } ?? false
    }

    /// These nodes are there, and no others. Those that left are forgotten.
    public mutating func keep(_ isThere: (ID) -> Bool) { applied = applied.filter { isThere($0.key) } }
}
