// Asks without a reply.
//
//   later than 95 of 100 (`ReplyTimes`)   the node is asked for a sign of life, and other nodes are preferred until it
//                                         comes; the ask is hedged: put to other holders, as far as the budget allows
//   no sign of life either, `silentNs`    the node is silent: left, and the ask is put to others, budget or not
//   `askTimeoutNs`                        the same for an ask of a node that lives but does not answer this
//
// The budget is for asks that may well be answered. What was asked of a node that stopped is no hedge but a retry, and
// such a node is left before it can get many. So a stopped node costs a request the hedge's delay, or at most that
// and `silentNs`, and this only in the moment that it stops.

import Model

extension FanOut {
    /// Looks after the asks of one request.
    mutating func lookAtAsks(_ slot: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        let delayNs = times.delay(size: requests[slot].size)
        var ask = 0
        while requests[slot].isActive, ask < requests[slot].asks.count {
            defer { ask += 1 }
            guard requests[slot].asks[ask].state == .open else { continue }
            let ageNs = nowNs - min(requests[slot].asks[ask].askedNs, nowNs)
            guard ageNs >= delayNs else { continue }
            if ageNs >= rules.askTimeoutNs || isSilent(slot, ask, delayNs: delayNs, nowNs: nowNs) {
                fellSilent(slot, ask, nowNs: nowNs, actions: &actions)
            } else if isRemote(requests[slot].asks[ask].node) {
                overdue(slot, ask, nowNs: nowNs, actions: &actions)
            }
        }
    }

    /// Whether the node owes a sign of life for too long.
    private func isSilent(_ slot: Int, _ ask: Int, delayNs: UInt64, nowNs: UInt64) -> Bool {
        let node = requests[slot].asks[ask].node
        guard isRemote(node), let probedNs = nodes[node.slot].probedNs else { return false }
        return nowNs - min(probedNs, nowNs) >= max(rules.silentNs, 4 * delayNs)
    }

    private mutating func fellSilent(_ slot: Int, _ ask: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        counters.askTimeouts += 1
        requests[slot].asks[ask].state = .late
        let node = requests[slot].asks[ask].node.slot
        if nodes[node].probedNs != nil { leave(node, untilNs: nowNs) } else { failed(node, nowNs: nowNs) }
        doubt(node, nowNs: nowNs, actions: &actions)
        replace(requests[slot].asks[ask].partitions, slot: slot, nowNs: nowNs, actions: &actions)
    }

    private mutating func overdue(_ slot: Int, _ ask: Int, nowNs: UInt64, actions: inout [FanOutAction]) {
        let isFirst = !requests[slot].asks[ask].isOverdue
        if isFirst {
            requests[slot].asks[ask].isOverdue = true
            doubt(requests[slot].asks[ask].node.slot, nowNs: nowNs, actions: &actions)
        }
        planHedge(requests[slot].asks[ask].partitions, slot)
        guard !plan.isEmpty, requests[slot].asks.count + plan.count <= rules.asksMax else { return }
        guard plan.count <= budget.count else {
            if isFirst { counters.hedgesWithheld += 1 }
            return
        }
        requests[slot].asks[ask].state = .late
        budget.spend(plan.count)
        counters.hedges += UInt64(plan.count)
        for share in plan {
            append(share.node, share.partitions, slot: slot, isHedge: true, nowNs: nowNs, actions: &actions)
        }
    }

    /// Finds other holders that together have all of these partitions; none where there are not enough that look well.
    private mutating func planHedge(_ partitions: PartitionSet, _ slot: Int) {
        plan.removeAll(keepingCapacity: true)
        var rest = partitions
        while !rest.isEmpty, let node = best(rest, slot: slot, upTo: .second) {
            // What the local node was not asked for it was not asked for a reason.
            guard !nodes[node].isLocal else { break }
            let share = open(node, rest, slot: slot)
            plan.append((node, share))
            rest = rest.subtracting(share)
        }
        if !rest.isEmpty { plan.removeAll(keepingCapacity: true) }
    }
}
