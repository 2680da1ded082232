// The watch's thread: asks the brokers how long the topics keep tombstones, and now and then where their logs end. What
// it learns the writer's thread takes in one of its turns. It has a client of its own, since a broker that does not
// answer is waited for.

import Cluster
import Foundation
import Ingest
import Kafka
import Logging
import Model
import Snapshot
import Synchronization

/// How long each topic keeps tombstones.
struct TombstoneRetention: Sendable {
    /// Kafka's own default of `delete.retention.ms`.
    static let defaultMs: Int64 = 86_400_000
    /// In the order of `ModelKind`; nil where the brokers do not tell.
    private(set) var ms = [Int64?](repeating: nil, count: ModelKind.allCases.count)
    /// The embedded broker drops no tombstone but with everything before it.
    private(set) var isEmbedded = false

    var isKnown: Bool { ms.allSatisfy { $0 != nil } }

    /// How old a moment may be at which a partition was read to its end; nil where tombstones stay. A topic whose
    /// brokers do not tell is taken to have Kafka's default.
    var limitsMs: [Int64?] { isEmbedded ? ms.map { _ in nil } : ms.map { BootPlan.ageLimitMs($0 ?? Self.defaultMs) } }

    /// Asks for what may have changed. What was known before stays where nobody answers. Returns whether it is of no use to
    /// ask again at once: there were answers, or there will be none.
    @discardableResult
    mutating func ask(_ admin: KafkaAdmin, _ topics: [String]) -> Bool {
        for (index, topic) in topics.enumerated() {
            do throws(KafkaError) {
                ms[index] = try admin.settings(of: topic)["delete.retention.ms"].flatMap { Int64($0) }
            } catch {
                if error.code == .denied { continue }
                return failed(error, clusterID: admin.clusterID)
            }
        }
        return true
    }

    /// Nothing more is asked for now. Returns as `ask`.
    mutating func failed(_ error: KafkaError, clusterID: () -> String?) -> Bool {
        // Only by its id one knows the embedded broker, which may be slow to tell it. It never has a controller; any other
        // cluster without one is electing it.
        guard error.code == .unsupported, let id = clusterID(), KafkaAdmin.isEmbedded(id) else {
            return !error.isPassing
        }
        isEmbedded = true
        ms = ms.map { _ in Self.defaultMs }
        return true
    }
}

extension KafkaError {
    /// Whether the same question may be answered soon.
    var isPassing: Bool {
        switch code {
        case .unreachable, .timedOut, .unsupported: true
        case .configuration, .unknownTopic, .topicExists, .messageTooLarge, .denied, .failed: isRetriable
        }
    }
}

final class LogWatch: Sendable {
    struct Findings: Sendable {
        var bounds: [(TopicPartition, LogBounds)]
        var askedMs: Int64
        var retention: TombstoneRetention
    }

    private struct State {
        var retention: TombstoneRetention
        var findings: Findings?
        var isStopping = false
    }

    /// Between two questions at most; less where tombstones go soon.
    private static let pauseMsMax: Int64 = 60_000
    private static let pauseMsMin: Int64 = 100

    private let kafka: KafkaClientOptions
    private let topics: [String]
    private let partitionCounts: [Int]
    private let logger: Logger
    private let state: Mutex<State>
    private let wake = DispatchSemaphore(value: 0)

    init(
        _ settings: WriterSettings, partitionCounts: [Int], retention: TombstoneRetention, logger: Logger
    ) {
        kafka = settings.kafka
        topics = settings.topics
        self.partitionCounts = partitionCounts
        self.logger = logger
        state = Mutex(State(retention: retention))
    }

    func start() {
        let thread = Thread { self.run() }
        thread.name = "log watch"
        thread.start()
    }

    /// The thread ends by itself, after the question that it may have asked.
    func stop() {
        state.withLock { $0.isStopping = true }
        wake.signal()
    }

    /// To be asked at once.
    func ask() { wake.signal() }

    func take() -> Findings? { state.withLock { $0.findings.take() } }

    private func run() {
        guard let admin = try? KafkaAdmin(options: kafka, timeoutMs: 3_000, logger: logger) else { return }
        warnAboutPolicies(admin)
        var hasWarned = false
        while !state.withLock({ $0.isStopping }) {
            var retention = state.withLock { $0.retention }
            _ = wake.wait(timeout: .now() + .milliseconds(Int(pauseMs(retention))))
            guard !state.withLock({ $0.isStopping }) else { return }
            // Who asked again while the last question was under way is answered by this one.
            while wake.wait(timeout: .now()) == .success {}
            // It may have been changed, and the broker may have been away.
            if !retention.isEmbedded { retention.ask(admin, topics) }
            if !retention.isKnown, !hasWarned {
                hasWarned = true
                logger.warning(
                    """
                    the brokers do not tell how long topics keep tombstones: a day is taken for it, and no snapshot is \
                    loaded; let this user describe the topics' settings (DESCRIBE_CONFIGS)
                    """)
            }
            let asked = Clocks.wallMs()
            let counts = Dictionary(zip(topics, partitionCounts), uniquingKeysWith: { first, _ in first })
            let found = try? admin.bounds(of: counts)
            state.withLock { state in
                state.retention = retention
                guard let found else { return }
                state.findings = Findings(bounds: flat(found), askedMs: asked, retention: retention)
            }
        }
    }

    /// Without compaction a topic forgets old keys and keeps deleted ones for as long as its retention says.
    private func warnAboutPolicies(_ admin: KafkaAdmin) {
        for topic in topics {
            // The embedded broker cannot tell; a broker that can't is asked for nothing more.
            guard let policy = try? admin.settings(of: topic)["cleanup.policy"] else { return }
            if policy != "compact" {
                logger.warning(
                    "a topic is not compacted: old values will be lost; set cleanup.policy=compact",
                    metadata: ["topic": "\(topic)", "cleanup.policy": "\(policy)"])
            }
        }
    }

    private func flat(_ found: [String: [LogBounds]]) -> [(TopicPartition, LogBounds)] {
        ModelKind.allCases.flatMap { kind in
            (found[topics[Int(kind.rawValue)]] ?? []).enumerated().map { partition, bounds in
                (TopicPartition(kind, PartitionID(partition)), bounds)
            }
        }
    }

    /// Often enough that no tombstone's time passes between two questions.
    private func pauseMs(_ retention: TombstoneRetention) -> Int64 {
        let limit = retention.limitsMs.compactMap { $0 }.min() ?? .max
        return max(Self.pauseMsMin, min(Self.pauseMsMax, limit / 10))
    }
}
