// A real Varnish in front, as a CDN would be: what the caching headers of the contract (section 4) make of it.

import Foundation
import Model
import TestSupport
import Testing

private enum Varnish {
    static let binary = ["/usr/sbin/varnishd", "/usr/local/sbin/varnishd"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static let comment: Comment = "needs varnishd (Debian package `varnish`; scripts/deps.sh test)"
}

@Suite(
    .serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment),
    .enabled(if: Varnish.binary != nil, Varnish.comment))
struct CDNTests {
    static let target = "/v1/api/app/mym/soccer?eventIds=e1,e2&teamIds=t3"

    /// The process with a max-age of one second, and a client of the cache before it.
    private struct Setup {
        let kafka: TestKafka
        let served: Served
        let reference = Reference()
        let cache: HTTPClient

        init() throws {
            kafka = try TestKafka(binary: try #require(Prerequisites.met).binary)
            try SmallOffer().publish(try kafka.producer(), reference)
            served = try Served(kafka, ["--cache-control-mym-max-age-seconds", "1"])
            try served.waitUntilRight(CDNTests.target, reference)
            cache = HTTPClient(port: try freePort())
        }

        /// Starts Varnish under a shell. It closes all files that it inherits, which Foundation would take for its end,
        /// wait for it, and see no other child's end meanwhile. It dies with the shell.
        func startVarnish() throws -> ChildProcess {
            let rules = kafka.folder.path + "/cache.vcl"
            // No grace: an object past its age is asked for again, with its tag, before it is given out.
            try """
            vcl 4.1;
            backend default { .host = "127.0.0.1"; .port = "\(served.httpPort)"; }
            sub vcl_backend_response { set beresp.grace = 0s; set beresp.keep = 60s; }
            """.write(toFile: rules, atomically: true, encoding: .utf8)
            let varnish = try ChildProcess(
                "varnish", binary: "/bin/sh",
                arguments: [
                    "-c", #"setpriv --pdeathsig KILL "$0" "$@" & wait"#, try #require(Varnish.binary), "-F", "-j",
                    "none", "-n", kafka.folder.path + "/varnish", "-f", rules, "-a",
                    "127.0.0.1:\(cache.port)", "-s", "malloc,16m",
                ], folder: kafka.folder)
            try wait(seconds: 30, for: "Varnish:\n\(varnish.output.suffix(2000))") {
                guard varnish.isRunning else { throw WaitFailure(description: varnish.output) }
                return (try? cache.request("GET", "/openapi.yaml").status) == 200
            }
            return varnish
        }

        /// Answers that the process gave to GET requests for matches, with this status.
        func answers(_ status: Int) throws -> Int {
            Int(
                try served.metric(
                    "http_server_requests_seconds_count", "mym", #"method="GET""#, "status=\"\(status)\""))
        }
    }

    @Test func hitsThenValidatesAgainAndKeepsNoErrors() throws {
        let setup = try Setup()
        let varnish = try setup.startVarnish()
        defer { varnish.kill() }
        try expectHit(setup)
        try expectValidation(setup)
        try expectChange(setup)
        try expectErrorsPassed(setup)
    }

    /// Within max-age the second client is answered by the cache alone.
    private func expectHit(_ setup: Setup) throws {
        // The machine may be so busy that a second passes between two requests: then it is tried again.
        try wait(seconds: 20, for: "a hit") {
            let asked = try setup.answers(200) + setup.answers(304)
            let first = try setup.cache.request("GET", CDNTests.target)
            let second = try setup.cache.request("GET", CDNTests.target)
            #expect(first.status == 200 && second.body == first.body && second["etag"] == first["etag"])
            #expect(second["access-control-allow-origin"] == "*")
            // Two numbers: this request, and the one that brought the object.
            guard second["x-varnish"]?.split(separator: " ").count == 2 else { return false }
            #expect(try setup.answers(200) + setup.answers(304) <= asked + 1)
            return true
        }
    }

    /// Past it the cache asks with the tag, is told 304, and gives out what it has, fresh again.
    private func expectValidation(_ setup: Setup) throws {
        let before = try (full: setup.answers(200), unchanged: setup.answers(304))
        let expected = setup.reference.answer(method: "GET", target: CDNTests.target, now: Served.nowMs)
        try wait(seconds: 20, for: "a validation") {
            let response = try setup.cache.request("GET", CDNTests.target)
            #expect(response.status == 200 && response.body == expected.body)
            #expect(Int(response["age"] ?? "") ?? 9 <= 1, "given out past its age")
            return try setup.answers(304) > before.unchanged
        }
        #expect(try setup.answers(200) == before.full, "asked for the whole answer again")
        // The client has it too: 304 from the cache.
        let tag = try #require(try setup.cache.request("GET", CDNTests.target)["etag"])
        let again = try setup.cache.request("GET", CDNTests.target, headers: [("If-None-Match", tag)])
        #expect(again.status == 304 && again["etag"] == tag && again.body.isEmpty)
    }

    /// A new score reaches the cache's clients within max-age.
    private func expectChange(_ setup: Setup) throws {
        let event = Array(SmallOffer.event(1, home: 1, away: 2, score: 3).utf8)
        setup.reference.apply(.event, key: Array("e1".utf8), value: event)
        let producer = try setup.kafka.producer()
        try producer.send(.event, key: Array("e1".utf8), value: event)
        try producer.flushAll()
        let expected = setup.reference.answer(method: "GET", target: CDNTests.target, now: Served.nowMs)
        try wait(seconds: 20, for: "the new score") {
            try setup.cache.request("GET", CDNTests.target).body == expected.body
        }
    }

    /// Each of them is asked for each time.
    private func expectErrorsPassed(_ setup: Setup) throws {
        let refused = [
            ("/v1/api/app/mym/soccer?eventIds=%zz", 400), ("/v1/api/app/mym/soccer?eventIds=e1&limit=0", 400),
            ("/v1/api/app/mym/curling?eventIds=e1", 404),
        ]
        for (target, status) in refused {
            let before = try setup.answers(status)
            for _ in 0..<3 {
                let response = try setup.cache.request("GET", target)
                #expect(response.status == status && response["cache-control"] == "no-store")
                #expect(response["content-type"] == "application/problem+json")
                #expect(response["x-varnish"]?.split(separator: " ").count == 1, "an error was kept: \(target)")
            }
            #expect(try setup.answers(status) == before + 3, "\(target)")
        }
    }
}
