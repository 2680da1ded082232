public import Model
public import Telemetry

/// The counters of ingest, resolved once.
public struct IngestMetrics: Sendable {
    private let invalid: [Counter]
    private let updates: [[Counter]]
    private let refused: [Counter]
    private let batches: [Histogram]
    /// Of the last message of each run of a partition that may be read.
    let visible: Histogram
    public let positionsLost: Counter
    public let rereads: Counter
    public let rereadDeleted: Counter
    public let sourceFailures: Counter

    static let operations = ["create", "update", "delete", "unchanged"]

    public init(_ registry: Registry) {
        invalid = ModelKind.allCases.map {
            registry.counter(
                "invalid_model_total", help: "Messages that break a rule of the contract and changed nothing.",
                labels: [("model", $0.name)])
        }
        updates = ModelKind.allCases.map { kind in
            Self.operations.map {
                registry.counter(
                    "model_updates_total", help: "Messages applied.", labels: [("model", kind.name), ("operation", $0)])
            }
        }
        refused = ModelKind.allCases.map {
            registry.counter(
                "refused_record_total", help: "Records over a limit of the store; the last good version stays.",
                labels: [("model", $0.name)])
        }
        batches = ModelKind.allCases.map {
            registry.histogram(
                "kafka_listener_seconds", help: "Time to apply the messages of one batch, by model.",
                labels: [("exception", "none"), ("name", $0.plural), ("result", "success")])
        }
        visible = registry.histogram(
            "kafka_visible_seconds", help: "From a message's timestamp to its being visible to this node's readers.")
        positionsLost = registry.counter(
            "kafka_positions_lost_total",
            help: "Positions that were no longer in the log; reading went on at its start.")
        rereads = registry.counter(
            "kafka_logs_reread_total",
            help: "Logs read once more from their start, since tombstones may have been missed.")
        rereadDeleted = registry.counter(
            "kafka_reread_deleted_total", help: "Keys deleted since a log that was read once more did not name them.")
        sourceFailures = registry.counter("kafka_failures_total", help: "Failures reported by the Kafka client.")
    }

    func countInvalid(_ kind: ModelKind) { invalid[Int(kind.rawValue)].add() }
    func countRefused(_ kind: ModelKind) { refused[Int(kind.rawValue)].add() }
    func countUpdates(_ kind: ModelKind, operation: Int, by count: UInt64) {
        updates[Int(kind.rawValue)][operation].add(count)
    }
    func observeBatch(_ kind: ModelKind, nanoseconds: UInt64) {
        batches[Int(kind.rawValue)].observe(nanoseconds: nanoseconds)
    }

    /// Messages read since the start, whatever became of them.
    public var messagesTotal: UInt64 {
        var total: UInt64 = 0
        for kind in updates.indices {
            total += invalid[kind].value + refused[kind].value
            for counter in updates[kind] { total += counter.value }
        }
        return total
    }

    public func invalidTotal(_ kind: ModelKind) -> UInt64 { invalid[Int(kind.rawValue)].value }
}
