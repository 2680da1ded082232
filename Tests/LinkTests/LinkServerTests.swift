import Model
import NIOCore
import NIOPosix
import Query
import Synchronization
import Testing

@testable import Link
@testable import Wire

/// A connection that sends any bytes and gathers what comes back until the other side closes.
private final class RawClient: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    let received: EventLoopPromise<[UInt8]>
    private let bytes: NIOLoopBoundBox<[UInt8]>

    init(_ loop: any EventLoop) {
        received = loop.makePromise()
        bytes = NIOLoopBoundBox.makeBoxSendingValue([], eventLoop: loop)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytes.value += Array(unwrapInboundIn(data).readableBytesView)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) { received.succeed(bytes.value) }

    /// Everything that the server said before it closed.
    static func talk(to server: LinkServer, _ bytes: [UInt8]) async throws -> [UInt8] {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let client = RawClient(loop)
        let channel = try await ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(client) }
            }
            .connect(host: "127.0.0.1", port: server.port).get()
        try? await channel.writeAndFlush(ByteBuffer(bytes: bytes))
        return try await client.received.futureResult.get()
    }
}

@Suite struct LinkServerTests {
    private func server(_ change: (inout LinkServerSettings) -> Void = { _ in }) async throws -> LinkServer {
        var settings = LinkServerSettings(host: "127.0.0.1", port: 0)
        // Beside tests that keep all processors busy a client may be silent for long between two of its steps.
        settings.idleMax = .hours(1)
        change(&settings)
        return try await LinkServer.start(
            settings, member: makeID("n"), group: MultiThreadedEventLoopGroup.singleton, status: NodeStatus()
        ) { _ in ScriptedHolder("n", Script()) }
    }

    private func frames(_ write: (inout FrameWriter) -> Void) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeFrames(bytesMax: 4096, write)
        return Array(buffer.readableBytesView)
    }

    private func goodbye(_ reason: GoodbyeReason) -> [UInt8] { frames { ControlFrame.goodbye(reason, to: &$0) } }

    @Test func anUnknownVersionIsRefusedWithTheReason() async throws {
        let server = try await server()
        var hello = frames { ControlFrame.hello(makeID("r"), to: &$0) }
        hello[4] = FrameHeader.version + 1
        #expect(try await RawClient.talk(to: server, hello) == goodbye(.unknownVersion))
        await server.stop()
    }

    @Test func malformedBytesCloseTheLink() async throws {
        let server = try await server()
        let hello = frames { ControlFrame.hello(makeID("r"), to: &$0) }
        let answer = frames { ControlFrame.hello(makeID("n"), to: &$0) }
        let ping = frames { ControlFrame.ping(request: 1, to: &$0) }
        let pong = frames { ControlFrame.pong(request: 1, to: &$0) }
        let bad: [[UInt8]] = [
            [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0], [10, 0, 0, 0, FrameHeader.version, 99], pong,
            [11, 0, 0, 0, FrameHeader.version, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF],
        ]
        for bytes in bad {
            #expect(try await RawClient.talk(to: server, hello + ping + bytes) == answer + pong + goodbye(.malformed))
        }
        #expect(try await RawClient.talk(to: server, ping) == goodbye(.malformed))
        #expect(server.counters.malformed.load(ordering: .relaxed) == UInt64(bad.count + 1))
        await server.stop()
    }

    @Test func expiredQueriesAreNotAnswered() async throws {
        let server = try await server()
        let bytes = frames { writer in
            ControlFrame.hello(makeID("r"), to: &writer)
            QueryFrame.write(
                holderQuery(), needs: PositionNeeds(), remainingMs: 0, sentMs: 0, request: 5, to: &writer)
            ControlFrame.goodbye(.shuttingDown, to: &writer)
        }
        let expected = frames { writer in
            ControlFrame.hello(makeID("n"), to: &writer)
            ControlFrame.refusal(.expired, request: 5, to: &writer)
        }
        #expect(try await RawClient.talk(to: server, bytes) == expected)
        #expect(server.counters.expired.load(ordering: .relaxed) == 1)
        await server.stop()
    }

    @Test func connectionsOverTheLimitAreToldSo() async throws {
        let server = try await server { $0.connectionsPerLoopMax = 0 }
        #expect(try await RawClient.talk(to: server, []) == goodbye(.tooManyConnections))
        #expect(server.counters.overLimit.load(ordering: .relaxed) == 1)
        await server.stop()
    }

    @Test func aSilentConnectionIsClosed() async throws {
        let server = try await server { $0.idleMax = .milliseconds(20) }
        #expect(try await RawClient.talk(to: server, []) == [])
        #expect(server.counters.silent.load(ordering: .relaxed) == 1)
        await server.stop()
    }
}
