import Simulation
import TestSupport
import Testing

struct ClusterSimulationTests {
    /// A few of the seeds of `make sim`, others each time. CI runs some hundred more in a release build.
    @Test(arguments: 0..<4)
    func allHolds(round: Int) {
        let first = SeededGenerator.forTest().seed >> 16
        for seed in first..<first + 5 {
            let result = Simulation.run(seed: seed)
            #expect(result.failure == nil, "make sim SEED=\(seed)")
            #expect(result.answered > 0, "seed \(seed)")
        }
    }

    /// The same seed gives the same run, or a failure could not be repeated.
    @Test func aSeedIsARun() {
        var options = SimulationOptions()
        options.traces = true
        let first = Simulation.run(seed: 7, options)
        let second = Simulation.run(seed: 7, options)
        #expect(first.trace == second.trace)
        #expect(first.answered == second.answered)
        #expect(first.trace.count > 10)
    }

    /// The proof that the checks can fail: a node that drops before the others are ready is found out, and so is an
    /// autoscaler that flaps, or does too much.
    @Test(arguments: BrokenPart.allCases)
    func aBrokenMachineIsCaught(part: BrokenPart) {
        var options = SimulationOptions()
        options.broken = part
        let caught = (1...100 as ClosedRange<UInt64>).first { Simulation.run(seed: $0, options).failure != nil }
        #expect(caught != nil)
    }
}
