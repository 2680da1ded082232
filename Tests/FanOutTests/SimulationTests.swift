// Random clusters, requests and faults against the rules that always hold.

import Model
import TestSupport
import Testing

@testable import FanOut

private struct Outstanding {
    var id: AskID
    var node: NodeIndex
    var partitions: PartitionSet
}

/// What the test knows of one request.
private struct Expected {
    var needed: PartitionSet
    var answered = PartitionSet()
    var beganNs: UInt64
    var ended = false
    var asks = 0
}

private struct Simulation {
    var random: SeededGenerator
    var machine = FanOut()
    var snapshot = RoutingSnapshot.empty
    var nowNs: UInt64 = 0
    var requests: [RequestID: Expected] = [:]
    var outstanding: [Outstanding] = []
    var faults: [String] = []
    var completed = 0
    /// A broken shell, to prove that the checks can fail: it counts a reply twice.
    var countsRepliesTwice = false

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func roll(_ sides: Int) -> Int { Int.random(in: 0..<sides, using: &random) }

    mutating func newSnapshot() {
        let partitions = 1 + roll(12)
        let nodes = (0..<1 + roll(5)).map { index in
            var holds = PartitionSet()
            for partition in 0..<partitions where roll(3) > 0 { holds.insert(PartitionID(partition)) }
            return RoutingNode(
                id: makeID("n\(index + roll(2) * 10)"), host: "h", port: index, isLocal: index == 0 && roll(2) == 0,
                holds: holds)
        }
        let covers = (0..<roll(3)).map { _ in (0..<partitions).map { _ in NodeIndex(roll(nodes.count)) as NodeIndex? } }
        snapshot = RoutingSnapshot(partitionCount: partitions, nodes: nodes, covers: covers)
        var actions: [FanOutAction] = []
        machine.update(snapshot, nowNs: nowNs, actions: &actions)
        for node in nodes.indices where roll(4) > 0 { machine.linkUp(NodeIndex(node)) }
        follow(actions)
    }

    mutating func step() {
        var actions: [FanOutAction] = []
        switch roll(12) {
        case 0..<3: begin(&actions)
        case 3..<7: if !outstanding.isEmpty { reply(outstanding.remove(at: roll(outstanding.count)), &actions) }
        case 7:
            if let ask = outstanding.randomElement(using: &random) {
                let refusals: [AskRefusal] = [
                    .behind, .behind, .notReady, .notHeld(ask.partitions), .notHeld(PartitionSet()), .expired,
                    .linkFull,
                    .notHeld(PartitionSet(below: 3)),
                ]
                machine.refused(ask.id, refusals[roll(refusals.count)], nowNs: nowNs, actions: &actions)
            }
        case 8: machine.linkDown(NodeIndex(roll(snapshot.nodes.count)), nowNs: nowNs, actions: &actions)
        case 9:
            let node = NodeIndex(roll(snapshot.nodes.count))
            if roll(2) == 0 { machine.linkUp(node) } else { machine.probeAnswered(node) }
        case 10: if roll(10) == 0 { newSnapshot() }
        default:
            nowNs += UInt64(roll(50)) * ms
            machine.tick(nowNs: nowNs, actions: &actions)
        }
        follow(actions)
    }

    private mutating func begin(_ actions: inout [FanOutAction]) {
        var needed = PartitionSet()
        for partition in 0..<snapshot.partitionCount where roll(2) == 0 { needed.insert(PartitionID(partition)) }
        let isAny = roll(6) == 0
        guard let id = machine.begin(isAny ? nil : needed, nowNs: nowNs, actions: &actions) else { return }
        requests[id] = Expected(needed: isAny ? PartitionSet() : needed, beganNs: nowNs)
    }

    private mutating func reply(_ ask: Outstanding, _ actions: inout [FanOutAction]) {
        guard machine.replied(ask.id, nowNs: nowNs, actions: &actions) else { return }
        for id in requests.keys where AskID(id, ask: ask.id.ask) == ask.id {
            for _ in 0..<(countsRepliesTwice ? 2 : 1) {
                guard let answered = requests[id]?.answered else { continue }
                let twice = answered.intersection(ask.partitions)
                if !twice.isEmpty { faults.append("answered twice") }
                requests[id]?.answered = answered.union(ask.partitions)
            }
        }
    }

    private mutating func follow(_ actions: [FanOutAction]) {
        for action in actions {
            switch action {
            case .ask(let ask, let node, let partitions, _, _): asked(ask, node, partitions)
            case .complete(let id):
                if requests[id]?.answered != requests[id]?.needed { faults.append("completed without all answers") }
                if requests[id]?.ended != false { faults.append("ended twice") }
                requests[id]?.ended = true
                completed += 1
                machine.release(id)
            case .fail(let id, _):
                if requests[id]?.ended != false { faults.append("ended twice") }
                requests[id]?.ended = true
                machine.release(id)
            case .probe(let node): if !snapshot.nodes.indices.contains(node.slot) { faults.append("probed nobody") }
            }
        }
        for (id, request) in requests {
            if !request.ended, nowNs > request.beganNs + 1050 * ms { faults.append("over its deadline") }
            if request.ended, machine.requests[id.slot].life == id.life, machine.requests[id.slot].isActive {
                faults.append("ended but in flight")
            }
        }
        requests = requests.filter { !$0.value.ended }
        if requests.count != machine.requestCount { faults.append("requests lost") }
    }

    private mutating func asked(_ ask: AskID, _ node: NodeIndex, _ partitions: PartitionSet) {
        guard let id = requests.keys.first(where: { AskID($0, ask: ask.ask) == ask }), let request = requests[id] else {
            return faults.append("asked for nobody")
        }
        requests[id]?.asks += 1
        if !partitions.isSubset(of: snapshot.nodes[node.slot].holds) { faults.append("asked who does not hold it") }
        if !partitions.isSubset(of: request.needed) { faults.append("asked for what is not needed") }
        if !partitions.intersection(request.answered).isEmpty { faults.append("asked for what is answered") }
        if request.asks > 500 { faults.append("asked for ever") }
        outstanding.append(Outstanding(id: ask, node: node, partitions: partitions))
    }
}

@Suite struct SimulationTests {
    @Test func randomFaults() {
        let first = SeededGenerator.forTest().seed
        var completed = 0
        for seed in (0..<60).map({ first &+ $0 }) {
            var simulation = Simulation(seed: seed)
            simulation.newSnapshot()
            for _ in 0..<800 where simulation.faults.isEmpty { simulation.step() }
            #expect(simulation.faults == [], "seed \(seed)")
            completed += simulation.completed
        }
        #expect(completed > 1000)
    }

    @Test func theChecksCanFail() {
        var simulation = Simulation(seed: 1)
        simulation.countsRepliesTwice = true
        simulation.newSnapshot()
        for _ in 0..<800 { simulation.step() }
        #expect(simulation.faults.contains("answered twice"))
    }
}
