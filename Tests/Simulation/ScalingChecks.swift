// What must hold where a cluster scales.
//
// 1. One change at a time: none is decided while one is under way, unless its deadline is over, or it was not on the
//    control topic within a window and who decides made no call for it, or took another node for the one it called for
//    (those are counted).
// 2. One key acts once.
// 3. Cool-downs are kept, and the bounds of how many nodes there may be.
// 4. A node is added where the nodes are busy or too few, and goes where the others will not be too busy, by the work
//    that is in fact offered.
// 5. No flapping: when the faults are over and the work stays as it is, changes go one way, and end where no bound is
//    crossed.

import Autoscale
import Membership
import Model
import Placement

extension Scaling {
    /// What has happened may be known to nobody for so long: a heartbeat, its delay, and what counts as stale.
    private static let unknownUs: Int64 = 10_000_000
    private static let calmUs: Int64 = 6_000_000
    /// Figures are read at other times than here, and are rounded.
    private var slack: Int { 10 + load.noise * 4 }

    func checkActs(on process: SimProcess, for change: ScaleChange) {
        if let other = change.process, other.id != process.id {
            world.fail("\(change.call.key) acts on \(other.name) and on \(process.name)")
        }
    }

    /// What is decided for the first time.
    func check(_ call: AutoscaleCall, _ reason: AutoscaleReason, _ view: MembershipView, by caller: SimProcess) {
        for change in changes { check(call, after: change, by: caller) }
        switch call.action {
        case .scaleOut: checkOut(call, reason, view)
        case .scaleIn(let node): checkIn(call, node, view)
        }
        checkDirection(call)
    }

    private func check(_ call: AutoscaleCall, after change: ScaleChange, by caller: SimProcess) {
        if let endUs = change.endUs {
            guard let toldUs = change.toldUs, toldUs < world.nowUs - Self.unknownUs else { return }
            let coolDownMs = call.node == nil ? rules.scaleOutCoolDownMs : rules.scaleInCoolDownMs
            if world.nowUs - endUs + 2 * Self.sampleUs < coolDownMs * 1_000 {
                world.fail("\(call.key) is decided \((world.nowUs - endUs) / 1_000) ms after \(change.call.key)")
            }
            return
        }
        let sinceUs = world.nowUs - change.calledUs
        if sinceUs >= rules.changeDeadlineMs * 1_000 { return }
        let mayBeMissed =
            !change.callers.contains(caller.number)
            || world.processes.contains { $0.node != nil && $0 !== change.process && $0.toldUs ?? 0 > change.calledUs }
        if mayBeMissed, sinceUs >= rules.windowMs * 1_000, change.toldUs ?? world.nowUs >= world.nowUs - Self.calmUs {
            world.result.blindChanges += 1
            return
        }
        world.fail("\(caller.name) decides \(call.key) while \(change.call.key) is under way")
    }

    private func checkOut(_ call: AutoscaleCall, _ reason: AutoscaleReason, _ view: MembershipView) {
        let known = knownNodes
        if known.count >= rules.nodesMax { world.fail("\(call.key) adds to \(known.count) nodes") }
        if reason == .belowMinimum {
            if known.count >= rules.nodesMin { world.fail("\(call.key) takes \(known.count) nodes for too few") }
            return
        }
        let serving = view.members.filter { $0.heartbeat.kind.isNode && !$0.isSilent }.map(\.heartbeat.id)
        // Those that have gone since were measured too.
        let means = means { mean($0.loads, of: serving) } + means { mean($0.loads, of: Array($0.loads.keys)) }
        guard let most = means.max() else { return }
        if most < rules.scaleOutAbove - slack { world.fail("\(call.key) adds a node where the load was \(most)") }
    }

    /// Those that nobody can miss.
    private var knownNodes: Set<ID> {
        let sinceUs = world.nowUs - Self.unknownUs
        let known = world.nodes.filter { node in
            !node.isStopping && !node.isPaused && node.reachesKafka && node.toldUs ?? world.nowUs < sinceUs
                && max(node.disturbedUs, node.kafkaChangedUs) < sinceUs
        }
        return Set(known.map(\.id))
    }

    private func checkIn(_ call: AutoscaleCall, _ leaver: ID, _ view: MembershipView) {
        let present = Set(
            world.processes.filter { $0.node != nil && $0.endedUs ?? world.nowUs > world.nowUs - Self.unknownUs }
                .map(\.id))
        let left = present.subtracting([leaver]).count
        if left < fewest { world.fail("\(call.key) leaves \(left) nodes") }
        guard let work = means(\.work).min() else { return }
        let after = loadAfter(leaver, view, work: Double(work))
        if after > rules.scaleOutAbove { world.fail("\(call.key) leaves nodes whose load is \(after)") }
    }

