// How a request ends: complete, without some partitions where that is allowed, or failed, and why.

public import Model

extension FanOut {
    /// The partitions that the answer of this request lacks. Until it is released.
    public func missing(of request: RequestID) -> PartitionSet {
        requests[request.slot].life == request.life ? requests[request.slot].missing : PartitionSet()
    }

    /// Why partitions were not answered, of a request that failed or lacks some. Until it is released.
    public func reasons(of request: RequestID) -> NoHolderReasons {
        requests[request.slot].life == request.life ? requests[request.slot].why : NoHolderReasons()
    }

    mutating func complete(_ slot: Int, actions: inout [FanOutAction]) {
        if !requests[slot].dropped.isEmpty { counters.monotonicViolations += 1 }
        if !requests[slot].missing.isEmpty {
            counters.partialAnswers += 1
            countReasons(slot)
        }
        deactivate(slot)
        actions.append(.complete(RequestID(slot: slot, life: requests[slot].life)))
    }

    mutating func fail(_ slot: Int, _ failure: FanOutFailure, actions: inout [FanOutAction]) {
        switch failure {
        // Whoever fails it so has said why.
        case .noHolder: break
        case .deadline: explain(unanswered(slot), slot)
        case .overloaded: requests[slot].why.insert(.overloaded)
        case .stale: requests[slot].why.insert(.stale)
        case .answerTooLarge: break
        }
        countReasons(slot)
        deactivate(slot)
        actions.append(.fail(RequestID(slot: slot, life: requests[slot].life), failure))
    }

    private mutating func deactivate(_ slot: Int) {
        for ask in requests[slot].asks.indices where requests[slot].asks[ask].isAwaited {
            close(slot, ask, as: .superseded)
        }
        requests[slot].isActive = false
        let last = active.removeLast()
        guard last != slot else { return }
        active[requests[slot].place] = last
        requests[last].place = requests[slot].place
    }

    /// Its time is over. Where partial answers are allowed and there is anything to show, that is the answer.
    mutating func end(_ slot: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        // The local share is asked at last, and answered at once.
        let local = asked(slot) { $0 == .deferred }
        let isShowing = !requests[slot].answered.union(local).isEmpty
        guard rules.givesPartial, !requests[slot].isAnyNode, isShowing else {
            return fail(slot, .deadline, actions: &actions)
        }
        requests[slot].isOver = true
        giveUp(unanswered(slot).subtracting(local), slot, actions: &actions)
        askLocalLast(slot, nowNs: nowNs, actions: &actions)
    }

    /// Nobody is left to ask for these partitions.
    mutating func endWithout(_ rest: PartitionSet, slot: Int, actions: inout [FanOutAction]) {
        if let freshnessMs = freshness(rest, slot) {
            return fail(slot, .stale(freshnessMs: freshnessMs), actions: &actions)
        }
        explain(rest, slot)
        // What was given up for want of time may have holders that were not asked.
        if requests[slot].isOver { return fail(slot, .deadline, actions: &actions) }
        // It lives, so that is no want of holders.
        if requests[slot].why.contains(.overloaded) { return fail(slot, .overloaded, actions: &actions) }
        guard !requests[slot].isAnyNode else { return fail(slot, .noHolder(PartitionSet()), actions: &actions) }
        guard rules.givesPartial, rest != requests[slot].needed else {
            return fail(slot, .noHolder(rest.union(requests[slot].missing)), actions: &actions)
        }
        giveUp(rest, slot, actions: &actions)
    }

    private mutating func giveUp(_ partitions: PartitionSet, _ slot: Int, actions: inout [FanOutAction]) {
        explain(partitions, slot)
        for ask in requests[slot].asks.indices where requests[slot].asks[ask].isAwaited {
            let isPart = !requests[slot].asks[ask].partitions.intersection(partitions).isEmpty
            if isPart { close(slot, ask, as: .superseded) }
        }
        requests[slot].missing = requests[slot].missing.union(partitions)
        requests[slot].needed = requests[slot].needed.subtracting(partitions)
        if requests[slot].answered == requests[slot].needed { complete(slot, actions: &actions) }
    }

    // MARK: - Why

    private mutating func countReasons(_ slot: Int) {
        for reason in NoHolderReason.allCases where requests[slot].why.contains(reason) {
            counters.noHolder[Int(reason.rawValue)] += 1
        }
    }

    /// Notes why no holder of these partitions answered.
    private mutating func explain(_ partitions: PartitionSet, _ slot: Int) {
        var placed = PartitionSet()
        for node in nodes.indices {
            let held = requests[slot].isAnyNode ? requests[slot].needed : nodes[node].holds
            guard !held.intersection(partitions).isEmpty else { continue }
            placed = placed.union(held)
            if !nodes[node].isUp { requests[slot].why.insert(.linkDown) }
        }
        for ask in requests[slot].asks where !ask.partitions.intersection(partitions).isEmpty {
            switch ask.state {
            case .open, .late: requests[slot].why.insert(.silent)
            case .behind: requests[slot].why.insert(.behind)
            case .failed: if let why = ask.why { requests[slot].why.insert(why) }
            case .deferred, .answered, .superseded: break
            }
        }
        if !partitions.isSubset(of: placed) { requests[slot].why.insert(.nonePlaced) }
    }

    /// How fresh these partitions can be shown, where that is why they are not; nil where it is not.
    private func freshness(_ partitions: PartitionSet, _ slot: Int) -> UInt32? {
        var worst: UInt32?
        partitions.forEach { partition in
            var best: UInt32?
            for ask in requests[slot].asks where ask.why == .stale && ask.partitions.contains(partition) {
                best = min(best ?? .max, ask.freshnessMs)
            }
            if let best { worst = max(worst ?? 0, best) }
        }
        return worst
    }
}
