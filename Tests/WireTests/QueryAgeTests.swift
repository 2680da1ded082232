import Testing

@testable import Wire

@Suite struct QueryAgeTests {
    @Test func whatAFrameTookBeyondTheFastestIsItsAge() {
        var age = QueryAge()
        // The router's clock is 1,000 ahead of the node's, the way there takes 3.
        #expect(age.received(sentMs: 1_100, nowMs: 110) == 0)
        #expect(age.received(sentMs: 1_200, nowMs: 203) == 0)
        #expect(age.received(sentMs: 1_300, nowMs: 303) == 0)
        #expect(age.received(sentMs: 1_300, nowMs: 350) == 47)
    }

    @Test func theFastestOfLongAgoIsForgotten() {
        var age = QueryAge()
        #expect(age.received(sentMs: 0, nowMs: 0) == 0)
        // The router's clock falls back by 40 against the node's within two windows.
        #expect(age.received(sentMs: QueryAge.windowMs - 20, nowMs: QueryAge.windowMs) == 20)
        #expect(age.received(sentMs: 2 * QueryAge.windowMs - 40, nowMs: 2 * QueryAge.windowMs) == 20)
        #expect(age.received(sentMs: 3 * QueryAge.windowMs - 40, nowMs: 3 * QueryAge.windowMs) == 0)
    }

    /// A night without a query, in which the clocks drifted by a second: the first ones of the morning are not late.
    @Test func anIdleNightMakesNoQueryOld() {
        var age = QueryAge()
        #expect(age.received(sentMs: 0, nowMs: 0) == 0)
        let night: UInt64 = 12 * 3_600_000
        #expect(age.received(sentMs: night - 1_000, nowMs: night) == 0)
        #expect(age.received(sentMs: night - 990, nowMs: night + 10) == 0)
        #expect(age.received(sentMs: night - 990, nowMs: night + 25) == 15)
    }

    @Test func whateverIsSentDoesNotTrap() {
        var age = QueryAge()
        for sent in [UInt64.max, 0, UInt64(Int64.max), UInt64(Int64.max) + 1] {
            _ = age.received(sentMs: sent, nowMs: 5)
        }
        #expect(age.received(sentMs: 5, nowMs: 5) <= .max)
    }
}
