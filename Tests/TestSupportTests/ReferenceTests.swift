// The reference against examples worked out by hand from the contract.

import Model
import TestSupport
import Testing

/// A reference loaded with messages written as `kind key value`; an empty value is a tombstone.
func load(_ messages: [(ModelKind, String, String)]) -> Reference {
    let reference = Reference()
    for (kind, key, value) in messages {
        #expect(reference.apply(kind, key: Array(key.utf8), value: value.isEmpty ? nil : Array(value.utf8)) == nil)
    }
    return reference
}

func event(
    _ id: String, _ teams: [String], start: String = "2025-08-16T14:00:00Z", status: String = "NOT_STARTED",
    stage: String = "st1", sport: String = "soccer"
) -> (ModelKind, String, String) {
    let participants = teams.map { "{\"id\":\"\($0)\"}" }.joined(separator: ",")
    let value =
        "{\"id\":\"\(id)\",\"sport\":\"\(sport)\",\"stageId\":\"\(stage)\",\"scheduledStart\":\"\(start)\","
        + "\"status\":\"\(status)\",\"participants\":[\(participants)]}"
    return (.event, id, value)
}

func text(_ reference: Reference, _ target: String, now: String = "2025-08-16T15:00:00Z") -> String {
    let answer = reference.answer(target: target, now: referenceMilliseconds(now))
    return answer.body.map { String(decoding: $0, as: UTF8.self) } ?? "\(answer.status)"
}

/// The ids of the events in the order of the answer.
func eventIDs(_ body: String) -> [String] {
    body.components(of: "{\"id\":\"").compactMap { part in
        part.contains("\"scheduledStart\"") ? String(part.prefix { $0 != "\"" }) : nil
    }
}

