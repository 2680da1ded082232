// One process: its session with the control topic, by the production machine, and the shell around that on virtual
// time. What a node and a router are beyond it stands in `SimNode` and `SimRouter`.

import Membership
import Model

final class SimProcess {
    let number: Int
    let id: ID
    let kind: MemberKind
    let zone: ID?
    let weight: Int
    let world: Simulation
    private(set) var node: SimNode?
    private(set) var router: SimRouter?
    private(set) var scaler: SimScaler?
    var isTwin = false

    private let startedUs: Int64
    private(set) var endedUs: Int64?
    var isUp: Bool { endedUs == nil }
    private(set) var isStopping = false
    private var isLeaving = false
    var pausedUntilUs: Int64 = 0
    /// When it last began or ended to be disturbed.
    private(set) var disturbedUs: Int64
    var kafkaCuts = 0
    private(set) var kafkaChangedUs: Int64
    var skewMs: Int64 = 0
    /// When its first record was on the control topic, and the first after it was told to end.
    private(set) var toldUs: Int64?
    private(set) var toldLeavingUs: Int64?
    /// When its last record was there, and the first by which it serves.
    private(set) var toldLastUs: Int64?
    private(set) var toldServingUs: Int64?

    private(set) var session: MemberSession?
    private(set) var incarnation: Incarnation?
    private var fetchPosition = Offset(0)
    private var isFetching = false
    private var announces = false
    private var outbox: [(value: [UInt8]?, timestampMs: Int64, deadlineUs: Int64)] = []
    private var isSending = false

    static let heartbeatMs: Int64 = 1_000
    static let drainUs: Int64 = 15_000_000
    static let timeouts: MembershipTimeouts = {
        var timeouts = MembershipTimeouts()
        timeouts.graceMs = 15_000
        return timeouts
    }()

    var name: String { "\(id)#\(number)" }
    var reachesKafka: Bool { kafkaCuts == 0 }
    var isPaused: Bool { pausedUntilUs > world.nowUs }

    init(_ number: Int, _ id: ID, _ kind: MemberKind, zone: ID?, weight: Int, world: Simulation) {
        self.number = number
        self.id = id
        self.kind = kind
        self.zone = zone
        self.weight = weight
        self.world = world
        startedUs = world.nowUs
        disturbedUs = world.nowUs
        kafkaChangedUs = world.nowUs
        if kind.isNode { node = SimNode(self) }
        if kind.isRouter { router = SimRouter(self) }
        if kind.isRouter, let scaling = world.scaling { scaler = SimScaler(self, scaling) }
    }

    func begin() {
        join()
        loop()
        router?.begin()
        scaler?.begin()
    }

    func disturbed() { disturbedUs = world.nowUs }

    func kafkaChanged() {
        kafkaChangedUs = world.nowUs
        guard reachesKafka else { return }
        fetchSoon()
        if let node { world.after(Int64(world.between(1_000, 50_000)), self) { node.catchUp() } }
    }

    // MARK: - The control topic

    private func join() {
        guard reachesKafka else { return world.after(200_000, self) { self.join() } }
        session = MemberSession(
            id: id, configuration: world.configuration, timeouts: Self.timeouts, heartbeatMs: Self.heartbeatMs,
            start: Offset(0), end: world.topic.end)
        fetchSoon()
    }

    private func loop() {
        turn()
        world.after(100_000, self) { self.loop() }
    }

    /// What it may be told now, it is told a little later.
    func fetchSoon() {
        guard !isFetching, session != nil else { return }
        isFetching = true
        let late = world.traits.contains(.delay) && world.chance(10) ? world.between(0, 2_000_000) : 0
        world.after(Int64(world.between(500, 8_000) + late), self) {
            self.isFetching = false
            self.fetch()
        }
    }

    private func fetch() {
        guard reachesKafka, !isLeaving else { return }
        for entry in world.topic.entries(from: fetchPosition) {
            fetchPosition = Offset(entry.offset.rawValue + 1)
            do throws(HeartbeatError) {
                _ = try session?.read(
                    offset: entry.offset, timestampMs: entry.timestampMs, key: entry.key, value: entry.value)
            } catch {
                // A former life's record is the only one that may be refused here.
                if error != .formerLife { world.fail("\(name) refused a record: \(error)") }
            }
        }
        session?.reached(end: world.topic.end)
        turn()
    }

