// The machines of a cluster that scales, and the hooks that start and stop them as `local-process.sh` does: once for a
// key, save that a node which ended before it was heard is started again.

import Autoscale
import Membership
import Model

/// What a hook was called for, once or more often under its key.
final class ScaleChange {
    let call: AutoscaleCall
    /// Of its latest call.
    var calledUs: Int64
    /// The processes whose machine takes it for under way, as far as they were told.
    var callers: Set<Int> = []
    var hasActed = false
    /// The one that was started, or told to end.
    var process: SimProcess?
    var endUs: Int64?

    init(_ call: AutoscaleCall, calledUs: Int64) {
        self.call = call
        self.calledUs = calledUs
    }

    /// When the control topic first told of it.
    var toldUs: Int64? { call.node == nil ? process?.toldUs : process?.toldLeavingUs }
}

final class Scaling {
    struct Sample {
        var atUs: Int64
        var work: Double
        var loads: [ID: Int]
    }

    unowned let world: Simulation
    /// What the checks go by; the machines too, unless they are broken.
    let rules: AutoscaleRules
    let load: OfferedLoad
    /// As where `favorites autoscale` runs twice: nobody waits for another.
    let areAllInCharge: Bool
    var changes: [ScaleChange] = []
    /// Nodes that were told to end: no supervisor starts them again.
    private(set) var dismissed: Set<ID> = []
    var samples: [Sample] = []
    var lastCallUs: Int64 = 0
    /// The last change that was decided when all was calm.
    var calmChange: (isOut: Bool, work: Double)?

    static let sampleUs: Int64 = 500_000

    init(_ world: Simulation) {
        self.world = world
        var rules = AutoscaleRules()
        rules.windowMs = Int64(world.between(6_000, 9_000))
        rules.scaleOutCoolDownMs = rules.windowMs * Int64(world.between(5, 20)) / 10
        rules.scaleInCoolDownMs = rules.windowMs * Int64(world.between(10, 25)) / 10
        rules.changeDeadlineMs = Int64(world.between(25_000, 45_000))
        rules.nodesMin = world.between(1, 3)
        rules.nodesMax = rules.nodesMin + world.between(1, 5)
        self.rules = rules
        load = world.anyLoad((rules.scaleInBelow, rules.scaleOutAbove))
        areAllInCharge = world.chance(30)
    }

    var machineRules: AutoscaleRules {
        var rules = rules
        if world.isBroken(.growsAtOnce) { rules.scaleOutCoolDownMs = 0 }
        if world.isBroken(.shrinksAtOnce) { rules.scaleInCoolDownMs = 0 }
        // As if a leaver took its work with it.
        if world.isBroken(.leavesTooFew) { (rules.scaleInBelow, rules.headroom) = (rules.scaleOutAbove, -1_000_000) }
        return rules
    }

    func begin() {
        world.trace("offered: \(load), \(rules), all in charge: \(areAllInCharge)")
        sample()
    }

    private func sample() {
        for change in changes where change.endUs == nil && hasEnded(change) { change.endUs = world.nowUs }
        var loads: [ID: Int] = [:]
        // What one told that stands still, or has ended and is not silent yet, is all that is known of it.
        let sinceUs = world.nowUs - SimProcess.timeouts.silentMs * 1_000
        for process in world.processes where process.node != nil && (process.isPaused || !process.isUp) {
            let isKnown = process.endedUs.map { $0 > sinceUs && !process.isStopping } ?? true
            if isKnown { loads[process.id] = samples.last?.loads[process.id] }
        }
        for (process, load) in world.loads() { loads[process.id] = load }
        samples.append(Sample(atUs: world.nowUs, work: load.work(atUs: world.nowUs), loads: loads))
        if samples.count > 80 { samples.removeFirst(40) }
        world.at(world.nowUs + Self.sampleUs) { [unowned self] in sample() }
    }