extension String {
    func components(of separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}

@Suite struct ReferenceTests {
    @Test func exampleOfTheContract() {
        let reference = load([
            (.region, "eng", #"{"id":"eng","name":"England","code":"ENG"}"#),
            (.category, "c1", #"{"id":"c1","sport":"soccer","name":"England","slug":"england","regionId":"eng"}"#),
            (.season, "s1", #"{"id":"s1","name":"2025/26","startDate":"x"}"#),
            (
                .stage, "st1",
                #"{"id":"st1","sport":"soccer","name":"Premier League","slug":"premier-league","categoryId":"c1","seasonId":"s1"}"#
            ),
            (
                .participant, "p1",
                #"{"id":"p1","sport":"soccer","name":"Arsenal FC","shortName":"Arsenal","abbreviation":"ARS","regionId":"eng"}"#
            ),
            (.participant, "p2", #"{"id":"p2","sport":"soccer","name":"Chelsea FC","shortName":null,"imageUrl":"u"}"#),
            (
                .event, "e1",
                #"{"id":"e1","sport":"soccer","stageId":"st1","scheduledStart":"2025-08-16T16:00:00+02:00","status":"IN_PROGRESS","period":"2H","minute":67,"participants":[{"id":"p1","score":"2","periodScores":["1","1"]},{"id":"p2","score":"1"}],"round":3}"#
            ),
        ])
        let expected =
            #"{"sport":"soccer","total":1,"offset":0,"limit":350,"stages":[{"id":"st1","name":"Premier League","slug":"premier-league","category":{"id":"c1","name":"England","slug":"england"},"region":{"id":"eng","name":"England","code":"ENG"},"season":{"id":"s1","name":"2025/26"},"events":[{"id":"e1","name":"Arsenal FC - Chelsea FC","status":"IN_PROGRESS","scheduledStart":"2025-08-16T14:00:00Z","period":"2H","minute":67,"participants":[{"id":"p1","name":"Arsenal FC","shortName":"Arsenal","abbreviation":"ARS","score":"2","periodScores":["1","1"]},{"id":"p2","name":"Chelsea FC","score":"1"}]}]}]}"#
        #expect(text(reference, "/v1/api/app/mym/soccer?eventIds=e1") == expected)
        #expect(text(reference, "/v1/api/app/mym/soccer?teamIds=p1,p2") == expected)
        #expect(text(reference, "/v1/api/app/mym/soccer?teamIds=p2&eventIds=e1,e1%2Ce1") == expected)
        #expect(
            text(reference, "/v1/api/app/myt/soccer?teamIds=p2&teamIds=p1,nobody")
                == #"{"sport":"soccer","teams":[{"id":"p1","name":"Arsenal FC","shortName":"Arsenal","abbreviation":"ARS","region":{"id":"eng","name":"England","code":"ENG"}},{"id":"p2","name":"Chelsea FC","imageUrl":"u"}]}"#
        )
        #expect(text(reference, "/v1/api/app/myt/tennis?teamIds=p1") == #"{"sport":"tennis","teams":[]}"#)
    }

    @Test func teamEventsFollowStatusTimeAndOrder() {
        let reference = load([
            event("old", ["t"], start: "2025-08-16T03:00:00Z", status: "FINISHED"),  // 12 h ago to the millisecond
            event("edge", ["t"], start: "2025-08-16T03:00:00.001Z", status: "FINISHED"),
            event("off", ["t"], status: "CANCELLED"), event("b", ["t", "x"]), event("a", ["x", "t"]),
            event("c", ["t", "t"], start: "2025-08-17T14:00:00Z"), event("other", ["t"], sport: "tennis"),
        ])
        // By name: "t - x" before "x - t", so b before a.
        #expect(eventIDs(text(reference, "/v1/api/app/mym/soccer?teamIds=t")) == ["edge", "b", "a"])
        #expect(eventIDs(text(reference, "/v1/api/app/mym/soccer?teamIds=t&eventIds=b")) == ["edge", "b", "a", "c"])
        #expect(
            eventIDs(text(reference, "/v1/api/app/mym/soccer?teamIds=t&eventIds=old,off,other"))
                == ["old", "edge", "off", "b", "a"])
        #expect(eventIDs(text(reference, "/v1/api/app/mym/soccer?teamIds=t,x&limit=2&offset=1")) == ["b", "a"])
        #expect(
            text(reference, "/v1/api/app/mym/soccer?teamIds=t,x&offset=9")
                == #"{"sport":"soccer","total":3,"offset":9,"limit":350,"stages":[]}"#)
    }

    @Test func stagesAreSortedUnknownOnesLast() {
        func stage(_ id: String, _ name: String, _ positions: String) -> (ModelKind, String, String) {
            (.stage, id, "{\"id\":\"\(id)\",\"sport\":\"soccer\",\"name\":\"\(name)\"\(positions)}")
        }
        let ids = ["u2", "none", "n2", "n1", "p", "neg", "teams", "u1"]
        let reference = load(
            [
                stage("none", "A", ""), stage("n1", "B", ",\"positionScores\":1"),
                stage("n2", "B", ",\"positionScores\":1,\"positionTeams\":null"),
                stage("p", "Z", ",\"positionScores\":1,\"positionTeams\":9223372036854775807"),
                stage("neg", "Z", ",\"positionScores\":-1"), stage("teams", "Z", ",\"positionTeams\":0"),
            ] + ids.map { event("e-" + $0, ["t"], stage: $0) })
        let all = ids.map { "e-" + $0 }.joined(separator: ",")
        let answer = text(reference, "/v1/api/app/mym/soccer?eventIds=" + all)
        #expect(
            eventIDs(answer) == ["neg", "p", "n1", "n2", "teams", "none", "u1", "u2"].map { "e-" + $0 })
        #expect(answer.contains(#"{"id":"u1","events":[{"id":"e-u1","name":"t","#))
    }

    @Test func referencesComeAndGo() {
        let reference = load([
            event("e", ["p"]), (.stage, "st1", #"{"id":"st1","sport":"soccer","name":"S","categoryId":"c"}"#),
            (.region, "r", #"{"id":"r","name":"R"}"#),
        ])
        #expect(text(reference, "/v1/api/app/mym/soccer?eventIds=e").contains(#"{"id":"st1","name":"S","events""#))
        reference.apply(.category, key: Array("c".utf8), value: Array(#"{"id":"c","sport":"tennis","name":"","regionId":"r"}"#.utf8))
        reference.apply(.participant, key: Array("p".utf8), value: Array(#"{"id":"p","sport":"tennis","name":"\u0001\"/é"}"#.utf8))
        let answer = text(reference, "/v1/api/app/mym/soccer?eventIds=e")
        #expect(answer.contains(#""category":{"id":"c","name":""},"region":{"id":"r","name":"R"},"events""#))
        #expect(answer.contains(#""name":"\u0001\"/é","status""#))
        reference.apply(.participant, key: Array("p".utf8), value: nil)
        reference.apply(.category, key: Array("c".utf8), value: nil)
        let after = text(reference, "/v1/api/app/mym/soccer?eventIds=e")
        #expect(after.contains(#""participants":[{"id":"p"}]"#) && !after.contains("region"))
        reference.apply(.event, key: Array("e".utf8), value: nil)
        #expect(text(reference, "/v1/api/app/mym/soccer?eventIds=e&teamIds=p").contains("\"total\":0"))
    }

    static let errors: [(String, Int)] = [
        ("/v1/api/app/mym/soccer", 400), ("/v1/api/app/mym/soccer?limit=1", 400),
        ("/v1/api/app/mym/soccer?eventIds=", 400), ("/v1/api/app/mym/soccer?eventIds=a,", 400),
        ("/v1/api/app/mym/soccer?eventIds=a%2", 400), ("/v1/api/app/mym/soccer?eventIds=a%20b", 400),
        ("/v1/api/app/mym/soccer?eventIds=" + String(repeating: "a", count: 65), 400),
        ("/v1/api/app/mym/soccer?eventIds=" + String(repeating: "a", count: 64), 200),
        ("/v1/api/app/mym/soccer?eventIds=a&limit=0", 400), ("/v1/api/app/mym/soccer?eventIds=a&limit=351", 400),
        ("/v1/api/app/mym/soccer?eventIds=a&limit=350", 200), ("/v1/api/app/mym/soccer?eventIds=a&limit=+1", 400),
        ("/v1/api/app/mym/soccer?eventIds=a&offset=-1", 400), ("/v1/api/app/mym/soccer?eventIds=a&offset=", 400),
        ("/v1/api/app/mym/soccer?eventIds=a&limit=1&limit=1", 400), ("/v1/api/app/mym/soccer?eventids=a", 400),
        ("/v1/api/app/mym/soccer?eventIds=a&x=1", 400), ("/v1/api/app/myt/soccer?eventIds=a&teamIds=a", 400),
        ("/v1/api/app/myt/soccer?teamIds=a&limit=1", 400), ("/v1/api/app/myt/soccer", 400),
        ("/v1/api/app/mym/soccer/?eventIds=a", 404), ("/v1/api/app/mym/Soccer?eventIds=a", 404),
        ("/v1/api/app/mym/golf?eventIds=a", 404), ("/", 404), ("/v1/api/app/mym?eventIds=a", 404),
        ("/v1/api/app/mym/soccer?eventIds=" + (0..<201).map { "e\($0)" }.joined(separator: ","), 400),
        ("/v1/api/app/mym/soccer?eventIds=" + (0..<400).map { "e\($0 % 200)" }.joined(separator: ","), 200),
        ("/v1/api/app/myt/soccer?teamIds=" + (0..<51).map { "e\($0)" }.joined(separator: "&teamIds="), 400),
    ]

    @Test(arguments: errors) func statuses(target: String, status: Int) {
        #expect(Reference().answer(target: target, now: 0).status == status)
    }

    @Test func methods() {
        let target = "/v1/api/app/mym/soccer?eventIds=a"
        #expect(Reference().answer(method: "POST", target: target, now: 0).status == 405)
        #expect(Reference().answer(method: "OPTIONS", target: target, now: 0).status == 204)
        #expect(Reference().answer(method: "HEAD", target: target, now: 0).status == 200)
    }
}
