import Model
import Query
import Render
import TestSupport
import Testing

@testable import Wire

@Suite struct RoundTripTests {
    @Test func queries() throws {
        var random = SeededGenerator.forTest()
        var decoded = QueryFrame()
        for _ in 0..<500 {
            let frame = random.queryFrame()
            let frames = try unsafe readFrames(encoded(frame)) { header, body throws(WireError) in
                #expect(header.type == .query && header.request == 7)
                try unsafe decoded.read(body)
            }
            try #require(frames == 1 && decoded == frame, "seed \(random.seed)")
        }
    }

    @Test func parts() throws {
        var random = SeededGenerator.forTest()
        var writer = PartWriter()
        var reader = PartReader()
        var part = unsafe Part()
        var shown = ShownPosition(
            offsets: [], globals: GlobalPosition(partitionCounts: [0, 0, 0, 0, 0]), globalsVersion: 0)
        var sent = ShownPosition(offsets: [], globals: random.globals(), globalsVersion: 1)
        for _ in 0..<300 {
            let arena = Arena()
            let original = unsafe random.part(arena)
            sent.offsets = random.offsets(Int.random(in: 0...20, using: &random))
            if Int.random(in: 0..<4, using: &random) == 0 {
                sent.globals = random.globals()
                sent.globalsVersion += 1
            }
            let freshness = Freshness(
                ageMs: .random(in: 0...UInt32.max, using: &random), newestMs: .random(in: .min ... .max, using: &random)
            )
            let load = NodeLoad(freshness: freshness, loadPermille: .max)
            let bytes = encoded(bytesMax: unsafe PartWriter.bytesMax(original, shown: sent)) { frame in
                unsafe writer.write(original, shown: sent, load: load, request: .max, to: &frame)
            }
            try unsafe readFrames(bytes) { header, body throws(WireError) in
                var readLoad = NodeLoad()
                try unsafe reader.read(body, into: &part, shown: &shown, load: &readLoad)
                let same = unsafe PlainPart(part) == PlainPart(original)
                #expect(same, "seed \(random.seed)")
                #expect(shown == sent && readLoad == load && header.request == .max, "seed \(random.seed)")
            }
        }
    }

    @Test func globalsTravelOnlyWhenTheyChange() throws {
        var writer = PartWriter()
        let globals = GlobalPosition(partitionCounts: [9, 9, 9, 9, 9])
        let sizes = [UInt64(1), 1, 2, 2].map { version in
            let shown = ShownPosition(offsets: [], globals: globals, globalsVersion: version)
            return encoded(bytesMax: 999) { frame in
                unsafe writer.write(Part(), shown: shown, load: NodeLoad(), request: 1, to: &frame)
            }.count
        }
        #expect(sizes == [sizes[1] + 50, sizes[1], sizes[1] + 50, sizes[1]])
    }

    @Test(arguments: [
        Refusal.holder(.notHeld(PartitionSet(below: 300))), .holder(.behind), .holder(.notReady),
        .holder(.answerTooLarge), .expired, .holder(.overloaded), .holder(.stale(ageMs: .max)),
    ])
    func refusals(refusal: Refusal) throws {
        let bytes = encoded(bytesMax: ControlFrame.bytesMax) { ControlFrame.refusal(refusal, request: 3, to: &$0) }
        try unsafe readFrames(bytes) { header, body throws(WireError) in
            #expect(header.type == .refusal && header.request == 3)
            #expect(try unsafe ControlFrame.readRefusal(body) == refusal)
        }
    }

