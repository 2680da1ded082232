// What a match day is played with: the events of an offer that start near a given now, and all its participants.

import Foundation
public import Model

public struct MatchDayOffer: Sendable {
    /// Events that start within this time of now are played.
    static let nearMs: Int64 = 12 * 3_600_000
    /// Most events that one match day plays; further ones are left as they are.
    static let fixturesMax = 20_000

    /// The folder, or the generator, for messages.
    let source: String
    private(set) var competitors: [Competitor] = []
    private(set) var fixtures: [Fixture] = []

    /// The offer that `generator` makes, near its now.
    public init(generator: Generator) {
        source = "the generated offer"
        // `body` throws nothing, so nothing is thrown.
        try? generator.produce { message in
            switch message {
            case .reference: break
            case .competitor(let competitor): competitors.append(competitor)
            case .fixture(let fixture): add(fixture, now: generator.now)
            }
        }
    }

    /// The offer of a folder, near `now`. Values that break the contract are passed over, as the nodes do.
    public init(folder: OfferFolder, now: Timestamp) throws {
        source = folder.path
        let decoder = JSONDecoder()
        try folder.forEach(.participant) { _, _, value in
            guard let value, let read = try? decoder.decode(CompetitorMessage.self, from: Data(value)) else { return }
            if let competitor = read.competitor { competitors.append(competitor) }
        }
        try folder.forEach(.event) { _, _, value in
            guard let value, let read = try? decoder.decode(FixtureMessage.self, from: Data(value)) else { return }
            if let fixture = read.fixture { add(fixture, now: now) }
        }
    }

    /// How many events are played.
    public var count: Int { fixtures.count }

    private mutating func add(_ fixture: Fixture, now: Timestamp) {
        guard abs(fixture.start.milliseconds - now.milliseconds) <= Self.nearMs, fixtures.count < Self.fixturesMax
        else { return }
        fixtures.append(fixture)
    }
}

private struct CompetitorMessage: Decodable {
    var id: String
    var sport: String
    var name: String
    var shortName: String?
    var abbreviation: String?
    var regionId: String?
    var imageUrl: String?

    /// Nil where the sport is unknown, or the id is none.
    var competitor: Competitor? {
        guard let sport = Sport.allCases.first(where: { $0.text == sport }), ID(id) != nil else { return nil }
        return Competitor(
            id: id, sport: sport, name: name, shortName: shortName, abbreviation: abbreviation, regionID: regionId,
            imageURL: imageUrl)
    }
}

private struct FixtureMessage: Decodable {
    struct Participant: Decodable {
        var id: String
        var score: String?
        var periodScores: [String]?
    }

    var id: String
    var sport: String
    var stageId: String
    var scheduledStart: String
    var status: String
    var period: String?
    var minute: Int64?
    var participants: [Participant]

    /// Nil where a word or the time is unknown, or an id is none.
    var fixture: Fixture? {
        let ids = [id, stageId] + participants.map(\.id)
        guard (1...Limits.participantsPerEventMax).contains(participants.count), ids.allSatisfy({ ID($0) != nil })
        else { return nil }
        guard let sport = Sport.allCases.first(where: { $0.text == sport }), let start = Timestamp(scheduledStart),
            let status = Status.allCases.first(where: { $0.text == status })
        else { return nil }
        return Fixture(
            id: id, sport: sport, stageID: stageId, start: start, status: status, period: period, minute: minute,
            participants: participants.map {
                Fixture.Entry(id: $0.id, score: $0.score, periodScores: $0.periodScores ?? [])
            })
    }
}
