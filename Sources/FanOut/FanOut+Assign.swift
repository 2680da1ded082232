// Choosing whom to ask. In turn: the local node for what it holds; on the first round the cheaper one of two planned
// covers, for requests that need more than a few partitions; then the node that holds most of the rest, of equal ones
// the cheapest: first of the nodes that look good, and when that is not enough, of those that look worse (`Standing`).
//
// A node's cost is the work it was given lately, by this loop, times its price: how loaded it is by its own account, and
// how large it is. So work is spread evenly while all is well, by what was asked and not by what is in flight, which is
// next to nothing then; a busy node gets less; and a slow one stands out by what is in flight (`isCrowded`).
//
// A request asks a node for a partition at most once, but for one more round without needs when all were behind (or
// the others silent), and for what it was asked together with partitions that another answered. So a request ends: each
// round of asks takes
// (node, partition) pairs that are never given back, or follows an answer.

import Model

extension NodeIndex {
    /// A node that is in the snapshot no more.
    static let gone = NodeIndex(-1)
}

extension [NodeIndex?] {
    subscript(safe node: NodeIndex) -> NodeIndex? { indices.contains(node.slot) ? self[node.slot] : nil }
}

extension FanOut {
    // MARK: - Slots

    mutating func takeSlot() -> Int? {
        if let slot = free.popLast() { return slot }
        guard requests.count < rules.requestsMax else { return nil }
        requests.append(RequestState())
        return requests.count - 1
    }

    /// The slot of the ask's request, if that is still in flight.
    func find(_ ask: AskID) -> Int? {
        guard requests.indices.contains(ask.slot), requests[ask.slot].isActive,
            requests[ask.slot].life == ask.life, requests[ask.slot].asks.indices.contains(ask.ask)
        else { return nil }
        return ask.slot
    }

    /// An ask that is not waited for any more.
    mutating func close(_ slot: Int, _ ask: Int, as state: AskState) {
        let wasAwaited = requests[slot].asks[ask].isAwaited
        requests[slot].asks[ask].state = state
        guard wasAwaited, isRemote(requests[slot].asks[ask].node) else { return }
        nodes[requests[slot].asks[ask].node.slot].inFlight -= 1
        inFlight -= 1
    }

    // MARK: - Asks that ended without a reply

    func unanswered(_ slot: Int) -> PartitionSet { requests[slot].needed.subtracting(requests[slot].answered) }

    /// The partitions of the asks in such a state.
    func asked(_ slot: Int, _ isCounted: (AskState) -> Bool) -> PartitionSet {
        var partitions = PartitionSet()
        for ask in requests[slot].asks.indices where isCounted(requests[slot].asks[ask].state) {
            partitions = partitions.union(requests[slot].asks[ask].partitions)
        }
        return partitions
    }

    /// Other asks for any of these partitions are not wanted any more.
    mutating func supersede(_ partitions: PartitionSet, slot: Int, nowNs: UInt64) {
        for ask in requests[slot].asks.indices {
            switch requests[slot].asks[ask].state {
            case .deferred, .open, .late:
                guard !requests[slot].asks[ask].partitions.intersection(partitions).isEmpty else { break }
                if requests[slot].asks[ask].isAwaited, isRemote(requests[slot].asks[ask].node) {
                    // It takes at least this long. Without it, the slow ones would not count, and all seem fast.
                    let ageNs = nowNs - min(requests[slot].asks[ask].askedNs, nowNs)
                    times.observe(size: requests[slot].size, ns: ageNs)
                }
                close(slot, ask, as: .superseded)
            case .answered, .behind, .failed, .superseded: break
            }
        }
    }

