// Updates of events at a steady rate: each one a whole message with another minute, as a live match brings it.

import Foundation
import Model
public import Synchronization

/// Made of a source's events. Used by the thread that polls, but for `rate` and `total`.
///
/// `@unchecked Sendable`: the other threads reach these two atomics alone.
public final class UpdateStream: @unchecked Sendable {
    /// How long the poll waits where nothing is due: a batch a millisecond, as a busy topic brings them.
    private static let pauseNs = 1_000_000

    /// Updates a second; 0 for none.
    public let rate = Atomic<Int>(0)
    /// Handed over since the start.
    public let total = Atomic<Int>(0)
    private let bytes: [UInt8]
    private let messages: [PreparedMessage]
    private var next = 0
    private var current = 0
    private var began: UInt64 = 0
    private var given = 0

    /// `count` events, spread over the offer by a fixed step, each in two versions.
    public init(of source: PreparedSource, count: Int) {
        let events = source.events
        // A step without a common divisor visits all events before it repeats one.
        let step = 1_000_003
        var all: [UInt8] = []
        var messages: [PreparedMessage] = []
        for version in 0..<2 {
            for index in 0..<min(count, events.count) {
                let event = events[index * step % events.count]
                var message = event
                let start = all.count
                all += source.bytes[event.key]
                message.key = start..<all.count
                all += source.bytes[event.value].dropLast()
                all += Array(",\"period\":\"2H\",\"minute\":\(46 + version + index % 40)}".utf8)
                message.value = message.key.upperBound..<all.count
                messages.append(message)
            }
        }
        bytes = all
        self.messages = messages
    }

    func poll(
        recordsMax: Int, timeoutMs: Int, _ hand: (PreparedMessage, [UInt8]) -> Void
    ) {
        let wanted = rate.load(ordering: .relaxed)
        if wanted != current { (current, began, given) = (wanted, Self.nowNs(), 0) }
        guard wanted > 0 else { return Self.pause(timeoutMs * 1_000_000) }
        let due = Int(Self.nowNs() - began) / 1_000 * wanted / 1_000_000 - given
        guard due > 0 else { return Self.pause(Self.pauseNs) }
        let count = min(due, recordsMax)
        for _ in 0..<count {
            hand(messages[next], bytes)
            next = next + 1 == messages.count ? 0 : next + 1
        }
        given += count
        total.wrappingAdd(count, ordering: .relaxed)
    }

    private static func nowNs() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func pause(_ nanoseconds: Int) {
        var time = timespec(tv_sec: 0, tv_nsec: nanoseconds)
        unsafe nanosleep(&time, nil)
    }
}
