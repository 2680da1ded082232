// What a client asks, after parsing and checking: the two endpoints of the contract.

public import Model

/// A request that keeps the contract.
public enum Request: Sendable, Equatable {
    case matches(MatchesRequest)
    case teams(TeamsRequest)
}

/// `mym`: contract, section 2. Each id stands once. Their order changes nothing in an answer, which has one of its
/// own.
public struct MatchesRequest: Sendable, Equatable {
    public var sport: Sport
    public var eventIDs: [ID]
    public var teamIDs: [ID]
    public var limit: Int
    public var offset: Int

    public init(sport: Sport, eventIDs: [ID], teamIDs: [ID], limit: Int, offset: Int) {
        self.sport = sport
        self.eventIDs = eventIDs
        self.teamIDs = teamIDs
        self.limit = limit
        self.offset = offset
    }
}

/// `myt`: contract, section 3. Each id stands once.
public struct TeamsRequest: Sendable, Equatable {
    public var sport: Sport
    public var teamIDs: [ID]

    public init(sport: Sport, teamIDs: [ID]) {
        self.sport = sport
        self.teamIDs = teamIDs
    }
}
