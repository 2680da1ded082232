// How many partitions the commands that make topics give them.

import ArgumentParser
import Model
import Settings

/// A global topic is held whole by every node, which looks at each of its partitions whenever it starts: few do there,
/// however many the events need.
struct GlobalPartitions: ParsableArguments {
    @Option(help: "Partitions of each global topic, 1 to 512. (default: as --partitions)")
    var globalPartitions: Int?

    func count(events: Int) -> Int { globalPartitions ?? events }

    /// The topics of the models and how many partitions each gets.
    func counts(_ topics: TopicNames, events: Int) -> [(name: String, partitions: Int)] {
        ModelKind.allCases.map { (topics[$0], $0 == .event ? events : count(events: events)) }
    }

    func validate() throws {
        guard globalPartitions.map((1...Limits.partitionsMax).contains) ?? true else {
            throw ValidationError("--global-partitions takes 1 to \(Limits.partitionsMax)")
        }
    }
}
