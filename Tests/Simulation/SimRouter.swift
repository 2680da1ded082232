// A router: the production's fan-out machine, memory of what was shown and routing plan, with links and requests on
// virtual time around them, as `FanOutClient` and `LinkClient` are in production.

import FanOut
import Membership
import Model
import Query

/// One request in flight, and what the checks need to know of its beginning.
struct SimRequest {
    let beganUs: Int64
    let partitions: PartitionSet
    /// For each of `partitions` what had been shown when it began.
    let shown: [Offset]
    let routing: RoutingSnapshot
    var replies: [(partitions: PartitionSet, shown: ShownPosition)] = []
    /// Numbers of the processes that said that they are behind.
    var behind: Set<Int> = []
    var dropsNeeds = false
}

final class SimLink {
    enum State { case waiting, connecting, up, stopped }

    let node: RoutingNode
    var index: NodeIndex
    var state = State.waiting
    /// A connection of its own each.
    var life = 0
    var pauseUs: Int64 = 50_000
    /// Since when a hello or a pong is waited for.
    var silentSinceUs: Int64?
    var upSinceUs: Int64 = 0

    init(_ node: RoutingNode, _ index: NodeIndex) {
        self.node = node
        self.index = index
    }
}

final class SimRouter {
    unowned let process: SimProcess
    private(set) var machine = FanOut()
    private let memory = ShownMemory()
    private var view = ShownGlobals()
    private var needs = PositionNeeds()
    private var links: [SimLink] = []
    private var requests: [RequestID: SimRequest] = [:]
    private var actions: [FanOutAction] = []
    private var isPerforming = false
    private var isTicking = false
    private(set) var positionSeen = Offset(0)

    private static let pingUs: Int64 = 1_000_000
    private static let silenceUs: Int64 = 3_000_000
    private static let connectUs: Int64 = 1_000_000

    private var world: Simulation { process.world }
    private var nowNs: UInt64 { UInt64(world.nowUs) * 1_000 }

    init(_ process: SimProcess) { self.process = process }

    func begin() { nextRequest() }

    /// The link to this process, if it is up.
    func link(to node: SimProcess) -> SimLink? {
        links.first { $0.state == .up && $0.node.port == node.number }
    }

    // MARK: - From membership

    func update(_ state: ClusterState) {
        let snapshot = RoutingPlan.snapshot(of: state, local: nil, localReady: nil)
        if snapshot != machine.snapshot { route(snapshot) }
        if let position = state.view.position { machine.goBy(position) }
        positionSeen = machine.settledPosition
    }

    private func route(_ snapshot: RoutingSnapshot) {
        var kept: [ID: SimLink] = [:]
        for link in links {
            if snapshot.nodes.contains(where: { $0.id == link.node.id && $0.port == link.node.port }) {
                kept[link.node.id] = link
            } else {
                link.state = .stopped
                machine.linkDown(link.index, nowNs: nowNs, actions: &actions)
            }
        }
        perform()
        machine.update(snapshot, nowNs: nowNs, actions: &actions)
        links = snapshot.nodes.indices.map { index in
            let node = snapshot.nodes[index]
            let link = kept[node.id] ?? SimLink(node, NodeIndex(index))
            link.index = NodeIndex(index)
            return link
        }
        for link in links { connect(link) }
        perform()
    }

    // MARK: - Requests

    private func nextRequest() {
        world.after(Int64(world.between(50_000, 400_000)), process) { [unowned self] in
            if machine.snapshot.partitionCount > 0, !process.isStopping { ask(world.anyNeed()) }
            nextRequest()
        }
    }

    /// Asks for these partitions. The checks look at how it ends.
    func ask(_ partitions: PartitionSet) {
        memory.fill(&needs, for: partitions, view: &view)
        let shown = needs.offsets.isEmpty ? partitions.partitions.map { _ in Offset(0) } : needs.offsets
        guard let id = machine.begin(partitions, nowNs: nowNs, actions: &actions) else {
            return world.fail("\(process.name) has too many requests in flight")
        }
        requests[id] = SimRequest(
            beganUs: world.nowUs, partitions: partitions, shown: shown, routing: machine.snapshot)
        perform()
    }

    private func perform() {
        guard !isPerforming else { return }
        isPerforming = true
        var next = 0
        while next < actions.count {
            let action = actions[next]
            next += 1
            switch action {
            case .ask(let ask, let node, let partitions, let remainingNs, let dropsNeeds):
                send(ask, node, partitions, remainingNs, dropsNeeds)
            case .complete(let id):
                world.trace("\(process.name) completes a request")
                guard let request = requests.removeValue(forKey: id) else { continue }
                for reply in request.replies { memory.raise(reply.partitions, shown: reply.shown, view: &view) }
                machine.release(id)
                world.checkAnswer(request, process)
            case .fail(let id, let failure):
                guard let request = requests.removeValue(forKey: id) else { continue }
                machine.release(id)
                world.checkFailure(request, failure, process)
            case .probe(let node): probe(links[Int(node.rawValue)])
            }
        }
        actions.removeAll(keepingCapacity: true)
        isPerforming = false
        guard machine.requestCount > 0, !isTicking else { return }
        isTicking = true
        world.after(5_000, process) { [unowned self] in
            isTicking = false
            machine.tick(nowNs: nowNs, actions: &actions)
            perform()
        }
    }

    private func request(of ask: AskID) -> RequestID? { requests.keys.first { $0.slot == ask.slot } }