    /// The node is gone or its link is closed.
    mutating func loseAsks(of node: NodeIndex, slot: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        // Asks made here go to other nodes and need no look themselves.
        for ask in 0..<requests[slot].asks.count where requests[slot].isActive {
            guard requests[slot].asks[ask].node == node else { continue }
            switch requests[slot].asks[ask].state {
            case .deferred, .open:
                requests[slot].asks[ask].why = .linkDown
                close(slot, ask, as: .failed)
                replace(requests[slot].asks[ask].partitions, slot: slot, nowNs: nowNs, actions: &actions)
            case .late:
                requests[slot].asks[ask].why = .linkDown
                close(slot, ask, as: .failed)
                let others = asked(slot) { $0 == .deferred || $0 == .open || $0 == .late }
                let lost = requests[slot].asks[ask].partitions.subtracting(others)
                replace(lost, slot: slot, nowNs: nowNs, actions: &actions)
            case .answered, .behind, .failed, .superseded: break
            }
        }
    }

    /// Gives up the local node's share that was not asked for yet, to be chosen anew: it may hold other partitions now.
    mutating func takeDeferred(_ slot: Int) -> PartitionSet {
        guard let ask = requests[slot].asks.firstIndex(where: { $0.state == .deferred }) else { return PartitionSet() }
        requests[slot].asks[ask].state = .superseded
        return requests[slot].asks[ask].partitions
    }

    mutating func replace(
        _ partitions: PartitionSet, slot: Int, nowNs: UInt64, actions: inout [FanOutAction]
    ) {
        // What was given up meanwhile is not needed any more, and what another ask is under way for needs no new one.
        let underWay = asked(slot) { $0 == .deferred || $0 == .open }
        let lost = partitions.intersection(unanswered(slot)).subtracting(underWay)
        if !lost.isEmpty { assign(lost, slot: slot, isFirst: false, nowNs: nowNs, actions: &actions) }
        askLocalLast(slot, nowNs: nowNs, actions: &actions)
    }

    // MARK: - Choosing

    /// Asks for these partitions, or ends the request where nobody is left to ask and nobody silent may still answer.
    mutating func assign(
        _ partitions: PartitionSet, slot: Int, isFirst: Bool, nowNs: UInt64, actions: inout [FanOutAction]
    ) {
        // Apart, so that no ask has partitions of both kinds.
        let dropped = partitions.intersection(requests[slot].dropped)
        var rest = dropped
        if !dropped.isEmpty {
            rest = choose(dropped, slot: slot, isFirst: isFirst, nowNs: nowNs, actions: &actions)
        }
        let others = partitions.subtracting(dropped)
        rest = rest.union(choose(others, slot: slot, isFirst: isFirst, nowNs: nowNs, actions: &actions))
        guard requests[slot].isActive else { return }
        rest = rest.subtracting(asked(slot) { $0 == .late })
        guard !rest.isEmpty else { return }
        let behind = asked(slot) { $0 == .behind }.subtracting(requests[slot].dropped)
        let hopeless = rest.subtracting(behind)
        if !hopeless.isEmpty { endWithout(hopeless, slot: slot, actions: &actions) }
        rest = rest.intersection(behind)
        guard requests[slot].isActive, !rest.isEmpty else { return }
        rest = drop(rest, slot: slot, nowNs: nowNs, actions: &actions)
        guard requests[slot].isActive, !rest.isEmpty else { return }
        endWithout(rest, slot: slot, actions: &actions)
    }

    /// Asks for these partitions once more, whatever was shown before. Returns those that no node was left for.
    private mutating func drop(
        _ partitions: PartitionSet, slot: Int, nowNs: UInt64, actions: inout [FanOutAction]
    ) -> PartitionSet {
        requests[slot].dropped = requests[slot].dropped.union(partitions)
        for ask in requests[slot].asks.indices where requests[slot].asks[ask].state == .behind {
            let isPart = !requests[slot].asks[ask].partitions.intersection(partitions).isEmpty
            if isPart { requests[slot].asks[ask].state = .superseded }
        }
        return choose(partitions, slot: slot, isFirst: false, nowNs: nowNs, actions: &actions)
    }

