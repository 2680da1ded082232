// Any bytes as what the other side of a link sends: the first byte seeds the places where the stream is cut, the rest
// is the stream.
//
// It fails on a crash, on a memory error (every byte that a part points to is read), where a stream in pieces gives
// other frames than the whole one, on a value that breaks what its type promises, and where a decoded value does not
// survive being written and read again.

import Model
import Query
import Render
import Wire

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFrame(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let bytes, count > 0 else { return 0 }
    let stream = Array(UnsafeBufferPointer(start: bytes + 1, count: count - 1))
    let whole = frames(in: stream) { $0 }
    var state = UInt64(bytes[0])
    let pieces = frames(in: stream) { left in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return 1 + Int((state >> 34) % UInt64((state >> 33) & 1 == 0 ? 4 : max(1, left)))
    }
    precondition(pieces == whole, "Cuts change the frames.")
    return 0
}

/// What one frame, or the rest of the stream, came to.
private struct Outcome: Equatable {
    var header: FrameHeader?
    var content: Content?
    var error: WireError?
}

private enum Content: Equatable {
    case hello(ID)
    case goodbye(GoodbyeReason?)
    case needs(GlobalPosition)
    case refusal(Refusal)
    case query(QueryFrame)
    /// Everything in it, its views read.
    case part([UInt8], ShownPosition, NodeLoad)
    case empty
}

/// Frame behind frame until one is wrong. `size` is asked for the next piece's bytes. Each body is copied into memory
/// of its own size, so that the address sanitizer sees a read beyond it.
private func frames(in stream: [UInt8], size: (Int) -> Int) -> [Outcome] {
    var outcomes: [Outcome] = []
    var link = LinkEnd()
    var start = 0
    var end = 0
    while end < stream.count {
        end = min(stream.count, end + size(stream.count - end))
        do throws(WireError) {
            while let header = try FrameHeader.next(in: stream.span.bytes.extracting(start..<end)) {
                let first = start + FrameHeader.bytes
                precondition(header.frameBytes <= end - start && header.bodyBytes >= 0)
                let content = try link.read(header, Array(stream[first..<first + header.bodyBytes]))
                outcomes.append(Outcome(header: header, content: content))
                start += header.frameBytes
            }
        } catch {
            outcomes.append(Outcome(error: error))
            return outcomes
        }
    }
    return outcomes
}

/// What a link keeps from frame to frame.
private struct LinkEnd {
    var query = QueryFrame()
    var reader = PartReader()
    var part = Part()
    var shown = ShownPosition(
        offsets: [], globals: GlobalPosition(partitionCounts: [0, 0, 0, 0, 0]), globalsVersion: 0)
    var load = NodeLoad()

