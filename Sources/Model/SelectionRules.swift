// The contract's settings for what a request may ask and what it selects (contract, section 4).

public struct SelectionRules: Sendable, Equatable {
    /// `data.request.max-teams-per-request`
    public var teamsPerRequestMax = 50
    /// `data.request.max-events-per-request`
    public var eventsPerRequestMax = 200
    /// `data.eventsForSpecificTeam.teamMaxEvent`
    public var eventsPerTeamMax = 3
    /// `data.eventsForSpecificTeam.matchesRemainTime`, in milliseconds.
    public var matchesRemainMs: Int64 = 12 * 3_600_000

    public init() {}

    /// The most events that a request can select, which is also the default and the highest `limit`.
    public var limitMax: Int { eventsPerRequestMax + teamsPerRequestMax * eventsPerTeamMax }
}
