// How a partition comes back: out of a snapshot and the messages behind it, or out of the whole log. Decided by what is
// allowed and then by what is sooner.

public import Model

/// Why a snapshot must not be used.
public enum BootRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    case unreadable(SnapshotError)
    case otherCluster(String)
    case otherTopic(String)
    case otherSchema(UInt32)
    case otherPartitionCount(Int)
    /// The log ends below what the file has seen: it is another log.
    case beyondEnd(newest: Offset, end: Offset)
    /// The log has lost messages that the file has not seen.
    case belowStart(resume: Offset, start: Offset)
    /// A tombstone behind the file may be gone from the log before it is read.
    case tooOld(ageMs: Int64, limitMs: Int64)
    /// The brokers do not tell how long the topic keeps tombstones.
    case unknownRetention
    /// The log has another message where the file's last one stood.
    case otherMessage(Offset)
    /// What was loaded does not hold together.
    case audit(String)

    public var description: String {
        switch self {
        case .unreadable(let error): error.description
        case .otherCluster(let id): "it is of another Kafka cluster (\(id))"
        case .otherTopic(let topic): "it is of another topic (\(topic))"
        case .otherSchema(let schema):
            "its records are of schema version \(schema), this program's of \(SnapshotHeader.schemaVersion)"
        case .otherPartitionCount(let count): "its topic had \(count) partitions"
        case .beyondEnd(let newest, let end):
            "it has seen offset \(newest) of a log that ends at \(end): the topic was made anew"
        case .belowStart(let resume, let start):
            "it goes on at offset \(resume) of a log that starts at \(start): retention has passed it"
        case .tooOld(let age, let limit):
            "when all is read it will be \(age / 1_000) s old, \(limit / 1_000) s are allowed: deleted keys could come back"
        case .unknownRetention:
            "the brokers do not tell the topic's delete.retention.ms, so deleted keys could come back: let this user "
                + "describe the topic's settings (DESCRIBE_CONFIGS)"
        case .otherMessage(let offset): "the message at offset \(offset) is another one: the topic was made anew"
        case .audit(let problem): "audit: \(problem)"
        }
    }

    /// For the metric's label.
    public var reason: String {
        switch self {
        case .unreadable(let error):
            switch error.code {
            case .version: "version"
            case .file: "file"
            default: "damaged"
            }
        case .otherCluster: "cluster"
        case .otherTopic: "topic"
        case .otherSchema: "schema"
        case .otherPartitionCount: "partitions"
        case .beyondEnd: "beyond_end"
        case .belowStart: "below_start"
        case .tooOld: "age"
        case .unknownRetention: "retention"
        case .otherMessage: "message"
        case .audit: "audit"
        }
    }

    public static let reasons = [
        "version", "file", "damaged", "cluster", "topic", "schema", "partitions", "beyond_end", "below_start", "age",
        "retention", "message", "audit",
    ]
}

/// How fast this machine loads and reads. Begins with cautious figures, and follows what is measured.
public struct BootRates: Equatable, Sendable {
    public private(set) var loadBytesPerSecond = 300e6
    public private(set) var messagesPerSecond = 300e3

    public init() {}

    /// Small pieces of work say little: they are left out.
    public mutating func loaded(bytes: Int, seconds: Double) {
        guard bytes >= 1 << 20, seconds > 0 else { return }
        loadBytesPerSecond = (loadBytesPerSecond + Double(bytes) / seconds) / 2
    }

    public mutating func read(messages: UInt64, seconds: Double) {
        guard messages >= 10_000, seconds > 0 else { return }
        messagesPerSecond = (messagesPerSecond + Double(messages) / seconds) / 2
    }
}

/// What the plan goes by.
public struct BootFacts: Sendable {
    public var topic: String
    public var clusterID: String
    /// Of each partition that the scope covers; frozen when asked for, so that the target does not run away.
    public var bounds: [LogBounds]
    /// Partitions of the topic.
    public var partitionCount: Int
    /// Nil: the brokers do not tell.
    public var deleteRetentionMs: Int64?
    /// By the machine's clock.
    public var nowMs: Int64
    public var rates: BootRates

