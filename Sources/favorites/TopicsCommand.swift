// `favorites topics create`: the topics on a real Kafka.

import ArgumentParser
import Kafka
import Model
import Settings

struct TopicsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topics", abstract: "Makes the topics on a Kafka cluster.", subcommands: [Create.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes the topics that do not exist yet, compacted; changes none that do.",
            discussion: """
                A topic's partition count is fixed for its life: growing it would move keys to other partitions, where \
                neither readers nor compaction would find their older messages. To change it, make topics of other \
                names (--kafka-topics-…), publish everything into them, and start the cluster on those names.
                """)

        @OptionGroup(title: "Kafka") var kafka: KafkaOptions

        @Option(help: "Partitions of the events' topic, 1 to 512.")
        var partitions: Int

        @OptionGroup var globals: GlobalPartitions

        @Option(help: "Copies of each partition; at most the number of brokers. 3 is usual.")
        var replicationFactor: Int

        @Option(help: "How long a deletion stays readable, in milliseconds; a node away for longer reads all anew.")
        var deleteRetentionMs = 604_800_000

        func validate() throws {
            guard (1...Limits.partitionsMax).contains(partitions) else {
                throw ValidationError("--partitions takes 1 to \(Limits.partitionsMax)")
            }
            guard (1...100).contains(replicationFactor) else {
                throw ValidationError("--replication-factor takes 1 to 100")
            }
            guard deleteRetentionMs >= 0 else { throw ValidationError("--delete-retention-ms takes 0 or more") }
        }

        func run() throws {
            let settings = try kafka.resolve()
            let admin = try KafkaAdmin(
                options: KafkaClientOptions(settings, id: "topics"), timeoutMs: reachTimeoutMs, logger: commandLogger())
            let existing = try admin.reach(settings)
            let wanted = wanted(settings.topics)
            // All of them are looked at before the first is made.
            try refuseOtherCounts(wanted, existing)
            for topic in wanted {
                try make(topic, exists: existing[topic.name] != nil, admin)
            }
        }

        private struct Wanted {
            var name: String
            var partitions: Int
            var settings: [String: String]
        }

        private func wanted(_ topics: TopicNames) -> [Wanted] {
            let models = globals.counts(topics, events: partitions).map {
                Wanted(
                    name: $0.name, partitions: $0.partitions,
                    settings: ["cleanup.policy": "compact", "delete.retention.ms": "\(deleteRetentionMs)"])
            }
            // Every live member writes about once a second and readers want its newest message only. So old segments
            // are closed after ten minutes and gone after an hour, also those of members that will never write again.
            let cluster = Wanted(
                name: topics.cluster, partitions: 1,
                settings: [
                    "cleanup.policy": "compact,delete", "segment.ms": "600000", "retention.ms": "3600000",
                    "delete.retention.ms": "600000", "min.cleanable.dirty.ratio": "0.1",
                ])
            return models + [cluster]
        }

        private func refuseOtherCounts(_ wanted: [Wanted], _ existing: [String: Int]) throws {
            let wrong = wanted.filter { (existing[$0.name] ?? $0.partitions) != $0.partitions }
            guard !wrong.isEmpty else { return }
            let list = wrong.map { "\($0.name) has \(existing[$0.name] ?? 0), not \($0.partitions)" }
            throw CommandError(
                "nothing was made: a topic's partition count never changes, since its keys would move to other "
                    + "partitions (\(list.joined(separator: "; "))). Give the count they have, or make topics of other "
                    + "names with --kafka-topics-…, publish again into those and start the cluster on them")
        }

        private func make(_ topic: Wanted, exists: Bool, _ admin: KafkaAdmin) throws {
            guard !exists else { return try describe(topic, admin) }
            do throws(KafkaError) {
                try admin.createTopic(
                    topic.name, partitions: topic.partitions, replicationFactor: replicationFactor,
                    settings: topic.settings)
                print(
                    "\(topic.name): created, partitions: \(topic.partitions), replication factor: \(replicationFactor)")
            } catch {
                switch error.code {
                // Somebody else was faster.
                case .topicExists: try describe(topic, admin)
                case .unsupported:
                    throw CommandError(
                        "this broker cannot create topics: the embedded one makes its own when it starts (run `favorites "
                            + "broker --partitions \(partitions) --global-partitions \(globals.count(events: partitions))`), any other needs Kafka 0.10.2 or later",
                        code: .unavailable)
                default:
                    throw CommandError(
                        "\(error.message); topics named above were made, so correct this and run it again",
                        code: .unavailable)
                }
            }
        }

        /// Says how an existing topic stands, and where that differs from what it should be.
        private func describe(_ topic: Wanted, _ admin: KafkaAdmin) throws {
            let count = try admin.partitionCounts()[topic.name]
            if let count, count != topic.partitions { try refuseOtherCounts([topic], [topic.name: count]) }
            print("\(topic.name): exists, partitions: \(topic.partitions), unchanged")
            // A broker that cannot tell, as the embedded one, has nothing to compare.
            guard let policy = (try? admin.settings(of: topic.name))?["cleanup.policy"],
                !policy.contains("compact")
            else { return }
            printError(
                "warning: \(topic.name) is not compacted (cleanup.policy=\(policy)), so Kafka will drop messages that "
                    + "are still needed: set cleanup.policy=compact with kafka-configs --alter")
        }
    }
}
