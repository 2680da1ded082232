// The router's end of a link: one connection of one event loop to one node.
//
//   waiting ──► connecting ──► greeting ──► up
//      ▲ back-off   │             │          │
//      └────────────┴─────────────┴──────────┘  closed, refused, silent, malformed
//                                               stopped: for ever, the node left the snapshot
//
// The connection is made as soon as a snapshot names the node, and made again with a growing pause. Queries may be
// written before the node has greeted; if it never does, the link goes down and they are asked elsewhere.

internal import FanOut
internal import Logging
internal import Model
internal import NIOCore
internal import NIOPosix
internal import Query
internal import Wire

public struct LinkClientSettings: Sendable {
    public var connectMs: Int64 = 500
    /// The first pause before connecting again; it doubles up to `pauseMsMax`.
    public var pauseMs: Int64 = 50
    public var pauseMsMax: Int64 = 2000
    /// Time between signs of life asked for.
    public var pingMs: Int64 = 1000
    /// A link whose hello or ping is not answered for this long is closed.
    public var silenceMsMax: Int64 = 3000
    /// Queries waiting for the socket; more are refused, and others are asked.
    public var outputBytesMax = 4 << 20
    /// Replies of one loop that wait for the others of their requests; one more is refused as overloaded. Some 8 KiB each,
    /// as often 4,096 requests have two, and room for one of the largest answers.
    public var replyBytesMax = 128 << 20

    public init() {}
}

/// Who is told of what happens on a link, on its loop.
protocol LinkOwner: AnyObject {
    func linkUp(_ link: LinkClient)
    func linkDown(_ link: LinkClient)
    func linkAnsweredProbe(_ link: LinkClient)
    func takeReply() -> Reply
    /// Owns the reply from here. False where it does not fit its ask, which no correct node sends.
    func linkReplied(_ ask: AskID, _ reply: Reply, from link: LinkClient) -> Bool
    func linkRefused(_ ask: AskID, _ refusal: Refusal)
}

final class LinkClient {
    enum State { case waiting, connecting, greeting, up, stopped }

    let node: RoutingNode
    /// In the latest snapshot.
    var index: NodeIndex
    var newest = NewestShown()
    private let router: ID
    private let eventLoop: any EventLoop
    private let settings: LinkClientSettings
    private let counters: LinkCounters
    private let logger: Logger
    private weak var owner: (any LinkOwner)?

    /// Of this connection.
    var globals = NodeGlobals()
    private(set) var state = State.waiting
    private var channel: (any Channel)?
    private var input = FrameInput()
    private var output = ByteBuffer()
    private var parts = PartReader()
    /// The version of the global positions in the last needs frame.
    private var needsVersion: UInt64?
    private var pauseMs: Int64
    private var lastConnectAt = NIODeadline.uptimeNanoseconds(0)
    /// Since when a hello or a pong is waited for.
    private var silentSince: NIODeadline?
    private var timer: Scheduled<Void>?

    init(
        _ node: RoutingNode, index: NodeIndex, router: ID, eventLoop: any EventLoop, settings: LinkClientSettings,
        counters: LinkCounters, logger: Logger, owner: any LinkOwner
    ) {
        self.node = node
        self.index = index
        self.router = router
        self.eventLoop = eventLoop
        self.settings = settings
        self.counters = counters
        self.logger = logger
        self.owner = owner
        self.pauseMs = settings.pauseMs
    }

    // MARK: - Asking

    /// Writes a query; it leaves with the next `flush`. False where it cannot be taken now.
    func send(
        _ query: HolderQuery, needs: PositionNeeds, needsVersion version: UInt64, remainingMs: UInt32, nowNs: UInt64,
        ask: AskID
    ) -> Bool {
        if state == .waiting {
            // Asked of a node whose link is down, since no other was left: try at once, but not without pause.
            guard NIODeadline.now() >= lastConnectAt + .milliseconds(settings.pauseMs) else { return false }
            connect()
        }
        guard state != .stopped, state != .waiting, channel?.isWritable ?? true else { return false }
        let bytesMax = QueryFrame.bytesMax(query, needs: needs)
        guard output.readableBytes + bytesMax <= settings.outputBytesMax else { return false }
        if let globals = needs.globals, needsVersion != version {
            needsVersion = version
            output.writeFrames(bytesMax: ControlFrame.needsBytesMax(globals)) { ControlFrame.needs(globals, to: &$0) }
        }
        output.writeFrames(bytesMax: bytesMax) { writer in
            QueryFrame.write(
                query, needs: needs, remainingMs: remainingMs, sentMs: nowNs / 1_000_000, request: ask.rawValue,
                to: &writer)
        }
        return true
    }

    /// Asks for a sign of life, unless one is waited for.
    func probe() {
        guard state == .up, silentSince == nil else { return }
        silentSince = .now()
        output.writeFrames(bytesMax: ControlFrame.bytesMax) { ControlFrame.ping(request: 0, to: &$0) }
        flush()
    }

