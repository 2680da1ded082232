// The node's end of the links: the listener and what each event loop has.

public import Model
public import NIOCore
internal import NIOPosix
public import Query
internal import Synchronization
internal import Wire

public struct LinkServerSettings: Sendable {
    public var host: String
    /// 0 takes a free one.
    public var port: Int
    /// Connections on one loop; more are told so and closed. A router has one for each of its loops.
    public var connectionsPerLoopMax = 1024
    /// A connection that says nothing for this long is closed; routers ping every few seconds.
    public var idleMax: TimeAmount = .seconds(30)
    /// How long a query that is behind waits at most, in steps of `parkStep`.
    public var parkMax: TimeAmount = .milliseconds(50)
    public var parkStep: TimeAmount = .milliseconds(1)
    /// Queries waiting on one loop; more are refused as behind at once.
    public var parkedPerLoopMax = 256
    /// A query that comes to its turn later than this after the loop's turn began is refused at once as overloaded: it
    /// has waited for that long and for what the turn before took, and others wait behind it.
    public var queueAgeMax: TimeAmount = .milliseconds(100)
    /// The first queries of each turn are never refused for its age.
    public var queueFree = 64

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

public final class LinkServer: Sendable {
    private let listener: any Channel
    private let loops: [NIOLoopBound<LinkServerLoop>]
    public let counters: LinkCounters

    private init(listener: any Channel, loops: [NIOLoopBound<LinkServerLoop>], counters: LinkCounters) {
        self.listener = listener
        self.loops = loops
        self.counters = counters
    }

    /// Begins to listen. `makeHolder` is called once on each loop of the group.
    public static func start(
        _ settings: LinkServerSettings, member: ID, group: any EventLoopGroup, status: NodeStatus,
        makeHolder: @escaping @Sendable (any EventLoop) -> any Holder
    ) async throws -> LinkServer {
        let counters = LinkCounters()
        var loops: [NIOLoopBound<LinkServerLoop>] = []
        for eventLoop in group.makeIterator() {
            let loop = eventLoop.submit {
                let loop = LinkServerLoop(
                    eventLoop: eventLoop, holder: makeHolder(eventLoop), settings: settings, member: member,
                    status: status, counters: counters)
                return NIOLoopBound(loop, eventLoop: eventLoop)
            }
            loops.append(try await loop.get())
        }
        let all = loops
        let listener = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = all.first(where: { $0.eventLoop === channel.eventLoop })?.value else {
                        preconditionFailure("a connection on a loop of another group")
                    }
                    try channel.pipeline.syncOperations.addHandler(LinkServerHandler(loop))
                }
            }
            .bind(host: settings.host, port: settings.port).get()
        return LinkServer(listener: listener, loops: loops, counters: counters)
    }

    /// The port that is listened on.
    public var port: Int { listener.localAddress?.port ?? 0 }

    /// Closes the listener and all connections.
    public func stop() async {
        // A listener that is closed already is what is wanted.
        try? await listener.close()
        for loop in loops { try? await loop.eventLoop.submit { loop.value.closeAll() }.get() }
    }
}

/// What the connections of one event loop share. Used on that loop alone.
final class LinkServerLoop {
    let eventLoop: any EventLoop
    let holder: any Holder
    let settings: LinkServerSettings
    let member: ID
    let status: NodeStatus
    let counters: LinkCounters
    private var connections: [ObjectIdentifier: LinkServerHandler] = [:]
    private var parked: [ParkedQuery] = []
    /// When the turn of the event loop began that reads queries; nil outside of one.
    private var turnBegan: NIODeadline?
    private var turnQueries = 0
    /// Ends the turn. Made once, since a loop that has little to do begins a turn for almost every query; it keeps the
    /// loop, until `closeAll`.
    private var endTurn: @Sendable () -> Void = {}

    init(
        eventLoop: any EventLoop, holder: any Holder, settings: LinkServerSettings, member: ID, status: NodeStatus,
        counters: LinkCounters
    ) {
        self.eventLoop = eventLoop
        self.holder = holder
        self.settings = settings
        self.member = member
        self.status = status
        self.counters = counters
        let loop = NIOLoopBound(self, eventLoop: eventLoop)
        endTurn = { loop.value.turnBegan = nil }
    }

    /// Something was read. What is read until the event loop comes to its tasks is of one turn.
    func beginTurn(_ now: NIODeadline) {
        guard turnBegan == nil else { return }
        turnBegan = now
        turnQueries = 0
        eventLoop.execute(endTurn)
    }

    /// How long this turn has lasted.
    func turnAge(_ now: NIODeadline) -> TimeAmount { turnBegan.map { now - $0 } ?? .zero }

    /// Whether a query may be answered now; else it is to be refused at once. A turn of few queries that took long was
    /// held up by something else, and refusing helps nobody.
    func admits(_ now: NIODeadline) -> Bool {
        turnQueries += 1
        return turnAge(now) <= settings.queueAgeMax || turnQueries <= settings.queueFree
    }

    /// False where there are too many.
    func add(_ connection: LinkServerHandler) -> Bool {
        guard connections.count < settings.connectionsPerLoopMax else {
            counters.overLimit.count()
            return false
        }
        connections[ObjectIdentifier(connection)] = connection
        return true
    }

    func remove(_ connection: LinkServerHandler) { connections[ObjectIdentifier(connection)] = nil }

    func closeAll() {
        for connection in Array(connections.values) { connection.leave(.shuttingDown) }
        endTurn = {}
    }

    /// False where too many wait.
    func park(_ query: ParkedQuery) -> Bool {
        guard parked.count < settings.parkedPerLoopMax else { return false }
        counters.parked.count()
        parked.append(query)
        if parked.count == 1 { scheduleRetry() }
        return true
    }

    private func scheduleRetry() {
        eventLoop.assumeIsolated().scheduleTask(in: settings.parkStep) { self.retry() }
    }

    private func retry() {
        let now = NIODeadline.now()
        var waiting: [ParkedQuery] = []
        let due = parked
        for query in due where !query.connection.retry(query, now: now) { waiting.append(query) }
        parked = waiting
        for query in due { query.connection.flush() }
        if !parked.isEmpty { scheduleRetry() }
    }
}

/// A query whose positions are not reached yet.
struct ParkedQuery {
    let connection: LinkServerHandler
    let request: UInt64
    let query: HolderQuery
    let needs: PositionNeeds
    let until: NIODeadline
}
