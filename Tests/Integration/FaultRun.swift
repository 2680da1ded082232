// A cluster under load on one thread: updates are published and requests asked in turn, each answer judged at once.

import Foundation
import Kafka
import Model
import TestSupport
import Testing

final class FaultRun {
    struct Router {
        var process: ChildProcess
        var management: HTTPClient
        var client: HTTPClient
        /// Counts the lives of the place: what one process showed does not bind the next.
        var life: Int
    }

    static let now = "2026-03-14T15:00:00Z"
    static let silentAfterSeconds = 2.0
    private static let updatesPerSecond = 300
    private static let events = 2000
    /// What is visible within this on a machine that runs all of it, tests included.
    private static let freshnessNs: Int64 = 3_000_000_000
    private static let waitSeconds = 60.0
    /// A scenario that goes wrong says so a few times.
    private static let issuesMax = 5

    let cluster: Cluster
    private(set) var routers: [Router] = []
    /// Named in every issue.
    var scenario = "undisturbed"
    /// Requests that were sent once more because a connection broke.
    private(set) var repeated = 0
    private let reference = Reference()
    private let checker: LiveChecker
    private let producer: KafkaProducer
    private let seed: UInt64
    private let nowMs = referenceMilliseconds(FaultRun.now)
    private var flow = UpdateFlow(rate: FaultRun.updatesPerSecond)
    private var written: Set<ModelKind> = []
    private var asked = 0
    private var issues = 0
    private var lives = 0
    /// Of each router's place, from its first start on.
    private var ports: [(http: Int, management: Int)] = []
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant

    /// Broker, three nodes and two routers with an offer loaded; some requests are asked. `prepare` may change how the
    /// cluster's nodes are started.
    init(_ prepare: (Cluster) throws -> Void = { _ in }) throws {
        let binary = try #require(Prerequisites.met).binary
        var random = SeededGenerator.forTest()
        seed = random.next()
        start = clock.now
        cluster = try Cluster(binary: binary)
        cluster.memberOptions = [
            "--cluster-heartbeat", "200ms", "--cluster-silent-after", "\(Int(Self.silentAfterSeconds))s", "--loops",
            "1",
        ]
        let offer = cluster.folder.path + "/offer"
        _ = try ChildProcess.run(
            "generate", binary: binary,
            arguments: ["generate", "--events", "\(Self.events)", "--now", Self.now, "--out", offer],
            folder: cluster.folder, seconds: 60)
        for message in try messages(of: offer) {
            reference.apply(message.kind, key: message.key, value: message.value)
        }
        checker = LiveChecker(
            reference: reference, sport: "soccer", now: nowMs, freshness: Self.freshnessNs, hotMax: 500, seed: seed)
        producer = try cluster.producer()
        try cluster.publish(offer)
        try prepare(cluster)
        try cluster.startNodes(3, replicas: 2)
        for number in 0..<2 { try startRouter(number) }
        try cluster.waitUntilApplied()
        // The first message to a topic asks a broker whether the topic exists, and a test may stop that broker.
        try ask(200, until: "each topic has had an update") { written == LiveChecker.updatedKinds }
    }

    /// Updates handed out so far; those of the last batch may be on their way.
    var published: Int { flow.sent }

    // MARK: - What goes on all the time

    private func elapsedNs() -> Int64 { Int64((clock.now - start) / .nanoseconds(1)) }

    /// Asks so many requests at least, and on until `condition` holds.
    func ask(_ count: Int, until what: String = "", _ condition: () throws -> Bool = { true }) throws {
        let deadline = Date().addingTimeInterval(Self.waitSeconds)
        let last = asked + count
        while true {
            // To ask takes time itself, so now and then.
            if asked >= last, asked % 10 == 0, try condition() { return }
            guard Date() < deadline else {
                throw WaitFailure(description: "seed \(seed), \(scenario): \(what) takes over \(Self.waitSeconds) s")
            }
            try turn()
        }
    }

    private func turn() throws {
        producer.serve()
        let done = producer.counts.delivered + producer.counts.failed
        try flow.turn(checker, now: elapsedNs(), done: done) { update in
            try producer.send(update.kind, key: update.key, value: update.value)
            written.insert(update.kind)
        }
        let request = checker.nextRequest()
        asked += 1
        guard let (response, router, sentAt) = answer(to: request.target) else {
            return record("no router answered", request)
        }
        guard response.status == 200 else {
            let log = routers.first { $0.life == router }?.process.output.suffix(3_000) ?? ""
            return record("\(response.status): \(response.text.prefix(300))\n\(log)\n", request)
        }
        var answer = LiveChecker.Answer(body: response.body, sentAt: sentAt, receivedAt: elapsedNs())
        answer.router = router
        answer.freshness = (response["favorites-freshness-ms"].flatMap { Int64($0) } ?? 0) * 1_000_000
        for wrong in checker.wrongs(request, answer) { record(wrong, request) }
    }

