// A node: `NodeLife` says what to hold, `PartitionLife` how each partition comes and goes; the store is a position for
// each partition.

import Ingest
import Membership
import Model
import Placement
import Query

/// A query on its way, as far as a node's answer depends on it.
struct SimQuery {
    var partitions: PartitionSet
    var needs: PositionNeeds
    var untilUs: Int64
    var answer: (SimAnswer) -> Void
}

enum SimAnswer: CustomStringConvertible {
    case part(ShownPosition)
    case refusal(HolderRefusal)
    case expired

    var description: String {
        switch self {
        case .part(let shown): "part at \(shown.offsets)"
        case .refusal(let refusal): "\(refusal)"
        case .expired: "expired"
        }
    }
}

final class SimNode {
    unowned let process: SimProcess
    private var life: NodeLife
    private var partitions: PartitionLife
    private var applied: [Offset]
    private var globals: GlobalPosition
    private var areGlobalsReady = false
    private(set) var ready = PartitionSet()
    /// As far as it knows.
    private(set) var placed = PartitionSet()
    private var readySinceUs: [Int64]
    private var loads: [TopicPartition: Int] = [:]
    private var loadCount = 0
    private var parked: [SimQuery] = []
    private var wanted: PartitionSet?
    private var isTurning = false
    /// The log's clock at which each partition was first seen placed elsewhere, and that clock now.
    private var surplusSinceMs: [Int64?]
    private var clockMs: Int64 = 0
    /// Beyond 0 it applies nothing.
    var stalls = 0
    /// Beyond 0 it does not tell how busy it is.
    var mutes = 0

    private var world: Simulation { process.world }

    init(_ process: SimProcess) {
        self.process = process
        let world = process.world
        life = NodeLife(node: process.id, deadlineMs: Simulation.holdDeadlineMs)
        partitions = PartitionLife(partitionCounts: [world.ends.count] + Simulation.globalCounts)
        applied = Array(repeating: Offset(0), count: world.ends.count)
        globals = GlobalPosition(partitionCounts: Simulation.globalCounts)
        readySinceUs = Array(repeating: 0, count: world.ends.count)
        surplusSinceMs = Array(repeating: nil, count: world.ends.count)
        turnSoon()
    }

    var state: MemberState { life.state(ready: ready) }
    var isSafeToRemove: Bool { life.isSafeToRemove }
    var isPlaced: Bool { life.isPlaced }
    var isAnswering: Bool { areGlobalsReady && [.serving, .draining].contains(state) }

    var holdings: [Holding] {
        partitions.held.map { partition in
            let end = world.ends[Int(partition.rawValue)]
            let position = applied[Int(partition.rawValue)]
            return Holding(
                partition: partition, isReady: ready.contains(partition), applied: position,
                lag: end.rawValue - position.rawValue)
        }
    }

    var held: PartitionSet { partitions.held.reduce(into: PartitionSet()) { $0.insert($1) } }

    func isReady(_ partition: PartitionID, sinceUs: Int64) -> Bool {
        areGlobalsReady && ready.contains(partition) && readySinceUs[Int(partition.rawValue)] < sinceUs
    }

    /// Whether the hand-over's deadline has passed.
    func isOverdue(_ partition: PartitionID) -> Bool {
        clockMs - (surplusSinceMs[Int(partition.rawValue)] ?? clockMs) >= Simulation.holdDeadlineMs
    }

    func reaches(_ partition: PartitionID, _ offset: Offset) -> Bool { applied[Int(partition.rawValue)] >= offset }

    // MARK: - What to hold

    func update(_ state: ClusterState) {
        placed = state.placement.partitions(of: process.id)
        clockMs = state.view.clockMs
        for partition in surplusSinceMs.indices {
            let since = surplusSinceMs[partition] ?? clockMs
            surplusSinceMs[partition] = placed.contains(PartitionID(partition)) ? nil : since
        }
        guard var wish = life.update(state, ready: ready) else { return }
        if world.isBroken(.dropsBeforeReady) { wish = placed }
        wanted = wish
        turnSoon()
    }

    func drain() { life.drain() }

    /// The writer's thread, which looks about every few milliseconds, as far as there is something to see.
    private func turnSoon() {
        guard !isTurning else { return }
        isTurning = true
        world.after(Int64(world.between(5_000, 30_000)), process) { [unowned self] in
            isTurning = false
            turn()
        }
    }