    /// Half of the time is over. Where all that are still waited for are silent, holders that said that they are behind
    /// are asked once more: an answer older than one before is better than none.
    mutating func stopWaiting(_ slot: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        let waiting = asked(slot) { $0 == .deferred || $0 == .open }
        let silent = unanswered(slot).subtracting(waiting)
        guard !silent.isEmpty else { return }
        // Who was behind in a partition that was given up since was not asked for the others alone.
        let rest = choose(
            silent.subtracting(requests[slot].dropped), slot: slot, isFirst: false, nowNs: nowNs, actions: &actions)
        guard requests[slot].isActive else { return }
        let stuck = rest.intersection(asked(slot) { $0 == .behind })
        guard !stuck.isEmpty else { return askLocalLast(slot, nowNs: nowNs, actions: &actions) }
        _ = drop(stuck, slot: slot, nowNs: nowNs, actions: &actions)
        askLocalLast(slot, nowNs: nowNs, actions: &actions)
    }

    /// Requests that need at most this many partitions are not cut up by a cover: one node may well have them all.
    private static let coveredMin = 4

    /// Returns the partitions that no node was left for.
    private mutating func choose(
        _ partitions: PartitionSet, slot: Int, isFirst: Bool, nowNs: UInt64, actions: inout [FanOutAction]
    ) -> PartitionSet {
        var rest = partitions
        for node in nodes.indices where nodes[node].isLocal {
            let share = open(node, rest, slot: slot)
            rest = ask(node, share, of: rest, slot: slot, isFirst: isFirst, nowNs: nowNs, actions: &actions)
        }
        if isFirst, requests[slot].neededCount >= Self.coveredMin, let cover = cover(for: rest) {
            for share in snapshot.covers[cover] where standing(share.node.slot) == .good {
                let part = share.partitions.intersection(rest).intersection(preferred(share.node.slot))
                rest = ask(
                    share.node.slot, part, of: rest, slot: slot, isFirst: isFirst, nowNs: nowNs, actions: &actions)
            }
        }
        var worst: Standing? = .good
        while let standing = worst {
            while requests[slot].isActive, !rest.isEmpty, let best = best(rest, slot: slot, upTo: standing) {
                if self.standing(best).rawValue >= Standing.left.rawValue { counters.failedOpen += 1 }
                let share = open(best, rest, slot: slot, isChoosy: standing == .good)
                rest = ask(best, share, of: rest, slot: slot, isFirst: isFirst, nowNs: nowNs, actions: &actions)
            }
            worst = rest.isEmpty ? nil : Standing(rawValue: standing.rawValue + 1)
        }
        return rest
    }

    /// The better of two planned covers: the one whose dearest node is cheaper.
    private func cover(for rest: PartitionSet) -> Int? {
        let count = snapshot.covers.count
        guard count > 0, !rest.isEmpty else { return nil }
        let first = rotation % count
        let second = (first + 1 + dice % max(1, count - 1)) % count
        return cost(of: first, for: rest) <= cost(of: second, for: rest) ? first : second
    }

    private func cost(of cover: Int, for rest: PartitionSet) -> Double {
        var cost = 0.0
        for share in snapshot.covers[cover] {
            let node = share.node.slot
            guard !share.partitions.intersection(rest).isEmpty else { continue }
            // One that is not to be preferred outweighs any cost of others: its part is asked elsewhere besides.
            if standing(node) != .good || isSpared(node) { return .infinity }
            cost = max(cost, nodes[node].work * nodes[node].price)
        }
        return cost
    }

    /// What this node could be asked for out of `rest`: what it holds and was not asked for yet. `isChoosy`: without
    /// what it is better not asked for.
    func open(_ node: Int, _ rest: PartitionSet, slot: Int, isChoosy: Bool = false) -> PartitionSet {
        var open = rest
        if requests[slot].isAnyNode {
            if isChoosy, isSpared(node) { return PartitionSet() }
        } else {
            open = open.intersection(isChoosy ? preferred(node) : nodes[node].holds)
        }
        for ask in requests[slot].asks.indices where requests[slot].asks[ask].node.slot == node {
            guard requests[slot].asks[ask].state != .superseded else { continue }
            open = open.subtracting(requests[slot].asks[ask].partitions)
        }
        return open
    }

