// The generator's loop: one thread, its connections, raw sockets and epoll.
//
// Why no HTTP client or event library: the generator has one core against a server that answers 100,000 requests of 8 KB
// a second on another, so a request may cost it no more than the server. What is below costs three system calls a request
// (send, receive, a share of a wait), one look at the clock, and some hundred nanoseconds of its own; docs/BENCHMARKS.md
// has the figures beside wrk's. A body is received into one buffer that stays in the cache and is never looked at; what
// does not fit into it the kernel drops without copying. In an open loop, where to sleep and be woken costs most of all,
// a thread that soon has something to send is not woken for answers (Engine+Waiting.swift).
//
// In steady state it allocates nothing: requests are bytes made beforehand, connections and queues have fixed room.
// Readable events are level-triggered and never changed; a socket is watched for room only while a request did not fit.

import CLoad
import Glibc
import Histogram
import Synchronization

final class Engine {
    /// The first piece of an answer; the rest of a longer body is not copied.
    static let pieceBytes = 16 << 10
    /// What the samples of one thread may take.
    static let sampleBytesMax = 128 << 20
    static let lateNs: Int64 = 1_000_000
    /// How often time-outs and connections to be made again are looked for.
    static let scanNs: Int64 = 10_000_000
    /// A wait without events takes no longer than this; what is beyond it was another thread's time, not ours.
    static let spinNs: Int64 = 2_000
    static let connectNs: Int64 = 5_000_000_000

    let plan: LoadPlan
    let board: ProgressBoard?
    let thread: Int
    var requests: RequestSet
    var choices: Choices
    var schedule: ArrivalSchedule?
    var connections: [Connection]
    var idle: Ring<Int>
    var queue: Ring<Due>
    /// To be sent once more; at most one for each connection.
    var repeats: [Due] = []
    var busy = 0
    var counts = LoadCounts()
    /// What was counted while warming up goes nowhere.
    var windowStart = Int64.max
    var windowEnd = Int64.max
    /// How often each target's process was found gone, and which are gone now.
    var lives: [Int]
    var isGone: [Bool]
    /// In the run's own time.
    var nextArrival = Int64.max
    var origin: Int64 = 0
    var sends = 0
    var sampleBytes = 0
    /// The first error of a connection that could not be made.
    var firstError: Int32 = 0
    var piece = [UInt8](repeating: 0, count: Engine.pieceBytes)
    var poller: Poller
    /// Of the realtime clock, in which the kernel notes when answers come, ahead of the monotonic one.
    var clockLead: Int64 = 0
    /// Of all bodies so far.
    var longestBody = 0
    private var windowCPU: Int64 = 0
    /// Time of the window in which there was nothing to do and the thread did not sleep.
    private var spunNs: Int64 = 0

    init(plan: LoadPlan, thread: Int = 0, board: ProgressBoard? = nil) throws(LoadError) {
        guard let poller = Poller() else { throw LoadError("no epoll: error \(errno)") }
        self.poller = poller
        self.plan = plan
        self.thread = thread
        self.board = board
        requests = plan.requests
        choices = Choices(plan.law, of: plan.requests.count, seed: plan.seed)
        schedule = plan.rate.map { ArrivalSchedule(plan.arrivals, rate: $0, seed: plan.seed) }
        connections = (0..<plan.connections).map { Connection(target: ($0 + thread) % plan.targets.count) }
        lives = plan.targets.map { _ in 0 }
        isGone = plan.targets.map { _ in false }
        idle = Ring(room: plan.connections)
        queue = Ring(room: plan.queueMax)
    }

    deinit {
        for connection in connections where connection.socket >= 0 { close(connection.socket) }
    }

    // MARK: The run

