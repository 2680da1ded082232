// What the demo shows of its offer: an instant at which something is on, and ids that have an answer then.

import Foundation
import Model
import Offer

struct DemoOffer {
    /// Which instant the cluster takes for now: nil is the clock's; set where the offer lies in the past.
    let frozen: Timestamp?
    let sport: String
    /// The nearest event, and a team of it.
    let event: String
    let team: String

    /// Nil where the offer has no event.
    init?(_ folder: OfferFolder, now: Timestamp) throws {
        let decoder = JSONDecoder()
        var events: [(start: Int64, sample: Sample)] = []
        try folder.forEach(.event) { _, _, value in
            guard let value, let sample = try? decoder.decode(Sample.self, from: Data(value)),
                let start = Timestamp(sample.scheduledStart), !sample.participants.isEmpty
            else { return }
            events.append((start.milliseconds, sample))
        }
        events.sort { $0.start < $1.start }
        guard let last = events.last else { return nil }
        // A day that is over shows nobody's matches. So some are left to come where the clock stands still.
        frozen =
            last.start > now.milliseconds
            ? nil : Timestamp(milliseconds: events[max(0, events.count - Self.eventsAhead)].start)
        let instant = (frozen ?? now).milliseconds
        let shown = events.filter { Self.shownStatus.contains($0.sample.status) && $0.start >= instant }
        let chosen = (shown.first { $0.sample.sport == "soccer" } ?? shown.first ?? last).sample
        sport = chosen.sport
        event = chosen.id
        team = chosen.participants[0].id
    }

    private static let eventsAhead = 100
    private static let shownStatus = ["NOT_STARTED", "IN_PROGRESS", "INTERRUPTED", "FINISHED"]

    private struct Sample: Decodable {
        struct Participant: Decodable { var id: String }
        var id: String
        var sport: String
        var status: String
        var scheduledStart: String
        var participants: [Participant]
    }
}
