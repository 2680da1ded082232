// Counter and Gauge: one atomic word each. Written by any thread, read by the thread that renders the exposition.

import Synchronization

/// A number that only rises.
public final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    init() {}

    /// Adds `amount`. Relaxed: a plain statistic, see the module's header.
    public func add(_ amount: UInt64 = 1) { count.wrappingAdd(amount, ordering: .relaxed) }

    public var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A whole number that rises and falls: connections, bytes, entries.
public final class Gauge: Sendable {
    private let number = Atomic<Int>(0)

    init() {}

    /// Relaxed, like every access here: a plain statistic, see the module's header.
    public func set(_ value: Int) { number.store(value, ordering: .relaxed) }

    public func add(_ amount: Int) { number.wrappingAdd(amount, ordering: .relaxed) }

    public var value: Int { number.load(ordering: .relaxed) }
}
