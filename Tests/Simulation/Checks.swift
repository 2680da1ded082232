// What must hold in every run.
//
// 1. Readable: a request fails only where some partition that it needs has no ready holder that the router knows and
//    could reach for the whole request, nor one that it had five seconds to hear of.
// 2. Make before break: whoever drops a partition leaves a ready holder, and every router that can know of it does.
// 3. Monotonic: no answer is older than what its router had shown when the request began, unless every holder that
//    could be reached said that it is behind; those are counted.
// 4. Convergence, some time after the last fault: one process an id, one generation and placement everywhere, all that
//    is placed ready and nothing else held, all of it readable and as new as the log.

import FanOut
import Membership
import Model
import Placement
import Query

extension Simulation {
    private static let hearUs: Int64 = 5_000_000
    /// What stands in the log is read within this when Kafka is back.
    private static let readUs: Int64 = 200_000

    /// Whether the router could talk with the node all the time from `sinceUs` on.
    private func isReachable(_ node: SimProcess, _ router: SimProcess, sinceUs: Int64) -> Bool {
        guard let link = router.router?.link(to: node), link.upSinceUs < sinceUs else { return false }
        return isUndisturbed(node, router, sinceUs: sinceUs)
    }

    private func isUndisturbed(_ node: SimProcess, _ router: SimProcess, sinceUs: Int64) -> Bool {
        let pair = pair(router, node)
        return [node, router].allSatisfy { $0.isUp && !$0.isPaused && $0.disturbedUs < sinceUs } && pair.cuts == 0
            && pair.changedUs < sinceUs && pair.extraUs == 0
    }

    private func holds(_ routing: RoutingSnapshot, _ process: SimProcess, _ partition: PartitionID) -> Bool {
        routing.nodes.contains { $0.port == process.number && $0.holds.contains(partition) }
    }

    func checkFailure(_ request: SimRequest, _ failure: FanOutFailure, _ process: SimProcess) {
        result.unanswered += 1
        if isSettled { return fail("\(process.name) failed (\(failure)) long after the last fault") }
        guard let router = process.router else { return }
        let isWithout = request.partitions.partitions.contains { partition in
            !nodes.contains { node in
                guard node.node?.isReady(partition, sinceUs: request.beganUs) == true else { return false }
                let isKnown = holds(request.routing, node, partition) && holds(router.machine.snapshot, node, partition)
                return isKnown
                    ? isReachable(node, process, sinceUs: request.beganUs)
                    : hadTimeToHear(node, partition, process, request)
            }
        }
        if !isWithout {
            fail("\(process.name) failed (\(failure)) though all of \(request.partitions.partitions) could be read")
        }
    }

    /// Whether this router should know of that holder by now, or has heard of it and must not forget it because Kafka was
    /// away.
    private func hadTimeToHear(
        _ node: SimProcess, _ partition: PartitionID, _ router: SimProcess, _ request: SimRequest
    ) -> Bool {
        let sinceUs = nowUs - Self.hearUs
        let member = router.session?.view.member(node.id)
        let hasHeard =
            member?.heartbeat.incarnation == node.incarnation && member?.heartbeat.state == .serving
            && member?.heartbeat.ready.contains(partition) == true
        return node.node?.isReady(partition, sinceUs: sinceUs) == true && traits.isDisjoint(with: [.delay, .loss])
            && [node, router].allSatisfy { process in
                !process.isStopping
                    && process.kafkaChangedUs < (hasHeard ? request.beganUs - Self.readUs : sinceUs)
                    && (hasHeard || process.reachesKafka)
            } && isUndisturbed(node, router, sinceUs: sinceUs)
    }

    func checkAnswer(_ request: SimRequest, _ process: SimProcess) {
        result.answered += 1
        var answered = PartitionSet()
        var isOlder = false
        for reply in request.replies {
            if !answered.intersection(reply.partitions).isEmpty { fail("\(process.name) was answered twice") }
            answered = answered.union(reply.partitions)
            for (partition, offset) in zip(reply.partitions.partitions, reply.shown.offsets) {
                guard let index = request.partitions.partitions.firstIndex(of: partition) else { continue }
                if offset < request.shown[index] { isOlder = true }
            }
        }
        if answered != request.partitions.union(answered) { fail("\(process.name) completed without all parts") }
        guard isOlder else { return }
        result.older += 1
        if !request.dropsNeeds { fail("\(process.name) showed something older than before") }
    }

