// A part: what one holder answers for the partitions it was asked for. `Selection` fills it from the store, `Wire`
// carries it between node and router, `AnswerBuilder` makes one answer out of several.
//
// Its bytes are views, not copies: of records in the store (alive while the reader's guard is held) or of a reply
// frame (alive while the frame is). Whoever fills a part says until when; nothing here outlives that scope, and no
// view is stored beyond it. That is why the type is marked unsafe and why merge and composition run inside the scope.

public import Model
public import Render

/// Borrowed bytes. Valid only in the scope of the guard or frame they were taken from.
@frozen @unsafe
public struct ByteView: BitwiseCopyable {
    public let start: UnsafePointer<UInt8>
    public let count: Int

    @inlinable
    public init(start: UnsafePointer<UInt8>, count: Int) {
        unsafe self.start = start
        unsafe self.count = count
    }

    /// Compares byte by byte, as the contract compares strings.
    @inlinable
    public static func compare(_ left: ByteView, _ right: ByteView) -> Int {
        let shared = unsafe min(left.count, right.count)
        var index = 0
        // Eight at a time: names of one league's matches often begin alike. Big-endian words order as their bytes do.
        while index + 8 <= shared {
            let first = unsafe UInt64(bigEndian: UnsafeRawPointer(left.start + index).loadUnaligned(as: UInt64.self))
            let second = unsafe UInt64(bigEndian: UnsafeRawPointer(right.start + index).loadUnaligned(as: UInt64.self))
            if first != second { return first < second ? -1 : 1 }
            index += 8
        }
        for index in index..<shared {
            let difference = unsafe Int(left.start[index]) - Int(right.start[index])
            if difference != 0 { return difference }
        }
        return unsafe left.count - right.count
    }
}

/// One event: its sort keys and its ready JSON, or where `isPacked` the packed form of that (`PackedFragment`).
@frozen @unsafe
public struct EventEntry: BitwiseCopyable {
    public var start: Timestamp
    /// An index into `Part.stages`.
    public var stage: Int32
    public var isPacked: Bool
    public var hash: ContentHash
    public var id: ByteView
    /// Unescaped, as it sorts.
    public var name: ByteView
    public var json: ByteView

    @inlinable
    public init(
        start: Timestamp, stage: Int32, hash: ContentHash, id: ByteView, name: ByteView, json: ByteView,
        isPacked: Bool = false
    ) {
        unsafe self.start = start
        unsafe self.stage = stage
        unsafe self.isPacked = isPacked
        unsafe self.hash = hash
        unsafe self.id = id
        unsafe self.name = name
        unsafe self.json = json
    }
}

/// One stage: its sort keys and its JSON up to and without `,"events":[…]}`, so `{"id":"st1",…,"season":{…}`.
@frozen @unsafe
public struct StageEntry: BitwiseCopyable {
    /// Whether a stage message is known; an unknown stage has an id alone and sorts after all known ones.
    public var isKnown: Bool
    /// Whether `json` is the packed form.
    public var isPacked: Bool
    public var hasPositionScores: Bool
    public var hasPositionTeams: Bool
    public var positionScores: Int64
    public var positionTeams: Int64
    public var hash: ContentHash
    public var id: ByteView
    public var name: ByteView
    public var json: ByteView

    @inlinable
    public init(
        isKnown: Bool, positionScores: Int64?, positionTeams: Int64?, hash: ContentHash, id: ByteView, name: ByteView,
        json: ByteView, isPacked: Bool = false
    ) {
        unsafe self.isKnown = isKnown
        unsafe self.isPacked = isPacked
        unsafe self.hasPositionScores = positionScores != nil
        unsafe self.hasPositionTeams = positionTeams != nil
        unsafe self.positionScores = positionScores ?? 0
        unsafe self.positionTeams = positionTeams ?? 0
        unsafe self.hash = hash
        unsafe self.id = id
        unsafe self.name = name
        unsafe self.json = json
    }
}

/// One team of a `myt` answer: its sort keys and its ready JSON.
@frozen @unsafe
public struct TeamEntry: BitwiseCopyable {
    public var hash: ContentHash
    public var id: ByteView
    public var name: ByteView
    public var json: ByteView
    /// Whether `json` is the packed form.
    public var isPacked: Bool

    @inlinable
    public init(hash: ContentHash, id: ByteView, name: ByteView, json: ByteView, isPacked: Bool = false) {
        unsafe self.hash = hash
        unsafe self.isPacked = isPacked
        unsafe self.id = id
        unsafe self.name = name
        unsafe self.json = json
    }
}

/// What one holder answers. Reused from request to request, so that filling it allocates nothing in steady state.
@unsafe
public struct Part {
    /// Each event once: first those asked for by id, then those found for teams.
    public var events: [EventEntry] = unsafe []
    /// How many of `events` were asked for by id.
    public var requestedCount = 0
    /// The events of all teams, as indexes into `events`: for each team of the request, in its order, the first
    /// `eventsPerTeamMax` of this holder, sorted by (start, name, id).
    public var teamEvents: [Int32] = []
    /// For each team of the request, where its run in `teamEvents` ends.
    public var teamEnds: [Int32] = []
    public var stages: [StageEntry] = unsafe []
    /// `myt` only.
    public var teams: [TeamEntry] = unsafe []

    public init() {}

    public mutating func removeAll() {
        unsafe events.removeAll(keepingCapacity: true)
        unsafe requestedCount = 0
        unsafe teamEvents.removeAll(keepingCapacity: true)
        unsafe teamEnds.removeAll(keepingCapacity: true)
        unsafe stages.removeAll(keepingCapacity: true)
        unsafe teams.removeAll(keepingCapacity: true)
    }
}
