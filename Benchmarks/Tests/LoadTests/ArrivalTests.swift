import Load
import TestSupport
import Testing

struct ArrivalTests {
    @Test func constantArrivalsDoNotDrift() {
        var schedule = ArrivalSchedule(.constant, rate: 3, seed: 1)
        let times = (0..<3_000).map { _ in schedule.next() }
        #expect(times[0] == 333_333_333)
        #expect(times[2] == 1_000_000_000)
        #expect(times[2_999] == 1_000_000_000_000)
    }

    @Test func poissonArrivalsHaveTheRateAndItsSpread() {
        var schedule = ArrivalSchedule(.poisson, rate: 1_000, seed: 7)
        let times = (0..<100_000).map { _ in schedule.next() }
        let gaps = zip(times, times.dropFirst()).map { Double($1 - $0) / 1e6 }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let deviation = (gaps.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(gaps.count)).squareRoot()
        #expect(gaps.allSatisfy { $0 >= 0 })
        #expect(abs(mean - 1) < 0.02)
        // Exponential gaps: the deviation is the mean. Equal ones would have none.
        #expect(abs(deviation - 1) < 0.02)
    }

    @Test func theSeedDecides() {
        func times(_ seed: UInt64) -> [Int64] {
            var schedule = ArrivalSchedule(.poisson, rate: 1_000, seed: seed)
            return (0..<10).map { _ in schedule.next() }
        }
        #expect(times(1) == times(1))
        #expect(times(1) != times(2))
    }
}

struct ZipfTests {
    @Test(arguments: [3, 10, 1_000])
    func ranksComeUpByTheLaw(count: Int) {
        let zipf = Zipf(count: count)
        var random = SeededGenerator(seed: 3)
        var seen = [Int](repeating: 0, count: count)
        let draws = 200_000
        for _ in 0..<draws { seen[zipf.draw(&random)] += 1 }
        let zeta = (1...count).reduce(0.0) { $0 + 1 / power(Double($1)) }
        // The method is exact for the first two ranks.
        #expect(abs(Double(seen[0]) / Double(draws) - 1 / zeta) < 0.01)
        #expect(abs(Double(seen[1]) / Double(draws) - 1 / power(2) / zeta) < 0.01)
        #expect(seen.allSatisfy { $0 > 0 } || count == 1_000)
        #expect(seen[0] > seen[1] && seen[1] > seen[2])
    }

    @Test(arguments: [1, 2])
    func fewRanks(count: Int) {
        let zipf = Zipf(count: count)
        var random = SeededGenerator(seed: 3)
        #expect((0..<1_000).allSatisfy { _ in (0..<count).contains(zipf.draw(&random)) })
    }

    /// x^0.99
    private func power(_ base: Double) -> Double {
        // x^0.99 = x / x^0.01, and x^0.01 by halving: no library that the code under test uses as well.
        var (low, high) = (1.0, max(1.0, base))
        for _ in 0..<200 {
            let middle = (low + high) / 2
            let hundredth = (0..<100).reduce(1.0) { product, _ in product * middle }
            if hundredth < base { low = middle } else { high = middle }
        }
        return base / low
    }

    @Test func shufflesKeepEverything() {
        var random = SeededGenerator(seed: 5)
        var list = Array(0..<100)
        shuffle(&list, &random)
        #expect(list != Array(0..<100))
        #expect(list.sorted() == Array(0..<100))
    }
}
