// The router's shell around the FanOut machine, on one event loop: it gives the machine time, replies and the state of
// the links, and does what the machine says.
//
// The machine's actions stand in one queue that is worked off by one loop, `perform`. Whatever is begun from within,
// by a receiver that asks for its next request for example, waits its turn there: so a holder is never asked while its
// own answer is being looked at.

public import FanOut
internal import Logging
public import Model
internal import NIOCore
public import Query
internal import Telemetry
internal import Wire

/// What a request needs.
public enum Need: Sendable, Equatable {
    case partitions(PartitionSet)
    /// Every partition of the events topic: team events may be anywhere.
    case allPartitions
    /// Any one node: `myt` needs the global topics alone.
    case anyNode
}

/// All parts of one answer: each partition is answered by exactly one of them.
@unsafe
public struct GatheredParts {
    public internal(set) var parts: [Part] = unsafe []
    /// What each part shows, in the same order.
    public internal(set) var shown: [ShownPosition] = []
    /// Of all parts together.
    public internal(set) var freshness = Freshness.best
    /// Timestamps of messages that are seen for the first time, as each node's newest, in these parts.
    public internal(set) var news: [Int64] = []
    /// The partitions that nobody was left to answer for; empty unless the rules allow that.
    public internal(set) var missing = PartitionSet()
}

/// Who asked. Called on the loop, once for each request, at the latest when its time is over.
public protocol AnswerReceiver: AnyObject {
    /// The views of the parts are valid until this returns.
    func answered(_ gathered: borrowing GatheredParts, token: UInt64)
    func failed(_ failure: FanOutFailure, token: UInt64)
}

/// Used on its loop alone. Safe: the parts it gathers never outlive the call that they are gathered for.
@safe
public final class FanOutClient {
    private struct Waiting {
        var query: HolderQuery
        var receiver: (any AnswerReceiver)?
        var token: UInt64
        var replies: [Reply] = []
    }

    private let eventLoop: any EventLoop
    private let router: ID
    private let memory: ShownMemory
    private let settings: LinkClientSettings
    private let linkCounters: LinkCounters
    private let logger: Logger
    /// Reads this process's own partitions, where it has any.
    private let local: (any Holder)?
    private var machine: FanOut
    private var refusalLog = RateLimitedLog()
    /// One for each node of the snapshot; nil for the local one.
    private var links: [LinkClient?] = []
    /// By the slot of the request.
    private var waiting: [Waiting] = []
    private var actions: [FanOutAction] = []
    private var isPerforming = false
    private var isTicking = false
    private var isFlushing = false
    /// Of the replies that wait for the others of their requests.
    private var replyBytes = 0
    // Used again from request to request, for their memory.
    private var pool = ReplyPool()
    private var needs = PositionNeeds()
    private var view = ShownGlobals()
    private var gathered = unsafe GatheredParts()
    private var localActions: [FanOutAction] = []

    init(
        eventLoop: any EventLoop, router: ID, memory: ShownMemory, rules: FanOutRules, settings: LinkClientSettings,
        counters: LinkCounters, logger: Logger, local: (any Holder)?
    ) {
        self.eventLoop = eventLoop
        self.router = router
        self.memory = memory
        self.settings = settings
        self.linkCounters = counters
        self.logger = logger
        self.local = local
        self.machine = FanOut(rules: rules)
    }

    public var counters: FanOutCounters { machine.counters }
    /// Of the events topic; 0 while it is not known.
    public private(set) var partitionCount = 0
    /// What this process's own node may be asked for; nil where there is none.
    private var localHolds: PartitionSet?
    private var localNewest = NewestShown()
    private var holdsAll = false
    private var localGlobals = NodeGlobals()
    private var settled = Settled()

    /// For these partitions the local holder had reached all that was shown, and all that it shows was noted, when the
    /// memory and the holder stood at these numbers. As long as they do, neither needs to be looked at again.
    private struct Settled {
        /// Nil: nothing is known.
        var changes: UInt64?
        var progress: UInt64 = 0
        var partitions = PartitionSet()
    }

    // MARK: - From the HTTP side

