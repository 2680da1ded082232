import Model
import Offer
import TestSupport
import Testing

/// Real fixtures through the folder reader into the reference, and random requests and updates on top of it.
@Suite(.enabled(if: TestPaths.football != nil, "there is no folder of football fixtures"))
struct FootballTests {
    @Test func loadsAndAnswers() throws {
        let folder = try OfferFolder(path: #require(TestPaths.football))
        let reference = Reference()
        let clock = ContinuousClock()
        let loading = try clock.measure {
            for kind in OfferFolder.order {
                try folder.forEach(kind) { line, key, value in
                    #expect(reference.apply(kind, key: key, value: value) == nil, "line \(line)")
                }
            }
        }
        #expect(reference.ids(.event).count == 92_900)

        var random = SeededGenerator.forTest()
        let seed = random.next()
        var statuses: [Int: Int] = [:]
        var bytes = 0
        var requests = RequestGenerator(seed: seed, reference: reference)
        let now = referenceMilliseconds("2018-12-26T00:00:00Z")
        let answering = clock.measure {
            for _ in 0..<500 {
                let request = requests.next()
                let answer = reference.answer(method: request.method, target: request.target, now: now)
                statuses[answer.status, default: 0] += 1
                bytes += answer.body?.count ?? 0
            }
        }
        #expect(Set(statuses.keys) == [200, 400, 404, 405], "seed \(seed)")

        var updates = UpdateGenerator(seed: seed, reference: reference)
        var invalid = 0
        let updating = clock.measure {
            for _ in 0..<5000 {
                let update = updates.next()
                let reason = reference.apply(update.kind, key: update.key, value: update.value)
                let text = String(decoding: (update.value ?? []).prefix(400), as: UTF8.self)
                #expect((reason != nil) == update.isInvalid, "seed \(seed): \(update.kind) \(text)")
                if reason != nil { invalid += 1 }
            }
        }
        #expect(invalid > 200)
        print(
            "loaded in \(loading), 500 answers (\(bytes / 500) bytes each) in \(answering), 5000 updates in \(updating)"
        )
    }
}
