import Model
import Query
import TestSupport
import Testing

@testable import Wire

@Suite struct HostileTests {
    /// Decodes every frame of `bytes` by its type, as a link would.
    private func decode(_ bytes: [UInt8]) throws(WireError) -> Int {
        var query = QueryFrame()
        var reader = PartReader()
        var part = unsafe Part()
        var shown = ShownPosition(
            offsets: [], globals: GlobalPosition(partitionCounts: [0, 0, 0, 0, 0]), globalsVersion: 0)
        var load = NodeLoad()
        return try unsafe readFrames(bytes) { header, body throws(WireError) in
            switch header.type {
            case .hello: _ = try unsafe ControlFrame.readHello(body)
            case .goodbye: _ = try unsafe ControlFrame.readGoodbye(body)
            case .query: try unsafe query.read(body)
            case .needs: _ = try unsafe ControlFrame.readNeeds(body)
            case .refusal: _ = try unsafe ControlFrame.readRefusal(body)
            case .part:
                try unsafe reader.read(body, into: &part, shown: &shown, load: &load)
                unsafe touch(part)
            case .ping, .pong: break
            }
        }
    }

    /// Reads every byte that a part points to and follows every index.
    private func touch(_ part: borrowing Part) {
        _ = unsafe PlainPart(part)
        for index in unsafe part.events.indices {
            let event = unsafe part.events[index]
            _ = unsafe part.stages[Int(event.stage)]
        }
        for index in unsafe part.teamEvents { _ = unsafe part.events[Int(index)] }
    }

    private func sample(_ random: inout SeededGenerator) -> [UInt8] {
        let arena = Arena()
        let part = unsafe random.part(arena)
        let shown = ShownPosition(offsets: random.offsets(3), globals: random.globals(), globalsVersion: 1)
        var writer = PartWriter()
        let refused = Refusal.holder(.notHeld(random.partitions()))
        return encoded(random.queryFrame())
            + encoded(bytesMax: unsafe PartWriter.bytesMax(part, shown: shown)) { frame in
                unsafe writer.write(part, shown: shown, load: NodeLoad(), request: 1, to: &frame)
            }
            + encoded(bytesMax: 9999) { frame in
                ControlFrame.needs(shown.globals, to: &frame)
                ControlFrame.hello(makeID("n1"), to: &frame)
                ControlFrame.refusal(refused, request: 2, to: &frame)
                ControlFrame.goodbye(.malformed, to: &frame)
            }
    }

    @Test func everyPrefixOfAStreamGivesItsWholeFrames() throws {
        var random = SeededGenerator.forTest()
        let bytes = sample(&random)
        var last = 0
        for length in 0...bytes.count {
            let frames = try decode(Array(bytes[..<length]))
            #expect(frames >= last && frames <= last + 1, "seed \(random.seed)")
            last = frames
        }
        #expect(last == 6)
    }

    /// A body cut short, in a frame whose length field agrees with the cut, is an error and never a shorter value.
    @Test func everyTruncatedBodyIsRefused() throws {
        var random = SeededGenerator.forTest()
        let bytes = sample(&random)
        var start = 0
        while let header = try unsafe FrameHeader.next(in: bytes.span.bytes.extracting(start..<bytes.count)) {
            let bodyNeeded = header.type == .goodbye ? 1 : header.bodyBytes
            for bodyBytes in 0..<bodyNeeded {
                var frame = Array(bytes[start..<start + FrameHeader.bytes + bodyBytes])
                let length = UInt32(frame.count - 4)
                for index in 0..<4 { frame[index] = UInt8(truncatingIfNeeded: length >> (8 * index)) }
                #expect(throws: WireError.self, "seed \(random.seed)") { try self.decode(frame) }
            }
            start += header.frameBytes
        }
    }

    @Test func flippedBitsNeverCrash() {
        var random = SeededGenerator.forTest()
        var refused = 0
        for _ in 0..<40 {
            let bytes = sample(&random)
            for _ in 0..<200 {
                var broken = bytes
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    broken[Int.random(in: 0..<broken.count, using: &random)] ^=
                        1 << UInt8.random(in: 0...7, using: &random)
                }
                do throws(WireError) { _ = try decode(broken) } catch { refused += 1 }
            }
        }
        #expect(refused > 1000)
    }

    @Test func lengthsAreRefusedBeforeAnythingIsBuffered() {
        let over = UInt32(Limits.frameBytesMax + 1)
        let tooLong: [UInt8] = (0..<4).map { UInt8(truncatingIfNeeded: over >> (8 * $0)) }
        #expect(throws: WireError.badLength(Limits.frameBytesMax + 1)) {
            try unsafe FrameHeader.next(in: tooLong.span.bytes)
        }
        let tooShort: [UInt8] = [9, 0, 0, 0]
        #expect(throws: WireError.badLength(9)) { try unsafe FrameHeader.next(in: tooShort.span.bytes) }
    }

    @Test func unknownVersionsAndTypesAreNamed() {
        let version: [UInt8] = [10, 0, 0, 0, 1, 1]
        #expect(throws: WireError.unknownVersion(1)) { try unsafe FrameHeader.next(in: version.span.bytes) }
        let type: [UInt8] = [10, 0, 0, 0, FrameHeader.version, 99]
        #expect(throws: WireError.unknownType(99)) { try unsafe FrameHeader.next(in: type.span.bytes) }
    }

    /// A count of billions with nothing behind it.
    @Test func countsAreCheckedBeforeAllocation() {
        let huge: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]
        // Flags, version, five counts of partitions, age, timestamp, load, queue, number of offsets; then that of stages.
        let fields: [UInt8] = [1, 1] + [UInt8](repeating: 0, count: 5 + 1 + 8 + 2 + 1)
        let body = fields + huge
        let header: [UInt8] =
            [UInt8(10 + body.count), 0, 0, 0, FrameHeader.version, 5] + [UInt8](repeating: 0, count: 8)
        #expect(throws: WireError.malformed("number over its limit")) { try self.decode(header + body) }
    }
}
