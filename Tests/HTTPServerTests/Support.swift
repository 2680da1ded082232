import HTTP1
import NIOCore
import NIOEmbedded
import Synchronization

@testable import HTTPServer

/// Answers with the path: at once, or, under `/later`, when the test says so. `/large` gives a body of 1 MiB.
final class ScriptedAnswerer: Answerer {
    static let okay = ResponseTemplate(status: 200, fields: [("Content-Type", "text/plain")])
    static let notModified = ResponseTemplate(status: 304)
    static let tag = EntityTag(low: 1, high: 2)

    var later: [(path: [UInt8], reply: Reply)] = []

    func answer(_ head: RequestHead, _ bytes: Span<UInt8>, _ reply: Reply) {
        let path = Array(copying: bytes.extracting(head.path.range))
        if head.hasCurrent(Self.tag, in: bytes) {
            return reply.sendWithoutBody(Self.notModified, entityTag: Self.tag, contentLength: path.count)
        }
        if path.starts(with: "/later".utf8) { return later.append((path, reply)) }
        let large = [UInt8](repeating: 0x61, count: path.starts(with: "/large".utf8) ? 1 << 20 : 0)
        let body = path + large
        reply.send(Self.okay, entityTag: Self.tag, body: body.span, route: RouteIndex(1))
    }

    func answerLater(_ index: Int) {
        let (path, reply) = later[index]
        unsafe reply.send(Self.okay, bodyCount: path.count) { output in unsafe output.copyBytes(from: path) }
    }
}

extension Array {
    init(copying span: Span<Element>) where Element == UInt8 {
        self = []
        for index in 0..<span.count { append(span[index]) }
    }
}

final class CountingObserver: HTTPObserver {
    struct Counts {
        var opened = 0
        var closed: [ConnectionEnd] = []
        var refused = 0
        var shed: [ShedReason] = []
        var statuses: [Int] = []
    }
    private let state = Mutex(Counts())

    var counts: Counts { state.withLock { $0 } }

    func connectionOpened() { state.withLock { $0.opened += 1 } }
    func connectionClosed(_ end: ConnectionEnd) { state.withLock { $0.closed.append(end) } }
    func connectionRefused() { state.withLock { $0.refused += 1 } }
    func requestShed(_ reason: ShedReason) { state.withLock { $0.shed.append(reason) } }
    func answered(route: RouteIndex, method: Method, status: Int, nanoseconds: Int64) {
        state.withLock { $0.statuses.append(status) }
    }
}

final class WallClock {
    var seconds: Int64 = 0
}

/// One connection on a loop whose time the test moves.
final class Harness {
    let loop = EmbeddedEventLoop()
    let channel: EmbeddedChannel
    let answerer = ScriptedAnswerer()
    let observer = CountingObserver()
    let state: LoopState
    /// The wall clock of the Date header.
    private let wall = WallClock()
    /// Writes that left, one for each flush.
    private(set) var writes = 0

    init(_ limits: HTTPLimits = HTTPLimits()) throws {
        let wall = wall
        state = LoopState(
            eventLoop: loop, limits: limits, answerer: answerer, observer: observer, count: ConnectionCount(),
            wallSeconds: { wall.seconds })
        state.start()
        channel = EmbeddedChannel(loop: loop)
        try channel.pipeline.syncOperations.addHandler(Connection(loop: state))
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
    }

    func send(_ text: String) throws { try channel.writeInbound(ByteBuffer(string: text)) }

    /// Answers, and lets the turn of the loop end: late answers leave then.
    func answerLater(_ index: Int) {
        answerer.answerLater(index)
        loop.run()
    }

    /// What has left since the last call, at the end of the loop's turn.
    func received() throws -> String {
        loop.run()
        var text = ""
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) {
            if buffer.readableBytes > 0 { writes += 1 }
            text += String(buffer: buffer)
        }
        return text
    }

    func advance(_ time: TimeAmount) {
        wall.seconds += time.nanoseconds / 1_000_000_000
        loop.advanceTime(by: time)
    }

    var isOpen: Bool {
        loop.run()
        return channel.isActive
    }
}

struct Answer: Equatable {
    var status: Int
    var fields: [String: String]
    var body: String
}

struct NotAnAnswer: Error { var text: String }

/// Cuts a stream into answers by their lengths; throws where it is none. `heads` are the answers to HEAD.
func answers(_ text: String, heads: Set<Int> = []) throws -> [Answer] {
    var rest = Array(text.utf8)[...]
    var answers: [Answer] = []
    while !rest.isEmpty {
        guard let end = rest.indices.first(where: { rest[$0...].starts(with: "\r\n\r\n".utf8) }) else {
            throw NotAnAnswer(text: text)
        }
        let lines = String(decoding: rest[..<end], as: UTF8.self).split(separator: "\r\n")
        guard lines[0].hasPrefix("HTTP/1.1 "), let status = Int(lines[0].dropFirst(9).prefix(3)) else {
            throw NotAnAnswer(text: text)
        }
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            fields[String(line[..<colon])] = String(line[colon...].dropFirst(2))
        }
        rest = rest[(end + 4)...]
        let hasBody = status != 204 && status != 304 && !heads.contains(answers.count)
        let count = hasBody ? Int(fields["Content-Length"] ?? "") ?? -1 : 0
        guard count >= 0, count <= rest.count else { throw NotAnAnswer(text: text) }
        answers.append(
            Answer(status: status, fields: fields, body: String(decoding: rest.prefix(count), as: UTF8.self)))
        rest = rest.dropFirst(count)
    }
    return answers
}

func get(_ path: String, _ fields: String = "") -> String { "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n" }