    func run() throws(LoadError) -> LoadCounts {
        load_exact_timers()
        try connectAll()
        begin()
        var nextScan = origin
        var nextReport = origin + 1_000_000_000
        while true {
            var now = monotonicNow()
            now = takeUpArrivals(now)
            if windowCPU == 0, now >= windowStart { windowCPU = threadCPU() }
            if now >= windowEnd, isOver(now) { break }
            if now >= nextScan {
                scan(now)
                clockLead = realtimeLead()
                nextScan = now + Self.scanNs
                guard connections.contains(where: { $0.state != .givenUp }) else { throw noConnection() }
            }
            if now >= nextReport, let board {
                board.post(thread: thread, ThreadProgress(counts, seconds: Double(now - origin) / 1e9))
                nextReport += 1_000_000_000
            }
            let count = wait(until: min(nextArrival, nextScan), now)
            if plan.spins, count == 0, now >= windowStart, now < windowEnd {
                spunNs += min(monotonicNow() - now, Self.spinNs)
            }
        }
        return counts
    }

    private func begin() {
        origin = monotonicNow()
        windowStart = origin + Int64(plan.warmUpSeconds * 1e9)
        windowEnd = windowStart + Int64(plan.seconds * 1e9)
        counts.windowNs = windowEnd - windowStart
        plan.observations?.begin(windowStart..<windowEnd)
        if schedule != nil {
            advanceSchedule()
        } else {
            let first = connections.indices.filter { connections[$0].state == .idle }
            for index in first { sendNext(index, monotonicNow()) }
        }
    }

    /// The window has ended. In an open loop what was due in it still gets its answer, or fails at its time-out: without
    /// that a stall at the end would not count.
    private func isOver(_ now: Int64) -> Bool {
        if counts.cpuNs == 0 {
            counts.cpuNs = max(1, threadCPU() - windowCPU - spunNs)
            counts.cpuShare = Double(counts.cpuNs) / Double(max(1, now - windowStart))
        }
        guard schedule != nil else { return true }
        if busy == 0, queue.count == 0, repeats.isEmpty { return true }
        guard now >= windowEnd + Int64(plan.timeoutSeconds * 1e9) else { return false }
        while let due = queue.popFirst() { fail(due, .timedOut) }
        for due in repeats { fail(due, .timedOut) }
        for index in connections.indices where connections[index].state == .busy {
            fail(connections[index].due, .timedOut, on: index)
        }
        return true
    }

    /// Sends what is due. Returns the time.
    private func takeUpArrivals(_ start: Int64) -> Int64 {
        var now = start
        while nextArrival <= now {
            let due = Due(request: choices.next(), at: nextArrival)
            let lateness = now - nextArrival
            if isMeasured(due) {
                counts.lateness.record(UInt64(lateness))
                if lateness > Self.lateNs { counts.late += 1 }
            }
            advanceSchedule()
            if let index = popIdle() {
                send(index, due, now)
                now = monotonicNow()
            } else {
                if isMeasured(due) { counts.waited += 1 }
                if !queue.append(due) { fail(due, .dropped) }
            }
        }
        return now
    }

    private func advanceSchedule() {
        let next = (schedule?.next()).map { origin + $0 } ?? .max
        nextArrival = next < windowEnd ? next : .max
    }

    func isMeasured(_ due: Due) -> Bool { due.at >= windowStart }

    func fail(_ due: Due, _ failure: Failure, on index: Int? = nil) {
        if isMeasured(due) { counts.failures[failure.rawValue] += 1 }
        // A wrong status is an answer, and told as one.
        if failure != .status { observe(due, index, .failed(failure)) }
    }

    func observe(_ due: Due, _ index: Int?, _ outcome: Observation.Outcome) {
        guard let observations = plan.observations else { return }
        let connection = index.map { connections[$0] }
        observations.add(
            Observation(
                request: due.request, target: connection?.target, life: connection?.life ?? 0, dueAt: due.at,
                sentAt: connection?.sentAt ?? due.at, endedAt: monotonicNow(), outcome: outcome))
    }

    private func noConnection() -> LoadError {
        let reason = unsafe String(cString: strerror(firstError))
        let targets = plan.targets.map(\.text).joined(separator: ", ")
        return LoadError("no connection to \(targets): \(firstError == 0 ? "closed by the server" : reason)")
    }

    // MARK: Events

