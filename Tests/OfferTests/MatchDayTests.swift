import Model
import Offer
import TestSupport
import Testing

@Suite struct MatchDayTests {
    let generator = Generator(events: 20_000, seed: 1)

    func updates(_ count: Int, seed: UInt64) throws -> [MatchDay.Update] {
        var day = try MatchDay(offer: MatchDayOffer(generator: generator), seed: seed)
        return (0..<count).map { step in
            day.next(now: Timestamp(milliseconds: generator.now.milliseconds + Int64(step)))
        }
    }

    @Test func sameSeedSameDay() throws {
        #expect(try updates(5000, seed: 4) == updates(5000, seed: 4))
        #expect(try updates(5000, seed: 4) != updates(5000, seed: 5))
    }

    /// Every update keeps the contract, and all that a match day knows happens.
    @Test func everyUpdateKeepsTheContract() throws {
        let reference = Reference()
        let expected = [
            "\"2H\"", "\"Q4\"", "1886", "FINISHED", "INTERRUPTED", "IN_PROGRESS", "Over", "POSTPONED", "added-",
        ]
        var words: [String: Int] = [:]
        let updates = try updates(25_000, seed: 11)
        for update in updates {
            #expect(reference.apply(update.kind, key: update.key, value: update.value) == nil)
            guard let value = update.value else {
                words["deleted", default: 0] += 1
                continue
            }
            let text = String(decoding: value, as: UTF8.self)
            for word in expected where text.contains(word) { words[word, default: 0] += 1 }
        }
        #expect(words.keys.sorted() == expected.sorted() + ["deleted"])
        #expect(reference.ids(.event).count <= MatchDayOffer(generator: generator).count + 1000)
        #expect(updates.count { $0.kind == .participant } < updates.count / 100)
    }

    @Test func playsAFolderToo() throws {
        let folder = try TemporaryFolder()
        var writer = try OfferWriter(path: folder.path, gzip: true)
        try generator.forEach { try writer.write($0, key: $1, value: $2) }
        try writer.write(.event, key: "bad".utf8, value: Array("{\"id\":\"bad\"}".utf8))
        try writer.finish()
        let offer = try MatchDayOffer(folder: OfferFolder(path: folder.path), now: generator.now)
        #expect(offer.count == MatchDayOffer(generator: generator).count && offer.count > 20)
        var day = try MatchDay(offer: offer, seed: 4)
        let first = try updates(200, seed: 4)
        #expect(
            (0..<200).map { day.next(now: Timestamp(milliseconds: generator.now.milliseconds + Int64($0))) } == first)
    }

    /// Scores and minutes of a folder are any text and any integer.
    @Test func survivesStrangeScores() throws {
        let folder = try TemporaryFolder()
        var writer = try OfferWriter(path: folder.path, gzip: false)
        let largest = "9223372036854775807"
        for sport in Sport.allCases {
            for count in [1, 2, 3] {
                let sides = (0..<count).map {
                    "{\"id\":\"p\($0)\",\"score\":\"\(largest)\",\"periodScores\":[\"-\",\"\(largest)\"]}"
                }
                let id = "\(sport.name)-\(count)"
                let value =
                    "{\"id\":\"\(id)\",\"sport\":\"\(sport.name)\",\"stageId\":\"s\",\"scheduledStart\":\"2026-03-14T15:00:00Z\","
                    + "\"status\":\"IN_PROGRESS\",\"period\":\"Over \(largest)\",\"minute\":\(count == 1 ? "-" : "")\(largest),"
                    + "\"participants\":[\(sides.joined(separator: ","))]}"
                try writer.write(.event, key: id.utf8, value: Array(value.utf8))
            }
        }
        try writer.finish()
        let offer = try MatchDayOffer(folder: OfferFolder(path: folder.path), now: generator.now)
        #expect(offer.count == 18)
        var day = try MatchDay(offer: offer, seed: 4)
        let reference = Reference()
        for _ in 0..<20_000 {
            let update = day.next(now: generator.now)
            #expect(reference.apply(update.kind, key: update.key, value: update.value) == nil)
        }
    }

    @Test func refusesAnOfferWithoutEvents() throws {
        let folder = try TemporaryFolder()
        try OfferWriter(path: folder.path, gzip: false).finish()
        let offer = try MatchDayOffer(folder: OfferFolder(path: folder.path), now: generator.now)
        #expect(throws: OfferError.self) { try MatchDay(offer: offer, seed: 1) }
    }
}
