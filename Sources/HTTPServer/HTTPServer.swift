// A server on one address: the public port or the management port. Connections are spread over the event loops; each
// loop has an answerer of its own, so that answering needs no lock.

public import NIOCore
public import NIOPosix

/// A server could not be started.
public struct HTTPServerError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable { case addressInUse, addressInvalid, failed }

    public let code: Code
    public let host: String
    public let port: Int
    /// What the system said.
    public let reason: String

    public var description: String {
        switch code {
        case .addressInUse: "\(host):\(port) is in use by another process; choose another port, or 0 for a free one"
        case .addressInvalid: "\(host):\(port) is no address of this machine (\(reason))"
        case .failed: "can't listen on \(host):\(port): \(reason)"
        }
    }
}

/// A listening server.
public final class HTTPServer: Sendable {
    private let listener: any Channel
    private let loops: [NIOLoopBound<LoopState>]

    private init(listener: any Channel, loops: [NIOLoopBound<LoopState>]) {
        self.listener = listener
        self.loops = loops
    }

    /// Where it listens: with port 0 asked for, the port that was free.
    public var port: Int { listener.localAddress?.port ?? 0 }

    /// Listens on `host` and `port`. `wallSeconds` gives the seconds since 1970 for the Date header; `makeAnswerer` is
    /// called once on each event loop.
    public static func start(
        host: String, port: Int, group: MultiThreadedEventLoopGroup, limits: HTTPLimits = HTTPLimits(),
        observer: any HTTPObserver, wallSeconds: @escaping @Sendable () -> Int64,
        makeAnswerer: @escaping @Sendable (any EventLoop) -> any Answerer
    ) async throws -> HTTPServer {
        let count = ConnectionCount()
        var loops: [NIOLoopBound<LoopState>] = []
        for eventLoop in group.makeIterator() {
            let state = try await eventLoop.submit {
                let state = LoopState(
                    eventLoop: eventLoop, limits: limits, answerer: makeAnswerer(eventLoop), observer: observer,
                    count: count, wallSeconds: wallSeconds)
                state.start()
                return NIOLoopBound(state, eventLoop: eventLoop)
            }.get()
            loops.append(state)
        }
        do {
            let bootstrap = makeBootstrap(group, limits, count, observer, loops)
            let listener = try await bootstrap.bind(host: host, port: port).get()
            return HTTPServer(listener: listener, loops: loops)
        } catch {
            await drain(loops, idleGrace: .zero, deadline: .zero)
            throw HTTPServerError(error, host: host, port: port)
        }
    }

    private static func makeBootstrap(
        _ group: MultiThreadedEventLoopGroup, _ limits: HTTPLimits, _ count: ConnectionCount,
        _ observer: any HTTPObserver, _ loops: [NIOLoopBound<LoopState>]
    ) -> ServerBootstrap {
        let marks = ChannelOptions.Types.WriteBufferWaterMark(low: limits.outputBytesLow, high: limits.outputBytesHigh)
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.writeBufferWaterMark, value: marks)
            .childChannelInitializer { channel in
                guard count.take(max: limits.connectionsMax) else {
                    observer.connectionRefused()
                    return channel.eventLoop.makeFailedFuture(TooManyConnections())
                }
                return channel.eventLoop.makeCompletedFuture {
                    guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop }) else { return }
                    try channel.pipeline.syncOperations.addHandler(Connection(loop: loop.value))
                }
            }
    }

    /// Stops listening, and answers what was asked: each connection's next answer says `Connection: close`. Idle
    /// connections are kept for `idleGrace`, since a client may be sending on one right now; whatever is left at
    /// `deadline` is closed. Returns when no connection is left.
    public func drain(idleGrace: TimeAmount, deadline: TimeAmount) async {
        try? await listener.close().get()
        await Self.drain(loops, idleGrace: idleGrace, deadline: deadline)
    }

    private static func drain(
        _ loops: [NIOLoopBound<LoopState>], idleGrace: TimeAmount, deadline: TimeAmount
    ) async {
        let drained = loops.map { loop in
            loop.eventLoop.flatSubmit {
                let done = loop.eventLoop.makePromise(of: Void.self)
                loop.value.beginDrain(idleGrace: idleGrace, deadline: deadline, done: done)
                return done.futureResult
            }
        }
        for future in drained { try? await future.get() }
    }
}

/// Makes the listener close a connection before anything is set up for it.
private struct TooManyConnections: Error {}

extension HTTPServerError {
    fileprivate init(_ error: any Error, host: String, port: Int) {
        let code: Code
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE: code = .addressInUse
        case EADDRNOTAVAIL: code = .addressInvalid
        case nil where error is SocketAddressError: code = .addressInvalid
        default: code = .failed
        }
        self.init(code: code, host: host, port: port, reason: "\(error)")
    }
}
