// Whether a log that should keep everything has lost its beginning. The embedded broker keeps 5 MiB a partition and
// drops the oldest batches beyond that, also those whose keys were never written again.

public import Model

/// What a topic has lost, and how many partitions would have held it.
public struct LogTrimming: Sendable, Equatable {
    /// Messages below the logs' starts.
    public let messagesLost: Int64
    public let partitionsTrimmed: Int
    /// With a quarter to spare for keys that spread unevenly; nil where even 512 partitions would not do.
    public let partitionsNeeded: Int?

    /// `logs` are the topic's partitions. Nil where nothing is lost.
    public init?(_ logs: [LogBounds]) {
        let trimmed = logs.filter { $0.start > Offset(0) }
        guard !trimmed.isEmpty else { return nil }
        messagesLost = trimmed.reduce(0) { $0 + $1.start.rawValue }
        partitionsTrimmed = trimmed.count
        // A trimmed partition is full: what it holds is what a partition can hold.
        let held = max(1, trimmed.map { $0.end.rawValue - $0.start.rawValue }.min() ?? 1)
        let written = logs.reduce(0) { $0 + $1.end.rawValue }
        let needed = max(Int64(logs.count) + 1, (written * 5 / 4 + held - 1) / held)
        partitionsNeeded = needed <= Int64(Limits.partitionsMax) ? Int(needed) : nil
    }

    /// What to do about it. `isGlobal`: the topic is none of events.
    public func advice(isGlobal: Bool) -> String {
        guard let partitionsNeeded else {
            return
                "it is too much for the embedded broker at any number of partitions: publish less, or use Apache Kafka"
        }
        return "about \(partitionsNeeded) partitions would have held it: start again with "
            + "`favorites broker \(isGlobal ? "--global-partitions" : "--partitions") \(partitionsNeeded)`, the other options as before"
    }
}
