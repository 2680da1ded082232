import CTablePeers
import Model

/// A generator of fixed seed (SplitMix64, https://prng.di.unimi.it/splitmix64.c).
struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// The ids to look up, in each side's own form: the same ones in the same order.
struct Lookups {
    let ours: [ID]
    let theirs: [peer_id]
    var count: Int { ours.count }
}

/// The events that every side holds: ids as the generated offer has them, two teams each, about 450 bytes of JSON.
struct Offer {
    static let teamCount = 20_000
    let ids: [ID]
    let bytes: [peer_id]
    private let teams = (0..<teamCount).map { Self.team($0) }
    private let stages = (0..<911).map { Self.checked("stage-\($0)") }
    private static let period = Array("2H".utf8)

    init(records: Int) {
        let texts = (0..<records).map { "so\($0 % 911)-2025-26-\($0 / 911)" }
        ids = texts.map { Self.checked($0) }
        bytes = texts.map { Self.bytes($0) }
    }

    var records: Int { ids.count }

    private static func bytes(_ id: String) -> peer_id {
        var bytes = peer_id()
        bytes.length = UInt8(id.utf8.count)
        unsafe withUnsafeMutableBytes(of: &bytes.bytes) { unsafe $0.copyBytes(from: id.utf8) }
        unsafe peer_set_hash(&bytes)
        return bytes
    }

    /// `count` ids in random order, each equally often.
    func lookups(count: Int) -> Lookups {
        var random = Random(state: 1)
        let order = Array(0..<records).shuffled(using: &random)
        let indices = (0..<count).map { order[$0 % records] }
        return Lookups(ours: indices.map { ids[$0] }, theirs: indices.map { bytes[$0] })
    }

    /// The message of an event; `score` changes from update to update.
    func message(_ index: Int, score: Int, _ arena: inout MessageArena) -> EventMessage {
        arena.removeAll()
        for team in [index % Self.teamCount, (index / 7 + 1) % Self.teamCount] {
            let first = arena.periodScores.count
            for period in 0..<4 {
                arena.periodScores.append(arena.add(CollectionOfOne(0x30 + UInt8((score + period) % 10))))
            }
            arena.participants.append(
                EventParticipant(
                    id: teams[team], score: arena.add(CollectionOfOne(0x30 + UInt8(score % 10))),
                    periodScores: first..<first + 4))
        }
        return EventMessage(
            id: ids[index], sport: .soccer, stageID: stages[index % 911],
            start: Timestamp(milliseconds: 1_770_000_000_000 + Int64(index) * 1000), status: .inProgress,
            period: arena.add(Self.period), minute: Int64(score % 90))
    }

    static func team(_ index: Int) -> ID { checked("so-team-\(index)") }

    static func checked(_ text: String) -> ID {
        guard let id = ID(text) else { preconditionFailure("no id: \(text)") }
        return id
    }

    static func participant(_ index: Int, _ arena: inout MessageArena) -> ParticipantMessage {
        arena.removeAll()
        return ParticipantMessage(
            id: team(index), sport: .soccer, name: arena.add("Wanderers \(index)".utf8),
            shortName: arena.add("Wand \(index)".utf8), abbreviation: arena.add("W\(index)".utf8))
    }
}
