// Finds the highest rate that holds a latency: rates rise by half until one fails, then the gap is halved.

package struct RampStep: Codable, Sendable, Equatable {
    package var offered: Double
    package var rate: Double
    package var p50Us: Double
    package var p99Us: Double
    package var failed: Int
    package var holds: Bool
    package var generatorSaturated: Bool

    package init(
        offered: Double, rate: Double, p50Us: Double, p99Us: Double, failed: Int, holds: Bool,
        generatorSaturated: Bool = false
    ) {
        self.offered = offered
        self.rate = rate
        self.p50Us = p50Us
        self.p99Us = p99Us
        self.failed = failed
        self.holds = holds
        self.generatorSaturated = generatorSaturated
    }

    /// A step holds where nothing failed, 99 of 100 are as fast as asked, and what was offered was answered.
    package init(_ report: Report, p99Us limit: Double) {
        let offered = report.offeredRate ?? 0
        self.init(
            offered: offered, rate: report.rate, p50Us: report.p50Us, p99Us: report.p99Us, failed: report.failed,
            holds: report.failed == 0 && report.wrong == 0 && report.p99Us <= limit && report.rate >= 0.97 * offered,
            generatorSaturated: report.generatorSaturated)
    }
}

/// The search without the load: `next` says which rate to try, `add` takes what it gave.
package struct Ramp: Sendable {
    /// The highest rate that held and the lowest that failed are this close at the end.
    private static let precision = 1.05
    private static let growth = 1.5
    /// Enough to go from 100 to 10 million and back.
    private static let stepsMax = 40

    package private(set) var steps: [RampStep] = []
    /// The highest rate that held.
    package private(set) var best: RampStep?
    private var failed: Double?
    /// A step that failed once is tried again: one hiccup of the machine is no limit of the server.
    private var isSecondTry = false
    private var rate: Double

    package init(from rate: Double) { self.rate = rate }

    /// Nil at the end.
    package var next: Double? {
        guard steps.count < Self.stepsMax, rate >= 1 else { return nil }
        if let best, let failed, failed / best.offered < Self.precision { return nil }
        return rate
    }

    package mutating func add(_ step: RampStep) {
        steps.append(step)
        if !step.holds, !isSecondTry {
            isSecondTry = true
            return
        }
        isSecondTry = false
        if step.holds { best = step } else { failed = step.offered }
        switch (best?.offered, failed) {
        case (let best?, let failed?): rate = (best * failed).squareRoot()
        case (let best?, nil): rate = best * Self.growth
        case (nil, let failed?): rate = failed / 2
        case (nil, nil): break
        }
    }

    package var text: String {
        let rows = steps.map { step in
            [
                grouped(Int(step.offered)), grouped(Int(step.rate)), grouped(Int(step.p50Us)),
                grouped(Int(step.p99Us)), grouped(step.failed),
                (step.holds ? "holds" : "fails") + (step.generatorSaturated ? ", generator saturated" : ""),
            ]
        }
        let header = ["offered/s", "answered/s", "p50 µs", "p99 µs", "failed", ""]
        let table = ([header] + rows).map { row in
            row.enumerated().map { place, cell in
                place == row.count - 1 ? cell : String(repeating: " ", count: max(0, 12 - cell.count)) + cell
            }.joined(separator: "  ")
        }
        let result = best.map { "highest rate that holds: \(grouped(Int($0.offered)))/s" } ?? "no rate holds"
        let limit =
            steps.last { !$0.holds }?.generatorSaturated == true ? " (the generator's limit, not the server's)" : ""
        return table.joined(separator: "\n") + "\n" + result + limit + "\n"
    }
}
