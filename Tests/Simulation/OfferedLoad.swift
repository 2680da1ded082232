// What the clients of a simulated cluster ask for, as work: thousandths of what a node of weight 1 can do.

import Membership
import Model
import TestSupport

/// Constant, a step or a ramp, and with noise or without.
struct OfferedLoad {
    var level: Int
    var laterLevel: Int
    /// Between these two it goes evenly from the one level to the other; a step where they are the same.
    var fromUs: Int64
    var untilUs: Int64
    /// The most by which it is above or below for a second; percent.
    var noise: Int
    var noiseSeed: UInt64

    func work(atUs nowUs: Int64) -> Double {
        let passed =
            if nowUs >= untilUs { 1.0 } else if nowUs <= fromUs { 0.0 } else {
                Double(nowUs - fromUs) / Double(untilUs - fromUs)
            }
        let work = Double(level) + Double(laterLevel - level) * passed
        guard noise > 0 else { return work }
        var generator = SeededGenerator(seed: noiseSeed &+ UInt64(nowUs / 1_000_000))
        let share = Double(generator.next() >> 11) / Double(1 << 53)
        return work * (1 + Double(noise) / 100 * (2 * share - 1))
    }
}

extension Simulation {
    /// The levels are those of some seconds before the last fault at the latest.
    func anyLoad(_ rules: (low: Int, high: Int)) -> OfferedLoad {
        let level = anyLevel(rules)
        let fromUs = Int64(between(5_000_000, 40_000_000))
        let untilUs = fromUs + Int64([0, 0, between(1_000_000, 15_000_000)][roll(3)])
        return OfferedLoad(
            level: level, laterLevel: chance(40) ? level : anyLevel(rules), fromUs: fromUs, untilUs: untilUs,
            noise: [0, 0, 3, 12][roll(4)], noiseSeed: random.next())
    }

    /// Anywhere, or about at a bound for some number of nodes.
    private func anyLevel(_ rules: (low: Int, high: Int)) -> Int {
        guard chance(40) else { return between(50, 4_000) }
        return between(1, 5) * ([rules.low, rules.high][roll(2)] + between(-15, 15))
    }
}

extension Simulation {
    /// How busy each node is that answers, in thousandths: the work of a partition is shared by its holders.
    func loads() -> [(process: SimProcess, load: Int)] {
        guard let scaling else { return [] }
        let able = nodes.filter { !$0.isPaused && $0.node?.isAnswering == true }
        return Self.loads(
            of: able.map { ($0, $0.node?.ready ?? PartitionSet(), $0.weight) }, work: scaling.load.work(atUs: nowUs),
            partitions: configuration.partitions)
    }

    static func loads<Node>(
        of nodes: [(node: Node, held: PartitionSet, weight: Int)], work: Double, partitions: Int
    ) -> [(process: Node, load: Int)] {
        var holders = Array(repeating: 0, count: partitions)
        for node in nodes { node.held.forEach { holders[Int($0.rawValue)] += 1 } }
        return nodes.map { node in
            var load = 0.0
            node.held.forEach { load += work / Double(partitions * holders[Int($0.rawValue)]) }
            return (node.node, min(1_000, Int(load / Double(node.weight))))
        }
    }
}
