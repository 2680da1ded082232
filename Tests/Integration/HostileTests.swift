// One real process among clients and peers that mean no good: every request gets its 4xx or its end, nobody else waits
// for them, and afterwards all is as it was.

import Foundation
import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct HostileTests {
    static let target = "/v1/api/app/mym/soccer?eventIds=e1,e2,e3&teamIds=t1,t5"
    static let connectionsMax = 300

    /// A process with the small offer, tight times and few connections.
    private struct Setup {
        let kafka: TestKafka
        let served: Served
        let reference = Reference()
        let files: Int
        let memoryMiB: Int

        init(_ more: [String] = []) throws {
            let binary = try #require(Prerequisites.met).binary
            kafka = try TestKafka(binary: binary)
            try SmallOffer().publish(try kafka.producer(), reference)
            served = try Served(
                kafka,
                ["--http-connections-max", "\(HostileTests.connectionsMax)", "--http-header-timeout", "500ms"] + more)
            try served.waitUntilRight(HostileTests.target, reference)
            files = served.openFiles
            memoryMiB = served.residentMiB
        }

        /// The process lives, answers rightly, and holds no more files and hardly more memory than before.
        func expectAsBefore(memoryMiB grown: Int = 64) throws {
            try #require(served.process.isRunning, "\(served.process.output.suffix(2000))")
            try served.waitUntilRight(HostileTests.target, reference)
            try wait(seconds: 20, for: "\(served.openFiles) open files to be at most \(files) again") {
                served.openFiles <= files
            }
            #expect(served.residentMiB <= memoryMiB + grown, "\(memoryMiB) MiB before")
        }

        /// What comes back for raw bytes until the server closes; nil where it does not within ten seconds.
        func exchange(_ bytes: [UInt8], port: Int? = nil, finish: Bool = false) throws -> String? {
            let client = HTTPClient(port: port ?? served.httpPort)
            try client.connect()
            // The server may close before it has everything.
            try? client.write(bytes)
            if finish { client.finishWriting() }
            return client.readToEnd().map { String(decoding: $0, as: UTF8.self) }
        }
    }

    // MARK: - Malformed requests

    /// Each with the only status that may come, though a second request follows. The connection is closed behind it.
    private static let malformed: [(what: String, head: String, status: Int)] = {
        let path = "GET \(target) HTTP/1.1\r\n"
        let host = "Host: a\r\n"
        return [
            ("a long request line", "GET /\(String(repeating: "a", count: 17_000)) HTTP/1.1\r\n\(host)\r\n", 414),
            ("long fields", path + host + "X: \(String(repeating: "a", count: 17_000))\r\n\r\n", 431),
            (
                "many fields",
                path + host + (0..<2000).map { "X-\($0): aaaaaaaa\r\n" }.joined() + "\r\n", 431
            ),
            ("two framings", path + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            ("two framings, 0", path + host + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
            ("two lengths", path + host + "Content-Length: 0\r\nContent-Length: 44\r\n\r\n", 400),
            ("two equal lengths", path + host + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
            ("a list of lengths", path + host + "Content-Length: 0, 0\r\n\r\n", 400),
            ("a signed length", path + host + "Content-Length: +0\r\n\r\n", 400),
            ("a body", path + host + "Content-Length: 4\r\n\r\nGET ", 413),
            ("a chunked body", path + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
            ("an odd coding", path + host + "Transfer-Encoding: xchunked\r\n\r\n", 413),
            ("chunks in 1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", 400),
            ("a bare line feed in a field", path + "Host: a\nX: y\r\n\r\n", 400),
            ("a carriage return in a field", path + host + "X: a\rb\r\n\r\n", 400),
            ("a folded field", path + host + "X: a\r\n b\r\n\r\n", 400),
            ("a space before the colon", path + host + "Content-Length : 0\r\n\r\n", 400),
            ("no name", path + host + ": a\r\n\r\n", 400),
            ("NUL in a field", path + host + "X: a\0b\r\n\r\n", 400),
            ("NUL in the target", "GET /\0 HTTP/1.1\r\n\(host)\r\n", 400),
            ("absolute form", "GET http://b/ HTTP/1.1\r\n\(host)\r\n", 400),
            ("no host", path + "\r\n", 400),
            ("two hosts", path + host + "Host: b\r\n\r\n", 400),
            ("a host with a path", path + "Host: a/b\r\n\r\n", 400),
            ("no version", "GET /\r\n\(host)\r\n", 400),
            ("version 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("two spaces", "GET  / HTTP/1.1\r\n\(host)\r\n", 400),
            ("a tab", "GET\t/ HTTP/1.1\r\n\(host)\r\n", 400),
            ("a method that is none", "G(T / HTTP/1.1\r\n\(host)\r\n", 400),
        ]
    }()

    @Test func malformedRequestsAreRefusedAndEndTheirConnection() throws {
        let setup = try Setup()
        let next = "GET \(Self.target) HTTP/1.1\r\nHost: smuggled\r\n\r\n"
        for (what, head, status) in Self.malformed {
            let client = HTTPClient(port: setup.served.httpPort)
            try client.connect()
            try client.write(Array((head + next).utf8))
            let response = try client.readResponse()
            expectProblem(response, status, what)
            #expect(response["connection"] == "close", "\(what)")
            #expect(client.readToEnd() == [], "\(what): more than one answer, or no end")
        }
        try setup.expectAsBefore()
    }

    /// Contract, section 4: every error.
    private func expectProblem(_ response: HTTPResponse, _ status: Int, _ what: String) {
        #expect(response.status == status, "\(what): \(response.text.prefix(300))")
        #expect(response["content-type"] == "application/problem+json", "\(what)")
        #expect(response["cache-control"] == "no-store", "\(what)")
        #expect(response["access-control-allow-origin"] == "*", "\(what)")
        #expect(response["date"] != nil && response["content-length"] == "\(response.body.count)", "\(what)")
        #expect(response["etag"] == nil, "\(what)")
        let problem = (try? JSONSerialization.jsonObject(with: Data(response.body))) as? [String: Any]
        #expect(problem?["status"] as? Int == status && problem?["detail"] is String, "\(what): \(response.text)")
    }

    /// Legal HTTP that asks for what is not there: an error of the contract, and the connection stays.
    @Test func errorsKeepTheContract() throws {
        let setup = try Setup()
        let ids = (0...200).map { "x\($0)" }.joined(separator: ",")
        let refused: [(String, String, Int)] = [
            ("GET", "/v1/api/app/mym/soccer?eventIds=%zz", 400), ("GET", "/v1/api/app/mym/soccer?eventIds=%", 400),
            ("GET", "/v1/api/app/mym/soccer?eventIds=%0", 400), ("GET", "/v1/api/app/mym/soccer?eventIds=%00", 400),
            ("GET", "/v1/api/app/mym/soccer?eventIds=%C3%A9", 400), ("GET", "/v1/api/app/mym/soccer?eventIds=", 400),
            ("GET", "/v1/api/app/mym/soccer?eventIds=e1,,e2", 400), ("GET", "/v1/api/app/mym/soccer", 400),
            ("GET", "/v1/api/app/mym/soccer?eventIds=\(ids)", 400),
            ("GET", "/v1/api/app/mym/soccer?eventIds=e1&limit=0", 400),
            ("GET", "/v1/api/app/mym/soccer?eventIds=e1&limit=-1", 400),
            ("GET", "/v1/api/app/mym/soccer?eventIds=e1&limit=1&limit=1", 400),
            ("GET", "/v1/api/app/mym/soccer?eventIds=e1&other=1", 400),
            ("GET", "/v1/api/app/myt/soccer?eventIds=e1", 400), ("GET", "/v1/api/app/mym/curling?eventIds=e1", 404),
            ("GET", "/v1/api/app/mym/%73occer?eventIds=e1", 404), ("GET", "/v1/api/app/mym/soccer/?eventIds=e1", 404),
            ("GET", "/v1/api/app/../app/mym/soccer?eventIds=e1", 404), ("GET", "/V1/api/app/mym/soccer", 404),
            ("GET", "/health", 404), ("GET", "/metrics", 404), ("GET", "/", 404), ("POST", Self.target, 405),
            ("DELETE", Self.target, 405), ("TRACE", "/", 405), ("get", Self.target, 405),
        ]
        for (method, target, status) in refused {
            let response = try setup.served.client.request(method, target, headers: [("Origin", "https://a.example")])
            expectProblem(response, status, "\(method) \(target.prefix(80))")
            if status == 405 { #expect(response["allow"] == "GET, HEAD, OPTIONS") }
            let head = method == "GET" ? try setup.served.client.request("HEAD", target) : response
            #expect(head.status == status && head["content-length"] == response["content-length"])
        }
        try setup.expectAsBefore()
    }

    // MARK: - The contract's headers

    @Test func answersKeepTheContract() throws {
        let setup = try Setup()
        let client = setup.served.client
        let plain = try client.request("GET", Self.target)
        let tag = try #require(plain["etag"])
        #expect(plain["content-type"] == "application/json" && plain["cache-control"] == "public, max-age=10")
        #expect(tag.hasPrefix("\"") && tag.hasSuffix("\"") && plain["date"] != nil)
        #expect(plain["content-length"] == "\(plain.body.count)" && plain["access-control-allow-origin"] == "*")
        let teams = try client.request("GET", "/v1/api/app/myt/soccer?teamIds=t1")
        #expect(teams["cache-control"] == "public, max-age=3600")

        let head = try client.request("HEAD", Self.target, headers: [("Origin", "https://a.example")])
        // What is of the moment of each answer.
        let moment = ["date", "favorites-freshness-ms"]
        #expect(
            head.headers.filter { !moment.contains($0.name) }.map { "\($0)" }
                == plain.headers.filter { !moment.contains($0.name) }.map { "\($0)" })

        for target in [
            "/v1/api/app/mym/soccer?teamIds=t5,t1&eventIds=e3,e1,e2",
            "/v1/api/app/mym/soccer?eventIds=e2&eventIds=e1,e3,e1&teamIds=t1&teamIds=t5",
            "/v1/api/app/mym/soccer?%65ventIds=e1%2Ce2%2ce3&teamIds=t%31,t5&offset=0&limit=350",
        ] {
            let other = try client.request("GET", target)
            #expect(other.status == 200 && other.body == plain.body && other["etag"] == tag, "\(target)")
        }
        try expectConditions(client, tag)
        try expectOptions(client)
        try setup.expectAsBefore()
    }

    private func expectConditions(_ client: HTTPClient, _ tag: String) throws {
        for value in [tag, "W/\(tag)", "*", "\"a\", \(tag)", "W/\"b\",\t\(tag) , \"c\""] {
            let response = try client.request("GET", Self.target, headers: [("If-None-Match", value)])
            #expect(response.status == 304 && response["etag"] == tag, "\(value)")
            #expect(response["cache-control"] == "public, max-age=10" && response["date"] != nil, "\(value)")
            #expect(response["access-control-allow-origin"] == "*", "\(value)")
        }
        for value in ["\"a\"", "W/\"a\"", String(tag.dropLast()), "\"*\"", ""] {
            let response = try client.request("GET", Self.target, headers: [("If-None-Match", value)])
            #expect(response.status == 200 && response["etag"] == tag, "\(value)")
        }
        let unknown = try client.request("GET", "/v1/api/app/mym/soccer", headers: [("If-None-Match", "*")])
        #expect(unknown.status == 400)
    }

    /// RFC 9110, section 8.6: a 204 has no Content-Length.
    private func expectOptions(_ client: HTTPClient) throws {
        let preflight = [
            ("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "if-none-match"),
        ]
        for (target, headers) in [(Self.target, preflight), (Self.target, []), ("*", [])] {
            let response = try client.request("OPTIONS", target, headers: headers)
            #expect(response.status == 204 && response["allow"] == "GET, HEAD, OPTIONS")
            #expect(response["access-control-allow-origin"] == "*" && response["date"] != nil)
            #expect(response["access-control-allow-methods"] == "GET, HEAD, OPTIONS")
            #expect(response["access-control-allow-headers"] == "*, If-None-Match, Favorites-Max-Staleness-Ms")
            #expect(response["content-length"] == nil && response["transfer-encoding"] == nil)
        }
    }

    // MARK: - Slow, broken and too many clients

    @Test func aThousandPipelinedRequestsAreAnsweredInOrder() throws {
        let setup = try Setup()
        let client = HTTPClient(port: setup.served.httpPort)
        let targets = (0..<1000).map { number in
            number % 10 == 9 ? "/none/\(number)" : "/v1/api/app/mym/soccer?eventIds=e\(number % 40),e\(number % 7)"
        }
        try client.connect()
        try client.write(targets.flatMap { Array("GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n".utf8) })
        for target in targets {
            let expected = setup.reference.answer(method: "GET", target: target, now: Served.nowMs)
            let response = try client.readResponse()
            try #require(response.status == expected.status, "\(target)")
            if let body = expected.body { try #require(response.body == body, "\(target)") }
        }
        client.disconnect()
        try setup.expectAsBefore()
    }

    @Test func slowAndHalfClosedClientsAreClosedAndNobodyWaitsForThem() throws {
        let setup = try Setup(["--http-idle-timeout", "1s"])
        let partial = Array("GET \(Self.target) HTTP/1.1\r\nHost: a\r\nX-Slow: ".utf8)
        // The sending half is closed: within a head there is nothing to answer, behind one there is.
        #expect(try setup.exchange(partial, finish: true) == "")
        let whole = try #require(try setup.exchange(partial + Array("a\r\n\r\n".utf8), finish: true))
        #expect(whole.hasPrefix("HTTP/1.1 200 "))
        #expect(try setup.exchange([], finish: true) == "")

        let loris = (0..<50).map { _ in HTTPClient(port: setup.served.httpPort) }
        for client in loris {
            try client.connect()
            try client.write(partial)
        }
        let silent = HTTPClient(port: setup.served.httpPort)
        try silent.connect()
        try wait(seconds: 20, for: "the slow heads and the silent client to be closed") {
            // One byte more from each does not help them, and others are served.
            for client in loris { try? client.write([0x61]) }
            #expect(try setup.served.client.request("GET", Self.target).status == 200)
            let slow = try setup.served.metric("http_server_connections_closed_total", #"reason="slowHead""#)
            return try slow >= 50 && setup.served.metric("http_server_connections_closed_total", #"reason="idle""#) >= 1
        }
        #expect(silent.readToEnd() == [])
        try setup.expectAsBefore()
    }

    @Test func garbageIsRefusedOrClosed() throws {
        let setup = try Setup()
        var random = SeededGenerator.forTest()
        // A TLS 1.3 hello as a client would send it, with its random part; no line feed in it ends a line.
        var hello: [UInt8] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]
        hello += (0..<506).map { _ in UInt8.random(in: 11...255, using: &random) }
        for round in 0..<40 {
            let garbage = (0..<Int.random(in: 1...4096, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            for port in [setup.served.httpPort, setup.served.managementPort] {
                let bytes = round == 0 ? hello : garbage
                let answer = try #require(
                    try setup.exchange(bytes, port: port, finish: round > 0), "seed \(random.seed): hangs")
                #expect(
                    answer.isEmpty || answer.hasPrefix("HTTP/1.1 4") || answer.hasPrefix("HTTP/1.1 505"),
                    "seed \(random.seed): \(answer.prefix(100))")
            }
        }
        try setup.expectAsBefore()
    }

    @Test func aReaderThatTakesNothingHoldsUpNobody() throws {
        let setup = try Setup()
        let teams = (0..<20).map { "t\($0)" }.joined(separator: ",")
        let events = (0..<40).map { "e\($0)" }.joined(separator: ",")
        let large = "/v1/api/app/mym/soccer?eventIds=\(events)&teamIds=\(teams)"
        let request = Array("GET \(large) HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        let stuck = (0..<4).map { _ in HTTPClient(port: setup.served.httpPort) }
        for client in stuck {
            try client.connect()
            // About 20 MB of answers each, none of which is read.
            for _ in 0..<40 { try client.write(Array(repeatElement(request, count: 50).joined())) }
        }
        for _ in 0..<300 {
            let response = try setup.served.client.request("GET", large)
            try #require(response.status == 200)
        }
        #expect(setup.served.residentMiB <= setup.memoryMiB + 64)
        for client in stuck { client.disconnect() }
        try setup.expectAsBefore()
    }

    @Test func connectionsOverTheLimitAreClosedAndTheOthersStay() throws {
        let setup = try Setup()
        setup.served.client.disconnect()
        try wait(seconds: 10, for: "no open connection") { try setup.served.metric("http_server_connections") == 0 }
        let clients = (0..<Self.connectionsMax).map { _ in HTTPClient(port: setup.served.httpPort) }
        for client in clients { #expect(try client.request("GET", Self.target).status == 200) }
        for _ in 0..<50 { #expect(try setup.exchange([]) == "") }
        #expect(try setup.served.metric("http_server_connections_refused_total") == 50)
        for client in clients { #expect(try client.request("GET", Self.target).status == 200) }
        for client in clients { client.disconnect() }
        try setup.expectAsBefore()
    }

    // MARK: - The link

    @Test func garbageOnTheLinkClosesItAlone() throws {
        let setup = try Setup()
        var random = SeededGenerator.forTest()
        func frame(length: UInt32, version: UInt8, type: UInt8, body: [UInt8]) -> [UInt8] {
            (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + [version, type]
                + [UInt8](repeating: 0, count: 8) + body
        }
        let hello = frame(length: 13, version: 1, type: 1, body: [2, 0x72, 0x31])
        var streams: [[UInt8]] = [
            [], frame(length: 13, version: 9, type: 1, body: [2, 0x72, 0x31]),
            frame(length: .max, version: 1, type: 1, body: []), frame(length: 3, version: 1, type: 1, body: []),
            frame(length: 10, version: 1, type: 3, body: []), frame(length: 10, version: 1, type: 99, body: []),
            hello, hello + hello, hello + frame(length: 10, version: 1, type: 3, body: []),
            hello + frame(length: 10, version: 1, type: 5, body: []),
            Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8),
        ]
        for _ in 0..<50 {
            let garbage = (0..<Int.random(in: 1...2000, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            streams += [garbage, hello + garbage]
        }
        for bytes in streams {
            let answer = try setup.exchange(bytes, port: setup.served.linkPort, finish: true)
            #expect(answer != nil, "seed \(random.seed): the link stays open after \(bytes.prefix(40))")
        }
        try setup.expectAsBefore()
    }

    // MARK: - Messages without measure

    /// A name of 250 KB breaks the limit of a record (docs/LIMITS.md): refused, counted, the last good one stays. Names
    /// just below it, in thousands of events and in events of 64 participants, cost what they take, and scores go on.
    @Test func hugeNamesNeitherFillTheMemoryNorStallScores() throws {
        let binary = try #require(Prerequisites.met).binary
        let kafka = try TestKafka(binary: binary, partitions: 12)
        let producer = try kafka.producer()
        let reference = Reference()
        var offer = SmallOffer(events: 3000)
        for number in 0..<64 { offer.add(.participant, "h\(number)", Self.horse(number, name: "Horse \(number)")) }
        for race in 0..<50 { offer.add(.event, "race\(race)", Self.race(race)) }
        try offer.publish(producer, reference)
        let served = try Served(kafka)
        let scored = "/v1/api/app/mym/soccer?eventIds=e7"
        let races = "/v1/api/app/mym/horses?eventIds=race0,race49"
        for target in [scored, races] { try served.waitUntilRight(target, reference) }

        var change = SmallOffer(events: 0, teams: 0)
        change.messages = []
        let huge = String(repeating: "n", count: 250_000)
        change.add(.participant, "t0", #"{"id":"t0","sport":"soccer","name":"\#(huge)"}"#)
        change.add(.participant, "h0", Self.horse(0, name: huge))
        // The largest that a record may be, for a team of 300 events and for all 64 of 50 races.
        let long = String(repeating: "l", count: 8000)
        change.add(.participant, "t1", #"{"id":"t1","sport":"soccer","name":"\#(long)"}"#)
        for number in 1..<64 { change.add(.participant, "h\(number)", Self.horse(number, name: long)) }
        for message in change.messages { try producer.send(message.kind, key: message.key, value: message.value) }
        for message in change.messages where !message.key.starts(with: [0x68]) {
            reference.apply(message.kind, key: message.key, value: message.value)
        }
        // Scores of an event that has nothing to do with it, each visible soon.
        for score in 1...20 {
            let event = Array(SmallOffer.event(7, home: 7, away: 8, score: score).utf8)
            reference.apply(.event, key: Array("e7".utf8), value: event)
            try producer.send(.event, key: Array("e7".utf8), value: event)
            try producer.flushAll()
            try served.waitUntilRight(scored, reference, seconds: 5)
        }
        try served.waitUntilRight("/v1/api/app/mym/soccer?eventIds=e0,e1,e21", reference)
        try wait(seconds: 20, for: "two participants to be refused") {
            try served.metric("refused_record_total", #"model="participant""#) == 2
        }
        let response = try served.client.request("GET", races)
        #expect(response.status == 200 && response.text.contains(#""name":"Horse 0""#))
        #expect(served.residentMiB < 512, "\(served.residentMiB) MiB")
    }

    private static func horse(_ number: Int, name: String) -> String {
        #"{"id":"h\#(number)","sport":"horses","name":"\#(name)"}"#
    }

    private static func race(_ number: Int) -> String {
        let runners = (0..<64).map { #"{"id":"h\#($0)"}"# }.joined(separator: ",")
        return #"{"id":"race\#(number)","sport":"horses","stageId":"st1","scheduledStart":"2026-03-13T15:00:00Z","#
            + #""status":"NOT_STARTED","participants":[\#(runners)]}"#
    }
}
