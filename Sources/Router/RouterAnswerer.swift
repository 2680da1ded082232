// One event loop's way from an HTTP request to its answer: parse, ask the holders, merge, reply.
//
// Where this process holds all that is needed the whole way is one call chain, with the holder's guard around merging
// and writing: the body goes from the store's records straight into the connection's output.

import FanOut
import HTTP1
import HTTPServer
import Link
import Model
import Placement
import Query
import Settings
import Telemetry

/// What the answers of all event loops have in common.
struct AnswerTemplates: Sendable {
    let matches: ResponseTemplate
    let teams: ResponseTemplate
    let matchesGzip: ResponseTemplate
    let teamsGzip: ResponseTemplate
    let matchesUnchanged: ResponseTemplate
    let teamsUnchanged: ResponseTemplate
    let matchesPartial: ResponseTemplate
    let matchesPartialGzip: ResponseTemplate
    let openAPI: ResponseTemplate
    let notReady = PreparedProblem(.notReady)
    let overloaded = PreparedProblem(.overloaded)
    let answerTooLarge = PreparedProblem(.answerTooLarge)
    let deadline = PreparedProblem(.deadline)

    /// `uri` labels of the metrics, in the order of `RouteIndex`.
    static let routes = ["other", "/v1/api/app/mym/{sport}", "/v1/api/app/myt/{sport}", "/openapi.yaml"]
    static let matchesRoute = RouteIndex(1)
    static let teamsRoute = RouteIndex(2)
    static let openAPIRoute = RouteIndex(3)

    /// Whether answers are sent in gzip to whoever prefers that. Then every answer says what it depends on, a plain one
    /// and a 304 too. A problem is always plain and never stored.
    let offersGzip: Bool

    init(_ settings: HTTPSettings) {
        offersGzip = settings.gzip
        let vary = settings.gzip ? [("Vary", "Accept-Encoding")] : []
        let gzip = vary + [("Content-Encoding", "gzip")]
        let matchesCaching = ("Cache-Control", "public, max-age=\(settings.mymMaxAgeSeconds)")
        let teamsCaching = ("Cache-Control", "public, max-age=\(settings.mytMaxAgeSeconds)")
        let json = ("Content-Type", "application/json")
        let exposed = CORS.exposed
        matches = ResponseTemplate(status: 200, fields: [json, matchesCaching, exposed] + vary)
        teams = ResponseTemplate(status: 200, fields: [json, teamsCaching, exposed] + vary)
        matchesGzip = ResponseTemplate(status: 200, fields: [json, matchesCaching, exposed] + gzip)
        teamsGzip = ResponseTemplate(status: 200, fields: [json, teamsCaching, exposed] + gzip)
        matchesUnchanged = ResponseTemplate(status: 304, fields: [matchesCaching, exposed] + vary)
        teamsUnchanged = ResponseTemplate(status: 304, fields: [teamsCaching, exposed] + vary)
        let partial = [json, ("Cache-Control", "no-store"), ("Favorites-Partial", "true"), exposed]
        matchesPartial = ResponseTemplate(status: 200, fields: partial + vary)
        matchesPartialGzip = ResponseTemplate(status: 200, fields: partial + gzip)
        openAPI = ResponseTemplate(
            status: 200, fields: [("Content-Type", "application/yaml"), ("Cache-Control", "public, max-age=3600")])
    }
}

final class RouterAnswerer: Answerer, AnswerReceiver {
    /// A request that waits for its parts.
    private struct Waiting {
        var request: Request
        var reply: Reply
        var head: RequestHead
        /// The head's bytes, kept only where they hold a condition.
        var bytes: [UInt8]
        var isGzip: Bool
        var stalenessMaxMs: UInt32
    }

    private let client: FanOutClient
    private let rules: SelectionRules
    private let templates: AnswerTemplates
    private let packed: Counter
    private let metrics: FreshnessMetrics
    private let now: () -> Timestamp
    private var parser: RequestParser
    private var builder = AnswerBuilder()
    /// By token. As long as `FanOutRules.requestsMax` at most: the client refuses more.
    private var waiting: [Waiting?] = []
    private var free: [Int] = []

