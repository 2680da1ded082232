import Query
import Testing

@Suite struct ProblemTests {
    private func text(_ problem: Problem) -> String { String(decoding: problem.render(), as: UTF8.self) }

    @Test func body() {
        #expect(
            text(.badRequest("It's \"so\" \\ \n\u{1}\u{1F} é."))
                == #"{"type":"about:blank","title":"Bad Request","status":400,"#
                + #""detail":"It's \"so\" \\ \u000a\u0001\u001f é."}"#)
    }

    /// Text from outside is cut, and what is not visible ASCII is replaced.
    @Test func outsideText() {
        let long = [UInt8](repeating: 0x61, count: 65)
        let path = Problem.unknownPath(long.span)
        #expect(path.detail.contains("'" + String(repeating: "a", count: 64) + "…'"))
        let odd: [UInt8] = [0x00, 0xFF, 0x22, 0x0A, 0x7F]
        let sport = Problem.unknownSport(odd.span)
        #expect(sport.detail.contains("'??\"??'"))
        #expect(text(sport).contains(#"'??\"??'"#))
    }

    @Test func headers() {
        let method = Problem.methodNotAllowed(Array("POST".utf8).span)
        #expect(method.status == 405)
        #expect(method.allow == "GET, HEAD, OPTIONS")
        for problem in [Problem.notReady, .noHolder(partitions: 3), .overloaded, .deadline, .answerTooLarge] {
            #expect(problem.status == 503)
            #expect((problem.retryAfterSeconds ?? 0) > 0)
        }
        #expect(Problem.notReady.allow == nil)
        #expect(method.retryAfterSeconds == nil)
    }
}
