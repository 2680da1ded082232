// One client's connection: bytes in → requests → answers in order → bytes out.
//
//   socket ─► channelRead ─► input ─► parser ─► answerer ─► send ─► output ─► one write at the end of the turn
//                                                  └─ later, same loop ─► send
//
// All of it runs on the connection's event loop. The usual request is parsed where the socket read it, answered by a
// call and written into a buffer that the loop's connections share, without an allocation and without a timer of its
// own: timeouts are looked for by the loop's sweep (`LoopState`).

import Glibc
import HTTP1
import NIOCore
import Query

final class Connection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum State {
        /// Takes requests. → ending, lingering, closed
        case open
        /// Takes no more requests, and still has some to answer. → lingering, closed
        case ending
        /// All is answered and the output closed; what still comes is dropped. → closed
        case lingering
        case closed
    }

    let loop: LoopState
    /// The place in `LoopState.connections`.
    var index = 0
    var state = State.open
    /// Why the connection ends, once that is known.
    var end = ConnectionEnd.client

    private var context: ChannelHandlerContext?
    private var parser = RequestHeadParser()
    /// What was received and is not parsed: from the first byte of a head on.
    private var input = ByteBuffer()
    /// Whether `input` is memory of this connection's own, and not the buffer that the socket was read into.
    private var ownsInput = false
    private var output = ByteBuffer()
    private var requests: RequestQueue
    private var isProcessing = false
    /// Whether it stands in the loop's list of connections whose turn is to be finished.
    var isFinishing = false
    private var isReadHeld = false
    private var isInputClosed = false

    /// When the bytes being processed were read.
    private var received = NIODeadline.uptimeNanoseconds(0)
    /// When the last request came or the last answer went.
    private var lastActive = NIODeadline.uptimeNanoseconds(0)
    /// When the head that waits for its end began.
    private var headStarted: NIODeadline?
    private var lingerStarted = NIODeadline.uptimeNanoseconds(0)
    private var droppedBytes = 0
    /// Since when the client has taken nothing, and how much waits for it; nil while the output is writable.
    private var stall: (since: NIODeadline, bytes: Int)?
    /// Valid until the channel is closed, which is told before anything else can be done here.
    private var socket: NIOBSDSocket.Handle?
    /// Writes that the channel has not finished.
    private var channelWrites = 0

    init(loop: LoopState) {
        self.loop = loop
        self.requests = RequestQueue(capacity: loop.limits.pipelinedMax)
    }

    private var isPaused: Bool { stall != nil || requests.isFull }

    // MARK: - Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        lastActive = loop.eventLoop.now
        // Nil for a channel without one, as tests have.
        socket = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable { $0 }
        loop.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        state = .closed
        socket = nil
        if let stall { loop.stalledBytes -= stall.bytes }
        stall = nil
        loop.heldBytes -= requests.heldBytes
        requests.removeAll()
        self.context = nil
        loop.remove(self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        state = .closed
        socket = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close(.failure) }

    /// Closes at once; answers that still come are dropped.
    func close(_ end: ConnectionEnd) {
        guard state != .closed else { return }
        state = .closed
        self.end = end
        context?.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            isInputClosed = true
            if state == .lingering { close(end) } else { endIfDone() }
        }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: - In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        guard state == .open else { return drop(bytes.readableBytes) }
        received = loop.eventLoop.now
        lastActive = received
        loop.beginTurn(received)
        ownsInput = input.readableBytes > 0
        if ownsInput {
            if input.readerIndex > input.readableBytes { input.discardReadBytes() }
            input.writeBuffer(&bytes)
        } else {
            input = bytes
        }
        guard input.readableBytes <= loop.limits.inputBytesMax else { return close(.inputLimit) }
        process()
    }

    private func drop(_ count: Int) {
        droppedBytes += count
        if droppedBytes > loop.limits.inputBytesMax { close(end) }
    }

    /// Reading waits while no more requests are taken.
    func read(context: ChannelHandlerContext) {
        if state == .open && isPaused { isReadHeld = true } else { context.read() }
    }

    /// Parses and answers what is there. The answers leave at the end of this turn of the loop.
    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        // A copy of the reference, since an answer may come back into this object while the bytes are being read.
        var bytes = input
        input = ByteBuffer()
        while state == .open, !isPaused, bytes.readableBytes > 0 {
            switch parser.parse(bytes.readableBytesUInt8Span) {
            case .needsMore:
                if headStarted == nil { headStarted = loop.eventLoop.now }
            case .refused(let refusal):
                refuse(refusal)
            case .complete:
                let head = parser.head
                parser.reset()
                headStarted = nil
                take(head, bytes.readableBytesUInt8Span)
                bytes.moveReaderIndex(forwardBy: head.count)
                if output.readableBytes >= loop.limits.outputBytesHigh { flush() }
                continue
            }
            break
        }
        if bytes.readableBytes > 0, state == .open {
            // What is left is copied once, so that a few bytes do not hold a whole receive buffer.
            input = ownsInput ? bytes : ByteBuffer(bytes: bytes.readableBytesView)
            ownsInput = true
        }
        isProcessing = false
        guard output.readableBytes > 0 else { return endIfDone() }
        loop.finishLater(self)
        loop.finishEarly()
    }

    /// The end of a turn of the loop: what was answered in it leaves, and what waited for that goes on.
    func finishTurn() {
        flush()
        // More may be taken now; its answers leave at once.
        process()
        flush()
        isFinishing = false
        endIfDone()
    }

    private func take(_ head: RequestHead, _ bytes: Span<UInt8>) {
        let isLast = !head.keepsAlive || head.hasBody
        let sequence = requests.add(
            OpenRequest(method: head.method, isVersion10: head.isVersion10, isLast: isLast, received: received))
        if isLast { state = .ending }
        if head.hasBody { end = .refusal }
        let reply = Reply(connection: self, sequence: sequence)
        switch head.method {
        case .other:
            reply.send(.methodNotAllowed(bytes.extracting(head.methodToken.range)))
        case .get, .head, .options:
            if head.hasBody { return reply.send(FixedAnswers.body) }
            if head.method == .options { return reply.sendWithoutBody(FixedAnswers.options) }
            guard loop.admits() else {
                loop.observer.requestShed(.queueAge)
                return reply.send(FixedAnswers.overloaded)
            }
            loop.answerer.answer(head, bytes, reply)
        }
    }

    private func refuse(_ refusal: HeadRefusal) {
        let sequence = requests.add(OpenRequest(isLast: true, received: received))
        state = .ending
        end = .refusal
        Reply(connection: self, sequence: sequence).send(FixedAnswers.refusals[Int(refusal.rawValue)])
    }

    // MARK: - Out

    /// See `Reply`. `bodyCount` bytes follow the head, whose length field is `fields.contentLength`.
    func send(
        _ sequence: Int, _ template: ResponseTemplate, _ fields: AnswerFields, bodyCount: Int,
        write: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        guard state == .open || state == .ending else { return }
        var request = requests.answer(sequence)
        if loop.isDraining, state == .open, requests.isNewest(sequence) {
            state = .ending
            end = .drain
            request.isLast = true
        }
        let count = request.method == .head ? 0 : bodyCount
        var status = template.status
        if requests.isOldest(sequence) {
            if output.capacity == 0 { output = loop.takeBuffer() }
            unsafe append(template, fields, request, bodyCount: count, write, to: &output)
            requests.removeOldest()
            while var held = requests.removeHeld() {
                loop.heldBytes -= held.readableBytes
                output.writeBuffer(&held)
            }
        } else {
            unsafe status = hold(sequence, template, fields, request, bodyCount: count, write)
        }
        lastActive = loop.eventLoop.now
        loop.turnNow = lastActive
        loop.observer.answered(
            route: fields.route, method: request.method, status: status,
            nanoseconds: (lastActive - request.received).nanoseconds)
        // Not here: the answer may come from under a guard, which no write to a socket may prolong.
        if !isProcessing { loop.finishLater(self) }
    }

    /// Keeps the answer until all before it have left, or a refusal where too much is kept. Returns its status.
    private func hold(
        _ sequence: Int, _ template: ResponseTemplate, _ fields: AnswerFields, _ request: OpenRequest, bodyCount: Int,
        _ write: (UnsafeMutableRawBufferPointer) -> Void
    ) -> Int {
        var answer = ByteBuffer()
        let isKept = loop.heldBytes + bodyCount <= loop.limits.heldBytesMax
        if isKept {
            unsafe append(template, fields, request, bodyCount: bodyCount, write, to: &answer)
        } else {
            loop.observer.requestShed(.heldBytes)
            let problem = FixedAnswers.overloaded
            let problemFields = AnswerFields(contentLength: problem.body.count, route: fields.route)
            let count = request.method == .head ? 0 : problem.body.count
            unsafe append(
                problem.template, problemFields, request, bodyCount: count,
                { output in
                    unsafe problem.body.withUnsafeBytes { unsafe output.copyMemory(from: $0) }
                }, to: &answer)
        }
        loop.heldBytes += answer.readableBytes
        requests.hold(sequence, answer)
        return isKept ? template.status : FixedAnswers.overloaded.template.status
    }

    private func append(
        _ template: ResponseTemplate, _ fields: AnswerFields, _ request: OpenRequest, bodyCount: Int,
        _ write: (UnsafeMutableRawBufferPointer) -> Void, to buffer: inout ByteBuffer
    ) {
        let field: ConnectionField = request.isLast ? .close : request.isVersion10 ? .keepAlive : .none
        let room = template.bytes.count + ResponseTemplate.variableBytesMax + bodyCount
        unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { memory in
            let headCount = unsafe template.write(
                to: memory, date: loop.date, contentLength: fields.contentLength, entityTag: fields.entityTag,
                freshnessMs: fields.freshnessMs, connection: field)
            if bodyCount > 0 {
                unsafe write(UnsafeMutableRawBufferPointer(rebasing: memory[headCount..<headCount + bodyCount]))
            }
            return headCount + bodyCount
        }
    }

    private func flush() {
        guard let context, state != .closed, output.readableBytes > 0 else { return }
        var buffer = ByteBuffer()
        swap(&buffer, &output)
        sendDirectly(&buffer)
        if buffer.readableBytes > 0 { sendByChannel(buffer, context) }
        loop.giveBack(&buffer)
        if stall != nil { measureStall(context) }
    }

    /// Puts what the socket takes at once into it. The channel's own way costs as much as merging a small answer does; it
    /// is for what is left then, and for all that comes while it still has some.
    private func sendDirectly(_ buffer: inout ByteBuffer) {
        guard let socket, channelWrites == 0, state != .closed else { return }
        let sent = unsafe buffer.withUnsafeReadableBytes { bytes in
            unsafe Glibc.send(socket, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        }
        // An error is left to the channel, which meets it too.
        if sent > 0 { buffer.moveReaderIndex(forwardBy: sent) }
    }

    private func sendByChannel(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        channelWrites += 1
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(buffer)).whenComplete { _ in connection.value.channelWrites -= 1 }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            guard let stall else { return }
            loop.stalledBytes -= stall.bytes
            self.stall = nil
            lastActive = loop.eventLoop.now
            process()
        } else if stall == nil {
            stall = (since: loop.eventLoop.now, bytes: 0)
            measureStall(context)
        }
        context.fireChannelWritabilityChanged()
    }

    /// Brings up to date what waits for this client; closes it where too much waits for slow ones.
    private func measureStall(_ context: ChannelHandlerContext) {
        guard let before = stall?.bytes else { return }
        let bytes = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        stall?.bytes = bytes
        loop.stalledBytes += bytes - before
        if loop.stalledBytes > loop.limits.stalledBytesMax { close(.slowReader) }
    }

    // MARK: - End

    /// Goes on reading, or ends, once nothing more is to be done for what was received.
    private func endIfDone() {
        guard let context, !isProcessing, state == .open || state == .ending else { return }
        if state == .open && !isPaused && isReadHeld {
            isReadHeld = false
            context.read()
        }
        // What waits for the end of the turn leaves first; that comes back here.
        guard output.readableBytes == 0 else { return }
        guard requests.isEmpty, state == .ending || isInputClosed, stall == nil || state == .ending else { return }
        linger(context)
    }

    /// Closes the output behind all that was written, and waits for the client to close.
    private func linger(_ context: ChannelHandlerContext) {
        state = .lingering
        lingerStarted = loop.eventLoop.now
        input = ByteBuffer()
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        // An empty write's promise is fulfilled once all before it is written.
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in connection.value.closeOutput() }
    }

    private func closeOutput() {
        guard let context, state == .lingering else { return }
        if isInputClosed { return close(end) }
        lingerStarted = loop.eventLoop.now
        context.close(mode: .output, promise: nil)
        if isReadHeld { context.read() }
    }

    // MARK: - Time

    /// Closes what has waited too long. Called by the loop's sweep.
    func checkTimes(_ now: NIODeadline) {
        let limits = loop.limits
        if let before = stall, let context {
            measureStall(context)
            if let bytes = stall?.bytes, bytes < before.bytes {
                stall?.since = now
            } else if now - before.since >= limits.stallTimeout {
                close(.slowReader)
            }
            return
        }
        switch state {
        case .open where !requests.isEmpty: return
        case .open where input.readableBytes > 0:
            if let headStarted, now - headStarted >= limits.headTimeout { close(.slowHead) }
        case .open:
            if now - lastActive >= limits.idleTimeout { close(.idle) }
        case .lingering:
            if now - lingerStarted >= limits.lingerTimeout { close(end) }
        case .ending, .closed: return
        }
    }

    /// Closes a connection that neither has a request nor is receiving one.
    func closeIfIdle() {
        let isIdle = requests.isEmpty && input.readableBytes == 0
        if state == .open, isIdle, output.readableBytes == 0, channelWrites == 0, stall == nil { close(.drain) }
    }
}