    /// Asks the routers in turn. One that does not listen is passed over, as whoever shares out connections does; a
    /// request whose connection broke is sent once more, to the other router.
    private func answer(to target: String) -> (HTTPResponse, life: Int, sentAt: Int64)? {
        for attempt in 0..<2 {
            let router = routers[(asked + attempt) % routers.count]
            router.client.disconnectIfClosed()
            guard (try? router.client.connect()) != nil else { continue }
            let sentAt = elapsedNs()
            if let response = try? router.client.request("GET", target) { return (response, router.life, sentAt) }
            repeated += 1
        }
        return nil
    }

    private func record(_ text: String, _ request: LiveChecker.Request) {
        issues += 1
        guard issues <= Self.issuesMax else { return }
        Issue.record("seed \(seed), \(scenario), request \(asked): \(text): \(request.target)")
    }

    // MARK: - What members do

    func isReady(_ management: HTTPClient) -> Bool {
        (try? management.request("GET", "/health/ready").status) == 200
    }

    /// Starts a node again with the id and folder that it had, and asks until it and the routers are ready.
    func startAgain(_ number: Int) throws {
        try cluster.startAgain(number, replicas: 2)
        try ask(0, until: "node \(number) is ready") { [self] in
            isReady(cluster.nodes[number].management) && routers.allSatisfy { isReady($0.management) }
        }
    }

    /// SIGTERM; asks until the process has ended by itself.
    func end(_ process: ChildProcess) throws {
        process.send(signal: SIGTERM)
        try ask(0, until: "\(process.name) ends") { !process.isRunning }
        #expect(try process.waitForExit(seconds: 1) == 0, "\(process.output.suffix(2000))")
    }

    /// Starts a router, in the place of one that has ended or for the first time. It is asked from when it is ready, as
    /// whoever shares out connections goes by its health; until then the other one is.
    func startRouter(_ number: Int) throws {
        if number == ports.count { ports.append((try freePort(), try freePort())) }
        let process = try cluster.startProcess(
            "router", "router-\(number)",
            ["--http-port", "\(ports[number].http)", "--management-port", "\(ports[number].management)"]
                + ["--clock-fixed", Self.now])
        lives += 1
        let router = Router(
            process: process, management: HTTPClient(port: ports[number].management),
            client: HTTPClient(port: ports[number].http), life: lives)
        guard number < routers.count else {
            try cluster.waitUntilReady(process, router.management)
            return routers.append(router)
        }
        routers.remove(at: number)
        try ask(0, until: "router \(number) is ready") { [self] in isReady(router.management) }
        routers.insert(router, at: number)
    }

    /// The most members that a router has heard nothing of for too long.
    func silentMembers() throws -> Int {
        struct Health: Decodable {
            struct Member: Decodable { var silent: Bool }
            var members: [Member]
        }
        return try routers.map { router in
            let body = try router.management.request("GET", "/health").body
            return try JSONDecoder().decode(Health.self, from: Data(body)).members.count { $0.silent }
        }.max() ?? 0
    }

    /// Whether each router's link to a node stands, by its log. Each router has one loop, so one link.
    func links(to node: String) -> [Bool] {
        routers.map { router in
            let lines = router.process.output.split(separator: "\n")
            let last = lines.last { $0.contains("node=\(node)") && $0.contains("[Link] link ") }
            return last?.contains("[Link] link up") ?? false
        }
    }

    /// Updates stop. When every node has applied them, answers are the reference's byte for byte.
    func finish() throws {
        scenario = "in the end"
        while !flow.isDone {
            producer.serve()
            let done = producer.counts.delivered + producer.counts.failed
            flow.turn(checker, now: elapsedNs(), done: done, ends: true) { _ in }
        }
        #expect(producer.counts.failed == 0)
        try cluster.waitUntilApplied()
        for router in routers {
            var requests = RequestGenerator(seed: seed, reference: reference)
            for index in 0..<150 {
                if let difference = try difference(requests.next(), router.client, reference, now: nowMs) {
                    Issue.record("seed \(seed), router \(router.process.name), request \(index): \(difference)")
                    break
                }
            }
        }
    }
}
