// How evenly work is spread over three nodes at R = 2 when requests are anything but even. The nodes are queues: each
// takes time for an ask and for each id, so that what is in flight is what it would be.

import Model
import TestSupport
import Testing

@testable import FanOut

private final class Fleet {
    static let partitions = 48
    static let keys = 10_000

    var random: SeededGenerator
    var machine = FanOut()
    var nodes: [RoutingNode] = []
    var nowNs: UInt64 = 0
    /// Work of each node in nanoseconds, and when it will have done what it was asked for.
    var workNs: [UInt64]
    var freeNs: [UInt64]
    /// How much slower a node is than the others.
    var slowness = [1.0, 1.0, 1.0]
    var replies: [(atNs: UInt64, ask: AskID)] = []
    var zipf: [Double] = []
    var asks = 0
    var requests = 0

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        workNs = [0, 0, 0]
        freeNs = [0, 0, 0]
        var sum = 0.0
        // Zipf with an exponent of 0.99; 1/rank is close to it and needs no powers.
        for rank in 1...Self.keys {
            sum += 1 / Double(rank)
            zipf.append(sum)
        }
        var holds = [PartitionSet(), PartitionSet(), PartitionSet()]
        // Each node holds as many as the others: what is placed unevenly no fan-out makes even.
        for (turn, partition) in (0..<Self.partitions).shuffled(using: &random).enumerated() {
            let without = turn % 3
            for node in 0..<3 where node != without { holds[node].insert(PartitionID(partition)) }
        }
        nodes = holds.enumerated().map { RoutingNode(id: makeID("n\($0)"), host: "h", port: 1, holds: $1) }
        // Each two nodes hold everything; the third cover is the first one in another split.
        let covers = (0..<6).map { turn in
            (0..<Self.partitions).map { partition -> NodeIndex? in
                let able = (0..<3).filter { holds[$0].contains(PartitionID(partition)) && $0 != turn % 3 }
                return NodeIndex(able[partition / 3 % able.count])
            }
        }
        var actions: [FanOutAction] = []
        machine.update(
            RoutingSnapshot(partitionCount: Self.partitions, nodes: nodes, covers: covers), nowNs: 0, actions: &actions)
        for node in 0..<3 { machine.linkUp(NodeIndex(node), nowNs: 0) }
    }

    func key() -> Int {
        let at = Double.random(in: 0..<(zipf.last ?? 1), using: &random)
        var (low, high) = (0, zipf.count)
        while low < high {
            let middle = (low + high) / 2
            if zipf[middle] < at { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// One request each `gapNs`. With `cupFinal` a team stands in that share of them; a team's events are anywhere.
    func run(_ count: Int, gapNs: UInt64, ids: ClosedRange<Int>, cupFinal: Double) {
        var actions: [FanOutAction] = []
        for _ in 0..<count {
            nowNs += gapNs
            settle(&actions)
            if requests % 8 == 0 { machine.tick(nowNs: nowNs, actions: &actions) }
            let isTeam = Double.random(in: 0..<1, using: &random) < cupFinal
            let keys = (0..<Int.random(in: ids, using: &random)).map { _ in key() }
            var needed = PartitionSet()
            for key in keys { needed.insert(PartitionID(key * 7919 % Self.partitions)) }
            if isTeam { needed = PartitionSet(below: Self.partitions) }
            requests += 1
            _ = machine.begin(needed, ids: keys.count + (isTeam ? 1 : 0), nowNs: nowNs, actions: &actions)
            follow(&actions, keys: keys, isTeam: isTeam)
        }
    }

    private func settle(_ actions: inout [FanOutAction]) {
        replies.sort { $0.atNs > $1.atNs }
        while let next = replies.last, next.atNs <= nowNs {
            replies.removeLast()
            _ = machine.replied(next.ask, nowNs: next.atNs, actions: &actions)
            follow(&actions, keys: [], isTeam: false)
        }
    }

    private func follow(_ actions: inout [FanOutAction], keys: [Int], isTeam: Bool) {
        for action in actions {
            switch action {
            case .ask(let ask, let node, let partitions, _, _):
                asks += 1
                var ns: UInt64 = 10_000 + (isTeam ? 3_000 : 0)
                for key in keys where partitions.contains(PartitionID(key * 7919 % Self.partitions)) { ns += 1_500 }
                ns = UInt64(Double(ns) * slowness[node.slot])
                workNs[node.slot] += ns
                freeNs[node.slot] = max(freeNs[node.slot], nowNs) + ns
                replies.append((freeNs[node.slot] + 100_000, ask))
            case .complete(let id), .fail(let id, _): machine.release(id)
            case .probe(let node): machine.probeAnswered(node, nowNs: nowNs)
            }
        }
        actions.removeAll()
    }

    var maxOverMean: Double {
        Double(workNs.max() ?? 0) * Double(workNs.count) / Double(workNs.reduce(0, +))
    }
}

@Suite struct BalanceTests {
    @Test(arguments: [0.0, 0.6], [1...1, 1...3, 1...20])
    func workIsEven(_ cupFinal: Double, _ ids: ClosedRange<Int>) {
        let seed = SeededGenerator.forTest().seed
        for gapNs in [30_000, 1_000_000] as [UInt64] {
            let fleet = Fleet(seed: seed)
            fleet.run(20_000, gapNs: gapNs, ids: ids, cupFinal: cupFinal)
            #expect(fleet.maxOverMean <= 1.1, "seed \(seed), work \(fleet.workNs), \(fleet.asks) asks")
            #expect(fleet.machine.counters.hedges <= 2064)
        }
    }

    /// A node ten times slower answers signs of life like the others.
    @Test func aSlowNodeGetsLess() {
        let seed = SeededGenerator.forTest().seed
        let fleet = Fleet(seed: seed)
        fleet.slowness[1] = 10
        fleet.run(20_000, gapNs: 50_000, ids: 1...3, cupFinal: 0.3)
        // It has work for all of its time, but no queue that grows.
        #expect(fleet.freeNs[1] < fleet.nowNs + 20 * ms, "seed \(seed)")
        #expect(fleet.machine.counters.noHolder.allSatisfy { $0 == 0 }, "seed \(seed)")
    }
}
