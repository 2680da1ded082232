// What the connections of one event loop share: the answerer, the date, a buffer, and the sweep that looks for
// timeouts. Made and used on its event loop alone.

import HTTP1
import NIOCore
import Synchronization

/// Open connections of all event loops. Relaxed: the count orders nothing else.
final class ConnectionCount: Sendable {
    private let value = Atomic<Int>(0)

    /// False at the limit.
    func take(max: Int) -> Bool {
        if value.add(1, ordering: .relaxed).newValue <= max { return true }
        giveBack()
        return false
    }

    func giveBack() { value.subtract(1, ordering: .relaxed) }
}

final class LoopState {
    let eventLoop: any EventLoop
    let limits: HTTPLimits
    let answerer: any Answerer
    let observer: any HTTPObserver
    private let count: ConnectionCount
    private let wallSeconds: () -> Int64
    private(set) var date: DateLine
    private var dateSeconds: Int64
    private var connections: [Connection] = []
    /// Bytes that wait for slow readers.
    var stalledBytes = 0
    private var spares: [ByteBuffer] = []
    /// Connections whose answers leave at the end of this turn.
    private var finishing: [Connection] = []
    private var isFinishing = false
    /// When the turn of the event loop began that is on; nil outside of one, or where nothing of it concerns this server.
    private var turnBegan: NIODeadline?
    private var turnRequests = 0
    /// The latest time that is known in this turn.
    var turnNow = NIODeadline.uptimeNanoseconds(0)
    /// Ends the turn. Made once, since under little load almost every request has a turn of its own; it keeps this object,
    /// until that is drained.
    private var endTurn: @Sendable () -> Void = {}
    /// Bytes of answers that wait for earlier ones.
    var heldBytes = 0
    private var sweep: RepeatedTask?
    private var drain: Drain?

    private struct Drain {
        var idleCloseAt: NIODeadline
        var deadline: NIODeadline
        var done: EventLoopPromise<Void>
    }

    /// A spare buffer above this is given back to the allocator. One answer of ordinary size fits many times.
    private static let spareBytesMax = 1 << 18
    /// At so many that were answered at once the turn is finished early: an answer waits for fifteen others at most, some
    /// 0.1 ms.
    private static let finishingMax = 16
    private static let bufferBytesMin = 16 << 10

    init(
        eventLoop: any EventLoop, limits: HTTPLimits, answerer: any Answerer, observer: any HTTPObserver,
        count: ConnectionCount, wallSeconds: @escaping () -> Int64
    ) {
        self.eventLoop = eventLoop
        self.limits = limits
        self.answerer = answerer
        self.observer = observer
        self.count = count
        self.wallSeconds = wallSeconds
        self.dateSeconds = wallSeconds()
        self.date = DateLine(seconds: dateSeconds)
        let state = NIOLoopBound(self, eventLoop: eventLoop)
        endTurn = { state.value.finishTurn() }
    }

    var isDraining: Bool { drain != nil }

    /// Begins to look for timeouts.
    func start() {
        let state = NIOLoopBound(self, eventLoop: eventLoop)
        sweep = eventLoop.scheduleRepeatedTask(initialDelay: limits.sweepInterval, delay: limits.sweepInterval) { _ in
            state.value.check()
        }
    }

    func add(_ connection: Connection) {
        connection.index = connections.count
        connections.append(connection)
        observer.connectionOpened()
        // Accepted just before the listener was closed, and set up after the drain.
        if drain != nil, sweep == nil { connection.close(.drain) }
    }

    func remove(_ connection: Connection) {
        let last = connections.removeLast()
        if last !== connection {
            last.index = connection.index
            connections[connection.index] = last
        }
        count.giveBack()
        observer.connectionClosed(connection.end)
        finishDrainIfDone()
    }

    private func check() {
        let now = eventLoop.now
        let seconds = wallSeconds()
        if seconds != dateSeconds {
            dateSeconds = seconds
            date = DateLine(seconds: seconds)
        }
        forEach { $0.checkTimes(now) }
        guard let drain else { return }
        if now >= drain.idleCloseAt { forEach { $0.closeIfIdle() } }
        if now >= drain.deadline { forEach { $0.close(.drain) } }
    }

    /// From the end, since a connection that closes is replaced by the last one.
    private func forEach(_ body: (Connection) -> Void) {
        var index = connections.count - 1
        while index >= 0 {
            if index < connections.count { body(connections[index]) }
            index -= 1
        }
    }

    // MARK: - Drain

    /// Every further answer is its connection's last. Idle connections are closed after `idleGrace`, all others at
    /// `deadline`; `done` is fulfilled when none is left.
    func beginDrain(idleGrace: TimeAmount, deadline: TimeAmount, done: EventLoopPromise<Void>) {
        guard drain == nil else { return done.succeed() }
        let now = eventLoop.now
        drain = Drain(idleCloseAt: now + idleGrace, deadline: now + deadline, done: done)
        if idleGrace <= .zero { forEach { $0.closeIfIdle() } }
        finishDrainIfDone()
    }

    private func finishDrainIfDone() {
        guard let drain, connections.isEmpty else { return }
        sweep?.cancel()
        sweep = nil
        endTurn = {}
        drain.done.succeed()
    }

    // MARK: - Buffers

    // The answers of one turn leave at its end, so connections need a buffer only in between. A few spare buffers serve
    // them all; idle connections hold none.

    func takeBuffer() -> ByteBuffer {
        guard var buffer = spares.popLast() else {
            return ByteBufferAllocator().buffer(capacity: Self.bufferBytesMin)
        }
        // Allocates only where the last write is not done with the buffer.
        buffer.clear()
        return buffer
    }

    /// Takes a buffer back; leaves an empty one.
    func giveBack(_ buffer: inout ByteBuffer) {
        var returned = ByteBuffer()
        swap(&returned, &buffer)
        if returned.capacity <= Self.spareBytesMax, spares.count < Self.finishingMax { spares.append(returned) }
    }

    // MARK: - A turn

    /// Something was read or answered. What is read until the event loop comes to its tasks is of one turn.
    func beginTurn(_ now: NIODeadline) {
        turnNow = now
        guard turnBegan == nil else { return }
        turnBegan = now
        turnRequests = 0
        eventLoop.execute(endTurn)
    }

    /// Whether a request may be answered now; else it is to be refused at once. A turn of few requests that took long was
    /// held up by something else, and refusing helps nobody.
    func admits() -> Bool {
        turnRequests += 1
        guard let turnBegan, turnRequests > limits.queueFree else { return true }
        return turnNow - turnBegan <= limits.queueAgeMax
    }

    // MARK: - The end of a turn

    /// Sends the connection's answers at the end of this turn of the loop. A client on this machine that sleeps is woken
    /// by the first answer, not by each one anew; any other loses nothing, since all of them leave within the turn.
    func finishLater(_ connection: Connection) {
        guard !connection.isFinishing else { return }
        connection.isFinishing = true
        finishing.append(connection)
        beginTurn(turnNow)
    }

    /// Finishes the turn early where many wait for its end. Not to be called under a guard: it writes to sockets.
    func finishEarly() {
        if finishing.count >= Self.finishingMax, !isFinishing { finishAll() }
    }

    private func finishTurn() {
        turnBegan = nil
        finishAll()
    }

    private func finishAll() {
        // Others may come into the list meanwhile, and leave with the next turn.
        var connections: [Connection] = []
        swap(&connections, &finishing)
        isFinishing = true
        for connection in connections { connection.finishTurn() }
        isFinishing = false
        connections.removeAll(keepingCapacity: true)
        if finishing.isEmpty { swap(&connections, &finishing) }
    }
}
