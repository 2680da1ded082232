// The fan-out clients of a router, one for each event loop, as the other threads see them.

public import FanOut
public import Logging
public import Model
public import NIOCore
public import Query

public final class FanOutClients: Sendable {
    private let clients: [NIOLoopBound<FanOutClient>]
    public let memory: ShownMemory
    public let linkCounters: LinkCounters

    private init(_ clients: [NIOLoopBound<FanOutClient>], memory: ShownMemory, linkCounters: LinkCounters) {
        self.clients = clients
        self.memory = memory
        self.linkCounters = linkCounters
    }

    /// Makes a client on each loop of the group. `makeLocal` is called once on each loop, for `serve`; a router that
    /// holds nothing itself has none.
    public static func start(
        router: ID, group: any EventLoopGroup, rules: FanOutRules = FanOutRules(),
        settings: LinkClientSettings = LinkClientSettings(), logger: Logger,
        makeLocal: (@Sendable (any EventLoop) -> any Holder)? = nil
    ) async throws -> FanOutClients {
        let memory = ShownMemory()
        let counters = LinkCounters()
        var clients: [NIOLoopBound<FanOutClient>] = []
        for eventLoop in group.makeIterator() {
            let client = eventLoop.submit {
                let client = FanOutClient(
                    eventLoop: eventLoop, router: router, memory: memory, rules: rules, settings: settings,
                    counters: counters, logger: logger, local: makeLocal?(eventLoop))
                return NIOLoopBound(client, eventLoop: eventLoop)
            }
            clients.append(try await client.get())
        }
        return FanOutClients(clients, memory: memory, linkCounters: counters)
    }

    /// The client of this loop, which must be the caller's and of the group. To be kept, not asked for each time.
    public func client(on eventLoop: any EventLoop) -> FanOutClient {
        guard let client = clients.first(where: { $0.eventLoop === eventLoop }) else {
            preconditionFailure("a loop of another group")
        }
        return client.value
    }

    /// Hands the snapshot to every loop. From any thread; a later snapshot must be handed in later.
    public func update(_ snapshot: RoutingSnapshot) {
        for client in clients { client.eventLoop.execute { client.value.update(snapshot) } }
    }

    /// The control topic's position that requests go by from now on. From any thread, behind the snapshot's `update`.
    public func goBy(_ position: Offset) {
        for client in clients { client.eventLoop.execute { client.value.goBy(position) } }
    }

    /// The position that the requests of all loops go by.
    public func settledPosition() -> EventLoopFuture<Offset> {
        let asked = clients.map { client in client.eventLoop.submit { client.value.settledPosition } }
        return EventLoopFuture.whenAllSucceed(asked, on: clients[0].eventLoop).map { $0.min() ?? Offset(0) }
    }

    /// The counters of each loop.
    public func counters() -> EventLoopFuture<[FanOutCounters]> {
        let asked = clients.map { client in client.eventLoop.submit { client.value.counters } }
        return EventLoopFuture.whenAllSucceed(asked, on: clients[0].eventLoop)
    }

    /// Closes all links.
    public func stop() async throws {
        for client in clients { try await client.eventLoop.submit { client.value.stop() }.get() }
    }
}