    /// All that the frame says. What can be written is, and must read the same.
    mutating func read(_ header: FrameHeader, _ body: [UInt8]) throws(WireError) -> Content {
        // `withUnsafeBytes` would not keep the error's type.
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: body)
        let bytes = UnsafeRawBufferPointer(memory)
        switch header.type {
        case .hello:
            let id = try ControlFrame.readHello(bytes)
            let again = written(ControlFrame.bytesMax) { ControlFrame.hello(id, to: &$0) }
            precondition(again == body)
            return .hello(id)
        case .goodbye: return .goodbye(try ControlFrame.readGoodbye(bytes))
        case .needs: return .needs(try needs(bytes))
        case .refusal: return .refusal(try refusal(bytes))
        case .query:
            try query.read(bytes)
            checkQuery()
            return .query(query)
        case .part:
            try reader.read(bytes, into: &part, shown: &shown, load: &load)
            let trace = PartTrace(part).bytes
            checkPart(trace)
            return .part(trace, shown, load)
        case .ping, .pong: return .empty
        }
    }

    private func needs(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> GlobalPosition {
        let globals = try ControlFrame.readNeeds(bytes)
        let again = written(ControlFrame.needsBytesMax(globals)) { ControlFrame.needs(globals, to: &$0) }
        precondition((try? again.withUnsafeBytes { try ControlFrame.readNeeds($0) }) == globals)
        return globals
    }

    private func refusal(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> Refusal {
        let refusal = try ControlFrame.readRefusal(bytes)
        let again = written(ControlFrame.bytesMax) { ControlFrame.refusal(refusal, request: 1, to: &$0) }
        precondition((try? again.withUnsafeBytes { try ControlFrame.readRefusal($0) }) == refusal)
        return refusal
    }

    private func checkQuery() {
        let sent = query.query
        if case .matches(let matches) = sent.request {
            checkIDs(matches.eventIDs, max: Limits.requestEventsMax)
            checkIDs(matches.teamIDs, max: Limits.requestTeamsMax)
        }
        if case .teams(let teams) = sent.request { checkIDs(teams.teamIDs, max: Limits.requestTeamsMax) }
        let needs = PositionNeeds(offsets: query.neededOffsets, globals: query.needsGlobals ? shown.globals : nil)
        let again = written(QueryFrame.bytesMax(sent, needs: needs)) {
            QueryFrame.write(
                sent, needs: needs, remainingMs: query.remainingMs, sentMs: query.sentMs, request: 1, to: &$0)
        }
        var second = QueryFrame()
        again.withUnsafeBytes { body in
            do { try second.read(body) } catch { preconditionFailure("A query does not read again: \(error)") }
        }
        precondition(second == query, "A query reads otherwise.")
    }

    private func checkIDs(_ ids: [ID], max: Int) {
        precondition(ids.count <= max)
    }

    private func checkPart(_ trace: [UInt8]) {
        var writer = PartWriter()
        let again = written(PartWriter.bytesMax(part, shown: shown)) {
            writer.write(part, shown: shown, load: load, request: 1, to: &$0)
        }
        var end = LinkEnd()
        again.withUnsafeBytes { body in
            do {
                try end.reader.read(body, into: &end.part, shown: &end.shown, load: &end.load)
            } catch {
                preconditionFailure("A part does not read again: \(error)")
            }
            precondition(PartTrace(end.part).bytes == trace, "A part reads otherwise.")
            precondition(end.shown == shown && end.load == load, "A position reads otherwise.")
        }
    }
}

/// The body of the one frame that `body` writes into a buffer of `bytesMax`.
private func written(_ bytesMax: Int, _ body: (inout FrameWriter) -> Void) -> [UInt8] {
    let frame = [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, count in
        var writer = FrameWriter(
            UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<bytesMax]))
        body(&writer)
        count = writer.count
    }
    guard let header = try? FrameHeader.next(in: frame.span.bytes), header.frameBytes == frame.count else {
        preconditionFailure("No whole frame was written.")
    }
    return Array(frame[FrameHeader.bytes...])
}

/// Reads every byte that a part points to and follows every index.
private struct PartTrace {
    var bytes: [UInt8] = []

    init(_ part: Part) {
        precondition(part.requestedCount <= part.events.count)
        add(part.requestedCount)
        for stage in part.stages {
            bytes += [stage.isKnown, stage.hasPositionScores, stage.hasPositionTeams].map { $0 ? 1 : 0 }
            add(stage.positionScores)
            add(stage.positionTeams)
            add(stage.hash, [stage.id, stage.name, stage.json])
        }
        for event in part.events {
            add(event.start.milliseconds)
            add(part.stages[Int(event.stage)].hash, [])
            add(event.hash, [event.id, event.name, event.json])
        }
        for index in part.teamEvents { add(part.events[Int(index)].hash, []) }
        for end in part.teamEnds { add(end) }
        for team in part.teams { add(team.hash, [team.id, team.name, team.json]) }
    }

    private mutating func add(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
    }

    private mutating func add(_ hash: ContentHash, _ views: [ByteView]) {
        add(hash.low)
        add(hash.high)
        for view in views {
            add(view.count)
            bytes += UnsafeBufferPointer(start: view.start, count: view.count)
        }
    }
}
