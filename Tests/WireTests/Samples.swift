// Random frames, and values to compare them by.

import Model
import Query
import Render
import TestSupport

@testable import Wire

/// An id that the test itself wrote, so it is one.
func makeID(_ text: String) -> ID {
    guard let id = ID(text) else { preconditionFailure("\(text) is no id") }
    return id
}

/// Memory for the views of a part under test.
@safe
final class Arena {
    private let start: UnsafeMutablePointer<UInt8>
    private let capacity: Int
    private var used = 0

    init(capacity: Int = 1 << 20) {
        self.capacity = capacity
        unsafe start = UnsafeMutablePointer.allocate(capacity: capacity)
    }

    deinit { unsafe start.deallocate() }

    func view(_ text: String) -> ByteView { unsafe view(Array(text.utf8)) }

    func view(_ bytes: [UInt8]) -> ByteView {
        precondition(used + bytes.count <= capacity)
        let view = unsafe start + used
        for (index, byte) in bytes.enumerated() { unsafe view[index] = byte }
        used += bytes.count
        return unsafe ByteView(start: view, count: bytes.count)
    }
}

/// What a part says, without views.
struct PlainPart: Equatable {
    var events: [String] = []
    var stages: [String] = []
    var teams: [String] = []
    var requestedCount: Int
    var runs: [[Int32]]

    init(_ part: borrowing Part) {
        for index in unsafe part.events.indices {
            let event = unsafe part.events[index]
            let packed = unsafe event.isPacked
            let texts = unsafe [event.id, event.name, event.json].map { view in unsafe PlainPart.text(view) }
            events.append(unsafe "\(event.start.milliseconds) \(event.stage) \(event.hash) \(texts) \(packed)")
        }
        for index in unsafe part.stages.indices {
            let stage = unsafe part.stages[index]
            let texts = unsafe [stage.id, stage.name, stage.json].map { view in unsafe PlainPart.text(view) }
            let scores = unsafe stage.hasPositionScores ? "\(stage.positionScores)" : "-"
            let teams = unsafe stage.hasPositionTeams ? "\(stage.positionTeams)" : "-"
            stages.append(unsafe "\(stage.isKnown) \(scores) \(teams) \(stage.hash) \(texts) \(stage.isPacked)")
        }
        for index in unsafe part.teams.indices {
            let team = unsafe part.teams[index]
            let texts = unsafe [team.id, team.name, team.json].map { view in unsafe PlainPart.text(view) }
            teams.append(unsafe "\(team.hash) \(texts) \(team.isPacked)")
        }
        requestedCount = unsafe part.requestedCount
        runs = unsafe [part.teamEvents, part.teamEnds]
    }

    static func text(_ view: ByteView) -> String {
        unsafe String(decoding: UnsafeBufferPointer(start: view.start, count: view.count), as: UTF8.self)
    }
}

extension SeededGenerator {
    mutating func id() -> ID {
        let letters = Array("abcXYZ019.-_:")
        let text = String(
            (0..<Int.random(in: 1...64, using: &self)).map { _ in
                letters[Int.random(in: 0..<letters.count, using: &self)]
            })
        return makeID(text)
    }

    mutating func ids(most: Int) -> [ID] {
        Set((0..<Int.random(in: 0...most, using: &self)).map { _ in id() }).sorted()
    }

    mutating func partitions() -> PartitionSet {
        var set = PartitionSet()
        for _ in 0..<Int.random(in: 0...20, using: &self) {
            set.insert(PartitionID(Int.random(in: 0..<512, using: &self)))
        }
        return set
    }

    mutating func offsets(_ count: Int) -> [Offset] {
        (0..<count).map { _ in Offset(Int64.random(in: 0...(1 << Int64.random(in: 0...62, using: &self)), using: &self))
        }
    }

    mutating func globals() -> GlobalPosition {
        let counts = GlobalPosition.kinds.map { _ in Int.random(in: 0...4, using: &self) }
        var globals = GlobalPosition(partitionCounts: counts)
        for (index, offset) in offsets(globals.offsets.count).enumerated() { globals.set(offset, at: index) }
        return globals
    }

    mutating func queryFrame() -> QueryFrame {
        let sport = Sport.allCases[Int.random(in: 0..<Sport.allCases.count, using: &self)]
        let partitions = partitions()
        let request: Request =
            Bool.random(using: &self)
            ? .teams(TeamsRequest(sport: sport, teamIDs: ids(most: 30)))
            : .matches(
                MatchesRequest(sport: sport, eventIDs: ids(most: 30), teamIDs: ids(most: 9), limit: 0, offset: 0))
        let range = Timestamp.earliest.milliseconds...Timestamp.latest.milliseconds
        let query = HolderQuery(
            request: request, partitions: partitions, now: Timestamp(milliseconds: .random(in: range, using: &self)),
            eventsPerTeamMax: .random(in: 0...9, using: &self),
            matchesRemainMs: .random(in: 0...99_999_999, using: &self), takesPacked: .random(using: &self),
            stalenessMaxMs: Bool.random(using: &self) ? .max : .random(in: 0...UInt32.max, using: &self))
        return QueryFrame(
            query: query, neededOffsets: Bool.random(using: &self) ? offsets(partitions.count) : [],
            needsGlobals: .random(using: &self), remainingMs: .random(in: 0...UInt32.max, using: &self),
            sentMs: .random(in: 0...UInt64.max, using: &self))
    }

