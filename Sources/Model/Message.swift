// One decoded message. Texts are ranges into an arena that the decoder reuses, so decoding a message allocates
// nothing once the arena has grown to the size of the largest.

/// A text of the message: a range of `MessageArena.bytes`, UTF-8, unescaped.
@frozen
public struct Text: Sendable, BitwiseCopyable, Equatable {
    public var offset: Int
    public var count: Int

    @inlinable
    public init(offset: Int, count: Int) {
        self.offset = offset
        self.count = count
    }
}

/// Where the variable parts of one decoded message stand; overwritten by the next.
public struct MessageArena: Sendable {
    /// All texts.
    public var bytes: [UInt8] = []
    /// An event's participants, in display order.
    public var participants: [EventParticipant] = []
    /// The period scores of all participants, one behind the other.
    public var periodScores: [Text] = []

    public init() {}

    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        participants.removeAll(keepingCapacity: true)
        periodScores.removeAll(keepingCapacity: true)
    }

    /// Adds a text and says where it stands.
    @inlinable
    public mutating func add(_ text: some Sequence<UInt8>) -> Text {
        let offset = bytes.count
        bytes.append(contentsOf: text)
        return Text(offset: offset, count: bytes.count - offset)
    }

    public func string(_ text: Text) -> String {
        String(decoding: bytes[text.offset..<text.offset + text.count], as: UTF8.self)
    }
}

public struct EventParticipant: Sendable {
    public var id: ID
    public var score: Text?
    /// A range of `MessageArena.periodScores`; nil where the message has none, empty where it has an empty list.
    public var periodScores: Range<Int>?

    public init(id: ID, score: Text? = nil, periodScores: Range<Int>? = nil) {
        self.id = id
        self.score = score
        self.periodScores = periodScores
    }
}

/// A message with a value. A null value is a tombstone and never reaches the decoder.
public enum Message: Sendable {
    case event(EventMessage)
    case participant(ParticipantMessage)
    case stage(StageMessage)
    case season(SeasonMessage)
    case region(RegionMessage)
    case category(CategoryMessage)
}

/// Its participants, 1 to 64, stand in the arena.
public struct EventMessage: Sendable {
    public var id: ID
    public var sport: Sport
    public var stageID: ID
    public var start: Timestamp
    public var status: Status
    public var period: Text?
    public var minute: Int64?

    public init(
        id: ID, sport: Sport, stageID: ID, start: Timestamp, status: Status, period: Text? = nil, minute: Int64? = nil
    ) {
        self.id = id
        self.sport = sport
        self.stageID = stageID
        self.start = start
        self.status = status
        self.period = period
        self.minute = minute
    }
}

public struct ParticipantMessage: Sendable {
    public var id: ID
    public var sport: Sport
    public var name: Text
    public var shortName: Text?
    public var abbreviation: Text?
    public var regionID: ID?
    public var imageURL: Text?

    public init(
        id: ID, sport: Sport, name: Text, shortName: Text? = nil, abbreviation: Text? = nil, regionID: ID? = nil,
        imageURL: Text? = nil
    ) {
        self.id = id
        self.sport = sport
        self.name = name
        self.shortName = shortName
        self.abbreviation = abbreviation
        self.regionID = regionID
        self.imageURL = imageURL
    }
}

public struct StageMessage: Sendable {
    public var id: ID
    public var sport: Sport
    public var name: Text
    public var slug: Text?
    public var categoryID: ID?
    public var seasonID: ID?
    public var positionScores: Int64?
    public var positionTeams: Int64?

    public init(
        id: ID, sport: Sport, name: Text, slug: Text? = nil, categoryID: ID? = nil, seasonID: ID? = nil,
        positionScores: Int64? = nil, positionTeams: Int64? = nil
    ) {
        self.id = id
        self.sport = sport
        self.name = name
        self.slug = slug
        self.categoryID = categoryID
        self.seasonID = seasonID
        self.positionScores = positionScores
        self.positionTeams = positionTeams
    }
}

/// The dates of a season are checked to be text and then dropped: no answer shows them.
public struct SeasonMessage: Sendable {
    public var id: ID
    public var name: Text

    public init(id: ID, name: Text) {
        self.id = id
        self.name = name
    }
}

public struct RegionMessage: Sendable {
    public var id: ID
    public var name: Text
    public var code: Text?

    public init(id: ID, name: Text, code: Text? = nil) {
        self.id = id
        self.name = name
        self.code = code
    }
}

public struct CategoryMessage: Sendable {
    public var id: ID
    public var sport: Sport
    public var name: Text
    public var slug: Text?
    public var regionID: ID?

    public init(id: ID, sport: Sport, name: Text, slug: Text? = nil, regionID: ID? = nil) {
        self.id = id
        self.sport = sport
        self.name = name
        self.slug = slug
        self.regionID = regionID
    }
}