    /// `packed` counts fragments that were packed for one answer.
    init(
        client: FanOutClient, rules: SelectionRules, templates: AnswerTemplates, packed: Counter,
        metrics: FreshnessMetrics, now: @escaping () -> Timestamp
    ) {
        self.client = client
        self.rules = rules
        self.templates = templates
        self.packed = packed
        self.metrics = metrics
        self.now = now
        parser = RequestParser(rules: rules)
    }

    func answer(_ head: RequestHead, _ bytes: Span<UInt8>, _ reply: Reply) {
        let path = bytes.extracting(head.path.range)
        if path.equals("/openapi.yaml") {
            let document = PackageResources.openapi_yaml
            return reply.send(templates.openAPI, body: document.span, route: AnswerTemplates.openAPIRoute)
        }
        do throws(Problem) {
            let stalenessMaxMs: UInt32
            switch head.stalenessBound(in: bytes) {
            case .none: stalenessMaxMs = .max
            case .milliseconds(let bound): stalenessMaxMs = bound
            case .invalid(let value): throw .badStaleness(bytes.extracting(value.range))
            }
            let request = try parser.parse(path: path, query: bytes.extracting(head.query.range))
            ask(request, stalenessMaxMs, head, bytes, reply)
        } catch {
            reply.send(error, route: Self.route(of: path))
        }
    }

    private func ask(
        _ request: Request, _ stalenessMaxMs: UInt32, _ head: RequestHead, _ bytes: Span<UInt8>, _ reply: Reply
    ) {
        guard client.partitionCount > 0 else { return reply.send(templates.notReady, route: Self.route(of: request)) }
        let need = need(of: request)
        let isGzip = templates.offersGzip && head.prefersGzip(in: bytes)
        var query = HolderQuery(
            request: request, partitions: PartitionSet(), now: now(), eventsPerTeamMax: rules.eventsPerTeamMax,
            matchesRemainMs: rules.matchesRemainMs, takesPacked: isGzip, stalenessMaxMs: stalenessMaxMs)
        let isAnswered = unsafe client.answerInPlace(&query, need: need) { part, freshness, news in
            if let news { metrics.seen(news) }
            builder.begin(request, eventsPerTeamMax: rules.eventsPerTeamMax, isGzip: isGzip)
            // The rank decides between parts; a single one needs none.
            unsafe builder.add(part, rank: 0)
            send(request, freshness, head, bytes, reply, isGzip: isGzip)
        }
        if isAnswered { return parser.recycle(request) }
        var kept: [UInt8] = []
        if head.isConditional {
            unsafe bytes.extracting(first: head.count).withUnsafeBufferPointer { kept = unsafe Array($0) }
        }
        let entry = Waiting(
            request: request, reply: reply, head: head, bytes: kept, isGzip: isGzip, stalenessMaxMs: stalenessMaxMs)
        let token: Int
        if let slot = free.popLast() {
            token = slot
            waiting[slot] = entry
        } else {
            token = waiting.count
            waiting.append(entry)
        }
        client.ask(query, need: need, receiver: self, token: UInt64(token))
    }

    private func need(of request: Request) -> Need {
        switch request {
        case .teams: return .anyNode
        case .matches(let matches):
            guard matches.teamIDs.isEmpty else { return .allPartitions }
            var partitions = PartitionSet()
            for id in matches.eventIDs {
                partitions.insert(Partitioner.partition(of: id, partitions: client.partitionCount))
            }
            return .partitions(partitions)
        }
    }

    // MARK: - Replies

    func answered(_ gathered: borrowing GatheredParts, token: UInt64) {
        for index in unsafe gathered.news.indices { metrics.seen(unsafe gathered.news[index]) }
        guard let entry = take(token) else { return }
        builder.begin(entry.request, eventsPerTeamMax: rules.eventsPerTeamMax, isGzip: entry.isGzip)
        let isSingle = unsafe gathered.parts.count == 1
        for index in unsafe gathered.parts.indices {
            let rank = unsafe isSingle ? 0 : gathered.shown[index].globals.offsets.reduce(0) { $0 + $1.rawValue }
            unsafe builder.add(gathered.parts[index], rank: rank)
        }
        if unsafe gathered.missing.isEmpty {
            unsafe send(
                entry.request, gathered.freshness, entry.head, entry.bytes.span, entry.reply, isGzip: entry.isGzip)
        } else {
            unsafe sendPartial(entry, gathered.freshness)
        }
        parser.recycle(entry.request)
    }

