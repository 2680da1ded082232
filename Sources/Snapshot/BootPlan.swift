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

    /// Whether the file itself is not to blame: a peer had no time or did not answer.
    public var isPassing: Bool {
        if case .unreadable(let error) = self, case .transfer(let fault) = error.code { fault.isPassing } else { false }
    }

    /// For the metric's label.
    public var reason: String {
        switch self {
        case .unreadable(let error):
            switch error.code {
            case .version: "version"
            case .file: "file"
            case .transfer(let fault): fault.rawValue
            case .notASnapshot, .damaged, .malformed, .truncated: "damaged"
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
    /// What a peer hands over: compressed.
    public private(set) var peerBytesPerSecond = 30e6

    public init() {}

    /// Small pieces of work say little: they are left out.
    public mutating func loaded(bytes: Int, seconds: Double) {
        guard bytes >= 1 << 20, seconds > 0 else { return }
        loadBytesPerSecond = (loadBytesPerSecond + Double(bytes) / seconds) / 2
    }

    public mutating func received(bytes: Int, seconds: Double) {
        guard bytes >= 1 << 20, seconds > 0 else { return }
        peerBytesPerSecond = (peerBytesPerSecond + Double(bytes) / seconds) / 2
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
    /// Scopes that come back together, this one among them.
    public var together: Int

    public init(
        topic: String, clusterID: String, bounds: [LogBounds], partitionCount: Int, deleteRetentionMs: Int64?,
        nowMs: Int64, rates: BootRates, together: Int = 1
    ) {
        self.topic = topic
        self.clusterID = clusterID
        self.bounds = bounds
        self.partitionCount = partitionCount
        self.deleteRetentionMs = deleteRetentionMs
        self.nowMs = nowMs
        self.rates = rates
        self.together = together
    }
}

extension BootFacts {
    /// Whether a log has lost its beginning: what stood there comes out of a snapshot alone, so one that may be used is
    /// used, however long it takes.
    public var isTrimmed: Bool { bounds.contains { $0.start > Offset(0) } }
}

public enum BootChoice: Equatable, Sendable {
    /// The snapshot on the own disk, then the messages behind it.
    case snapshot(seconds: Double)
    /// A peer's snapshot, by its place in what was offered, then the messages behind it.
    case peer(Int, seconds: Double)
    /// The whole log; `refusal`: why a snapshot that is there is not used. Nil where there is none, or the log is sooner.
    case start(seconds: Double, refusal: BootRefusal?)

    public var seconds: Double {
        switch self {
        case .snapshot(let seconds), .peer(_, let seconds), .start(let seconds, _): seconds
        }
    }

    /// Whether it is a file, the own one or a peer's.
    public var isFile: Bool { if case .start = self { false } else { true } }
}

public enum BootPlan {
    /// A tenth of the retention, for clocks that differ and a replay that takes longer than thought.
    public static func ageLimitMs(_ deleteRetentionMs: Int64) -> Int64 { deleteRetentionMs - deleteRetentionMs / 10 }

    /// Estimates are no better than this: a log that is sooner by less is left alone.
    private static let marginSeconds = 0.1

    /// Where all comes back as soon as this no peer is needed: asking them takes some of it already.
    private static let askSeconds = 0.5

    /// `header`: of the file on the own disk. `peers`: of those that peers have, none of which `refusal` refuses.
    public static func choose(
        _ header: SnapshotHeader?, peers: [SnapshotHeader] = [], _ facts: BootFacts
    ) -> BootChoice {
        let refusal = header.flatMap { Self.refusal($0, facts) }
        let start = BootChoice.start(seconds: wholeSeconds(facts), refusal: refusal)
        var best: BootChoice?
        if let header, refusal == nil { best = .snapshot(seconds: Self.seconds(header, facts)) }
        for (index, peer) in peers.enumerated() {
            let seconds = Self.seconds(peer, facts) + transferSeconds(peer, facts)
            // The own file costs no one else anything.
            if seconds + marginSeconds < best?.seconds ?? .infinity { best = .peer(index, seconds: seconds) }
        }
        guard let best, facts.isTrimmed || best.seconds <= start.seconds + marginSeconds else { return start }
        return best
    }

    /// Whether it is worth a peer's time to ask what it has. `header`: of a file on the own disk that may be used.
    public static func asksPeers(_ header: SnapshotHeader?, _ facts: BootFacts) -> Bool {
        if facts.isTrimmed, header == nil { return true }
        return choose(header, facts).seconds > askSeconds / Double(facts.together)
    }

    private static func wholeSeconds(_ facts: BootFacts) -> Double {
        facts.bounds.reduce(0.0) { $0 + Double(max(0, $1.end.rawValue - $1.start.rawValue)) }
            / facts.rates.messagesPerSecond
    }

    /// Estimated time to load the file and to read what is behind it.
    private static func seconds(_ header: SnapshotHeader, _ facts: BootFacts) -> Double {
        let behind = zip(header.positions, facts.bounds).reduce(0.0) {
            $0 + Double(max(0, $1.1.end.rawValue - $1.0.resume.rawValue))
        }
        return Double(header.rawBytes) / facts.rates.loadBytesPerSecond + behind / facts.rates.messagesPerSecond
    }

    /// Estimated time until a peer's file is here.
    private static func transferSeconds(_ header: SnapshotHeader, _ facts: BootFacts) -> Double {
        Double(header.storedBytes) / facts.rates.peerBytesPerSecond
    }

    /// Why the file must not be used; nil where it may.
    /// `isPeers`: it is still to be handed over by a peer.
    public static func refusal(
        _ header: SnapshotHeader, isPeers: Bool = false, _ facts: BootFacts
    ) -> BootRefusal? {
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
        let left = seconds(header, facts) + (isPeers ? transferSeconds(header, facts) : 0)
        let ageMs = age + Int64(min(left, 1e9) * 1_000)
        guard age >= -limitMs / 10, ageMs < limitMs else { return .tooOld(ageMs: ageMs, limitMs: limitMs) }
        return nil
    }
}
