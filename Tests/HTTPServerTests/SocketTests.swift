import NIOCore
import NIOPosix
import Testing

@testable import HTTPServer

/// A client that sends, may close its side, and gathers what comes until the server closes.
private final class Gatherer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var text = ByteBuffer()
    private let done: EventLoopPromise<String>

    init(_ done: EventLoopPromise<String>) { self.done = done }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        text.writeBuffer(&bytes)
    }

    func channelInactive(context: ChannelHandlerContext) { done.succeed(String(buffer: text)) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

private struct Client {
    var channel: any Channel
    var received: EventLoopFuture<String>

    init(_ port: Int, reads: Bool = true) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let done = loop.makePromise(of: String.self)
        channel = try await ClientBootstrap(group: loop)
            .channelOption(.autoRead, value: reads)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Gatherer(done))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        received = done.futureResult
    }

    func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)).get() }
}

private func withServer(
    _ limits: HTTPLimits = HTTPLimits(), _ body: (HTTPServer, CountingObserver) async throws -> Void
) async throws {
    let observer = CountingObserver()
    let server = try await HTTPServer.start(
        host: "127.0.0.1", port: 0, group: .singleton, limits: limits, observer: observer, wallSeconds: { 0 }
    ) { _ in ScriptedAnswerer() }
    try await body(server, observer)
    await server.drain(idleGrace: .zero, deadline: .zero)
    let counts = observer.counts
    #expect(counts.opened == counts.closed.count, "a connection is left")
}

@Suite(.timeLimit(.minutes(1))) struct SocketTests {
    @Test func keepAliveAndClose() async throws {
        try await withServer { server, _ in
            let client = try await Client(server.port)
            try await client.send(get("/a"))
            try await client.send(get("/b") + get("/c", "Connection: close\r\n"))
            #expect(try await answers(client.received.get()).map(\.body) == ["/a", "/b", "/c"])
        }
    }

    @Test func halfClosedClientGetsItsAnswers() async throws {
        try await withServer { server, _ in
            let client = try await Client(server.port)
            try await client.channel.setOption(.allowRemoteHalfClosure, value: true).get()
            try await client.send(get("/a") + get("/large"))
            try await client.channel.close(mode: .output).get()
            let text = try await client.received.get()
            #expect(try answers(text).map(\.body.utf8.count) == [2, 6 + 1 << 20])
        }
    }

    /// The answer to a refused upload arrives though the client goes on sending.
    @Test func uploadIsRefused() async throws {
        try await withServer { server, _ in
            let client = try await Client(server.port)
            let body = String(repeating: "x", count: 200_000)
            try await client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + body)
            let all = try await answers(client.received.get())
            #expect(all.map(\.status) == [405])
        }
    }

    @Test func connectionLimit() async throws {
        var limits = HTTPLimits()
        limits.connectionsMax = 1
        try await withServer(limits) { server, observer in
            let first = try await Client(server.port)
            try await first.send(get("/a"))
            let second = try await Client(server.port)
            #expect(try await second.received.get() == "")
            try await first.send(get("/b", "Connection: close\r\n"))
            #expect(try await answers(first.received.get()).map(\.body) == ["/a", "/b"])
            #expect(observer.counts.refused == 1)
        }
    }

    @Test func slowReaderPays() async throws {
        var limits = HTTPLimits()
        limits.stalledBytesMax = 1 << 20
        try await withServer(limits) { server, observer in
            let client = try await Client(server.port, reads: false)
            // More than the sockets' own buffers hold. The write may fail when the server closes.
            try? await client.send(String(repeating: get("/large"), count: 16))
            while observer.counts.closed.isEmpty { await Task.yield() }
            #expect(observer.counts.closed == [.slowReader])
            try? await client.channel.close().get()
        }
    }

    @Test func drainEndsIdleConnections() async throws {
        try await withServer { server, observer in
            let client = try await Client(server.port)
            try await client.send(get("/a"))
            while observer.counts.statuses.isEmpty { await Task.yield() }
            await server.drain(idleGrace: .zero, deadline: .seconds(10))
            #expect(try await answers(client.received.get()).map(\.body) == ["/a"])
            #expect(observer.counts.closed == [.drain])
        }
    }

    @Test func addressInUse() async throws {
        try await withServer { server, observer in
            let error = await #expect(throws: HTTPServerError.self) {
                _ = try await HTTPServer.start(
                    host: "127.0.0.1", port: server.port, group: .singleton, observer: observer, wallSeconds: { 0 }
                ) { _ in ScriptedAnswerer() }
            }
            #expect(error?.code == .addressInUse)
            #expect(error?.port == server.port)
        }
    }
}
