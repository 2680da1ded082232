// When requests are to be sent. The schedule does not know when answers come: that is what makes the loop open.

import Glibc
import TestSupport

package enum Arrivals: String, Sendable, CaseIterable {
    /// At equal distances.
    case constant
    /// At random, independent of each other, as the requests of many users are.
    case poisson
}

/// Nanoseconds from the beginning of a run, rising without end.
package struct ArrivalSchedule: Sendable {
    private let arrivals: Arrivals
    private let interval: Double
    private var random: SeededGenerator
    private var count = 0.0
    private var last = 0.0

    package init(_ arrivals: Arrivals, rate: Double, seed: UInt64) {
        precondition(rate > 0)
        self.arrivals = arrivals
        interval = 1e9 / rate
        random = SeededGenerator(seed: seed)
    }

    package mutating func next() -> Int64 {
        switch arrivals {
        case .constant:
            // From the count, so that rounding does not add up.
            count += 1
            last = count * interval
        case .poisson: last -= log(1 - unitInterval(&random)) * interval
        }
        return Int64(last)
    }
}
