// The closed lists of the contract: models, sports and statuses.

/// One of the six models; each has a topic of its own.
@frozen
public enum ModelKind: UInt8, CaseIterable, Sendable {
    case event, participant, stage, season, region, category

    /// The singular name, as in metrics and logs.
    public var name: String {
        switch self {
        case .event: "event"
        case .participant: "participant"
        case .stage: "stage"
        case .season: "season"
        case .region: "region"
        case .category: "category"
        }
    }

    /// The plural name, as in topic names and file names.
    public var plural: String { self == .category ? "categories" : name + "s" }
}

@frozen
public enum Sport: UInt8, CaseIterable, Sendable {
    case soccer, tennis, hockey, basketball, cricket, horses

    public var name: StaticString {
        switch self {
        case .soccer: "soccer"
        case .tennis: "tennis"
        case .hockey: "hockey"
        case .basketball: "basketball"
        case .cricket: "cricket"
        case .horses: "horses"
        }
    }

    /// Nil where `name` is no sport. Case counts.
    public init?(_ name: Span<UInt8>) {
        for sport in Sport.allCases where name.equals(sport.name) {
            self = sport
            return
        }
        return nil
    }
}

@frozen
public enum Status: UInt8, CaseIterable, Sendable {
    case notStarted, inProgress, interrupted, finished, postponed, cancelled, abandoned

    public var name: StaticString {
        switch self {
        case .notStarted: "NOT_STARTED"
        case .inProgress: "IN_PROGRESS"
        case .interrupted: "INTERRUPTED"
        case .finished: "FINISHED"
        case .postponed: "POSTPONED"
        case .cancelled: "CANCELLED"
        case .abandoned: "ABANDONED"
        }
    }

    /// Nil where `name` is no status. Case counts.
    public init?(_ name: Span<UInt8>) {
        for status in Status.allCases where name.equals(status.name) {
            self = status
            return
        }
        return nil
    }

    /// Whether a team's list of matches shows events of this status (contract, section 2, point 2).
    @inlinable
    public var isShownForTeam: Bool {
        switch self {
        case .notStarted, .inProgress, .interrupted, .finished: true
        case .postponed, .cancelled, .abandoned: false
        }
    }
}

extension Span<UInt8> {
    /// Whether these bytes are exactly the ASCII of `text`.
    @inlinable
    public func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where unsafe self[index] != text.utf8Start[index] { return false }
        return true
    }
}
