// Every limit of the data path in one place, with its derivation. What happens at a limit is written at the place
// that enforces it; `docs/LIMITS.md` lists them for operators.

public enum Limits {
    /// Contract, section 1: a larger value is invalid.
    public static let messageBytesMax = 256 << 10
    /// Contract, section 1.
    public static let participantsPerEventMax = 64
    /// The rendered object of a participant, stage, season, region or category with its own fields, without what is
    /// joined to it (a team's region; a stage's category, region and season: at most three more of this size). A larger
    /// one is refused and counted; the last good version stays. Names in practice are below 100 bytes.
    public static let referenceRecordBytesMax = 8 << 10
    /// The rendered text of an event. 64 participants of ordinary size take about 12 KiB; 64 of the largest would
    /// take 1 MiB. A larger one is refused and counted; the last good version stays.
    public static let eventRecordBytesMax = 128 << 10
    /// Most events that one request can name, whatever the settings say.
    public static let requestEventsMax = 2_000
    /// Most teams that one request can name, whatever the settings say.
    public static let requestTeamsMax = 500
    /// An answer's body; a larger one is refused with 503. The default largest request (350 events) of ordinary
    /// events (under 1 KiB) takes 350 KiB.
    public static let answerBytesMax = 16 << 20
    /// A link frame's payload: the largest answer and the keys beside it.
    public static let frameBytesMax = answerBytesMax + (1 << 20)
    /// Partitions of one topic.
    public static let partitionsMax = 512
    /// Members (nodes and routers) that the control topic may describe; more are ignored and counted.
    public static let membersMax = 256
}
