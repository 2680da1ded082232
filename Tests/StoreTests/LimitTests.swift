import Model
import Testing

@testable import Store

@Suite struct LimitTests {
    /// `{"id":"p","name":"…"` with its closing brace takes this much beside the name.
    private static let frame = 19 + 1

    @Test(arguments: [ModelKind.participant, .stage, .season, .region, .category])
    func aReferencesOwnFieldsHaveALimit(kind: ModelKind) {
        let fixture = Fixture()
        func apply(_ nameBytes: Int) -> ApplyResult {
            let name = String(repeating: "n", count: nameBytes)
            switch kind {
            case .participant: return fixture.participant("p", name: name, region: "r")
            case .stage: return fixture.stage("p", name: name, category: "c", season: "s")
            default: return fixture.other(kind, "p", name: name, region: kind == .category ? "r" : nil)
            }
        }
        let most = Limits.referenceRecordBytesMax - Self.frame
        // What is joined to it does not count.
        let joined = String(repeating: "j", count: most)
        for other in [ModelKind.region, .season, .category] { fixture.other(other, other.name, name: joined) }
        #expect(apply(most + 1) == .refused(.recordTooLarge))
        #expect(apply(most) == .created)
        #expect(apply(250_000) == .refused(.recordTooLarge))
        #expect(apply(1) == .updated)
    }

    @Test func whatIsRefusedLeavesNothing() {
        let fixture = Fixture()
        let name = String(repeating: "n", count: 250_000)
        #expect(fixture.participant("p", name: name, region: "r") == .refused(.recordTooLarge))
        #expect(fixture.stage("s", name: name, category: "c", season: "x") == .refused(.recordTooLarge))
        let teams = (0..<64).map { "team\($0)" }
        #expect(
            fixture.event("e", teams: teams, score: String(repeating: "9", count: 2_100)) == .refused(.recordTooLarge))
        fixture.expectEmpty()
    }

    @Test func aHugeNameReachesNoEvent() {
        let fixture = Fixture()
        fixture.participant("p", name: "Good")
        for event in 0..<7_000 { fixture.event("e\(event)", teams: ["p", "q"]) }
        let crowd = (0..<63).map { "c\($0)" }
        for event in 0..<100 { fixture.event("h\(event)", teams: ["p"] + crowd) }
        fixture.settle()
        let before = fixture.writer.memoryBytes
        #expect(fixture.participant("p", name: String(repeating: "n", count: 250_000)) == .refused(.recordTooLarge))
        #expect(fixture.writer.rerenderPending == 0)
        fixture.settle()
        #expect(fixture.writer.memoryBytes == before)
        #expect(fixture.json(event: "e6999")?.contains("Good - q") == true)
    }

    /// 64 names that are each allowed are too much for one event: it stays as it was, and that is told.
    @Test func anEventThatGrowsTooLargeStaysAsItWas() {
        let fixture = Fixture()
        let teams = (0..<64).map { "t\($0)" }
        #expect(fixture.event("e", teams: teams) == .created)
        for team in teams { fixture.participant(team, name: String(repeating: "n", count: 8_000)) }
        var refused = 0
        var slices = 0
        while fixture.writer.rerender(budget: 4, refused: { refused += 1 }) { slices += 1 }
        #expect(refused > 50 && slices > 50)
        let json = fixture.json(event: "e") ?? ""
        #expect(json.utf8.count <= Limits.eventRecordBytesMax)
        #expect(fixture.event("e", teams: teams, score: "1") == .refused(.recordTooLarge))
        #expect(fixture.json(event: "e") == json)
        // With small names all is well again.
        for team in teams { fixture.participant(team, name: "N") }
        while fixture.writer.rerender(budget: 100, refused: { refused = -1 }) {}
        #expect(refused > 50)
        #expect(fixture.json(event: "e")?.hasPrefix(#"{"id":"e","name":"N - N - N"#) == true)
        fixture.delete(event: "e")
        for team in teams { fixture.delete(.participant, team) }
        fixture.expectEmpty()
    }
}
