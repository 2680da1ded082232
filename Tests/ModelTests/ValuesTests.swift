import Model
import Testing

struct ValuesTests {
    @Test func sports() {
        for sport in Sport.allCases { #expect(Self.sport("\(sport.name)") == sport) }
        for text in ["", "Soccer", "socce", "soccerr", "football", "soccer "] {
            #expect(Self.sport(text) == nil)
        }
    }

    @Test func statuses() {
        for status in Status.allCases { #expect(Self.status("\(status.name)") == status) }
        for text in ["", "finished", "FINISHE", "FINISHEDD", "NOT STARTED"] {
            #expect(Self.status(text) == nil)
        }
        #expect(Status.allCases.filter(\.isShownForTeam) == [.notStarted, .inProgress, .interrupted, .finished])
    }

    @Test func kinds() {
        let names = ["event", "participant", "stage", "season", "region", "category"]
        let plurals = ["events", "participants", "stages", "seasons", "regions", "categories"]
        #expect(ModelKind.allCases.map(\.name) == names)
        #expect(ModelKind.allCases.map(\.plural) == plurals)
    }

    @Test func arena() {
        var arena = MessageArena()
        let empty = arena.add([])
        let first = arena.add("é".utf8)
        let second = arena.add(Array("b".utf8))
        #expect([empty, first, second].map(arena.string) == ["", "é", "b"])
        #expect(second == Text(offset: 2, count: 1))
        arena.removeAll()
        #expect(arena.bytes.isEmpty && arena.participants.isEmpty && arena.periodScores.isEmpty)
    }

    private static func sport(_ text: String) -> Sport? { Sport(Array(text.utf8).span) }
    private static func status(_ text: String) -> Status? { Status(Array(text.utf8).span) }
}