    /// Asks. The receiver may be called before this returns. `query.partitions` is set here.
    public func ask(_ query: HolderQuery, need: Need, receiver: any AnswerReceiver, token: UInt64) {
        let partitions: PartitionSet? =
            switch need {
            case .partitions(let partitions): partitions
            case .allPartitions: PartitionSet(below: machine.snapshot.partitionCount)
            case .anyNode: nil
            }
        let ids = query.request.idCount
        guard let request = machine.begin(partitions, ids: ids, nowNs: now, actions: &actions) else {
            return receiver.failed(.overloaded, token: token)
        }
        if request.slot == waiting.count {
            waiting.append(Waiting(query: query, receiver: receiver, token: token))
        } else {
            waiting[request.slot].query = query
            waiting[request.slot].receiver = receiver
            waiting[request.slot].token = token
        }
        perform()
    }

    /// Answers before it returns where this process holds all that is needed, with views of the store itself; false
    /// where it does not, or its holder refuses: the request is then to be asked. `query.partitions` is set here.
    public func answerInPlace(
        _ query: inout HolderQuery, need: Need, body: (borrowing Part, Freshness, _ news: Int64?) -> Void
    ) -> Bool {
        guard let local, let localHolds else { return false }
        switch need {
        case .partitions(let partitions):
            guard partitions.isSubset(of: localHolds) else { return false }
            query.partitions = partitions
        case .allPartitions:
            guard holdsAll else { return false }
            query.partitions = localHolds
        case .anyNode: query.partitions = PartitionSet()
        }
        let partitions = query.partitions
        var isAnswered = false
        let isSettled = settled.changes == memory.changes && partitions.isSubset(of: settled.partitions)
        // What holds once this is answered: looked at before anything is compared.
        var next = Settled(changes: memory.changesAtRest, progress: local.progress, partitions: partitions)
        if next.changes == settled.changes, next.progress == settled.progress {
            next.partitions = partitions.union(settled.partitions)
        }
        if isSettled {
            needs.offsets.removeAll(keepingCapacity: true)
            needs.globals = nil
        } else {
            memory.fill(&needs, for: partitions, view: &view)
        }
        unsafe local.answer(query, needs: needs, knowing: isSettled ? settled.progress : nil) {
            part, shown, freshness in
            if let shown {
                if let last = localGlobals.take(shown) { lower(last, to: shown.globals) }
                memory.raise(partitions, shown: shown, view: &view)
            }
            // With news in a settled state its needs were not compared, so that is no new one.
            settled = isSettled && shown != nil ? Settled() : next
            isAnswered = true
            unsafe body(part, freshness, localNewest.news(freshness.newestMs))
        } refused: { _ in
            settled = Settled()
        }
        return isAnswered
    }

    // MARK: - From membership

    /// Takes a new snapshot: links to new nodes are made, those to nodes that are gone or moved are closed.
    func update(_ snapshot: RoutingSnapshot) {
        var kept: [ID: LinkClient] = [:]
        for link in links.compactMap({ $0 }) {
            let isSame = snapshot.nodes.contains { node in
                node.id == link.node.id && node.host == link.node.host && node.port == link.node.port && !node.isLocal
            }
            if isSame {
                kept[link.node.id] = link
            } else {
                link.stop()
                machine.linkDown(link.index, nowNs: now, actions: &actions)
            }
        }
        perform()
        machine.update(snapshot, nowNs: now, actions: &actions)
        settled = Settled()
        partitionCount = snapshot.partitionCount
        localHolds = snapshot.nodes.first { $0.isLocal }?.holds
        holdsAll = localHolds == PartitionSet(below: partitionCount) && partitionCount > 0
        links = snapshot.nodes.indices.map { index in
            let node = snapshot.nodes[index]
            guard !node.isLocal else { return nil }
            let link =
                kept[node.id]
                ?? LinkClient(
                    node, index: NodeIndex(index), router: router, eventLoop: eventLoop, settings: settings,
                    counters: linkCounters, logger: logger, owner: self)
            link.index = NodeIndex(index)
            return link
        }
        for link in links { link?.connect() }
        perform()
    }

    func goBy(_ position: Offset) { machine.goBy(position) }

    var settledPosition: Offset { machine.settledPosition }

    func stop() {
        for link in links { link?.stop() }
    }

    // MARK: - Doing what the machine says

