// What a router asks one holder for: the request, and which part of it this holder answers.

public import Model

/// A request to one holder. It carries everything the answer depends on, *now* and the rules included, so that all
/// parts of one answer follow the same ones.
public struct HolderQuery: Sendable, Equatable {
    /// `limit` and `offset` stay with the router, which alone sees the whole union.
    public var request: Request
    /// The partitions of the events topic to answer for; of a `teams` request empty. All ids are sent to every holder
    /// (team events leave out requested ones wherever those live); the holder looks up only ids of these partitions.
    public var partitions: PartitionSet
    public var now: Timestamp
    public var eventsPerTeamMax: Int
    public var matchesRemainMs: Int64
    /// Whether the answer is a gzip one: fragments come packed where the holder has them so.
    public var takesPacked: Bool
    /// What is older than this is not to be answered with (`Favorites-Max-Staleness-Ms`); the largest number: no bound.
    public var stalenessMaxMs: UInt32

    public init(
        request: Request, partitions: PartitionSet, now: Timestamp, eventsPerTeamMax: Int, matchesRemainMs: Int64,
        takesPacked: Bool = false, stalenessMaxMs: UInt32 = .max
    ) {
        self.request = request
        self.partitions = partitions
        self.now = now
        self.eventsPerTeamMax = eventsPerTeamMax
        self.matchesRemainMs = matchesRemainMs
        self.takesPacked = takesPacked
        self.stalenessMaxMs = stalenessMaxMs
    }
}
