// Random numbers that a test can repeat: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, 2014).

public import Foundation

/// A generator of fixed seed. A test that uses one prints the seed when it fails.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    public let seed: UInt64
    private var state: UInt64

    public init(seed: UInt64) {
        self.seed = seed
        self.state = seed
    }

    /// The seed of `FAVORITES_TEST_SEED`, or else a random one.
    public static func forTest(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> SeededGenerator {
        SeededGenerator(
            seed: environment["FAVORITES_TEST_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64.max))
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
