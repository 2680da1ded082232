import Histogram
import Load
import Testing

/// Whole runs against a server in this process. They hold on a machine of any speed: counts, never rates, and of
/// latencies only that they are no shorter than what the server made them.
@Suite(.serialized)
struct LoadRunTests {
    private func plan(_ servers: [TestServer], revalidates: Bool = false) throws -> LoadPlan {
        let requests = RequestSet([RequestText(path: "/a")], host: "h", revalidates: revalidates)
        var plan = LoadPlan(targets: try servers.map { try Address($0.target) }, requests: requests)
        plan.connections = 4
        plan.warmUpSeconds = 0
        plan.seconds = 0.3
        plan.timeoutSeconds = 5
        plan.arrivals = .constant
        return plan
    }

    private func withServer(
        _ reply: @escaping @Sendable (Int, String) -> TestReply, _ body: (TestServer) throws -> Void
    ) throws {
        let server = try TestServer(reply)
        defer { server.end() }
        try body(server)
    }

    @Test func aClosedLoopCountsWhatIsAnswered() throws {
        try withServer { _, _ in
            .ok()
        } _: { server in
            var plan = try self.plan([server])
            plan.threads = 2
            plan.checkEvery = 2
            let counts = try LoadRun.run(plan)
            #expect(counts.answered > 0 && counts.failed == 0)
            // What was in flight at the end was not counted.
            #expect(server.count - counts.answered <= 2 * plan.connections)
            #expect(counts.bodyBytes == 5 * counts.answered)
            #expect(counts.statuses[200] == counts.answered)
            #expect(counts.latencies.totalCount == counts.answered)
            #expect(abs(counts.samples.count - counts.answered / 2) <= plan.connections)
            #expect(counts.samples.allSatisfy { $0.body == Array("hello".utf8) })
        }
    }

    @Test func anOpenLoopSendsWhatIsDue() throws {
        try withServer { _, _ in
            .ok()
        } _: { server in
            var plan = try self.plan([server])
            plan.rate = 1_000
            let counts = try LoadRun.run(plan)
            #expect(counts.answered + counts.failed == 299, "due at 1 ms, 2 ms … 299 ms")
            #expect(counts.lateness.totalCount == 299)
        }
    }

    /// The server stands still once for 200 ms of a second. A generator that waits for it sees one slow request on each
    /// connection, 4 of 1,000; in truth 200 requests were due meanwhile.
    @Test func aStallCountsForAllItHeldUp() throws {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        try withServer { number, _ in
            number == 400 ? .stall(200, ok) : .bytes(ok)
        } _: { server in
            var plan = try self.plan([server])
            plan.rate = 1_000
            plan.seconds = 1
            let counts = try LoadRun.run(plan)
            #expect(counts.failed == 0)
            let report = Report(counts, plan: plan, mix: "")
            #expect(report.p99Us > 150_000, "p99 \(report.p99Us) µs")
            #expect(report.p90Us > 50_000, "p90 \(report.p90Us) µs")
            #expect(report.maxUs >= 199_000)
            // From the send it looks well, which is the mistake to be avoided.
            let fromSend = counts.services.valueAtPercentile(90)
            #expect(fromSend < counts.latencies.valueAtPercentile(90))
        }
    }

    @Test func whatDoesNotFitIntoTheQueueFails() throws {
        try withServer { _, _ in
            .nothing
        } _: { server in
            var plan = try self.plan([server])
            plan.rate = 1_000
            plan.queueMax = 10
            plan.timeoutSeconds = 1
            let counts = try LoadRun.run(plan)
            #expect(counts.answered == 0)
            #expect(counts.failures[Failure.dropped.rawValue] == 299 - 4 - 10)
            #expect(counts.failures[Failure.timedOut.rawValue] == 14)
        }
    }

    @Test(arguments: [
        (TestReply.bytes("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"), Failure.status),
        (.bytes("HTTP/1.1 304 Not Modified\r\n\r\n"), .status), (.bytes("nonsense\r\n"), .malformed), (.close, .closed),
    ])
    func failuresByKind(reply: TestReply, failure: Failure) throws {
        try withServer { number, _ in
            number == 7 ? reply : .ok()
        } _: { server in
            var plan = try self.plan([server])
            plan.rate = 200
            let counts = try LoadRun.run(plan)
            #expect(counts.failures[failure.rawValue] == 1)
            #expect(counts.failed == 1)
            #expect(counts.answered == 58)
        }
    }

    @Test func aServerMayCloseAfterAnAnswer() throws {
        try withServer { number, _ in
            .ok(headers: number % 5 == 0 ? "Connection: close\r\n" : "")
        } _: { server in
            var plan = try self.plan([server])
            plan.rate = 200
            let counts = try LoadRun.run(plan)
            #expect(counts.failed == 0 && counts.answered == 59)
            #expect(counts.reconnects >= 10)
        }
    }

