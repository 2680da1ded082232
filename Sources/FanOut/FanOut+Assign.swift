// Choosing whom to ask. In turn: the local node for what it holds, a planned cover (on the first round), the good
// nodes that hold most of the rest, and when all that is not enough, the nodes that look bad too (fail open).
//
// A request asks a node for a partition at most once, but for one more round without needs when all were behind (or
// the others silent), and for what it was asked together with partitions that another answered. So a request ends: each round of asks takes
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

    mutating func complete(_ slot: Int, actions: inout [FanOutAction]) {
        requests[slot].isActive = false
        actions.append(.complete(RequestID(slot: slot, life: requests[slot].life)))
    }

    mutating func fail(_ slot: Int, _ failure: FanOutFailure, actions: inout [FanOutAction]) {
        requests[slot].isActive = false
        actions.append(.fail(RequestID(slot: slot, life: requests[slot].life), failure))
    }

    // MARK: - Asks that ended without a reply

    func unanswered(_ slot: Int) -> PartitionSet { requests[slot].needed.subtracting(requests[slot].answered) }

    /// The partitions of the asks in such a state.
    func asked(_ slot: Int, _ isCounted: (AskState) -> Bool) -> PartitionSet {
        var partitions = PartitionSet()
        for ask in requests[slot].asks where isCounted(ask.state) { partitions = partitions.union(ask.partitions) }
        return partitions
    }

    /// Other asks for any of these partitions are not wanted any more.
    mutating func supersede(_ partitions: PartitionSet, slot: Int) {
        for ask in requests[slot].asks.indices {
            switch requests[slot].asks[ask].state {
            case .deferred, .open, .late:
                let isTouched = !requests[slot].asks[ask].partitions.intersection(partitions).isEmpty
                if isTouched { requests[slot].asks[ask].state = .superseded }
            case .answered, .behind, .failed, .shed, .stale, .superseded: break
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
                requests[slot].asks[ask].state = .failed
                replace(requests[slot].asks[ask].partitions, slot: slot, nowNs: nowNs, actions: &actions)
            case .late:
                requests[slot].asks[ask].state = .failed
                let others = asked(slot) { $0 == .deferred || $0 == .open || $0 == .late }
                let lost = requests[slot].asks[ask].partitions.subtracting(others)
                replace(lost, slot: slot, nowNs: nowNs, actions: &actions)
            case .answered, .behind, .failed, .shed, .stale, .superseded: break
            }
        }
    }

    /// Gives up the local node's share that was not asked for yet, to be chosen anew: it may hold other partitions now.
    mutating func takeDeferred(_ slot: Int) -> PartitionSet {
        guard let ask = requests[slot].asks.firstIndex(where: { $0.state == .deferred }) else { return PartitionSet() }
        requests[slot].asks[ask].state = .superseded
        return requests[slot].asks[ask].partitions
    }

    mutating func fellSilent(_ slot: Int, _ ask: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        counters.askTimeouts += 1
        requests[slot].asks[ask].state = .late
        let node = requests[slot].asks[ask].node
        if !nodes[node.slot].isSuspect {
            nodes[node.slot].isSuspect = true
            actions.append(.probe(node))
        }
        replace(requests[slot].asks[ask].partitions, slot: slot, nowNs: nowNs, actions: &actions)
    }

    mutating func replace(
        _ partitions: PartitionSet, slot: Int, nowNs: UInt64, actions: inout [FanOutAction]
    ) {
        let lost = partitions.subtracting(requests[slot].answered)
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
        let behind = asked(slot) { $0 == .behind }
        let again = rest.intersection(behind).subtracting(requests[slot].dropped)
        if !again.isEmpty {
            rest = rest.subtracting(again).union(drop(again, slot: slot, nowNs: nowNs, actions: &actions))
            guard requests[slot].isActive, !rest.isEmpty else { return }
        }
        fail(slot, failure(of: rest.subtracting(behind), slot: slot), actions: &actions)
    }

    /// Why nobody is left to ask for these partitions.
    private func failure(of rest: PartitionSet, slot: Int) -> FanOutFailure {
        let shed = asked(slot) { $0 == .shed }
        let stale = asked(slot) { $0 == .stale }
        guard !rest.isEmpty, rest.isSubset(of: shed.union(stale)) else {
            return .noHolder(requests[slot].isAnyNode ? PartitionSet() : rest)
        }
        guard rest.isSubset(of: stale) else { return .overloaded }
        var oldest: UInt32 = 0
        for partition in rest.partitions {
            let best = requests[slot].asks.filter { $0.state == .stale && $0.partitions.contains(partition) }
                .map(\.freshnessMs).min()
            oldest = max(oldest, best ?? 0)
        }
        return .stale(freshnessMs: oldest)
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
        let behind = asked(slot) { $0 == .behind }.subtracting(requests[slot].dropped)
        let stuck = unanswered(slot).subtracting(waiting).intersection(behind)
        guard !stuck.isEmpty else { return }
        _ = drop(stuck, slot: slot, nowNs: nowNs, actions: &actions)
        askLocalLast(slot, nowNs: nowNs, actions: &actions)
    }

    /// Returns the partitions that no node was left for.
    private mutating func choose(
        _ partitions: PartitionSet, slot: Int, isFirst: Bool, nowNs: UInt64, actions: inout [FanOutAction]
    ) -> PartitionSet {
        var rest = partitions
        for node in nodes.indices where nodes[node].isLocal {
            let share = open(node, rest, slot: slot)
            rest = ask(node, share, of: rest, slot: slot, isFirst: isFirst, nowNs: nowNs, actions: &actions)
        }
        if isFirst, !requests[slot].isAnyNode, !snapshot.covers.isEmpty {
            for share in snapshot.covers[rotation % snapshot.covers.count] where nodes[share.node.slot].looksGood {
                let part = share.partitions.intersection(rest)
                rest = ask(
                    share.node.slot, part, of: rest, slot: slot, isFirst: isFirst, nowNs: nowNs, actions: &actions)
            }
        }
        for looksGood in [true, false] {
            while requests[slot].isActive, !rest.isEmpty, let best = best(rest, slot: slot, looksGood: looksGood) {
                if !looksGood { counters.failedOpen += 1 }
                let share = open(best, rest, slot: slot)
                rest = ask(best, share, of: rest, slot: slot, isFirst: isFirst, nowNs: nowNs, actions: &actions)
            }
        }
        return rest
    }

    /// What this node could be asked for out of `rest`: what it holds and was not asked for yet.
    private func open(_ node: Int, _ rest: PartitionSet, slot: Int) -> PartitionSet {
        var open = requests[slot].isAnyNode ? rest : rest.intersection(nodes[node].holds)
        for ask in requests[slot].asks where ask.node.slot == node && ask.state != .superseded {
            open = open.subtracting(ask.partitions)
        }
        return open
    }

    /// The node that can be asked for most of `rest`; of equal ones another one each time.
    private func best(_ rest: PartitionSet, slot: Int, looksGood: Bool) -> Int? {
        var best: Int?
        var most = 0
        for step in nodes.indices {
            let node = (step + rotation) % nodes.count
            guard nodes[node].looksGood == looksGood else { continue }
            let count = open(node, rest, slot: slot).count
            if count > most {
                most = count
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
        let isLocal = nodes[node].isLocal
        if isLocal, let deferred = requests[slot].asks.firstIndex(where: { $0.state == .deferred }) {
            requests[slot].asks[deferred].partitions = requests[slot].asks[deferred].partitions.union(share)
            return rest.subtracting(share)
        }
        requests[slot].asks.append(
            Ask(node: NodeIndex(node), partitions: share, state: isLocal ? .deferred : .open, askedNs: nowNs))
        if !isLocal { emit(slot, requests[slot].asks.count - 1, nowNs: nowNs, actions: &actions) }
        return rest.subtracting(share)
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