    private func turn() {
        guard !isLeaving, session != nil else { return }
        let actions =
            session?.turn(
                nowMs: world.nowUs / 1_000, wallMs: wallMs, number: world.random.next(), announces: announces) ?? []
        announces = false
        for action in actions where isUp {
            switch action {
            case .joined(let incarnation): self.incarnation = incarnation
            case .refused, .displaced:
                world.trace("\(name) is \(action)")
                return end(leavesLinks: false)
            case .tell: tell()
            case .beat(let incarnation):
                if !(world.traits.contains(.loss) && world.chance(10)) { write(heartbeat(incarnation).encode()) }
            }
        }
    }

    private func tell() {
        guard let state = session?.state() else { return }
        node?.update(state)
        router?.update(state)
        scaler?.update(state.view)
    }

    func announce() {
        guard !announces else { return }
        announces = true
        world.after(Int64(world.between(0, 20_000)), self) { self.turn() }
    }

    private var wallMs: Int64 { 1_700_000_000_000 + skewMs + world.nowUs / 1_000 }

    private func heartbeat(_ incarnation: Incarnation) -> Heartbeat {
        var heartbeat = Heartbeat(
            kind: kind, id: id, incarnation: incarnation, state: .serving, configuration: world.configuration,
            weight: weight, zone: zone)
        if let view = session?.view {
            heartbeat.generationSeen = view.generation
            heartbeat.clockMs = view.clockMs
            heartbeat.positionSeen = router?.positionSeen ?? view.position ?? Offset(0)
        }
        if let node {
            heartbeat.link = MemberAddress(host: "sim", port: UInt16(number))
            heartbeat.state = node.state
            heartbeat.holdings = node.holdings
            // As in production there is no figure in the first second.
            if node.mutes == 0, world.nowUs - startedUs >= 1_000_000 {
                heartbeat.servingLoad = world.loads().first { $0.process === self }?.load
            }
        }
        return heartbeat
    }

    /// A producer of one partition: in order, again and again until the delivery's time is over.
    private func write(_ value: [UInt8]?) {
        outbox.append((value, wallMs, world.nowUs + 2_000 * Self.heartbeatMs))
        guard !isSending else { return }
        isSending = true
        send(afterUs: Int64(world.between(200, 3_000)))
    }

    private func send(afterUs: Int64) {
        world.after(afterUs, self) { [self] in
            outbox.removeAll { $0.deadlineUs <= world.nowUs }
            guard let next = outbox.first else {
                isSending = false
                return
            }
            guard reachesKafka else { return send(afterUs: 100_000) }
            var key: [UInt8] = []
            id.append(to: &key)
            for _ in 0..<(world.traits.contains(.repeats) && world.chance(20) ? 2 : 1) {
                world.topic.append(timestampMs: next.timestampMs, key: key, value: next.value)
            }
            outbox.removeFirst()
            toldUs = toldUs ?? world.nowUs
            toldLastUs = world.nowUs
            if node?.state == .serving { toldServingUs = toldServingUs ?? world.nowUs }
            if isStopping { toldLeavingUs = toldLeavingUs ?? world.nowUs }
            world.appended()
            send(afterUs: Int64(world.between(200, 3_000)))
        }
    }

    // MARK: - The end

    /// SIGTERM.
    func stop() {
        world.trace("stop \(name)")
        isStopping = true
        guard let node else { return leave() }
        node.drain()
        announce()
        let deadlineUs = world.nowUs + Self.drainUs
        func wait() {
            if node.isSafeToRemove || world.nowUs >= deadlineUs {
                world.drained(self, isSafe: node.isSafeToRemove)
                return leave()
            }
            world.after(20_000, self) { wait() }
        }
        wait()
    }

    private func leave() {
        isLeaving = true
        if session?.leaving != nil, let incarnation {
            write(heartbeat(incarnation).farewell.encode())
            write(nil)
        }
        let deadlineUs = world.nowUs + 2_000_000
        func wait() {
            guard isSending, world.nowUs < deadlineUs else { return end(leavesLinks: false) }
            world.after(20_000, self) { wait() }
        }
        wait()
    }

    /// The process is no more. Where its machine goes with it nobody resets its connections.
    func end(leavesLinks: Bool) {
        guard isUp else { return }
        world.trace("\(name) has ended")
        endedUs = world.nowUs
        disturbed()
        if !leavesLinks { world.resetLinks(to: self) }
    }
}