    /// The node that can be asked for most of `rest`; of equal ones the cheapest, of equally cheap ones another each
    /// time.
    func best(_ rest: PartitionSet, slot: Int, upTo worst: Standing) -> Int? {
        var best: Int?
        var most = 0
        var least = 0.0
        var node = nodes.isEmpty ? 0 : rotation % nodes.count
        for _ in nodes.indices {
            defer { node = node + 1 == nodes.count ? 0 : node + 1 }
            guard standing(node).rawValue <= worst.rawValue else { continue }
            let count = open(node, rest, slot: slot, isChoosy: worst == .good).count
            let cost = nodes[node].work * nodes[node].price
            if count > most || (count == most && count > 0 && cost < least) {
                most = count
                least = cost
                best = node
            }
        }
        return best
    }

    /// Asks the node for `share`, unless that is empty, and returns `rest` without it. Too many asks end the request.
    private mutating func ask(
        _ node: Int, _ share: PartitionSet, of rest: PartitionSet, slot: Int, isFirst: Bool, nowNs: UInt64,
        actions: inout [FanOutAction]
    ) -> PartitionSet {
        guard requests[slot].isActive, !share.isEmpty else { return rest }
        guard requests[slot].asks.count < rules.asksMax else {
            fail(slot, .overloaded, actions: &actions)
            return rest
        }
        if !isFirst { counters.asksRepeated += 1 }
        if nodes[node].isLocal, let deferred = requests[slot].asks.firstIndex(where: { $0.state == .deferred }) {
            requests[slot].asks[deferred].partitions = requests[slot].asks[deferred].partitions.union(share)
            return rest.subtracting(share)
        }
        append(node, share, slot: slot, isHedge: false, nowNs: nowNs, actions: &actions)
        return rest.subtracting(share)
    }

    mutating func append(
        _ node: Int, _ share: PartitionSet, slot: Int, isHedge: Bool, nowNs: UInt64, actions: inout [FanOutAction]
    ) {
        let isLocal = nodes[node].isLocal
        requests[slot].asks.append(
            Ask(
                node: NodeIndex(node), partitions: share, state: isLocal ? .deferred : .open, askedNs: nowNs,
                isHedge: isHedge))
        guard !isLocal else { return }
        nodes[node].inFlight += 1
        inFlight += 1
        // An ask costs something, and each of its ids.
        nodes[node].work += 4 + Double(requests[slot].ids * share.count) / Double(requests[slot].neededCount)
        emit(slot, requests[slot].asks.count - 1, nowNs: nowNs, actions: &actions)
    }

    /// The local node answers in place, under its guard, where the whole answer is then made. So it is asked last.
    mutating func askLocalLast(_ slot: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        guard requests[slot].isActive,
            let deferred = requests[slot].asks.firstIndex(where: { $0.state == .deferred }),
            requests[slot].asks[deferred].partitions == unanswered(slot)
        else { return }
        requests[slot].asks[deferred].state = .open
        requests[slot].asks[deferred].askedNs = nowNs
        emit(slot, deferred, nowNs: nowNs, actions: &actions)
    }

    private func emit(_ slot: Int, _ ask: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        let id = RequestID(slot: slot, life: requests[slot].life)
        let partitions = requests[slot].isAnyNode ? PartitionSet() : requests[slot].asks[ask].partitions
        let remainingNs = requests[slot].deadlineNs - min(nowNs, requests[slot].deadlineNs)
        // The local share is asked as one: it was behind in some of it.
        let ours = requests[slot].asks[ask].partitions
        let isLocal = nodes[requests[slot].asks[ask].node.slot].isLocal
        let dropped = requests[slot].dropped
        let dropsNeeds = isLocal ? !ours.intersection(dropped).isEmpty : ours.isSubset(of: dropped)
        actions.append(
            .ask(
                AskID(id, ask: ask), node: requests[slot].asks[ask].node, partitions: partitions,
                remainingNs: remainingNs, dropsNeeds: dropsNeeds))
    }
}
