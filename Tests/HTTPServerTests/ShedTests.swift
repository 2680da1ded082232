import HTTP1
import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@testable import HTTPServer

@Suite struct ShedTests {
    @Test func aTurnThatLastsTooLongTakesNoMore() throws {
        let harness = try Harness()
        let (state, limits) = (harness.state, harness.state.limits)
        let began = NIODeadline.uptimeNanoseconds(1_000_000_000)
        state.beginTurn(began)
        state.turnNow = began + limits.queueAgeMax + .nanoseconds(1)
        // What came first is answered however long the loop stood still.
        for _ in 0..<limits.queueFree { #expect(state.admits()) }
        #expect(!state.admits())
        state.turnNow = began + limits.queueAgeMax
        #expect(state.admits())
        // Something else that is read belongs to the same turn.
        state.beginTurn(began + limits.queueAgeMax + .nanoseconds(1))
        #expect(!state.admits())
        harness.loop.run()
        state.beginTurn(began + .seconds(1))
        for _ in 0..<limits.queueFree + 1 { #expect(state.admits()) }
    }

    @Test func whatIsShedIsRefusedAtOnceAndTheConnectionStays() throws {
        var limits = HTTPLimits()
        limits.queueAgeMax = .nanoseconds(-1)
        limits.queueFree = 2
        let harness = try Harness(limits)
        try harness.send(get("/a") + get("/b") + get("/c") + "HEAD /d HTTP/1.1\r\nHost: h\r\n\r\n")
        let received = try answers(harness.received(), heads: [3])
        #expect(received.map(\.status) == [200, 200, 503, 503])
        #expect(received[2].fields["Retry-After"] == "1")
        #expect(received[2].fields["Content-Type"] == "application/problem+json")
        #expect(received[2].fields["Cache-Control"] == "no-store")
        #expect(harness.observer.counts.shed == [.queueAge, .queueAge])
        #expect(harness.observer.counts.statuses == [200, 200, 503, 503])
        #expect(harness.isOpen)
        try harness.send(get("/e"))
        #expect(try answers(harness.received()).map(\.body) == ["/e"])
    }

    @Test func answersThatWaitForEarlierOnesAreLimitedInBytes() throws {
        var limits = HTTPLimits()
        limits.heldBytesMax = 400
        let harness = try Harness(limits)
        let large = "/" + String(repeating: "x", count: 300)
        try harness.send(get("/later0") + get(large) + get(large))
        #expect(harness.state.heldBytes > 300)
        harness.answerLater(0)
        let received = try answers(harness.received())
        #expect(received.map(\.status) == [200, 200, 503])
        #expect(received[1].body == large)
        #expect(harness.observer.counts.shed == [.heldBytes])
        #expect(harness.observer.counts.statuses == [200, 503, 200])
        #expect(harness.state.heldBytes == 0)
    }

    @Test func aConnectionThatClosesGivesItsHeldBytesBack() throws {
        let harness = try Harness()
        try harness.send(get("/later0") + get("/b"))
        #expect(harness.state.heldBytes > 0)
        _ = try harness.channel.finish(acceptAlreadyClosed: true)
        #expect(harness.state.heldBytes == 0)
    }
}
