import HTTP1
import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@testable import HTTPServer

@Suite struct ConnectionTests {
    @Test func oneRequest() throws {
        let harness = try Harness()
        try harness.send(get("/a"))
        let answer = try #require(try answers(harness.received()).first)
        #expect(answer.status == 200)
        #expect(answer.body == "/a")
        #expect(answer.fields["Access-Control-Allow-Origin"] == "*")
        #expect(answer.fields["Date"] == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(answer.fields["ETag"] == "\"00000000000000020000000000000001\"")
        #expect(answer.fields["Connection"] == nil)
        #expect(harness.isOpen)
    }

    @Test func pipelinedAnswersLeaveInOneWrite() throws {
        let harness = try Harness()
        try harness.send(get("/a") + get("/b") + get("/c"))
        #expect(try answers(harness.received()).map(\.body) == ["/a", "/b", "/c"])
        #expect(harness.writes == 1)
    }

    @Test func lateAnswersKeepTheOrder() throws {
        let harness = try Harness()
        try harness.send(get("/later1") + get("/b") + get("/later2") + get("/d"))
        #expect(try harness.received().isEmpty)
        harness.answerLater(1)
        #expect(try harness.received().isEmpty)
        harness.answerLater(0)
        #expect(try answers(harness.received()).map(\.body) == ["/later1", "/b", "/later2", "/d"])
        #expect(harness.writes == 1)
    }

    @Test func everyOrderOfLateAnswers() throws {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let harness = try Harness()
            try harness.send(get("/later0") + get("/later1") + get("/later2"))
            for index in order { harness.answerLater(index) }
            #expect(try answers(harness.received()).map(\.body) == ["/later0", "/later1", "/later2"])
        }
    }

    @Test func pipelineLimit() throws {
        var limits = HTTPLimits()
        limits.pipelinedMax = 2
        let harness = try Harness(limits)
        try harness.send((0..<5).map { get("/later\($0)") }.joined())
        #expect(harness.answerer.later.count == 2)
        harness.answerLater(0)
        #expect(harness.answerer.later.count == 3)
        for index in 1..<5 { harness.answerLater(index) }
        #expect(try answers(harness.received()).map(\.body) == (0..<5).map { "/later\($0)" })
    }

    @Test func byteByByte() throws {
        let harness = try Harness()
        for character in (get("/a") + get("/b")).utf8 {
            try harness.channel.writeInbound(ByteBuffer(bytes: [character]))
        }
        #expect(try answers(harness.received()).map(\.body) == ["/a", "/b"])
    }

    /// The request and the end of the client's output come in one turn of the loop.
    @Test func aClientThatHalfClosesAtOnceGetsItsAnswer() throws {
        let harness = try Harness()
        try harness.send(get("/a"))
        harness.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(try answers(harness.received()).map(\.body) == ["/a"])
        #expect(!harness.isOpen)
    }

    @Test func methods() throws {
        let harness = try Harness()
        try harness.send("HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n")
        let head = try #require(try answers(harness.received(), heads: [0]).first)
        #expect(head.fields["Content-Length"] == "4")
        #expect(head.fields["ETag"] != nil)
        try harness.send("OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: b\r\nAccess-Control-Request-Method: GET\r\n\r\n")
        let options = try #require(try answers(harness.received()).first)
        #expect(options.status == 204)
        #expect(options.fields["Allow"] == "GET, HEAD, OPTIONS")
        #expect(options.fields["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS")
        #expect(options.fields["Access-Control-Allow-Headers"] == "*, If-None-Match, Favorites-Max-Staleness-Ms")
        #expect(options.fields["Content-Length"] == nil)
        try harness.send("DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n")
        let other = try #require(try answers(harness.received()).first)
        #expect(other.status == 405)
        #expect(other.fields["Allow"] == "GET, HEAD, OPTIONS")
        #expect(other.fields["Content-Type"] == "application/problem+json")
        #expect(other.fields["Cache-Control"] == "no-store")
        #expect(harness.isOpen)
    }

    @Test func notModified() throws {
        let harness = try Harness()
        try harness.send(get("/abc", "If-None-Match: W/\"x\", \"00000000000000020000000000000001\"\r\n"))
        let answer = try #require(try answers(harness.received()).first)
        #expect(answer.status == 304)
        #expect(answer.fields["ETag"] == "\"00000000000000020000000000000001\"")
        #expect(answer.fields["Content-Length"] == "4")
    }

    /// What closes the connection behind the answer; a second request behind it is never answered.
    @Test(arguments: [
        ("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200), ("GET /a HTTP/1.0\r\n\r\n", 200),
        ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 405),
        ("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 413),
        ("HEAD /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
        ("GET /a HTTP/1.1\r\n\r\n", 400), ("GET /a HTTP/3.0\r\nHost: a\r\n\r\n", 505), ("\0\0\0\n", 400),
        ("GET /" + String(repeating: "a", count: 17_000), 414),
        ("GET /a HTTP/1.1\r\nA: " + String(repeating: "a", count: 17_000), 431),
    ])
    func closes(_ request: String, _ status: Int) throws {
        let harness = try Harness()
        try harness.send(request + get("/second"))
        let heads: Set<Int> = request.hasPrefix("HEAD") ? [0] : []
        let all = try answers(harness.received(), heads: heads)
        #expect(all.map(\.status) == [status])
        #expect(all.first?.fields["Connection"] == "close")
        #expect(all.first?.fields["Access-Control-Allow-Origin"] == "*")
        #expect(!harness.isOpen)
    }

    @Test func version10StaysOpenWhenAsked() throws {
        let harness = try Harness()
        try harness.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(try answers(harness.received()).first?.fields["Connection"] == "keep-alive")
        #expect(harness.isOpen)
    }

    @Test func refusalWaitsForOlderAnswers() throws {
        let harness = try Harness()
        try harness.send(get("/later") + "nonsense\r\n\r\n")
        #expect(try harness.received().isEmpty)
        #expect(harness.isOpen)
        harness.answerLater(0)
        #expect(try answers(harness.received()).map(\.status) == [200, 400])
        #expect(!harness.isOpen)
        #expect(harness.observer.counts.closed == [.refusal])
    }

    @Test func replyToAGoneConnectionDoesNothing() throws {
        let harness = try Harness()
        try harness.send(get("/later"))
        harness.channel.close(promise: nil)
        #expect(!harness.isOpen)
        harness.answerLater(0)
        #expect(harness.observer.counts.closed == [.client])
    }

    /// Damaged requests, cut at random: each gives answers that are whole, and the connection ends or goes on.
    @Test func damagedRequests() throws {
        var generator = SeededGenerator.forTest()
        for _ in 0..<300 {
            let harness = try Harness()
            var bytes = Array((get("/a", "Content-Length: 0\r\n") + get("/b") + get("/c")).utf8)
            for _ in 0..<Int.random(in: 0...3, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^=
                    1 << UInt8.random(in: 0..<8, using: &generator)
            }
            var text = ""
            var start = 0
            while start < bytes.count, harness.isOpen {
                let end = min(bytes.count, start + Int.random(in: 1...60, using: &generator))
                try harness.channel.writeInbound(ByteBuffer(bytes: bytes[start..<end]))
                text += try harness.received()
                start = end
            }
            #expect(throws: Never.self, "seed \(generator.seed), \(bytes)") { try answers(text) }
        }
    }
}