    /// Returns the number of sockets with events.
    @discardableResult
    func handleEvents(until deadline: Int64, _ now: Int64) -> Int {
        let count = poller.wait(max(0, deadline - now))
        for place in 0..<count {
            let index = poller.index(place)
            switch connections[index].state {
            case .connecting: connected(index)
            case .idle, .busy:
                if poller.hasRoom(place) { sendRest(index) }
                if poller.isReadable(place) { receive(index) }
            case .waiting, .givenUp: break
            }
        }
        return count
    }

    func watch(_ index: Int, room: Bool, isNew: Bool = false) {
        poller.watch(connections[index].socket, index: index, room: room, isNew: isNew)
    }

    // MARK: Connecting

    private func connectAll() throws(LoadError) {
        let deadline = monotonicNow() + Self.connectNs
        while connections.contains(where: { $0.state != .idle }) {
            let now = monotonicNow()
            if now >= deadline {
                guard connections.contains(where: { $0.state == .idle }) else { throw noConnection() }
                return
            }
            scan(now)
            handleEvents(until: now + Self.scanNs, now)
        }
    }

    func connect(_ index: Int, _ now: Int64) {
        connections[index].attempts += 1
        let socket = plan.targets[connections[index].target].connect()
        guard socket >= 0 else {
            notConnected(index, -socket)
            return retryLater(index, now)
        }
        if stampsArrivals { load_stamp_arrivals(socket) }
        connections[index].socket = socket
        connections[index].state = .connecting
        // Counted from here for the time-out.
        connections[index].sentAt = now
        watch(index, room: true, isNew: true)
    }

    private func connected(_ index: Int) {
        let error = connectError(connections[index].socket)
        guard error == 0 else {
            notConnected(index, error)
            return disconnect(index, monotonicNow())
        }
        let target = connections[index].target
        if isGone[target] { lives[target] += 1 }
        isGone[target] = false
        connections[index].life = lives[target]
        watch(index, room: false)
        becameIdle(index, monotonicNow())
    }

    private func notConnected(_ index: Int, _ error: Int32) {
        if firstError == 0 { firstError = error }
        // Nobody listens there: what answers next is another process.
        if error == ECONNREFUSED { isGone[connections[index].target] = true }
    }

    /// Closes the connection and has it made again: at once where it has answered, or else later, so that a server that
    /// takes connections only to close them is not run over.
    func disconnect(_ index: Int, _ now: Int64) {
        if connections[index].state == .busy { busy -= 1 }
        close(connections[index].socket)
        connections[index].socket = -1
        connections[index].state = .waiting
        connections[index].unsent = []
        if now >= windowStart { counts.reconnects += 1 }
        if connections[index].attempts == 0 { connect(index, now) } else { retryLater(index, now) }
    }

    private func retryLater(_ index: Int, _ now: Int64) {
        guard connections[index].attempts <= plan.reconnectsMax else { return giveUp(index) }
        connections[index].state = .waiting
        connections[index].retryAt = now + connections[index].backoff
        connections[index].backoff = min(connections[index].backoff * 2, Connection.backoffMax)
    }

    private func giveUp(_ index: Int) {
        connections[index].state = .givenUp
        counts.givenUp += 1
    }

    /// Time-outs, and connections whose time has come.
    private func scan(_ now: Int64) {
        let timeout = Int64(plan.timeoutSeconds * 1e9)
        while let due = queue.first, now - due.at > timeout {
            fail(due, .timedOut)
            _ = queue.popFirst()
        }
        for due in repeats where now - due.at > timeout { fail(due, .timedOut) }
        repeats.removeAll { now - $0.at > timeout }
        for index in connections.indices {
            switch connections[index].state {
            case .waiting where now >= connections[index].retryAt: connect(index, now)
            case .connecting where now - connections[index].sentAt > timeout: disconnect(index, now)
            case .busy where now - connections[index].sentAt > timeout:
                fail(connections[index].due, .timedOut, on: index)
                disconnect(index, now)
            default: break
            }
        }
    }
}