    /// Takes the newest wish, asks for bounds, hands out.
    private func turn() {
        if let wish = wanted.take() { perform(partitions.hold(wish)) }
        if process.reachesKafka {
            for key in partitions.waiting {
                perform(partitions.found(key, LogBounds(start: Offset(0), end: end(of: key))))
            }
        }
        answerParked()
        if !partitions.waiting.isEmpty || !parked.isEmpty { turnSoon() }
    }

    private func end(of key: TopicPartition) -> Offset {
        switch key.kind {
        case .event: world.ends[Int(key.partition.rawValue)]
        case .participant: world.participantsEnd
        case .stage, .season, .region, .category: Offset(0)
        }
    }

    private func perform(_ actions: [PartitionLife.Action]) {
        for action in actions {
            switch action {
            case .start(let key, _): load(key)
            case .stop(let key): loads[key] = nil
            case .markReady(let partition):
                ready.insert(partition)
                readySinceUs[Int(partition.rawValue)] = world.nowUs
                world.trace("\(process.name) is ready for \(partition)")
                process.announce()
            case .markGlobalsReady:
                areGlobalsReady = true
                process.announce()
            case .drop(let partition):
                if ready.contains(partition) {
                    ready.remove(partition)
                    world.trace("\(process.name) drops \(partition)")
                    world.checkDrop(partition, by: process)
                    process.announce()
                }
                world.after(Int64(world.between(1_000, 100_000)), process) { [unowned self] in
                    partitions.dropped(partition)
                    turnSoon()
                }
            }
        }
    }

    private func load(_ key: TopicPartition) {
        loadCount += 1
        let load = loadCount
        loads[key] = load
        let longestMs = key.kind == .event ? 6_000 : 500
        finish(key, load, afterUs: Int64(world.between(5, longestMs)) * 1_000)
    }

    private func finish(_ key: TopicPartition, _ load: Int, afterUs: Int64) {
        world.after(afterUs, process) { [unowned self] in
            guard loads[key] == load else { return }
            guard process.reachesKafka, stalls == 0 else { return finish(key, load, afterUs: 200_000) }
            let end = end(of: key)
            if key.kind == .event {
                applied[Int(key.partition.rawValue)] = end
            } else {
                globals[key.kind, key.partition] = end
            }
            perform(partitions.reached(key, end))
            turnSoon()
        }
    }

    /// Applies what has been published.
    func catchUp() {
        guard process.reachesKafka, stalls == 0 else { return }
        ready.forEach { applied[Int($0.rawValue)] = world.ends[Int($0.rawValue)] }
        if areGlobalsReady { globals[.participant, PartitionID(0)] = world.participantsEnd }
        answerParked()
    }

    // MARK: - Answering, as `StoreHolder` and the link's server do

    func receive(_ query: SimQuery) {
        guard world.nowUs < query.untilUs else { return query.answer(.expired) }
        let answer = answer(query)
        if case .refusal(.behind) = answer {
            var parkedQuery = query
            parkedQuery.untilUs = min(query.untilUs, world.nowUs + 50_000)
            parked.append(parkedQuery)
            turnSoon()
        } else {
            query.answer(answer)
        }
    }

    private func answerParked() {
        let waiting = parked
        parked = []
        for query in waiting {
            let answer = answer(query)
            if case .refusal(.behind) = answer, world.nowUs < query.untilUs {
                parked.append(query)
            } else {
                query.answer(answer)
            }
        }
    }

    private func answer(_ query: SimQuery) -> SimAnswer {
        guard areGlobalsReady else { return .refusal(.notReady) }
        let missing = query.partitions.subtracting(ready)
        guard missing.isEmpty else { return .refusal(.notHeld(missing)) }
        let offsets = query.partitions.partitions.map { applied[Int($0.rawValue)] }
        let isBehind = zip(offsets, query.needs.offsets).contains { $0 < $1 }
        if isBehind { return .refusal(.behind) }
        if let needed = query.needs.globals, !globals.reaches(needed) { return .refusal(.behind) }
        return .part(ShownPosition(offsets: offsets, globals: globals, globalsVersion: 1))
    }
}
