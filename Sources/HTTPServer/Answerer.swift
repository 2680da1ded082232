// What stands behind a server: for each request one call, and for each call one reply, at once or later.

public import HTTP1
public import Query

/// Answers GET and HEAD requests of one event loop; made on it, used on it alone. All other methods are answered by
/// the server.
public protocol Answerer: AnyObject {
    /// Ends in exactly one call of a `reply.send`: before this returns (the bytes then leave with all others of this
    /// read, in one write), or later on the same event loop. `bytes` are the request's head and are valid until this
    /// returns; `head` says where in them the path and the query stand.
    func answer(_ head: RequestHead, _ bytes: Span<UInt8>, _ reply: Reply)
}

/// The right and duty to answer one request: connection and place in its order. Used on the connection's event loop
/// alone. Replies may be sent in any order; they leave in the order of the requests. A second reply to the same
/// request traps. A reply to a connection that is gone does nothing.
public struct Reply {
    let connection: Connection
    let sequence: Int

    /// Answers with a body of exactly `bodyCount` bytes, which `write` puts straight into the connection's output. It
    /// is not called for HEAD.
    public func send(
        _ template: ResponseTemplate, entityTag: EntityTag? = nil, freshnessMs: UInt32? = nil, bodyCount: Int,
        route: RouteIndex = .none, write: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        let fields = AnswerFields(
            entityTag: entityTag, freshnessMs: freshnessMs, contentLength: bodyCount, route: route)
        unsafe connection.send(sequence, template, fields, bodyCount: bodyCount, write: write)
    }

    /// Answers with a copy of `body`.
    public func send(
        _ template: ResponseTemplate, entityTag: EntityTag? = nil, freshnessMs: UInt32? = nil, body: Span<UInt8>,
        route: RouteIndex = .none
    ) {
        unsafe send(
            template, entityTag: entityTag, freshnessMs: freshnessMs, bodyCount: body.count, route: route
        ) { output in
            unsafe body.withUnsafeBytes { source in unsafe output.copyMemory(from: source) }
        }
    }

    /// Answers without a body: 204, or 304 (where `contentLength` may be that of the full answer, never another).
    public func sendWithoutBody(
        _ template: ResponseTemplate, entityTag: EntityTag? = nil, freshnessMs: UInt32? = nil,
        contentLength: Int? = nil, route: RouteIndex = .none
    ) {
        let fields = AnswerFields(
            entityTag: entityTag, freshnessMs: freshnessMs, contentLength: contentLength, route: route)
        unsafe connection.send(sequence, template, fields, bodyCount: 0) { _ in }
    }

    /// Refuses.
    public func send(_ problem: PreparedProblem, freshnessMs: UInt32? = nil, route: RouteIndex = .none) {
        send(problem.template, freshnessMs: freshnessMs, body: problem.body.span, route: route)
    }

    /// Refuses with a problem that is made for this request.
    public func send(_ problem: Problem, freshnessMs: UInt32? = nil, route: RouteIndex = .none) {
        send(PreparedProblem(problem), freshnessMs: freshnessMs, route: route)
    }
}

/// What changes from answer to answer in the head.
struct AnswerFields {
    var entityTag: EntityTag?
    var freshnessMs: UInt32?
    var contentLength: Int?
    var route: RouteIndex
}

/// A problem as it goes over the wire, ready to be sent any number of times: refusing must cost less than answering.
public struct PreparedProblem: Sendable {
    let template: ResponseTemplate
    let body: [UInt8]

    public init(_ problem: Problem) {
        var fields = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")]
        if let allow = problem.allow { fields.append(("Allow", allow)) }
        if let seconds = problem.retryAfterSeconds {
            fields.append(("Retry-After", "\(seconds)"))
            fields.append(CORS.exposed)
        }
        self.template = ResponseTemplate(status: problem.status, fields: fields)
        self.body = problem.render()
    }
}

/// What browsers are told of headers, beside `Access-Control-Allow-Origin`, which every answer has.
public enum CORS {
    /// What a script may read.
    public static let exposed = (
        "Access-Control-Expose-Headers", "ETag, Retry-After, Favorites-Freshness-Ms, Favorites-Partial"
    )
    /// What a script may send. The star stands for all; the names are for clients that know no star.
    static let allowed = ("Access-Control-Allow-Headers", "*, If-None-Match, Favorites-Max-Staleness-Ms")
}

/// The answers that need no answerer.
enum FixedAnswers {
    /// OPTIONS, a browser's preflight included: all that it may ask for is always allowed, so the answer is always
    /// the same.
    static let options = ResponseTemplate(
        status: 204,
        fields: [
            ("Allow", Problem.methodsAllowed),
            ("Access-Control-Allow-Methods", Problem.methodsAllowed),
            CORS.allowed,
            ("Access-Control-Max-Age", "86400"),
        ])

    /// No request that is served has a body. It is not read: the connection is closed behind the answer.
    static let body = PreparedProblem(
        Problem(
            status: 413, title: ResponseTemplate.phrase(413),
            detail: "The request has a body (Content-Length above 0, or Transfer-Encoding). None is allowed."))

    /// Load is shed.
    static let overloaded = PreparedProblem(.overloaded)

    static let refusals: [PreparedProblem] = HeadRefusal.allCases.map { refusal in
        PreparedProblem(
            Problem(
                status: refusal.status, title: ResponseTemplate.phrase(refusal.status), detail: "\(refusal.detail)"))
    }
}
