// A whole cluster on one seed: nodes, routers, Kafka and the network on a virtual clock, under faults. What decides is
// what decides in production: `MemberSession`, `MembershipView`, `NodeLife`, `HoldPlan`, `Placement`, `PartitionLife`,
// `RoutingPlan`, `Covers`, `FanOut`, `ShownMemory`, `Autoscaler`. The shells around them are simulated. `Checks.swift`
// and `ScalingChecks.swift` say what must hold. Everything is drawn from the seed, so a seed always gives the same run.

import Membership
import Model
import Placement
import TestSupport

public struct SimulationOptions: Sendable {
    public var faults = Fault.allCases
    public var broken: BrokenPart?
    public var traces = false

    public init() {}
}

/// A part that is broken on purpose, to prove that the checks find it.
public enum BrokenPart: String, CaseIterable, Sendable {
    /// A node drops what is placed elsewhere before anybody else is ready for it.
    case dropsBeforeReady
    /// The autoscaler waits for no cool-down before it adds a node.
    case growsAtOnce
    /// It waits for none before it takes one away.
    case shrinksAtOnce
    /// It takes a node away whatever the others' load will be.
    case leavesTooFew
    /// The hooks act whenever they are called.
    case actsTwice
}

public struct SimulationResult: Sendable {
    /// The first thing that went wrong; nil where all held.
    public var failure: String?
    public var trace: [String] = []
    public var answered = 0
    /// No holder that could be reached held a partition.
    public var unanswered = 0
    /// Older than shown before, since no holder that could be reached was further on.
    public var older = 0
    public var drains = 0
    public var safeDrains = 0
    public var scaleOuts = 0
    public var scaleIns = 0
    /// Calls of a hook under a key that was used before.
    public var repeatedCalls = 0
    /// Decided while another change was under way that nobody could know of.
    public var blindChanges = 0
}

/// What is between a router and a node.
final class Pair {
    var cuts = 0
    var extraUs: Int64 = 0
    var changedUs: Int64 = 0
}

public final class Simulation {
    static let holdDeadlineMs: Int64 = 15_000
    static let globalCounts = [1, 1, 1, 1, 1]

    let options: SimulationOptions
    var random: SeededGenerator
    private var agenda = Agenda()
    var result = SimulationResult()
    private(set) var processes: [SimProcess] = []
    private var pairs: [Int: Pair] = [:]
    var topic = ControlTopic()
    /// Of the events topic, by partition.
    private(set) var ends: [Offset] = []
    private(set) var participantsEnd = Offset(0)
    let configuration: ClusterConfiguration
    /// Faults that do not happen at one time but all the time.
    var traits: Set<Fault> = []
    /// Where the cluster scales, as half of them do.
    private(set) var scaling: Scaling?
    /// When it is looked at whether the cluster has settled.
    private var checkUs = quietFromUs + settledUs - 2_000_000
    /// The last fault is long over: every request must be answered.
    var isSettled = false

    var nowUs: Int64 { agenda.nowUs }
    var nodes: [SimProcess] { processes.filter { $0.node != nil && $0.isUp } }

    private init(seed: UInt64, _ options: SimulationOptions) {
        self.options = options
        random = SeededGenerator(seed: seed)
        let partitions = 2 + Int(random.next() % 7)
        let replicas: [Replicas] = [.count(1), .count(2), .count(2), .count(2), .count(3), .all]
        configuration = ClusterConfiguration(
            partitions: partitions, replicas: replicas[Int(random.next() % 6)], topicNames: ["events"])
        ends = Array(repeating: Offset(10), count: partitions)
        participantsEnd = Offset(5)
    }

    public static func run(seed: UInt64, _ options: SimulationOptions = SimulationOptions()) -> SimulationResult {
        let simulation = Simulation(seed: seed, options)
        simulation.run()
        return simulation.result
    }

    private func run() {
        let zones = between(0, 3)
        if chance(50) { scaling = Scaling(self) }
        for number in 0..<between(1, 5) { startNode("n\(number)", zones: zones) }
        for number in 0..<between(1, 2) { start(simID("r\(number)"), .router, zone: nil, weight: 1) }
        for fault in planFaults(options.faults) { at(fault.atUs) { [self] in begin(fault) } }
        publish()
        scaling?.begin()
        at(checkUs) { [self] in checkEnd() }
        // A second for the last answers.
        while result.failure == nil, let next = agenda.next(until: checkUs + 2_000_000) { next() }
        agenda.clear()
    }