    @Test func connectionsAreGivenUpAtTheLimit() throws {
        try withServer { _, _ in
            .close
        } _: { server in
            var plan = try self.plan([server])
            plan.reconnectsMax = 2
            #expect(throws: LoadError.self) { try LoadRun.run(plan) }
        }
    }

    @Test func nobodyListens() throws {
        let server = try TestServer { _, _ in .ok() }
        server.end()
        let plan = try self.plan([server])
        #expect(throws: LoadError.self) { try LoadRun.run(plan) }
    }

    @Test func repeatsGoElsewhereOnce() throws {
        let good = try TestServer { _, _ in .ok() }
        let bad = try TestServer { _, _ in .close }
        defer {
            good.end()
            bad.end()
        }
        var plan = try self.plan([good, bad])
        plan.rate = 200
        plan.retriesElsewhere = true
        let counts = try LoadRun.run(plan)
        #expect(counts.failed == 0 && counts.answered == 59)
        #expect(counts.repeats > 0)
        plan.retriesElsewhere = false
        let without = try LoadRun.run(plan)
        #expect(without.failures[Failure.closed.rawValue] > 0)
        #expect(without.repeats == 0)
    }

    @Test func revalidationAsksWithTheTagItSaw() throws {
        let full = TestReply.ok(headers: "ETag: \"t\"\r\n")
        try withServer { _, text in
            text.contains("If-None-Match: \"t\"\r\n")
                ? .bytes("HTTP/1.1 304 Not Modified\r\nETag: \"t\"\r\n\r\n") : full
        } _: { server in
            var plan = try self.plan([server], revalidates: true)
            plan.rate = 200
            let counts = try LoadRun.run(plan)
            #expect(counts.failed == 0 && counts.wrong == 0)
            #expect(counts.notModified >= 59 - plan.connections && counts.notModified < 59)
        }
        // A server that ignores the condition.
        try withServer { _, _ in
            full
        } _: { server in
            var plan = try self.plan([server], revalidates: true)
            plan.rate = 200
            #expect(try LoadRun.run(plan).wrong > 50)
        }
    }

    @Test func longBodiesAreDroppedUnread() throws {
        let body = String(repeating: "x", count: 300_000)
        try withServer { _, _ in
            .ok(body)
        } _: { server in
            var plan = try self.plan([server])
            plan.rate = 200
            plan.checkEvery = 10
            let counts = try LoadRun.run(plan)
            #expect(counts.failed == 0 && counts.answered == 59)
            #expect(counts.bodyBytes == 59 * 300_000)
            #expect(counts.samples.count == 5)
            #expect(counts.samples.allSatisfy { $0.body.count == 300_000 })
        }
    }

    @Test func everyRequestIsObserved() throws {
        let fresh = TestReply.ok("hello", headers: "Favorites-Freshness-Ms: 12\r\n")
        try withServer { number, _ in
            number % 10 == 0 ? .close : fresh
        } _: { server in
            var plan = try self.plan([server])
            plan.rate = 200
            let observations = ObservationQueue()
            plan.observations = observations
            let counts = try LoadRun.run(plan)
            let seen = observations.take()
            #expect(seen.count == 59 && observations.lost == 0)
            let window = try #require(observations.window)
            for observation in seen {
                #expect(window.contains(observation.dueAt) && observation.endedAt >= observation.sentAt)
                #expect(observation.request == 0 && observation.target == 0 && observation.life == 0)
                switch observation.outcome {
                case .answered(let status, let freshnessMs, let body):
                    #expect(status == 200 && freshnessMs == 12 && body == Array("hello".utf8))
                case .failed(let failure): #expect(failure == .closed)
                }
            }
            #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.endedAt <= $1.endedAt })
            #expect(counts.failures[Failure.closed.rawValue] == 5)
        }
    }

    @Test func observationsBeyondTheLimitAreCounted() {
        let observations = ObservationQueue(bytesMax: 1000)
        for _ in 0..<4 {
            observations.add(
                Observation(
                    request: 0, target: 0, life: 0, dueAt: 0, sentAt: 0, endedAt: 0,
                    outcome: .answered(status: 200, freshnessMs: nil, body: Array(repeating: 0, count: 300))))
        }
        #expect(observations.lost == 2 && observations.take().count == 2)
        // There is room again.
        observations.add(
            Observation(
                request: 0, target: nil, life: 0, dueAt: 0, sentAt: 0, endedAt: 0, outcome: .failed(.dropped)))
        #expect(observations.take().count == 1)
    }

    @Test func addresses() throws {
        #expect(try Address("localhost:80").text == "localhost:80")
        for text in ["", "localhost", "localhost:", "localhost:0", "localhost:70000", ":x", "no host:1"] {
            #expect(throws: LoadError.self, "\(text)") { try Address(text) }
        }
    }
}