    func flush() {
        guard state == .greeting || state == .up, let channel, output.readableBytes > 0 else { return }
        let bytes = output.take()
        channel.writeAndFlush(bytes, promise: nil)
        output.reuse(bytes)
    }

    // MARK: - The connection's life

    func connect() {
        guard state == .waiting else { return }
        state = .connecting
        timer?.cancel()
        lastConnectAt = .now()
        output.writeFrames(bytesMax: ControlFrame.bytesMax) { ControlFrame.hello(router, to: &$0) }
        let link = NIOLoopBound(self, eventLoop: eventLoop)
        ClientBootstrap(group: eventLoop)
            .connectTimeout(.milliseconds(settings.connectMs))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LinkClientHandler(link.value))
                }
            }
            .connect(host: node.host, port: node.port)
            .assumeIsolated()
            .whenFailure { error in
                if self.state == .connecting { self.down("\(error)") }
            }
    }

    /// Closes the link for good. The owner is not told.
    func stop() {
        state = .stopped
        timer?.cancel()
        channel?.close(promise: nil)
        channel = nil
    }

    fileprivate func connected(_ channel: any Channel) {
        guard state == .connecting else { return channel.close(promise: nil) }
        self.channel = channel
        state = .greeting
        silentSince = .now()
        flush()
        watch()
    }

    fileprivate func closed(_ channel: any Channel) {
        if self.channel === channel { down("closed") }
    }

    /// Looks after the connection every `pingMs`.
    private func watch() {
        timer = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(settings.pingMs)) {
            if let since = self.silentSince, NIODeadline.now() >= since + .milliseconds(self.settings.silenceMsMax) {
                self.counters.silent.count()
                return self.down("silent")
            }
            self.probe()
            self.watch()
        }
    }

    private func down(_ reason: String) {
        guard state != .waiting, state != .stopped else { return }
        logger.info(
            "link down",
            metadata: ["node": "\(node.id)", "address": "\(node.host):\(node.port)", "reason": "\(reason)"])
        state = .waiting
        let channel = channel
        self.channel = nil
        channel?.close(promise: nil)
        input = FrameInput()
        output = ByteBuffer()
        parts = PartReader()
        newest = NewestShown()
        globals = NodeGlobals()
        needsVersion = nil
        silentSince = nil
        timer?.cancel()
        timer = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(pauseMs)) { self.connect() }
        pauseMs = min(pauseMs * 2, settings.pauseMsMax)
        owner?.linkDown(self)
    }

    // MARK: - Reading

    fileprivate func received(_ bytes: ByteBuffer, on channel: any Channel) {
        guard self.channel === channel else { return }
        input.append(bytes)
        do throws(WireError) {
            while self.channel === channel, let (header, body) = try input.next() { try read(header, body) }
        } catch {
            counters.malformed.count()
            down("\(error)")
        }
    }

    private func read(_ header: FrameHeader, _ body: ByteBuffer) throws(WireError) {
        guard state == .up || header.type == .hello || header.type == .goodbye else {
            throw .malformed("no hello before it")
        }
        switch header.type {
        case .hello: try greeted(body)
        case .part:
            guard let owner else { return }
            let reply = owner.takeReply()
            try reply.read(body, &parts)
            guard owner.linkReplied(AskID(rawValue: header.request), reply, from: self) else {
                throw .malformed("a part that was not asked for like this")
            }
        case .refusal:
            let refusal = try unsafe body.withUnsafeReadableBytes { bytes throws(WireError) in
                try unsafe ControlFrame.readRefusal(bytes)
            }
            owner?.linkRefused(AskID(rawValue: header.request), refusal)
        case .pong:
            silentSince = nil
            owner?.linkAnsweredProbe(self)
        case .goodbye:
            let reason = try unsafe body.withUnsafeReadableBytes { bytes throws(WireError) in
                try unsafe ControlFrame.readGoodbye(bytes)
            }
            down("the node says \(reason.map { "\($0)" } ?? "goodbye")")
        case .query, .needs, .ping: throw .malformed("a frame that only routers send")
        }
    }

    private func greeted(_ body: ByteBuffer) throws(WireError) {
        let member = try unsafe body.withUnsafeReadableBytes { bytes throws(WireError) in
            try unsafe ControlFrame.readHello(bytes)
        }
        // Another node may have taken over the address.
        guard member == node.id else { throw .malformed("another member than expected") }
        guard state == .greeting else { return }
        state = .up
        silentSince = nil
        pauseMs = settings.pauseMs
        logger.info("link up", metadata: ["node": "\(node.id)", "address": "\(node.host):\(node.port)"])
        owner?.linkUp(self)
    }
}

/// Hands the channel's events to the link.
private final class LinkClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: LinkClient

    init(_ link: LinkClient) { self.link = link }

    func channelActive(context: ChannelHandlerContext) { link.connected(context.channel) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        link.received(unwrapInboundIn(data), on: context.channel)
    }

    func channelInactive(context: ChannelHandlerContext) { link.closed(context.channel) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
