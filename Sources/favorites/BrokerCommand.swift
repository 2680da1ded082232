// `favorites broker`: the embedded broker as a process of its own.

import ArgumentParser
import Glibc
import Kafka
import Logging
import Model
import Settings
import UnixSignals

struct BrokerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker",
        abstract: "Runs an in-memory Kafka broker on loopback, for development, the demo and tests.",
        discussion: """
            It speaks the real Kafka protocol on a free port of 127.0.0.1 and makes all topics. It keeps 5 MiB of each \
            partition and drops the oldest beyond that, so take enough partitions; it says when they were too few. \
            Standard output gets one line, the bootstrap address. Ctrl-C or SIGTERM ends it and all its data.
            """)

    @Option(help: "Partitions of the events' topic, 1 to 512.")
    var partitions = 12

    @OptionGroup var globals: GlobalPartitions

    @Option(help: "Writes the bootstrap address here, once it serves; removed at the end.")
    var bootstrapFile: String?

    @OptionGroup(title: "Topics") var topics: TopicOptions

    func validate() throws {
        guard (1...Limits.partitionsMax).contains(partitions) else {
            throw ValidationError("--partitions takes 1 to \(Limits.partitionsMax)")
        }
    }

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let topics = try topics.resolve()
        let broker = try MockBroker(logger: commandLogger())
        let counts = globals.counts(topics, events: partitions)
        for topic in counts { try broker.createTopic(topic.name, partitions: topic.partitions) }
        try broker.createTopic(topics.cluster, partitions: 1)
        if let bootstrapFile { try writeFileAtomically(bootstrapFile, broker.bootstrap + "\n") }
        defer { if let bootstrapFile { unsafe unlink(bootstrapFile) } }
        FileOutput.standardOutput.write(broker.bootstrap + "\n")
        printError(
            "An in-memory Kafka broker serves at \(broker.bootstrap); partitions of events: \(partitions), of each global "
                + "topic: \(globals.count(events: partitions)).")
        try await watch(counts, bootstrap: broker.bootstrap, until: signals)
        withExtendedLifetime(broker) {}
    }

    /// Looks at the logs once a second until a signal comes.
    private func watch(
        _ topics: [(name: String, partitions: Int)], bootstrap: String, until signals: UnixSignalsSequence
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in signals { return } }
            group.addTask {
                var watch = try LogWatch(topics: topics, bootstrap: bootstrap)
                while !Task.isCancelled {
                    watch.look(ContinuousClock.now)
                    try? await Task.sleep(for: .seconds(1))
                }
                watch.summarize()
            }
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
    }
}

/// Looks whether the broker has dropped messages.
struct LogWatch {
    /// Between two warnings about one topic.
    static let interval = Duration.seconds(30)

    private let admin: KafkaAdmin
    private let partitions: [String: Int]
    private let events: String
    private var warned: [String: (at: ContinuousClock.Instant, lost: Int64)] = [:]
    private var lost: [String: Int64] = [:]

    /// `topics`: in the order of `ModelKind`.
    init(topics: [(name: String, partitions: Int)], bootstrap: String) throws {
        admin = try KafkaAdmin(
            options: KafkaClientOptions(brokers: bootstrap), timeoutMs: 5_000, logger: commandLogger())
        partitions = Dictionary(uniqueKeysWithValues: topics.map { ($0.name, $0.partitions) })
        events = topics[0].name
    }

    /// Warns at once about a topic that loses its first messages, then again every 30 s while it loses more.
    mutating func look(_ now: ContinuousClock.Instant) {
        guard let logs = try? admin.bounds(of: partitions) else {
            printError("warning: the embedded broker did not say in 5 s how much its logs hold; it is overloaded")
            return
        }
        for (topic, logs) in logs.sorted(by: { $0.key < $1.key }) {
            guard let trimming = LogTrimming(logs) else { continue }
            lost[topic] = trimming.messagesLost
            if let last = warned[topic], last.lost == trimming.messagesLost || now - last.at < Self.interval {
                continue
            }
            warned[topic] = (now, trimming.messagesLost)
            printError(
                "WARNING: \(topic) has lost \(trimming.messagesLost) messages in \(trimming.partitionsTrimmed) of "
                    + "\(logs.count) partitions: the embedded broker keeps 5 MiB of each. Data is missing now; "
                    + trimming.advice(isGlobal: topic != events))
        }
    }

    /// What was lost in all.
    func summarize() {
        guard !lost.isEmpty else { return }
        let messages = lost.values.reduce(0, +)
        printError("The broker dropped \(messages) messages of \(lost.keys.sorted().joined(separator: ", ")).")
    }
}
