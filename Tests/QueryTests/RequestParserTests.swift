import Model
import Query
import TestSupport
import Testing

@Suite struct RequestParserTests {
    private func parse(_ target: String) throws(Problem) -> Request {
        let bytes = Array(target.utf8)
        let mark = bytes.firstIndex(of: 0x3F) ?? bytes.count
        var parser = RequestParser(rules: SelectionRules())
        return try parser.parse(
            path: bytes.span.extracting(0..<mark),
            query: bytes.span.extracting(min(mark + 1, bytes.count)..<bytes.count))
    }

    private func ids(_ ids: [String]) -> [ID] { ids.compactMap { ID($0) } }

    static let accepted: [(String, [String], [String], Int, Int)] = [
        ("eventIds=1", ["1"], [], 350, 0),
        ("eventIds=b,a,B", ["b", "a", "B"], [], 350, 0),
        ("eventIds=2,1&eventIds=3,1", ["2", "1", "3"], [], 350, 0),
        ("eventIds=2%2C1%2c%32", ["2", "1"], [], 350, 0),
        ("%65ventIds=1&team%49ds=t", ["1"], ["t"], 350, 0),
        ("teamIds=t2&teamIds=t1&limit=1&offset=0", [], ["t2", "t1"], 1, 0),
        ("teamIds=t&limit=350&offset=007", [], ["t"], 350, 7),
        ("limit=%31%30&teamIds=a:b_c-d.e", [], ["a:b_c-d.e"], 10, 0),
        ("teamIds=t&offset=9223372036854775807", [], ["t"], 350, .max),
        ("teamIds=t&offset=9223372036854775808", [], ["t"], 350, .max),
        ("teamIds=t&offset=99999999999999999999999999999999999999990", [], ["t"], 350, .max),
    ]

    @Test(arguments: accepted)
    func accepts(_ query: String, _ eventIDs: [String], _ teamIDs: [String], _ limit: Int, _ offset: Int) throws {
        let expected = MatchesRequest(
            sport: .soccer, eventIDs: ids(eventIDs), teamIDs: ids(teamIDs), limit: limit, offset: offset)
        #expect(try parse("/v1/api/app/mym/soccer?\(query)") == .matches(expected))
    }

    @Test func teams() throws {
        for sport in Sport.allCases {
            let expected = TeamsRequest(sport: sport, teamIDs: ids(["2", "1"]))
            #expect(try parse("/v1/api/app/myt/\(sport.name)?teamIds=2,1&teamIds=2") == .teams(expected))
        }
    }

    @Test(arguments: [
        ("/", 404), ("", 404), ("/v1/api/app/mym", 404), ("/v1/api/app/mym/", 404), ("/v1/api/app/mym/soccer/", 404),
        ("/v1/api/app/mym/Soccer", 404), ("/V1/api/app/mym/soccer", 404), ("/v1/api/app/mym/golf", 404),
        ("/v1/api/app/%6Dym/soccer", 404), ("/v1/api/app/mym/soccer%20", 404), ("/v1/api/app/mym//soccer", 404),
        ("/v1/api/app/mym/soccer/x", 404), ("/v1/api/app/myx/soccer", 404), ("//v1/api/app/mym/soccer", 404),
        ("/v1/api/app/mym/soccer", 400), ("/v1/api/app/mym/soccer?", 400), ("/v1/api/app/myt/soccer", 400),
        ("/v1/api/app/mym/soccer?limit=1", 400), ("/v1/api/app/myt/soccer?teamIds=", 400),
        ("/v1/api/app/myt/soccer?teamIds=1&eventIds=1", 400), ("/v1/api/app/myt/soccer?teamIds=1&limit=1", 400),
        ("/v1/api/app/myt/soccer?teamIds=1&offset=1", 400),
    ])
    func statuses(_ target: String, _ status: Int) {
        let problem = #expect(throws: Problem.self) { try parse(target) }
        #expect(problem?.status == status, "\(target)")
    }