    /// Where the cluster still scales the end is put off.
    private func checkEnd() {
        if let settlesUs = scaling?.settlesUs() {
            guard settlesUs < Self.scaledUs else { return fail("the cluster goes on scaling") }
            checkUs = settlesUs
            return at(checkUs) { [self] in checkEnd() }
        }
        scaling?.checkSettled()
        checkConvergence()
    }

    // MARK: - Processes

    func startNode(_ id: String, zones: Int = 0) {
        let zone = zones > 1 ? simID("z\(roll(zones))") : nil
        start(simID(id), .node, zone: zone, weight: chance(20) ? 2 : 1)
    }

    @discardableResult
    func start(_ id: ID, _ kind: MemberKind, zone: ID?, weight: Int) -> SimProcess {
        let process = SimProcess(processes.count, id, kind, zone: zone, weight: weight, world: self)
        if traits.contains(.clockSkew) { process.skewMs = Int64(between(-3_600_000, 3_600_000)) }
        trace("start \(process.name)")
        processes.append(process)
        after(Int64(between(0, 300_000)), process) { process.begin() }
        return process
    }

    func pair(_ router: SimProcess, _ node: SimProcess) -> Pair {
        let key = router.number << 32 | node.number
        if let pair = pairs[key] { return pair }
        let pair = Pair()
        pairs[key] = pair
        return pair
    }

    func resetLinks(to node: SimProcess) {
        for process in processes where process.isUp { process.router?.reset(by: node) }
    }

    func drained(_ process: SimProcess, isSafe: Bool) {
        result.drains += 1
        if isSafe { result.safeDrains += 1 }
    }

    func appended() {
        for process in processes where process.isUp && process.reachesKafka { process.fetchSoon() }
    }

    // MARK: - The data

    /// Somebody publishes, until the end is near.
    private func publish() {
        at(nowUs + Int64(between(20_000, 500_000))) { [self] in
            guard nowUs < checkUs - 8_000_000 else { return publish() }
            if chance(10) {
                participantsEnd = Offset(participantsEnd.rawValue + 1)
            } else {
                let partition = roll(ends.count)
                ends[partition] = Offset(ends[partition].rawValue + Int64(between(1, 5)))
            }
            for process in nodes {
                after(Int64(between(500, chance(5) ? 200_000 : 6_000)), process) { process.node?.catchUp() }
            }
            publish()
        }
    }

    /// What a request needs: some partitions, or all where it names a team.
    func anyNeed() -> PartitionSet {
        if chance(40) { return PartitionSet(below: ends.count) }
        var partitions = PartitionSet()
        for _ in 0..<between(1, 3) { partitions.insert(PartitionID(roll(ends.count))) }
        return partitions
    }

    // MARK: - Time and chance

    func at(_ atUs: Int64, _ body: @escaping () -> Void) { agenda.add(atUs: atUs, body) }

    /// Unless the process has ended by then; where it stands still, when it goes on.
    func after(_ delayUs: Int64, _ process: SimProcess, _ body: @escaping () -> Void) {
        agenda.add(atUs: nowUs + delayUs) { [self] in
            guard process.isUp else { return }
            if process.isPaused { return after(process.pausedUntilUs - nowUs, process, body) }
            body()
        }
    }

    func roll(_ sides: Int) -> Int { Int(random.next() % UInt64(sides)) }
    func between(_ low: Int, _ high: Int) -> Int { low + roll(max(high - low, 0) + 1) }
    func chance(_ percent: Int) -> Bool { roll(100) < percent }

    func isBroken(_ part: BrokenPart) -> Bool { options.broken == part }

    func trace(_ text: @autoclosure () -> String) {
        guard options.traces else { return }
        let ms = String(nowUs / 1_000)
        result.trace.append(String(repeating: " ", count: max(0, 6 - ms.count)) + ms + " ms  " + text())
    }

    func fail(_ what: @autoclosure () -> String) {
        guard result.failure == nil else { return }
        let text = what()
        result.failure = text
        trace("FAILED: \(text)")
    }
}

func simID(_ text: String) -> ID {
    guard let id = ID(text) else { preconditionFailure("\(text) is no id") }
    return id
}