    private var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    private func perform() {
        guard !isPerforming else { return }
        isPerforming = true
        var next = 0
        while next < actions.count {
            let action = actions[next]
            next += 1
            switch action {
            case .ask(let ask, let node, let partitions, let remainingNs, let dropsNeeds):
                send(ask, node, partitions, remainingNs: remainingNs, dropsNeeds: dropsNeeds)
            case .complete(let request): complete(request)
            case .fail(let request, let failure):
                logRefusal(request, failure)
                let receiver = waiting[request.slot].receiver
                let token = waiting[request.slot].token
                end(request)
                receiver?.failed(failure, token: token)
            case .probe(let node):
                if links.indices.contains(Int(node.rawValue)) { links[Int(node.rawValue)]?.probe() }
            }
        }
        actions.removeAll(keepingCapacity: true)
        isPerforming = false
        if machine.requestCount > 0, !isTicking { scheduleTick() }
    }

    private func scheduleTick() {
        isTicking = true
        // While requests are in flight. A deadline or a late reply is noticed at most this much late.
        eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(machine.tickNs))) {
            self.isTicking = false
            self.machine.tick(nowNs: self.now, actions: &self.actions)
            self.perform()
        }
    }

    private func send(
        _ ask: AskID, _ node: NodeIndex, _ partitions: PartitionSet, remainingNs: UInt64, dropsNeeds: Bool
    ) {
        // A snapshot in between may have renumbered the nodes; the ask then has been put to others.
        guard machine.node(of: ask) == node else { return }
        waiting[ask.slot].query.partitions = partitions
        memory.fill(&needs, for: partitions, view: &view)
        if dropsNeeds { needs = PositionNeeds() }
        guard let link = links[Int(node.rawValue)] else { return askLocal(ask, partitions) }
        let remainingMs = UInt32(clamping: remainingNs / 1_000_000)
        let isTaken = link.send(
            waiting[ask.slot].query, needs: needs, needsVersion: view.version, remainingMs: remainingMs, nowNs: now,
            ask: ask)
        if isTaken {
            scheduleFlush()
        } else {
            machine.refused(ask, .linkFull, nowNs: now, actions: &actions)
        }
    }

    /// All queries of one turn of the loop leave together, at its end.
    private func scheduleFlush() {
        guard !isFlushing else { return }
        isFlushing = true
        eventLoop.assumeIsolated().execute {
            self.isFlushing = false
            for link in self.links { link?.flush() }
        }
    }

    /// The local share is asked last, so its reply completes the answer, under the holder's guard.
    private func askLocal(_ ask: AskID, _ partitions: PartitionSet) {
        guard let local else { return machine.refused(ask, .notReady, nowNs: now, actions: &actions) }
        unsafe local.answer(waiting[ask.slot].query, needs: needs, knowing: nil) { part, shown, freshness in
            guard let shown, machine.replied(ask, nowNs: now, actions: &localActions) else { return }
            if let last = localGlobals.take(shown) { lower(last, to: shown.globals) }
            unsafe gathered.parts.append(copy part)
            unsafe gathered.shown.append(shown)
            unsafe gathered.freshness.join(freshness)
            if let news = localNewest.news(freshness.newestMs) { unsafe gathered.news.append(news) }
            memory.raise(partitions, shown: shown, view: &view)
            guard case .complete(let request) = localActions.removeLast(), localActions.isEmpty else {
                preconditionFailure("the local share was not the last one")
            }
            complete(request)
        } refused: { refusal in
            machine.refused(ask, AskRefusal(refusal), nowNs: now, actions: &actions)
        }
    }

    private func complete(_ request: RequestID) {
        for reply in waiting[request.slot].replies {
            memory.raise(reply.partitions, shown: reply.shown, view: &view)
            unsafe gathered.parts.append(reply.part)
            unsafe gathered.shown.append(reply.shown)
            unsafe gathered.freshness.join(reply.load.freshness)
            if let news = reply.news { unsafe gathered.news.append(news) }
        }
        unsafe gathered.missing = machine.missing(of: request)
        if unsafe !gathered.missing.isEmpty { logRefusal(request, nil) }
        let token = waiting[request.slot].token
        unsafe waiting[request.slot].receiver?.answered(gathered, token: token)
        unsafe gathered.parts.removeAll(keepingCapacity: true)
        unsafe gathered.shown.removeAll(keepingCapacity: true)
        unsafe gathered.freshness = .best
        unsafe gathered.news.removeAll(keepingCapacity: true)
        end(request)
    }

    /// What a node says it shows fell below what it said before: the topic was made anew. What all have shown of it is
    /// then no measure any more.
    private func lower(_ last: GlobalPosition, to now: GlobalPosition) {
        memory.lower(last, to: now)
        logger.warning("a global topic's position fell: it was made anew, and is needed no further than it is now")
    }

    /// Says why a request got no answer, or not all of it. At most a line a second.
    private func logRefusal(_ request: RequestID, _ failure: FanOutFailure?) {
        let reasons = machine.reasons(of: request)
        guard reasons != NoHolderReasons(), let suppressed = refusalLog.shouldLog(nowNanoseconds: now) else { return }
        let missing = if case .noHolder(let missing) = failure { missing } else { machine.missing(of: request) }
        logger.warning(
            "no holder answered for all of a request",
            metadata: [
                "reasons": "\(reasons.reasons.map { "\($0.name)" }.joined(separator: ", "))",
                "partitions": "\(missing.partitions.prefix(8).map { "\($0)" }.joined(separator: ","))",
                "partitionCount": "\(missing.count)", "isPartial": "\(failure == nil)", "suppressed": "\(suppressed)",
            ])
    }

    private func end(_ request: RequestID) {
        for reply in waiting[request.slot].replies {
            replyBytes -= reply.bytes
            pool.giveBack(reply)
        }
        waiting[request.slot].replies.removeAll(keepingCapacity: true)
        waiting[request.slot].receiver = nil
        // The lists of ids go back to whoever asked, to be used again.
        waiting[request.slot].query.request = .teams(TeamsRequest(sport: .soccer, teamIDs: []))
        machine.release(request)
    }
}

