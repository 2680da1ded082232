// One connection of a router to this node.
//
// Back-pressure: once a megabyte waits for the socket, no more queries are answered and nothing more is read until the
// socket has taken most of it. So a connection holds at most that, one answer more, and one read of queries.

internal import Model
internal import NIOCore
internal import Query
internal import Wire

final class LinkServerHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let loop: LinkServerLoop
    private var context: ChannelHandlerContext?
    private var input = FrameInput()
    private var output = ByteBuffer()
    private var parts = PartWriter()
    /// Of the last needs frame.
    private var needs: GlobalPosition?
    /// Decoded into again and again, for its arrays.
    private var frame = QueryFrame()
    private var isGreeted = false
    private var isReadHeld = false
    private var lastReadAt = NIODeadline.now()
    private var ages = QueryAge()
    private var idleCheck: Scheduled<Void>?

    /// Output is handed to the channel when it reaches this size, not only at the end of a read.
    private static let outputBytes = 256 << 10

    init(_ loop: LinkServerLoop) { self.loop = loop }

    // MARK: - The connection's life

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        guard loop.add(self) else { return leave(.tooManyConnections) }
        checkIdle()
        context.fireChannelActive()
    }

    private func checkIdle() {
        guard NIODeadline.now() < lastReadAt + loop.settings.idleMax else {
            loop.counters.silent.count()
            context?.close(promise: nil)
            return
        }
        let next = lastReadAt + loop.settings.idleMax
        idleCheck = loop.eventLoop.assumeIsolated().scheduleTask(deadline: next) { self.checkIdle() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        idleCheck?.cancel()
        loop.remove(self)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or the like: the router sees its link close and asks others.
        context.close(promise: nil)
    }

    /// Says why, and closes.
    func leave(_ reason: GoodbyeReason) {
        guard let context else { return }
        output.writeFrames(bytesMax: ControlFrame.bytesMax) { ControlFrame.goodbye(reason, to: &$0) }
        flush()
        self.context = nil
        context.close(promise: nil)
    }

    // MARK: - Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastReadAt = .now()
        loop.beginTurn(lastReadAt)
        input.append(unwrapInboundIn(data))
        readFrames()
    }

    func channelReadComplete(context: ChannelHandlerContext) { flush() }

    func read(context: ChannelHandlerContext) {
        if context.channel.isWritable { context.read() } else { isReadHeld = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        // What was read before has waited since then.
        loop.beginTurn(lastReadAt)
        readFrames()
        flush()
        guard isReadHeld, context.channel.isWritable else { return }
        isReadHeld = false
        context.read()
    }

    private func readFrames() {
        do throws(WireError) {
            while let context, context.channel.isWritable, let (header, body) = try input.next() {
                try read(header, body)
                if output.readableBytes >= Self.outputBytes { flush() }
            }
        } catch {
            loop.counters.malformed.count()
            if case .unknownVersion = error { leave(.unknownVersion) } else { leave(.malformed) }
        }
    }

    private func read(_ header: FrameHeader, _ body: ByteBuffer) throws(WireError) {
        guard isGreeted || header.type == .hello || header.type == .goodbye else {
            throw .malformed("no hello before it")
        }
        switch header.type {
        case .hello:
            // Who it is matters to nobody here; it must be well formed.
            _ = try unsafe body.withUnsafeReadableBytes { bytes throws(WireError) in
                try unsafe ControlFrame.readHello(bytes)
            }
            isGreeted = true
            output.writeFrames(bytesMax: ControlFrame.bytesMax) { ControlFrame.hello(loop.member, to: &$0) }
        case .query:
            try unsafe body.withUnsafeReadableBytes { bytes throws(WireError) in try unsafe frame.read(bytes) }
            try answerFrame(header.request)
        case .needs:
            needs = try unsafe body.withUnsafeReadableBytes { bytes throws(WireError) in
                try unsafe ControlFrame.readNeeds(bytes)
            }
        case .ping:
            output.writeFrames(bytesMax: ControlFrame.bytesMax) { ControlFrame.pong(request: header.request, to: &$0) }
        case .goodbye:
            flush()
            context?.close(promise: nil)
        case .part, .refusal, .pong: throw .malformed("a frame that only nodes send")
        }
    }

    // MARK: - Answering

    private func answerFrame(_ request: UInt64) throws(WireError) {
        if frame.needsGlobals, needs == nil { throw .malformed("needs never sent") }
        let now = NIODeadline.now()
        let ageMs = ages.received(sentMs: frame.sentMs, nowMs: now.uptimeNanoseconds / 1_000_000)
        guard ageMs < frame.remainingMs else {
            loop.counters.expired.count()
            return refuse(request, .expired)
        }
        let until = now + .milliseconds(Int64(frame.remainingMs) - Int64(ageMs))
        guard loop.admits(now) else {
            loop.counters.shed.count()
            return refuse(request, .holder(.overloaded))
        }
        let needs = PositionNeeds(offsets: frame.neededOffsets, globals: frame.needsGlobals ? needs : nil)
        guard let refusal = answer(frame.query, needs: needs, request: request) else { return }
        if refusal == .behind {
            let parked = ParkedQuery(
                connection: self, request: request, query: frame.query, needs: needs,
                until: min(until, now + loop.settings.parkMax))
            if loop.park(parked) { return }
        }
        loop.counters.refused.count()
        refuse(request, .holder(refusal))
    }

    /// Whether the parked query is done with.
    func retry(_ parked: ParkedQuery, now: NIODeadline) -> Bool {
        guard let context else { return true }
        // While the socket is full nothing is added to what waits for it.
        if context.channel.isWritable {
            let refusal = answer(parked.query, needs: parked.needs, request: parked.request)
            guard let refusal else { return true }
            if refusal != .behind {
                loop.counters.refused.count()
                refuse(parked.request, .holder(refusal))
                return true
            }
        }
        guard now >= parked.until else { return false }
        loop.counters.refused.count()
        refuse(parked.request, .holder(.behind))
        return true
    }

    /// Writes the part into the output; or returns why there is none.
    private func answer(_ query: HolderQuery, needs: PositionNeeds, request: UInt64) -> HolderRefusal? {
        var refusal: HolderRefusal?
        unsafe loop.holder.answer(query, needs: needs, knowing: nil) { part, shown, freshness in
            guard let shown else { preconditionFailure("a part without its position") }
            let bytesMax = unsafe PartWriter.bytesMax(part, shown: shown)
            guard bytesMax <= Limits.frameBytesMax else {
                refusal = .answerTooLarge
                return
            }
            output.writeFrames(bytesMax: bytesMax) { writer in
                let load = NodeLoad(freshness: freshness, loadPermille: loop.status.loadPermille)
                unsafe parts.write(part, shown: shown, load: load, request: request, to: &writer)
            }
            loop.counters.answered.count()
        } refused: {
            refusal = $0
        }
        return refusal
    }

    private func refuse(_ request: UInt64, _ refusal: Refusal) {
        output.writeFrames(bytesMax: ControlFrame.bytesMax) {
            ControlFrame.refusal(refusal, request: request, to: &$0)
        }
    }

    func flush() {
        guard let context, output.readableBytes > 0 else { return }
        let bytes = output.take()
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        output.reuse(bytes)
    }
}