    /// The answer may become older than what was shown: nobody else may be further on.
    func checkDroppedNeeds(_ request: SimRequest, _ partitions: PartitionSet, _ process: SimProcess) {
        for (partition, shown) in zip(request.partitions.partitions, request.shown) where partitions.contains(partition)
        {
            for node in nodes where holds(request.routing, node, partition) && !request.behind.contains(node.number) {
                guard let holder = node.node, holder.isReady(partition, sinceUs: request.beganUs),
                    holder.reaches(partition, shown), isReachable(node, process, sinceUs: request.beganUs)
                else { continue }
                fail("\(process.name) gave up what was shown of \(partition), though \(node.name) has it")
            }
        }
    }

    func checkDrop(_ partition: PartitionID, by process: SimProcess) {
        let others = nodes.filter { $0 !== process && $0.node?.ready.contains(partition) == true }
        guard let view = process.session?.view else { return }
        // Those it counted on may have ended just now, which nobody could know.
        let haveEnded = (view.readyHolders + view.silentHolders).contains { holder in
            holder.node != process.id && holder.partitions.contains(partition)
                && !nodes.contains {
                    $0.id == holder.node && $0.incarnation == view.member(holder.node)?.heartbeat.incarnation
                }
        }
        if others.isEmpty, !haveEnded { return fail("\(process.name) dropped the last copy of \(partition)") }
        // A router that hears nothing is waited for, but not for ever.
        guard process.node?.isOverdue(partition) == false else { return }
        for router in processes where router.isUp && !router.isStopping && router.incarnation != nil {
            guard let snapshot = router.router?.machine.snapshot, snapshot.partitionCount > 0 else { continue }
            // One that hears nothing is waited for until its grace is over. When it hears again, it takes a moment.
            let isMember = view.member(router.id)?.heartbeat.incarnation == router.incarnation
            let isDeaf =
                router.isPaused || !router.reachesKafka
                || max(router.disturbedUs, router.kafkaChangedUs) > nowUs - Self.hearUs
            guard isMember || !isDeaf else { continue }
            if snapshot.nodes.contains(where: { $0.id != process.id && $0.holds.contains(partition) }) { continue }
            fail("\(process.name) dropped \(partition) before \(router.name) knew who else has it")
        }
    }

    // MARK: - Convergence

    func checkConvergence() {
        let live = processes.filter(\.isUp)
        for process in live where live.contains(where: { $0 !== process && $0.id == process.id }) {
            return fail("two processes go on under \(process.id)")
        }
        guard let first = live.first?.session?.view else { return }
        for process in live {
            guard let view = process.session?.view, process.incarnation != nil else {
                return fail("\(process.name) never joined")
            }
            if view.generation != first.generation {
                fail("\(process.name) goes by generation \(view.generation.rawValue), not \(first.generation.rawValue)")
            }
            if Set(view.members.map(\.heartbeat.id)) != Set(live.map(\.id)) {
                fail("\(process.name) sees \(view.members.map { "\($0.heartbeat.id)" })")
            }
        }
        checkHeld(first)
        guard result.failure == nil else { return }
        isSettled = !nodes.isEmpty
        for process in live { process.router?.ask(PartitionSet(below: ends.count)) }
    }

    private func checkHeld(_ view: MembershipView) {
        let placement = Placement.place(
            members: view.placementMembers, partitions: configuration.partitions, replicas: configuration.replicas)
        for process in nodes {
            guard let node = process.node else { continue }
            let placed = placement.partitions(of: process.id)
            if node.ready != placed || node.held != placed {
                fail(
                    "\(process.name) holds \(node.held.partitions) (\(node.ready.count) ready) where "
                        + "\(placed.partitions) are placed")
            }
            for partition in placed.partitions where !node.reaches(partition, ends[Int(partition.rawValue)]) {
                fail("\(process.name) is behind in \(partition) at the end")
            }
        }
    }
}