    private func send(
        _ ask: AskID, _ node: NodeIndex, _ partitions: PartitionSet, _ remainingNs: UInt64, _ dropsNeeds: Bool
    ) {
        guard machine.node(of: ask) == node else { return }
        memory.fill(&needs, for: partitions, view: &view)
        if dropsNeeds {
            needs = PositionNeeds()
            guard let id = request(of: ask) else { return }
            requests[id]?.dropsNeeds = true
            if let request = requests[id] { world.checkDroppedNeeds(request, partitions, process) }
        }
        let link = links[Int(node.rawValue)]
        let needed = dropsNeeds ? "whatever there is" : "\(needs.offsets)"
        world.trace(
            "\(process.name) asks \(link.node.id) for \(partitions.partitions), \(ask.rawValue), needs \(needed)")
        if link.state == .waiting { connect(link) }
        let needs = needs
        carry(link, toNode: true) { [unowned self] target in
            target.node?.receive(
                SimQuery(
                    partitions: partitions, needs: needs, untilUs: world.nowUs + Int64(remainingNs / 1_000)
                ) { [unowned self] answer in
                    carry(link, toNode: false) { [unowned self] _ in answered(ask, link, answer) }
                })
        }
    }

    private func answered(_ ask: AskID, _ link: SimLink, _ answer: SimAnswer) {
        world.trace("\(process.name) hears \(link.node.id), \(ask.rawValue): \(answer)")
        guard let id = request(of: ask), machine.partitionCount(of: ask) != nil else { return }
        switch answer {
        case .part(let shown):
            requests[id]?.replies.append((machine.partitions(of: ask), shown))
            _ = machine.replied(ask, nowNs: nowNs, actions: &actions)
        case .expired: machine.refused(ask, .expired, nowNs: nowNs, actions: &actions)
        case .refusal(let refusal):
            if refusal == .behind { requests[id]?.behind.insert(link.node.port) }
            let reason: AskRefusal =
                switch refusal {
                case .notHeld(let partitions): .notHeld(partitions)
                case .behind: .behind
                case .notReady: .notReady
                case .answerTooLarge: .answerTooLarge
                case .stale(let ageMs): .stale(freshnessMs: ageMs)
                case .overloaded: .overloaded
                }
            machine.refused(ask, reason, nowNs: nowNs, actions: &actions)
        }
        perform()
    }

    // MARK: - Links

    /// Brings a frame to the other side, unless the connection ends before. While the pair is cut the system sends it
    /// again and again.
    private func carry(_ link: SimLink, toNode: Bool, _ arrived: @escaping (SimProcess) -> Void) {
        let (life, target) = (link.life, world.processes[link.node.port])
        let pair = world.pair(process, target)
        func carry(afterUs: Int64) {
            world.after(afterUs, toNode ? target : process) {
                guard link.life == life, link.state == .connecting || link.state == .up else { return }
                if pair.cuts > 0 { carry(afterUs: 100_000) } else { arrived(target) }
            }
        }
        carry(afterUs: Int64(world.between(50, 3_000)) + pair.extraUs)
    }

    private func connect(_ link: SimLink) {
        guard link.state == .waiting else { return }
        link.state = .connecting
        link.life += 1
        link.silentSinceUs = world.nowUs
        let (life, target) = (link.life, world.processes[link.node.port])
        if !target.isUp, world.pair(process, target).cuts == 0 {
            return world.after(Int64(world.between(100, 3_000)), process) { [unowned self] in
                if link.life == life { down(link) }
            }
        }
        carry(link, toNode: true) { [unowned self] _ in
            carry(link, toNode: false) { [unowned self] _ in
                link.state = .up
                link.silentSinceUs = nil
                link.upSinceUs = world.nowUs
                link.pauseUs = 50_000
                machine.linkUp(link.index, nowNs: nowNs)
            }
        }
        world.after(Self.connectUs, process) { [unowned self] in watch(link, life) }
    }

    private func watch(_ link: SimLink, _ life: Int) {
        guard link.life == life, link.state == .connecting || link.state == .up else { return }
        if let since = link.silentSinceUs, world.nowUs >= since + Self.silenceUs { return down(link) }
        probe(link)
        world.after(Self.pingUs, process) { [unowned self] in watch(link, life) }
    }

    private func probe(_ link: SimLink) {
        guard link.state == .up, link.silentSinceUs == nil else { return }
        link.silentSinceUs = world.nowUs
        carry(link, toNode: true) { [unowned self] _ in
            carry(link, toNode: false) { [unowned self] _ in
                link.silentSinceUs = nil
                machine.probeAnswered(link.index, nowNs: nowNs)
            }
        }
    }

    private func down(_ link: SimLink) {
        guard link.state == .connecting || link.state == .up else { return }
        link.state = .waiting
        let life = link.life
        world.after(link.pauseUs, process) { [unowned self] in if link.life == life { connect(link) } }
        link.pauseUs = min(link.pauseUs * 2, 2_000_000)
        machine.linkDown(link.index, nowNs: nowNs, actions: &actions)
        perform()
    }

    /// The process at the other end has ended, and its system says so.
    func reset(by node: SimProcess) {
        for link in links where link.node.port == node.number {
            let life = link.life
            world.after(Int64(world.between(50, 3_000)), process) { [unowned self] in
                if link.life == life { down(link) }
            }
        }
    }
}