    /// What was started serves all that it is to hold, or is no more; what was to go is gone. One that has served and
    /// is silent since keeps nobody from adding another: the others bear its part.
    private func hasEnded(_ change: ScaleChange) -> Bool {
        guard let process = change.process else { return false }
        guard change.call.node == nil else { return !process.isUp }
        // Another life may have taken its place.
        let lives = world.nodes.filter { $0.id == process.id }
        return lives.isEmpty || lives.contains(where: hasServed)
    }

    private func hasServed(_ process: SimProcess) -> Bool {
        guard let node = process.node else { return false }
        let silentUs = SimProcess.timeouts.silentMs * 1_000
        if process.toldServingUs != nil, world.nowUs - (process.toldLastUs ?? 0) >= silentUs { return true }
        return node.isPlaced && node.state == .serving && node.placed.isSubset(of: node.ready)
    }

    // MARK: - The hook

    func call(
        _ call: AutoscaleCall, _ reason: AutoscaleReason, _ view: MembershipView, by caller: SimProcess,
        _ ended: @escaping (_ isDone: Bool) -> Void
    ) {
        lastCallUs = world.nowUs
        let change = change(call, reason, view, caller)
        change.callers.insert(caller.number)
        let isFaulty = world.nowUs < Simulation.quietFromUs
        let fails = isFaulty && world.traits.contains(.hookFailure) && world.chance(30)
        let acts = !fails || world.chance(50)
        let isSlow = isFaulty && world.traits.contains(.hookSlow)
        let delayMs = isSlow ? world.between(0, 15_000) : world.between(5, 300)
        world.at(world.nowUs + Int64(delayMs) * 1_000) { [unowned self] in
            if acts { act(change) } else if !change.hasActed { change.endUs = world.nowUs }
            world.after(Int64(world.between(1_000, 20_000)), caller) {
                if fails { change.callers.remove(caller.number) }
                ended(!fails)
            }
        }
    }

    private func change(
        _ call: AutoscaleCall, _ reason: AutoscaleReason, _ view: MembershipView, _ caller: SimProcess
    ) -> ScaleChange {
        if let change = changes.first(where: { $0.call.key == call.key }) {
            world.result.repeatedCalls += 1
            if change.call.action != call.action { world.fail("\(call.key) is for \(call) and for \(change.call)") }
            change.calledUs = world.nowUs
            if !change.hasActed { change.endUs = nil }
            return change
        }
        check(call, reason, view, by: caller)
        let change = ScaleChange(call, calledUs: world.nowUs)
        changes.append(change)
        return change
    }

    private func act(_ change: ScaleChange) {
        let actsTwice = change.hasActed && world.isBroken(.actsTwice)
        switch change.call.action {
        case .scaleOut:
            let id = (actsTwice ? "twice-" : "auto-") + "\(change.call.generation.rawValue)"
            let isKnown = change.hasActed && !actsTwice
            change.hasActed = true
            guard !isKnown || (change.process?.isUp == false && !dismissed.contains(simID(id))) else { return }
            change.endUs = nil
            if !isKnown { world.result.scaleOuts += 1 }
            startNode(change, id)
        case .scaleIn(let id):
            guard !change.hasActed || actsTwice else { return }
            change.hasActed = true
            world.result.scaleIns += 1
            dismissed.insert(id)
            let process = world.nodes.first { actsTwice ? $0.id != id : $0.id == id && $0.incarnation != nil }
            guard let process else {
                change.endUs = world.nowUs
                return
            }
            checkActs(on: process, for: change)
            change.process = process
            if !process.isStopping { process.stop() }
        }
    }

    /// A machine that boots for a moment, and a supervisor that starts its node.
    private func startNode(_ change: ScaleChange, _ id: String) {
        world.at(world.nowUs + Int64(world.between(200, 3_000)) * 1_000) { [unowned self] in
            guard !world.nodes.contains(where: { $0.id == simID(id) }) else { return }
            let process = world.start(simID(id), .node, zone: nil, weight: 1)
            checkActs(on: process, for: change)
            change.process = process
        }
    }
}
