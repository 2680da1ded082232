// Popularity: few ids are asked often, most rarely.

import Glibc

/// Ranks 0, 1, 2 … by Zipf's law: rank k comes up in proportion to 1 / (k + 1)^theta. The method is that of Gray et al.,
/// "Quickly generating billion-record synthetic databases" (1994), which YCSB uses too: two powers a draw, no table.
package struct Zipf: Sendable {
    private let count: Int
    private let theta: Double
    private let zeta: Double
    private let alpha: Double
    private let eta: Double

    /// - Parameter theta: between 0 (all alike) and 1, both excluded.
    package init(count: Int, theta: Double = 0.99) {
        precondition(count > 0 && theta > 0 && theta < 1)
        self.count = count
        self.theta = theta
        zeta = (1...count).reduce(0) { $0 + 1 / pow(Double($1), theta) }
        alpha = 1 / (1 - theta)
        let zetaOfTwo = 1 + 1 / pow(2, theta)
        eta = (1 - pow(2 / Double(count), 1 - theta)) / (1 - zetaOfTwo / zeta)
    }

    package func draw(_ random: inout some RandomNumberGenerator) -> Int {
        let uniform = unitInterval(&random)
        let scaled = uniform * zeta
        if scaled < 1 || count == 1 { return 0 }
        if scaled < 1 + pow(0.5, theta) || count == 2 { return 1 }
        return min(Int(Double(count) * pow(eta * uniform - eta + 1, alpha)), count - 1)
    }
}

/// A number from 0 to below 1. Written out, since the standard library does not promise the same numbers for a seed.
package func unitInterval(_ random: inout some RandomNumberGenerator) -> Double {
    Double(random.next() >> 11) * 0x1p-53
}

/// A number from 0 to below `count`.
package func below(_ count: Int, _ random: inout some RandomNumberGenerator) -> Int {
    Int(random.next().multipliedFullWidth(by: UInt64(count)).high)
}

/// Puts a list into random order, the same one for the same seed.
package func shuffle<Element>(_ list: inout [Element], _ random: inout some RandomNumberGenerator) {
    for index in list.indices.dropFirst() { list.swapAt(index, below(index + 1, &random)) }
}