    public init(
        topic: String, clusterID: String, bounds: [LogBounds], partitionCount: Int, deleteRetentionMs: Int64?,
        nowMs: Int64, rates: BootRates
    ) {
        self.topic = topic
        self.clusterID = clusterID
        self.bounds = bounds
        self.partitionCount = partitionCount
        self.deleteRetentionMs = deleteRetentionMs
        self.nowMs = nowMs
        self.rates = rates
    }
}

public enum BootChoice: Equatable, Sendable {
    /// The snapshot, then the messages behind it.
    case snapshot(seconds: Double)
    /// The whole log; `refusal`: why a snapshot that is there is not used. Nil where there is none, or the log is sooner.
    case start(seconds: Double, refusal: BootRefusal?)

    public var seconds: Double {
        switch self {
        case .snapshot(let seconds), .start(let seconds, _): seconds
        }
    }
}

public enum BootPlan {
    /// A tenth of the retention, for clocks that differ and a replay that takes longer than thought.
    public static func ageLimitMs(_ deleteRetentionMs: Int64) -> Int64 { deleteRetentionMs - deleteRetentionMs / 10 }

    /// Estimates are no better than this: a log that is sooner by less is left alone.
    private static let marginSeconds = 0.1

    public static func choose(_ header: SnapshotHeader?, _ facts: BootFacts) -> BootChoice {
        let whole = facts.bounds.reduce(0.0) { $0 + Double(max(0, $1.end.rawValue - $1.start.rawValue)) }
        let wholeSeconds = whole / facts.rates.messagesPerSecond
        guard let header else { return .start(seconds: wholeSeconds, refusal: nil) }
        if let refusal = refusal(header, facts) { return .start(seconds: wholeSeconds, refusal: refusal) }
        let seconds = seconds(header, facts)
        return seconds <= wholeSeconds + marginSeconds
            ? .snapshot(seconds: seconds) : .start(seconds: wholeSeconds, refusal: nil)
    }

    /// Estimated time to load the file and to read what is behind it.
    private static func seconds(_ header: SnapshotHeader, _ facts: BootFacts) -> Double {
        let behind = zip(header.positions, facts.bounds).reduce(0.0) {
            $0 + Double(max(0, $1.1.end.rawValue - $1.0.resume.rawValue))
        }
        return Double(header.rawBytes) / facts.rates.loadBytesPerSecond + behind / facts.rates.messagesPerSecond
    }

    /// Why the file must not be used; nil where it may.
    public static func refusal(_ header: SnapshotHeader, _ facts: BootFacts) -> BootRefusal? {
        guard header.clusterID == facts.clusterID else { return .otherCluster(header.clusterID) }
        guard header.topic == facts.topic else { return .otherTopic(header.topic) }
        guard header.schema == SnapshotHeader.schemaVersion else { return .otherSchema(header.schema) }
        guard header.partitionCount == facts.partitionCount, header.positions.count == facts.bounds.count else {
            return .otherPartitionCount(header.partitionCount)
        }
        for (position, bounds) in zip(header.positions, facts.bounds) {
            guard position.newest <= bounds.end else { return .beyondEnd(newest: position.newest, end: bounds.end) }
            guard position.resume >= bounds.start else {
                return .belowStart(resume: position.resume, start: bounds.start)
            }
        }
        guard let deleteRetentionMs = facts.deleteRetentionMs else { return .unknownRetention }
        let limitMs = ageLimitMs(deleteRetentionMs)
        // Counted to the end of replay: a tombstone must still be in the log when it is read. A clock that was set back
        // makes a file of the future, whose age nobody knows.
        let age = facts.nowMs - header.caughtUpMs
        let ageMs = age + Int64(min(seconds(header, facts), 1e9) * 1_000)
        guard age >= -limitMs / 10, ageMs < limitMs else { return .tooOld(ageMs: ageMs, limitMs: limitMs) }
        return nil
    }
}