    mutating func contentHash() -> ContentHash { ContentHash(low: next(), high: next()) }

    mutating func text(_ arena: Arena, most: Int) -> ByteView {
        let count = Int.random(in: 0...most, using: &self)
        return unsafe arena.view(String(repeating: "é\"", count: count / 2) + String(repeating: "x", count: count % 2))
    }

    /// A fragment, packed or not.
    private mutating func fragment(_ arena: Arena, _ packer: FragmentPacker, most: Int) -> (ByteView, Bool) {
        let json = unsafe text(arena, most: most)
        let bytes = unsafe UnsafeBufferPointer(start: json.start, count: json.count)
        guard Bool.random(using: &self), let packed = unsafe packer.pack(bytes) else { return unsafe (json, false) }
        return unsafe (arena.view(Array(packed)), true)
    }

    mutating func part(_ arena: Arena) -> Part {
        var part = unsafe Part()
        let packer = FragmentPacker()
        for _ in 0..<Int.random(in: 0...4, using: &self) {
            let (json, isPacked) = unsafe fragment(arena, packer, most: 300)
            unsafe part.stages.append(
                StageEntry(
                    isKnown: .random(using: &self), positionScores: Bool.random(using: &self) ? .min : nil,
                    positionTeams: Bool.random(using: &self) ? Int64.random(in: -9...9, using: &self) : nil,
                    hash: contentHash(), id: arena.view("\(id())"), name: text(arena, most: 20),
                    json: json, isPacked: isPacked))
        }
        let stages = unsafe part.stages.count
        for _ in 0..<(stages == 0 ? 0 : Int.random(in: 0...12, using: &self)) {
            let (json, isPacked) = unsafe fragment(arena, packer, most: 900)
            unsafe part.events.append(
                EventEntry(
                    start: Timestamp(milliseconds: .random(in: -9_999_999...9_999_999_999_999, using: &self)),
                    stage: Int32.random(in: 0..<Int32(stages), using: &self), hash: contentHash(),
                    id: arena.view("\(id())"), name: text(arena, most: 40), json: json, isPacked: isPacked))
        }
        let events = unsafe part.events.count
        unsafe part.requestedCount = Int.random(in: 0...events, using: &self)
        for _ in 0..<Int.random(in: 0...4, using: &self) {
            for index in 0..<Int32(Int.random(in: 0...events, using: &self)) { unsafe part.teamEvents.append(index) }
            unsafe part.teamEnds.append(Int32(part.teamEvents.count))
        }
        for _ in 0..<Int.random(in: 0...4, using: &self) {
            let (json, isPacked) = unsafe fragment(arena, packer, most: 90)
            unsafe part.teams.append(
                TeamEntry(
                    hash: contentHash(), id: arena.view("\(id())"), name: text(arena, most: 20),
                    json: json, isPacked: isPacked))
        }
        return unsafe part
    }
}

/// Encodes with a reservation of exactly `bytesMax`, so that a bound that is too low traps.
func encoded(bytesMax: Int, _ write: (inout FrameWriter) -> Void) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: bytesMax) { memory, count in
        var writer = unsafe FrameWriter(UnsafeMutableRawBufferPointer(memory))
        write(&writer)
        count = writer.count
    }
}

func encoded(_ frame: QueryFrame, request: UInt64 = 7) -> [UInt8] {
    let globals = frame.needsGlobals ? GlobalPosition(partitionCounts: [0, 0, 0, 0, 0]) : nil
    let needs = PositionNeeds(offsets: frame.neededOffsets, globals: globals)
    return encoded(bytesMax: QueryFrame.bytesMax(frame.query, needs: needs)) { writer in
        QueryFrame.write(
            frame.query, needs: needs, remainingMs: frame.remainingMs, sentMs: frame.sentMs, request: request,
            to: &writer)
    }
}

/// Gives the whole frames of `bytes` to `body`, as a link does. Returns how many there were.
@discardableResult
func readFrames(
    _ bytes: [UInt8], _ body: (FrameHeader, UnsafeRawBufferPointer) throws(WireError) -> Void
) throws(WireError) -> Int {
    var start = 0
    var frames = 0
    while let header = try unsafe FrameHeader.next(in: bytes.span.bytes.extracting(start..<bytes.count)) {
        let range = start + FrameHeader.bytes..<start + header.frameBytes
        let result = unsafe bytes.withUnsafeBytes { memory -> Result<Void, WireError> in
            do throws(WireError) {
                try unsafe body(header, UnsafeRawBufferPointer(rebasing: memory[range]))
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
        start += header.frameBytes
        frames += 1
    }
    return frames
}
