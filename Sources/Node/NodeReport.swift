// What a node says of itself: made by the writer's thread a few times a second, read by heartbeats, health and metrics.

public import Membership
public import Model
import Telemetry

public struct NodeReport: Sendable {
    public enum Phase: String, Sendable {
        /// The six topics, or some of them, do not exist yet.
        case waitingForTopics = "waiting for topics"
        /// The global topics are being read.
        case loadingGlobals = "loading global topics"
        /// Partitions of the events topic are being read, or none is placed here yet.
        case loadingEvents = "loading events"
        case ready
    }

    public struct ModelReport: Sendable {
        public var kind: ModelKind
        /// Whether everything held of it was read to the end that its log had when reading began.
        public var isLoaded = false
        public var size = 0
    }

    public struct GlobalReport: Sendable {
        public var partition: TopicPartition
        public var applied: Offset
        public var lag: Int64
        /// As `eventsAsOfMs`.
        public var asOfMs: UInt64
        /// How it came back: out of a snapshot, or of the log.
        public var source = SnapshotService.Source.log.rawValue
    }

    public var phase = Phase.waitingForTopics
    public var models = ModelKind.allCases.map { ModelReport(kind: $0) }
    public var holdings: [Holding] = []
    /// As `holdings`: how each came back. Empty where there are no snapshots.
    public var eventSources: [String] = []
    /// As `holdings`: everything that was in the log then is visible, milliseconds of the monotonic clock; 0: not known.
    public var eventsAsOfMs: [UInt64] = []
    public var globals: [GlobalReport] = []
    /// Estimated time until everything held is ready; 0 when it is.
    public var bootSecondsRemaining = 0.0
    public var recordBytes = 0
    public var eventJSONBytes = 0
    public var liveBytes = 0
    public var reservedBytes = 0
    public var retiredBytes = 0
    public var retiredBytesHighWater = 0
    public var packedBytes = 0
    public var unpackedCount = 0
    public var tableCapacity = 0
    public var rerenderPending = 0

    /// Messages that are in the logs and not yet applied, as far as the brokers have told.
    public var behind: Int64 {
        holdings.reduce(0) { $0 + $1.lag } + globals.reduce(0) { $0 + $1.lag }
    }

    /// How far behind each log that is read is.
    struct Lag {
        var partition: TopicPartition
        var messages: Int64
        var asOfMs: UInt64

        var labels: [Label] {
            [("partition", "\(partition.partition)"), ("topic", partition.kind.plural)]
        }
    }

    var lags: [Lag] {
        zip(holdings, eventsAsOfMs).map { holding, asOfMs in
            Lag(partition: TopicPartition(.event, holding.partition), messages: holding.lag, asOfMs: asOfMs)
        } + globals.map { Lag(partition: $0.partition, messages: $0.lag, asOfMs: $0.asOfMs) }
    }

    /// The partitions that may be asked for.
    public var ready: PartitionSet {
        var set = PartitionSet()
        for holding in holdings where holding.isReady { set.insert(holding.partition) }
        return set
    }
}
