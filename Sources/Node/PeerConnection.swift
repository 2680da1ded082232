// A connection to a peer's management listener, for a loader's thread: it asks and waits, one question at a time. The
// connection itself lives on the management's event loop. Every answer has a limit of bytes and of time; whatever breaks a
// rule ends the connection.

import Membership
import NIOCore
import NIOHTTP1
import NIOPosix
import Snapshot

struct PeerAnswer: Sendable {
    var status: Int
    var retryAfterSeconds: Int?
    var body: ByteBuffer
}

final class PeerConnection: Sendable {
    private let channel: any Channel

    /// Waits. To be called on a thread of the program's own.
    init(to address: MemberAddress, on group: any EventLoopGroup) throws(SnapshotError) {
        do {
            channel = try ClientBootstrap(group: group)
                .connectTimeout(SnapshotPeerLimits.connectTimeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
                        try pipeline.addHandler(PeerHandler(host: "\(address.host):\(address.port)"))
                    }
                }
                .connect(host: address.host, port: Int(address.port)).wait()
        } catch {
            throw SnapshotError(.transfer(.unreachable), "no connection to \(address.host):\(address.port): \(error)")
        }
    }

    /// Asks for `path` and waits for the answer, whose body has at most `bytesMax` bytes.
    func get(_ path: String, bytesMax: Int) throws(SnapshotError) -> PeerAnswer {
        let promise = channel.eventLoop.makePromise(of: PeerAnswer.self)
        let question = PeerQuestion(path: path, bytesMax: bytesMax, answer: promise)
        // Where it cannot be written the connection is gone, and its handler may be too.
        channel.writeAndFlush(question).cascadeFailure(to: promise)
        do {
            return try promise.futureResult.wait()
        } catch let error as SnapshotError {
            throw error
        } catch {
            throw SnapshotError(.transfer(.cut), "\(path): \(error)")
        }
    }

    func close() { channel.close(promise: nil) }
}

struct PeerQuestion: Sendable {
    var path: String
    var bytesMax: Int
    var answer: EventLoopPromise<PeerAnswer>
}

/// Turns questions into requests, and what comes back into answers. On its event loop alone.
private final class PeerHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = PeerQuestion
    typealias OutboundOut = HTTPClientRequestPart

    private let host: String
    private var question: PeerQuestion?
    private var answer: PeerAnswer?
    private var timeout: Scheduled<Void>?

    init(host: String) { self.host = host }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let question = unwrapOutboundIn(data)
        guard self.question == nil, context.channel.isActive else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        self.question = question
        timeout = context.eventLoop.assumeIsolated().scheduleTask(in: SnapshotPeerLimits.answerTimeout) {
            self.end(.slow, "\(question.path): no whole answer in time", context)
        }
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: question.path)
        head.headers.add(name: "Host", value: host)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let question else { return end(.answer, "bytes that nobody asked for", context) }
        switch unwrapInboundIn(data) {
        case .head(let head):
            // Interim answers say nothing.
            guard !(100..<200).contains(head.status.code) else { return }
            answer = PeerAnswer(
                status: Int(head.status.code),
                retryAfterSeconds: head.headers.first(name: "Retry-After").flatMap { Int($0) },
                body: ByteBuffer())
        case .body(var bytes):
            guard let count = answer?.body.readableBytes, count + bytes.readableBytes <= question.bytesMax else {
                return end(.answer, "\(question.path): an answer of more than \(question.bytesMax) bytes", context)
            }
            answer?.body.writeBuffer(&bytes)
        case .end:
            guard let answer else { return }
            self.answer = nil
            self.question = nil
            timeout?.cancel()
            question.answer.succeed(answer)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The end of the connection in the middle of an answer is told as an error of the parser too.
        let isNoHTTP = if let error = error as? HTTPParserError { error != .invalidEOFState } else { false }
        end(isNoHTTP ? .answer : .cut, "\(error)", context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.cut, "the peer closed the connection", context)
        context.fireChannelInactive()
    }

    private func end(_ fault: PeerFault, _ detail: String, _ context: ChannelHandlerContext) {
        timeout?.cancel()
        let question = question.take()
        question?.answer.fail(SnapshotError(.transfer(fault), detail))
        context.close(promise: nil)
    }
}
