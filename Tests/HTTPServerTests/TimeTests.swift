import NIOCore
import NIOEmbedded
import Testing

@testable import HTTPServer

/// Timeouts and drain, on a clock that the test moves.
@Suite struct TimeTests {
    @Test func date() throws {
        let harness = try Harness()
        harness.advance(.seconds(61))
        try harness.send(get("/a"))
        #expect(try answers(harness.received()).first?.fields["Date"] == "Thu, 01 Jan 1970 00:01:01 GMT")
    }

    @Test func idle() throws {
        let harness = try Harness()
        harness.advance(.seconds(74))
        try harness.send(get("/a"))
        harness.advance(.seconds(74))
        #expect(harness.isOpen)
        harness.advance(.seconds(2))
        #expect(!harness.isOpen)
        #expect(harness.observer.counts.closed == [.idle])
    }

    /// A byte a second does not keep a head alive.
    @Test func slowHead() throws {
        let harness = try Harness()
        for byte in get("/abc").utf8.prefix(10) {
            try harness.channel.writeInbound(ByteBuffer(bytes: [byte]))
            #expect(harness.isOpen)
            harness.advance(.seconds(1))
        }
        harness.advance(.seconds(1))
        #expect(!harness.isOpen)
        #expect(harness.observer.counts.closed == [.slowHead])
    }

    @Test func headTimeBeginsAnew() throws {
        let harness = try Harness()
        for _ in 0..<5 {
            try harness.send(String(get("/a").prefix(5)))
            harness.advance(.seconds(8))
            try harness.send(String(get("/a").dropFirst(5)))
        }
        #expect(harness.isOpen)
        #expect(try answers(harness.received()).count == 5)
    }

    @Test func waitingForAnAnswerIsNotIdle() throws {
        let harness = try Harness()
        try harness.send(get("/later"))
        harness.advance(.minutes(10))
        #expect(harness.isOpen)
        harness.answerLater(0)
        harness.advance(.seconds(74))
        #expect(harness.isOpen)
        harness.advance(.seconds(2))
        #expect(!harness.isOpen)
    }

    @Test func slowReader() throws {
        let harness = try Harness()
        harness.channel.isWritable = false
        harness.channel.pipeline.fireChannelWritabilityChanged()
        try harness.send(get("/a"))
        #expect(try harness.received().isEmpty)
        harness.advance(.seconds(29))
        harness.channel.isWritable = true
        harness.channel.pipeline.fireChannelWritabilityChanged()
        #expect(try answers(harness.received()).map(\.body) == ["/a"])
        harness.channel.isWritable = false
        harness.channel.pipeline.fireChannelWritabilityChanged()
        harness.advance(.seconds(31))
        #expect(!harness.isOpen)
        #expect(harness.observer.counts.closed == [.slowReader])
    }

    @Test func drain() throws {
        let harness = try Harness()
        let done = harness.loop.makePromise(of: Void.self)
        try harness.send(get("/later1") + get("/later2"))
        harness.state.beginDrain(idleGrace: .zero, deadline: .seconds(10), done: done)
        harness.answerLater(0)
        #expect(try answers(harness.received()).first?.fields["Connection"] == nil)
        harness.answerLater(1)
        #expect(try answers(harness.received()).first?.fields["Connection"] == "close")
        #expect(!harness.isOpen)
        try done.futureResult.wait()
    }

    @Test func drainClosesIdleOnesAfterTheGrace() throws {
        let harness = try Harness()
        let done = harness.loop.makePromise(of: Void.self)
        harness.state.beginDrain(idleGrace: .seconds(2), deadline: .seconds(10), done: done)
        harness.advance(.seconds(1))
        #expect(harness.isOpen)
        harness.advance(.seconds(1))
        #expect(!harness.isOpen)
        try done.futureResult.wait()
    }

    @Test func drainAnswersDuringTheGrace() throws {
        let harness = try Harness()
        let done = harness.loop.makePromise(of: Void.self)
        harness.state.beginDrain(idleGrace: .seconds(2), deadline: .seconds(10), done: done)
        try harness.send(get("/a"))
        #expect(try answers(harness.received()).first?.fields["Connection"] == "close")
        #expect(!harness.isOpen)
        #expect(harness.observer.counts.closed == [.drain])
        try done.futureResult.wait()
    }

    @Test func drainDeadline() throws {
        let harness = try Harness()
        let done = harness.loop.makePromise(of: Void.self)
        try harness.send(get("/later"))
        harness.state.beginDrain(idleGrace: .zero, deadline: .seconds(10), done: done)
        harness.advance(.seconds(9))
        #expect(harness.isOpen)
        harness.advance(.seconds(1))
        #expect(!harness.isOpen)
        try done.futureResult.wait()
    }
}
