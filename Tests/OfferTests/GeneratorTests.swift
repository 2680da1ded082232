import Model
import Offer
import TestSupport
import Testing

@Suite struct GeneratorTests {
    struct Message: Hashable {
        var kind: ModelKind
        var key: [UInt8]
        var value: [UInt8]
    }

    static func messages(_ events: Int, seed: UInt64, now: Timestamp = Generator.standardNow) throws -> [Message] {
        var messages: [Message] = []
        try Generator(events: events, seed: seed, now: now).forEach {
            messages.append(Message(kind: $0, key: $1, value: $2))
        }
        return messages
    }

    @Test func sameSeedSameBytes() throws {
        let first = try Self.messages(3000, seed: 7)
        #expect(try first == Self.messages(3000, seed: 7))
        #expect(try first != Self.messages(3000, seed: 8))
        #expect(Generator.standardNow.description == "2026-03-14T15:00:00Z")
    }

    @Test(arguments: [1, 99, 1000, 20_000]) func makesWhatWasAsked(events: Int) throws {
        let messages = try Self.messages(events, seed: 1)
        #expect(messages.count { $0.kind == .event } == events)
        #expect(Set(messages.map { "\($0.kind)" + String(decoding: $0.key, as: UTF8.self) }).count == messages.count)
    }

    @Test func everyMessageKeepsTheContractAndRefersToKnownModels() throws {
        let reference = Reference()
        for message in try Self.messages(20_000, seed: 3) {
            let reason = reference.apply(message.kind, key: message.key, value: message.value)
            #expect(reason == nil, "\(String(decoding: message.value, as: UTF8.self))")
        }
        let now = Generator.standardNow.milliseconds
        var bytes = 0
        let ids = reference.ids(.event)
        for start in stride(from: 0, to: ids.count, by: 200) {
            let list = ids[start..<min(start + 200, ids.count)].joined(separator: ",")
            for sport in Sport.allCases {
                let answer = reference.answer(target: "/v1/api/app/mym/\(sport.name)?eventIds=" + list, now: now)
                let text = String(decoding: answer.body ?? [], as: UTF8.self)
                bytes += text.utf8.count
                // An unknown stage has no name, an unknown participant neither.
                #expect(!text.contains(",\"events\"") || text.contains("\"season\""))
            }
        }
        let average = bytes / ids.count
        #expect((380...520).contains(average), "\(average) bytes an event with its share of the stages")
    }

    @Test func matchesArePlayedAroundNow() throws {
        let now = try #require(Timestamp("2030-07-06T18:00:00+02:00"))
        let texts = try Self.messages(20_000, seed: 1, now: now).filter { $0.kind == .event }
            .map { String(decoding: $0.value, as: UTF8.self) }
        for sport in Sport.allCases {
            let ofSport = texts.filter { $0.contains("\"sport\":\"\(sport.name)\"") }
            #expect(ofSport.contains { $0.contains("IN_PROGRESS") } || sport == .horses, "\(sport)")
            #expect(ofSport.contains { $0.contains("NOT_STARTED") } && ofSport.contains { $0.contains("FINISHED") })
        }
        #expect(texts.contains { $0.contains("\"scheduledStart\":\"2030-07-06T") })
        #expect(texts.contains { $0.contains("POSTPONED") } && texts.contains { $0.contains("CANCELLED") })
    }
}
