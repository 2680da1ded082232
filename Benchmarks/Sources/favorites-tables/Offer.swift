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

/// The events that every side holds: ids as the generated offer has them, two teams each, about 450 bytes of JSON.
struct Offer {
    let records: Int
    static let teams = 20_000

    func id(_ index: Int) -> String { "so\(index % 911)-2025-26-\(index / 911)" }

    static func bytes(_ id: String) -> peer_id {
        var bytes = peer_id()
        bytes.length = UInt8(id.utf8.count)
        unsafe withUnsafeMutableBytes(of: &bytes.bytes) { unsafe $0.copyBytes(from: id.utf8) }
        return bytes
    }

    /// `count` ids in random order, each equally often.
    func shuffledIDs(count: Int) -> [peer_id] {
        var random = Random(state: 1)
        var all = (0..<records).map { Self.bytes(id($0)) }
        all.shuffle(using: &random)
        return (0..<count).map { all[$0 % records] }
    }

    /// The message of an event; `score` changes from update to update.
    func message(_ index: Int, score: Int, _ arena: inout MessageArena) -> EventMessage {
        arena.removeAll()
        for team in [index % Self.teams, (index / 7 + 1) % Self.teams] {
            let first = arena.periodScores.count
            for period in 0..<4 { arena.periodScores.append(arena.add("\((score + period) % 10)".utf8)) }
            arena.participants.append(
                EventParticipant(
                    id: Self.team(team), score: arena.add("\(score % 10)".utf8), periodScores: first..<first + 4))
        }
        let period = arena.add("2H".utf8)
        return EventMessage(
            id: Self.checked(id(index)), sport: .soccer, stageID: Self.checked("stage-\(index % 911)"),
            start: Timestamp(milliseconds: 1_770_000_000_000 + Int64(index) * 1000), status: .inProgress, period: period,
            minute: Int64(score % 90))
    }

    static func team(_ index: Int) -> ID { checked("so-team-\(index)") }

    static func checked(_ text: String) -> ID {
        guard let id = ID(text) else { preconditionFailure("no id: \(text)") }
        return id
    }

    static func participant(_ index: Int, _ arena: inout MessageArena) -> ParticipantMessage {
        arena.removeAll()
        return ParticipantMessage(
            id: team(index), sport: .soccer, name: arena.add("Wanderers Athletic \(index)".utf8),
            shortName: arena.add("Wanderers \(index)".utf8), abbreviation: arena.add("W\(index)".utf8))
    }
}
