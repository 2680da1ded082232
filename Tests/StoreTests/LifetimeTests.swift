import Foundation
import Model
import TestSupport
import Testing

@testable import Store

@Suite struct LifetimeTests {
    /// What is alive, so that a fresh store can be given the same.
    private struct Alive {
        var events: [String: (start: Int64, stage: String, teams: [String])] = [:]
        var others: [ModelKind: [String: (name: String, first: String?, second: String?)]] = [:]

        func apply(to fixture: Fixture) {
            for (kind, models) in others {
                for (id, model) in models { Self.apply(kind, id, model, to: fixture) }
            }
            for (id, event) in events {
                fixture.event(id, stage: event.stage, start: event.start, teams: event.teams)
            }
        }

        static func apply(
            _ kind: ModelKind, _ id: String, _ model: (name: String, first: String?, second: String?),
            to fixture: Fixture
        ) {
            switch kind {
            case .participant: fixture.participant(id, name: model.name, region: model.first)
            case .stage: fixture.stage(id, name: model.name, category: model.first, season: model.second)
            default: fixture.other(kind, id, name: model.name, region: kind == .category ? model.first : nil)
            }
        }
    }

    private static let names = ["A", "Longer name", "\"quoted\"", "Tab\t", ""]

    @Test(arguments: 0..<8) func churnLeavesNothingBehind(round: Int) {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        random = SeededGenerator(seed: random.seed &+ UInt64(round))
        let fixture = Fixture()
        var alive = Alive()
        for _ in 0..<3_000 { change(fixture, &alive, &random) }
        fixture.settle()
        let comment: Comment = "seed \(random.seed)"
        #expect(fixture.writer.retiredCount == 0, comment)

        // The order of the messages is another; what they take is the same.
        let fresh = Fixture()
        alive.apply(to: fresh)
        fresh.settle()
        #expect(fixture.writer.memoryBytes == fresh.writer.memoryBytes, comment)
        #expect(fixture.writer.eventJSONBytes == fresh.writer.eventJSONBytes, comment)
        for kind in ModelKind.allCases { #expect(fixture.writer.count(kind) == fresh.writer.count(kind), comment) }
        for id in alive.events.keys { #expect(fixture.json(event: id) == fresh.json(event: id), comment) }

        for id in alive.events.keys { #expect(fixture.delete(event: id) == .deleted) }
        for (kind, models) in alive.others {
            for id in models.keys { #expect(fixture.delete(kind, id) == .deleted) }
        }
        fixture.expectEmpty(comment)
    }

    private func change(_ fixture: Fixture, _ alive: inout Alive, _ random: inout SeededGenerator) {
        func number(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
        let kind = number(2) == 0 ? .event : ModelKind.allCases[number(6)]
        let id = "\(kind.name)\(number(kind == .event ? 60 : 12))"
        let deletes = number(3) == 0
        switch (kind, deletes) {
        case (.event, true):
            #expect(fixture.delete(event: id) == (alive.events.removeValue(forKey: id) == nil ? .unchanged : .deleted))
        case (.event, false):
            let teams = (0...number(4)).map { _ in "participant\(number(14))" }
            let event = (start: Int64(number(50)), stage: "stage\(number(14))", teams: teams)
            let isNew = alive.events.updateValue(event, forKey: id) == nil
            let result = fixture.event(id, stage: event.stage, start: event.start, teams: teams)
            #expect(result == (isNew ? .created : .updated))
        case (_, true):
            let isKnown = alive.others[kind]?.removeValue(forKey: id) != nil
            #expect(fixture.delete(kind, id) == (isKnown ? .deleted : .unchanged))
        case (_, false):
            let first = number(3) == 0 ? nil : kind == .stage ? "category\(number(14))" : "region\(number(14))"
            let model = (
                name: Self.names[number(Self.names.count)], first: first,
                second: number(3) == 0 ? nil : "season\(number(14))"
            )
            alive.others[kind, default: [:]][id] = model
            Alive.apply(kind, id, model, to: fixture)
        }
        if number(4) == 0 { _ = fixture.writer.rerender(budget: number(6)) }
        if number(6) == 0 { fixture.writer.reclaim() }
    }

    @Test func aReaderHeldOnPurposeBoundsNothingButIsSeen() {
        let fixture = Fixture(retiredBytesMax: 10_000)
        fixture.event("e", teams: ["a", "b"])
        let reader = StoreReader(fixture.store)
        fixture.settle()
        reader.hold()
        var updates = 0
        while !fixture.writer.isOverRetiredLimit, updates < 1_000 {
            updates += 1
            fixture.event("e", teams: ["a", "b"], score: "\(updates)")
            fixture.writer.reclaim()
        }
        #expect(updates > 10 && updates < 1_000)
        #expect(fixture.writer.retiredBytes > 10_000 && fixture.writer.retiredBytes < 11_000)
        #expect(fixture.writer.retiredCount == updates)
        reader.letGo()
        fixture.writer.reclaim()
        #expect(!fixture.writer.isOverRetiredLimit && fixture.writer.retiredCount == 0)
        #expect(fixture.writer.retiredBytesHighWater > 10_000)
    }

    @Test func unknownReferencesGoWithTheLastThatNamesThem() {
        let fixture = Fixture()
        fixture.event("e1", stage: "s", teams: ["a", "a", "b"])
        fixture.event("e2", stage: "s", teams: ["b"])
        fixture.participant("k", name: "K", region: "r")
        #expect(fixture.store[.participant].find(Fixture.id("a")) != nil)
        fixture.delete(event: "e1")
        #expect(fixture.store[.participant].find(Fixture.id("a")) == nil)
        #expect(fixture.store[.participant].find(Fixture.id("b")) != nil)
        #expect(fixture.store[.stage].find(Fixture.id("s")) != nil)
        fixture.delete(event: "e2")
        #expect(fixture.store[.stage].find(Fixture.id("s")) == nil)
        fixture.participant("k", name: "K")
        #expect(fixture.store[.region].find(Fixture.id("r")) == nil)
        fixture.delete(.participant, "k")
        fixture.expectEmpty()
    }
}