    @Test(arguments: [
        "eventIds=", "eventIds", "eventIds=,", "eventIds=1,", "eventIds=,1", "eventIds=1,,2", "eventIds=1&eventIds=",
        "eventIds=1&teamIds=", "eventIds=1+2", "eventIds=1 2", "eventIds=%", "eventIds=%4", "eventIds=%4g",
        "eventIds=1%", "eventIds=%00", "eventIds=%C3%A9", "eventIds=%252C", "eventIds=a/b", "eventIds=a=b",
        "eventIds=1;teamIds=2", "EventIds=1", "eventids=1", "eventIds[]=1", "eventIds=1&x=1", "eventIds=1&", "&",
        "&eventIds=1", "eventIds=1&&teamIds=2", "=1", "eventIds=1&%zz=1", "eventIds=1&limit=", "eventIds=1&limit",
        "eventIds=1&limit=0", "eventIds=1&limit=351", "eventIds=1&limit=-1", "eventIds=1&limit=+1",
        "eventIds=1&limit=1.0", "eventIds=1&limit=1e2", "eventIds=1&limit=0x1", "eventIds=1&limit=%D9%A1",
        "eventIds=1&limit=18446744073709551617", "eventIds=1&limit=1&limit=1", "eventIds=1&offset=1&offset=1",
        "eventIds=1&offset=", "eventIds=1&offset=-1", "eventIds=1&offset=1,2", "eventIds=1?teamIds=2",
    ])
    func malformed(_ query: String) {
        let problem = #expect(throws: Problem.self) { try parse("/v1/api/app/mym/soccer?\(query)") }
        #expect(problem?.status == 400, "\(query)")
    }

    @Test func counts() throws {
        let list = { (count: Int) in (0..<count).map { "i\($0)" }.joined(separator: ",") }
        let mym = "/v1/api/app/mym/soccer?"
        #expect(throws: Never.self) { try parse(mym + "eventIds=\(list(200))&eventIds=\(list(200))") }
        #expect(throws: Never.self) { try parse(mym + "teamIds=\(list(50)),i0,i1") }
        for (query, words) in [
            ("eventIds=\(list(201))", "eventIds holds 201 different ids; at most 200 are allowed."),
            ("eventIds=\(list(100))&eventIds=x,\(list(200))", "eventIds holds 201"),
            ("teamIds=\(list(51))", "teamIds holds 51 different ids; at most 50 are allowed."),
        ] {
            let problem = #expect(throws: Problem.self) { try parse(mym + query) }
            #expect(problem?.status == 400)
            #expect(problem?.detail.contains(words) == true)
        }
        let long = String(repeating: "a", count: 64)
        #expect(throws: Never.self) { try parse(mym + "eventIds=\(long)") }
        #expect(throws: Problem.self) { try parse(mym + "eventIds=\(long)a") }
    }

    @Test func rulesApply() throws {
        var rules = SelectionRules()
        rules.eventsPerRequestMax = 1
        rules.teamsPerRequestMax = 2
        var parser = RequestParser(rules: rules)
        let path = Array("/v1/api/app/mym/tennis".utf8)
        let request = try parser.parse(path: path.span, query: Array("teamIds=1,2".utf8).span)
        #expect(
            request
                == .matches(
                    MatchesRequest(sport: .tennis, eventIDs: [], teamIDs: ids(["1", "2"]), limit: 7, offset: 0)))
        #expect(throws: Problem.self) { try parser.parse(path: path.span, query: Array("eventIds=1,2".utf8).span) }
    }

    /// Against a parser written the plain way, over random lists in random spellings.
    @Test func orderRepetitionAndSpellingDoNotCount() throws {
        var generator = SeededGenerator.forTest()
        for _ in 0..<500 {
            let names = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                String(
                    (0..<Int.random(in: 1...4, using: &generator)).map { _ in "ab:-".randomElement(using: &generator)! }
                )
            }
            var query = ""
            for (index, name) in names.enumerated() {
                let separators = index == 0 ? ["eventIds="] : [",", "%2C", "%2c", "&eventIds=", "&event%49ds="]
                query += separators.randomElement(using: &generator)!
                query += name.utf8.map { byte in
                    Bool.random(using: &generator)
                        ? String(UnicodeScalar(byte)) : "%" + String(byte, radix: 16, uppercase: true)
                }.joined()
            }
            var seen = Set<String>()
            let expected = ids(names.filter { seen.insert($0).inserted })
            guard case .matches(let request) = try parse("/v1/api/app/mym/soccer?\(query)") else {
                Issue.record("seed \(generator.seed), \(query)")
                continue
            }
            #expect(request.eventIDs == expected, "seed \(generator.seed), \(query)")
        }
    }

    @Test func randomBytesNeverTrap() {
        var generator = SeededGenerator.forTest()
        let pieces = [
            "eventIds", "teamIds", "limit", "offset", "=", "&", ",", "%", "%2C", "1", "a", "\u{E9}", "%e", "+",
        ]
        for _ in 0..<2_000 {
            let query = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                pieces.randomElement(using: &generator)!
            }
            do {
                _ = try parse("/v1/api/app/mym/soccer?" + query.joined())
            } catch {
                #expect(error.status == 400)
            }
        }
    }
}
