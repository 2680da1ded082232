import Foundation
import Model
import Testing

@testable import Store

/// Keys that come and go. FAVORITES_TEST_CHURN sets how many; the full size is 20 million, in release.
@Suite struct ChurnTests {
    /// Resident bytes; 0 where the system does not tell.
    private static func resident() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    @Test func memoryStaysFlat() {
        let keys = ProcessInfo.processInfo.environment["FAVORITES_TEST_CHURN"].flatMap { Int($0) } ?? 40_000
        let alive = min(10_000, keys / 10)
        let fixture = Fixture(partitions: 4)
        var settled = (capacity: 0, resident: 0, bytes: 0)
        let clock = ContinuousClock()
        let began = clock.now
        for key in 0..<keys {
            // Each event names a stage and a team that no message ever makes known.
            fixture.event(
                "e\(key)", partition: key & 3, stage: "s\(key)", start: Int64(key),
                teams: ["known\(key % 100)", "u\(key)"])
            if key >= alive {
                #expect(fixture.delete(event: "e\(key - alive)", partition: (key - alive) & 3) == .deleted)
            }
            if key % 500 == 499 { fixture.writer.reclaim() }
            if key == min(keys / 2, 1_000_000) {
                settled = (fixture.writer.tableCapacity, Self.resident(), fixture.writer.memoryBytes)
            }
        }
        let end = (capacity: fixture.writer.tableCapacity, resident: Self.resident(), bytes: fixture.writer.memoryBytes)
        print("churn: \(keys) keys in \(clock.now - began); settled \(settled), at the end \(end)")
        #expect(fixture.writer.count(.event) == alive)
        #expect(end.capacity <= settled.capacity + settled.capacity / 8)
        #expect(end.bytes < settled.bytes * 5 / 4)
        // The allocator and other tests of the process have their share; a leak of one byte a key would not fit.
        if keys >= 10_000_000 { #expect(end.resident < settled.resident + 16 << 20) }
        for key in keys - alive..<keys { fixture.delete(event: "e\(key)", partition: key & 3) }
        fixture.expectEmpty()
    }
}
