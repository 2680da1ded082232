// Any bytes as what a client sends on one connection: the first byte seeds the places where the stream is cut, the rest
// is the stream.
//
// It fails on a crash, on a memory error, where a stream in pieces gives other requests than the whole one, on a range
// that leaves its head, on a request with an id twice or whose numbers break the rules, on a request that reads
// otherwise when it is written in its plain form, and on a problem whose status or text is not what it may be.

import HTTP1
import Model
import Query

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHTTP(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let bytes, count > 0 else { return 0 }
    let stream = Array(UnsafeBufferPointer(start: bytes + 1, count: count - 1))
    let whole = requests(in: stream) { $0 }
    var random = Cuts(state: UInt64(bytes[0]))
    precondition(requests(in: stream) { random.cut(after: $0) } == whole, "Cuts change the requests.")
    // Byte by byte costs a call for each: enough on short streams.
    if stream.count < 512 { precondition(requests(in: stream) { _ in 1 } == whole, "Drops change the requests.") }
    return 0
}

/// The sizes of pieces, mostly small ones.
private struct Cuts {
    var state: UInt64

    mutating func cut(after left: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let most = (state >> 33) & 1 == 0 ? 4 : max(1, left)
        return 1 + Int((state >> 34) % UInt64(most))
    }
}

/// What one head, or the rest of the stream, came to.
private struct Outcome: Equatable {
    var refusal: HeadRefusal?
    var head: [Int32] = []
    var facts: [Bool] = []
    var request: Request?
    var problem: Problem?
}

private let rules = SelectionRules()

/// Everything on the connection, as a server takes it: head behind head until one is refused or has a body. `size` is
/// asked for the next piece's bytes.
private func requests(in stream: [UInt8], size: (Int) -> Int) -> [Outcome] {
    var outcomes: [Outcome] = []
    var heads = RequestHeadParser()
    var parser = RequestParser(rules: rules)
    var start = 0
    var end = 0
    while end < stream.count {
        end = min(stream.count, end + size(stream.count - end))
        while start < end {
            let bytes = stream.span.extracting(start..<end)
            switch heads.parse(bytes) {
            case .needsMore:
                precondition(bytes.count <= RequestHeadParser.pendingBytesMax)
            case .refused(let refusal):
                outcomes.append(Outcome(refusal: refusal))
                return outcomes
            case .complete:
                let head = heads.head
                outcomes.append(outcome(head, bytes, &parser))
                if head.hasBody { return outcomes }
                heads.reset()
                start += head.count
                continue
            }
            break
        }
    }
    return outcomes
}

private func outcome(_ head: RequestHead, _ bytes: Span<UInt8>, _ parser: inout RequestParser) -> Outcome {
    precondition(head.count > 0 && head.count <= bytes.count)
    var outcome = Outcome()
    for range in [head.methodToken, head.path, head.query] {
        precondition(range.lowerBound >= 0 && range.range.upperBound <= head.count)
        outcome.head += [range.lowerBound, range.upperBound]
    }
    let tag = EntityTag(low: 2, high: 1)
    outcome.facts = [
        head.isVersion10, head.keepsAlive, head.hasBody, head.isConditional, head.hasCurrent(tag, in: bytes),
        head.prefersGzip(in: bytes),
    ]
    do throws(Problem) {
        let request = try parser.parse(
            path: bytes.extracting(head.path.range), query: bytes.extracting(head.query.range))
        check(request, &parser)
        outcome.request = request
    } catch {
        check(error)
        outcome.problem = error
    }
    if head.method == .other { check(.methodNotAllowed(bytes.extracting(head.methodToken.range))) }
    return outcome
}

private func check(_ problem: Problem) {
    precondition([400, 404, 405].contains(problem.status))
    let text = problem.render()
    precondition(text.count < 1024 && !problem.detail.isEmpty)
    precondition(!text.contains { $0 < 0x20 } && String(validating: text, as: UTF8.self) != nil)
}

/// The plain form of a request reads as the same request.
private func check(_ request: Request, _ parser: inout RequestParser) {
    let path: String
    let query: String
    switch request {
    case .matches(let matches):
        checkIDs(matches.eventIDs, max: rules.eventsPerRequestMax)
        checkIDs(matches.teamIDs, max: rules.teamsPerRequestMax)
        precondition(!matches.eventIDs.isEmpty || !matches.teamIDs.isEmpty)
        precondition((1...rules.limitMax).contains(matches.limit) && matches.offset >= 0)
        path = "mym/\(matches.sport)"
        query =
            list("eventIds", matches.eventIDs) + list("teamIds", matches.teamIDs)
            + "limit=\(matches.limit)&offset=\(matches.offset)"
    case .teams(let teams):
        checkIDs(teams.teamIDs, max: rules.teamsPerRequestMax)
        precondition(!teams.teamIDs.isEmpty)
        path = "myt/\(teams.sport)"
        query = String(list("teamIds", teams.teamIDs).dropLast())
    }
    let plain = try? parser.parse(path: Array("/v1/api/app/\(path)".utf8).span, query: Array(query.utf8).span)
    precondition(plain == request, "The plain form reads otherwise.")
}

private func checkIDs(_ ids: [ID], max: Int) {
    precondition(ids.count <= max)
    precondition(Set(ids).count == ids.count, "An id stands twice.")
}

private func list(_ name: String, _ ids: [ID]) -> String {
    ids.isEmpty ? "" : "\(name)=\(ids.map { "\($0)" }.joined(separator: ","))&"
}
