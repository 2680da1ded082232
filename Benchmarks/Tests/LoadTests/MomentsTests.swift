import Load
import Testing

@Suite struct MomentsTests {
    private static let second: Int64 = 1_000_000_000

    /// A request each millisecond of 100 s: 1 ms, and 50 ms from second 20 to 30.
    private func moments(marks: [Int64]) -> Moments {
        var moments = Moments(window: 10 * Self.second..<110 * Self.second)
        for mark in marks { moments.mark(mark) }
        for due in stride(from: 0, to: 120 * Self.second, by: 1_000_000) {
            let isSlow = (20 * Self.second..<30 * Self.second).contains(due)
            moments.add(dueAt: due, latency: isSlow ? 50_000_000 : 1_000_000)
        }
        moments.add(dueAt: 25 * Self.second, latency: nil)
        return moments
    }

    @Test func withoutAMarkThereIsTheWhole() {
        let stretches = moments(marks: []).stretches()
        #expect(stretches.map(\.name) == ["whole"])
        #expect(stretches[0].answers == 100_000 && stretches[0].failed == 1)
        #expect(stretches[0].from == 0 && stretches[0].to == 100)
        #expect(stretches[0].p50Us == 1000 && stretches[0].p99Us == 50_000)
    }

    @Test func whatCameAfterAMarkIsTheMarks() {
        let stretches = moments(marks: [20 * Self.second, 35 * Self.second]).stretches()
        #expect(stretches.map(\.name) == ["whole", "before", "after 1", "after 2"])
        #expect(stretches[1].answers == 10_000 && stretches[1].failed == 0 && stretches[1].maxUs == 1000)
        #expect(stretches[2].answers == 15_000 && stretches[2].failed == 1 && stretches[2].p50Us == 50_000)
        // 30 s and no more, though the window goes on.
        #expect(stretches[3].from == 25 && stretches[3].to == 55 && stretches[3].maxUs == 1000)
    }

    @Test func marksOutsideTheWindowAreNone() {
        #expect(moments(marks: [5 * Self.second, 200 * Self.second]).stretches().map(\.name) == ["whole"])
    }

    @Test func percentilesAreOfWhatWasThere() {
        var moments = Moments(window: 0..<Self.second)
        for latency in 1...1000 { moments.add(dueAt: 0, latency: Int64(latency) * 1000) }
        let whole = moments.stretches()[0]
        #expect(whole.p50Us == 500 && whole.p99Us == 990 && whole.p999Us == 999 && whole.maxUs == 1000)
    }
}