    /// Sends what there is. It is no version of the answer: no tag names it, no condition holds for it, nobody keeps it.
    private func sendPartial(_ entry: Waiting, _ freshness: Freshness) {
        finish(freshness)
        guard builder.bodyCount <= Limits.answerBytesMax else {
            return entry.reply.send(templates.answerTooLarge, route: AnswerTemplates.matchesRoute)
        }
        let template = entry.isGzip ? templates.matchesPartialGzip : templates.matchesPartial
        unsafe entry.reply.send(
            template, freshnessMs: freshness.ageMs, bodyCount: builder.bodyCount, route: AnswerTemplates.matchesRoute
        ) {
            unsafe builder.write(to: $0)
        }
    }

    private func finish(_ freshness: Freshness) {
        let packedBefore = builder.packedHere
        builder.finish()
        if builder.packedHere != packedBefore { packed.add(UInt64(builder.packedHere - packedBefore)) }
        metrics.answered(freshness)
    }

    /// Sends what the builder has gathered. `bytes` are the head's, as far as it is conditional.
    private func send(
        _ request: Request, _ freshness: Freshness, _ head: RequestHead, _ bytes: Span<UInt8>, _ reply: Reply,
        isGzip: Bool
    ) {
        finish(freshness)
        let route = Self.route(of: request)
        guard builder.bodyCount <= Limits.answerBytesMax else {
            return reply.send(templates.answerTooLarge, route: route)
        }
        let tag = EntityTag(low: builder.etag.low, high: builder.etag.high)
        let isMatches = if case .matches = request { true } else { false }
        if head.isConditional, head.hasCurrent(tag, in: bytes) {
            let template = isMatches ? templates.matchesUnchanged : templates.teamsUnchanged
            return reply.sendWithoutBody(
                template, entityTag: tag, freshnessMs: freshness.ageMs, contentLength: builder.bodyCount, route: route)
        }
        let plain = isMatches ? templates.matches : templates.teams
        let template = isGzip ? (isMatches ? templates.matchesGzip : templates.teamsGzip) : plain
        unsafe reply.send(
            template, entityTag: tag, freshnessMs: freshness.ageMs, bodyCount: builder.bodyCount, route: route
        ) {
            unsafe builder.write(to: $0)
        }
    }

    func failed(_ failure: FanOutFailure, token: UInt64) {
        guard let entry = take(token) else { return }
        let route = Self.route(of: entry.request)
        switch failure {
        case .noHolder(let partitions):
            if partitions.isEmpty {
                entry.reply.send(templates.notReady, route: route)
            } else {
                entry.reply.send(.noHolder(partitions: partitions.count), route: route)
            }
        case .deadline: entry.reply.send(templates.deadline, route: route)
        case .overloaded:
            metrics.overloaded.add()
            entry.reply.send(templates.overloaded, route: route)
        case .answerTooLarge: entry.reply.send(templates.answerTooLarge, route: route)
        case .stale(freshnessMs: let ageMs):
            metrics.stale.add()
            entry.reply.send(
                .stale(ageMs: ageMs, boundMs: entry.stalenessMaxMs), freshnessMs: ageMs, route: route)
        }
    }

    private func take(_ token: UInt64) -> Waiting? {
        let slot = Int(token)
        guard waiting.indices.contains(slot), let entry = waiting[slot] else { return nil }
        waiting[slot] = nil
        free.append(slot)
        return entry
    }

    private static func route(of request: Request) -> RouteIndex {
        if case .matches = request { AnswerTemplates.matchesRoute } else { AnswerTemplates.teamsRoute }
    }

    /// The route of a request that was refused.
    private static func route(of path: Span<UInt8>) -> RouteIndex {
        guard path.count >= 16 else { return .none }
        let prefix = path.extracting(first: 16)
        if prefix.equals("/v1/api/app/mym/") { return AnswerTemplates.matchesRoute }
        return prefix.equals("/v1/api/app/myt/") ? AnswerTemplates.teamsRoute : .none
    }
}