extension FanOutClient: LinkOwner {
    func linkUp(_ link: LinkClient) { machine.linkUp(link.index, nowNs: now) }

    func linkDown(_ link: LinkClient) {
        machine.linkDown(link.index, nowNs: now, actions: &actions)
        perform()
    }

    func linkAnsweredProbe(_ link: LinkClient) { machine.probeAnswered(link.index, nowNs: now) }

    func takeReply() -> Reply { pool.take() }

    func linkReplied(_ ask: AskID, _ reply: Reply, from link: LinkClient) -> Bool {
        guard let count = machine.partitionCount(of: ask) else {
            pool.giveBack(reply)
            return true
        }
        // A reply that is not what was asked, or not from whom, closes the link.
        guard reply.shown.offsets.count == count, machine.node(of: ask) == link.index,
            waiting[ask.slot].query.takesPacked || !reply.hasPacked
        else { return false }
        machine.heard(
            link.index, lagMs: reply.load.freshness.ageMs, loadPermille: reply.load.loadPermille, nowNs: now)
        if let last = link.globals.take(reply.shown) { lower(last, to: reply.shown.globals) }
        guard replyBytes + reply.bytes <= settings.replyBytesMax else {
            pool.giveBack(reply)
            machine.refused(ask, .overloaded, nowNs: now, actions: &actions)
            perform()
            return true
        }
        replyBytes += reply.bytes
        reply.partitions = machine.partitions(of: ask)
        reply.news = link.newest.news(reply.load.freshness.newestMs)
        waiting[ask.slot].replies.append(reply)
        _ = machine.replied(ask, nowNs: now, actions: &actions)
        perform()
        return true
    }

    func linkRefused(_ ask: AskID, _ refusal: Refusal) {
        let reason: AskRefusal =
            switch refusal {
            case .holder(let refusal): AskRefusal(refusal)
            case .expired: .expired
            }
        machine.refused(ask, reason, nowNs: now, actions: &actions)
        perform()
    }
}

extension Request {
    /// How many ids it names.
    fileprivate var idCount: Int {
        switch self {
        case .matches(let matches): matches.eventIDs.count + matches.teamIDs.count
        case .teams(let teams): teams.teamIDs.count
        }
    }
}

extension AskRefusal {
    init(_ refusal: HolderRefusal) {
        switch refusal {
        case .notHeld(let partitions): self = .notHeld(partitions)
        case .behind: self = .behind
        case .notReady: self = .notReady
        case .answerTooLarge: self = .answerTooLarge
        case .overloaded: self = .overloaded
        case .stale(let ageMs): self = .stale(freshnessMs: ageMs)
        }
    }
}