    private var fewest: Int {
        guard case .count(let replicas) = world.configuration.replicas else { return rules.nodesMin }
        return max(replicas, rules.nodesMin)
    }

    /// The mean load of those that would be left.
    private func loadAfter(_ leaver: ID, _ view: MembershipView, work: Double) -> Int {
        let members = view.placementMembers.filter { $0.id != leaver }
        let placement = Placement.place(
            members: members, partitions: world.configuration.partitions, replicas: world.configuration.replicas)
        let loads = Simulation.loads(
            of: members.map { ($0.id, placement.partitions(of: $0.id), $0.weight) }, work: work,
            partitions: world.configuration.partitions)
        return loads.isEmpty ? 0 : loads.reduce(0) { $0 + $1.load } / loads.count
    }

    private func checkDirection(_ call: AutoscaleCall) {
        guard world.nowUs > Simulation.quietFromUs + rules.windowMs * 1_000 + Self.calmUs else { return }
        let works = means(\.work)
        guard let least = works.min(), let most = works.max() else { return }
        let isOut = call.node == nil
        if let calmChange, calmChange.isOut != isOut {
            let (high, low) = isOut ? (Double(most), calmChange.work) : (calmChange.work, Double(least))
            if high < 1.03 * low { world.fail("\(call.key) flaps: the work went from \(calmChange.work) to \(works)") }
        }
        calmChange = (isOut, Double(isOut ? most : least))
    }

    // MARK: - The end

    /// When nothing has been decided and nothing been under way for long enough; nil where that is so now.
    func settlesUs() -> Int64? {
        guard world.processes.allSatisfy({ !$0.isUp || $0.scaler?.isResting != false }) else {
            return world.nowUs + 1_000_000
        }
        let lastUs = changes.reduce(lastCallUs) { max($0, $1.endUs ?? world.nowUs) }
        let us = lastUs + 1_000 * max(rules.windowMs + rules.scaleInCoolDownMs, 30_000)
        return us <= world.nowUs ? nil : us
    }

    /// Nothing is left to be done.
    func checkSettled() {
        guard world.processes.contains(where: { $0.isUp && $0.router != nil }),
            let view = world.nodes.first?.session?.view
        else { return }
        let nodes = view.members.map(\.heartbeat).filter(\.kind.isNode)
        if nodes.count < rules.nodesMin { world.fail("\(nodes.count) nodes are too few at the end") }
        let means = means { mean($0.loads, of: nodes.map(\.id)) }
        guard let least = means.min(), let most = means.max() else { return }
        if least > rules.scaleOutAbove + slack, nodes.count < rules.nodesMax {
            world.fail("the load stays at \(least) with \(nodes.count) nodes")
        }
        guard most < rules.scaleInBelow - slack, nodes.count > fewest else { return }
        // As the machine forecasts it, for any of them.
        let works = self.means { sample in
            nodes.reduce(0.0) { $0 + Double((sample.loads[$1.id] ?? 0) * $1.weight) }
        }
        let weights = nodes.reduce(0) { $0 + $1.weight }
        let heaviest = nodes.map(\.weight).max() ?? 1
        if (works.max() ?? 0) / (weights - heaviest) < rules.scaleOutAbove - rules.headroom - slack {
            world.fail("the load stays at \(most) with \(nodes.count) nodes, which is too many")
        }
    }

    // MARK: - Figures over a window

    /// The means over a window that ends now, and some seconds before: nobody sees a figure at once.
    private func means(_ value: (Sample) -> Double?) -> [Int] {
        (0...8).compactMap { shift in
            let untilUs = world.nowUs - Int64(shift) * Self.sampleUs
            let values = samples.filter { $0.atUs <= untilUs && $0.atUs >= untilUs - rules.windowMs * 1_000 }
                .compactMap(value)
            return values.isEmpty ? nil : Int(values.reduce(0, +) / Double(values.count))
        }
    }

    private func mean(_ loads: [ID: Int], of nodes: [ID]) -> Double? {
        let loads = nodes.compactMap { loads[$0] }
        return loads.isEmpty ? nil : Double(loads.reduce(0, +)) / Double(loads.count)
    }
}