    @Test func controlFrames() throws {
        var random = SeededGenerator.forTest()
        let globals = random.globals()
        let member = random.id()
        let bytes = encoded(bytesMax: 9999) { frame in
            ControlFrame.hello(member, to: &frame)
            ControlFrame.needs(globals, to: &frame)
            ControlFrame.ping(request: 1, to: &frame)
            ControlFrame.pong(request: 2, to: &frame)
            ControlFrame.goodbye(.malformed, to: &frame)
        }
        var types: [FrameType] = []
        try unsafe readFrames(bytes) { header, body throws(WireError) in
            types.append(header.type)
            switch header.type {
            case .hello: #expect(try unsafe ControlFrame.readHello(body) == member)
            case .needs: #expect(try unsafe ControlFrame.readNeeds(body) == globals)
            case .goodbye: #expect(try unsafe ControlFrame.readGoodbye(body) == .malformed)
            default: #expect(unsafe body.isEmpty)
            }
        }
        #expect(types == [.hello, .needs, .ping, .pong, .goodbye])
    }

    /// Version 3 is frozen: a change of these bytes needs a new version.
    @Test func goldenBytes() {
        var partitions = PartitionSet()
        partitions.insert(PartitionID(1))
        partitions.insert(PartitionID(9))
        let request = MatchesRequest(
            sport: .tennis, eventIDs: [makeID("e1")], teamIDs: [makeID("a"), makeID("b")], limit: 5, offset: 6)
        let query = HolderQuery(
            request: .matches(request), partitions: partitions, now: Timestamp(milliseconds: 258),
            eventsPerTeamMax: 3, matchesRemainMs: 300, stalenessMaxMs: 200)
        let frame = QueryFrame(
            query: query, neededOffsets: [Offset(1), Offset(128)], needsGlobals: true, remainingMs: 1000, sentMs: 130)
        #expect(
            encoded(frame) == [
                45, 0, 0, 0, 3, 3, 7, 0, 0, 0, 0, 0, 0, 0,
                10, 1, 0xE8, 7, 0x82, 1, 0xC8, 1, 2, 1, 0, 0, 0, 0, 0, 0, 3, 0xAC, 2, 2, 2, 2, 2, 1, 0x80, 1,
                1, 2, 0x65, 0x31, 2, 1, 0x61, 1, 0x62,
            ])
        let arena = Arena()
        var part = unsafe Part()
        unsafe part.stages.append(
            StageEntry(
                isKnown: true, positionScores: -1, positionTeams: nil, hash: ContentHash(low: 1, high: 2),
                id: arena.view("s"), name: arena.view("n"), json: arena.view("{")))
        unsafe part.events.append(
            EventEntry(
                start: Timestamp(milliseconds: 1), stage: 0, hash: ContentHash(low: 3, high: 4), id: arena.view("e"),
                name: arena.view("m"), json: arena.view("{}")))
        unsafe part.teamEvents = [0]
        unsafe part.teamEnds = [1]
        var globals = GlobalPosition(partitionCounts: [1, 0, 0, 0, 0])
        globals.set(Offset(5), at: 0)
        let shown = ShownPosition(offsets: [Offset(300)], globals: globals, globalsVersion: 8)
        var writer = PartWriter()
        let bytes = encoded(bytesMax: 500) { frame in
            unsafe writer.write(
                part, shown: shown,
                load: NodeLoad(freshness: Freshness(ageMs: 2, newestMs: 64), loadPermille: 700), request: 9,
                to: &frame)
        }
        let hash: (UInt8) -> [UInt8] = { low in [low, 0, 0, 0, 0, 0, 0, 0, low + 1, 0, 0, 0, 0, 0, 0, 0] }
        #expect(
            bytes == [127, 0, 0, 0, 3, 5, 9, 0, 0, 0, 0, 0, 0, 0]
                + [1, 8, 1, 0, 0, 0, 0, 5, 2, 64, 0, 0, 0, 0, 0, 0, 0, 0xBC, 5, 1, 0xAC, 2]
                + [1] + [UInt8](repeating: 0xFF, count: 8) + [UInt8](repeating: 0, count: 8)
                + hash(1) + [1, 0, 0, 0, 1, 0, 0, 0, 1, 3, 0x73, 0x6E, 0x7B]
                + [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
                + hash(3) + [2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0x65, 0x6D, 0x7B, 0x7D]
                + [0, 1, 0, 1, 1, 0])
    }
}
