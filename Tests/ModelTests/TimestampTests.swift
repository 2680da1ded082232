import Foundation
import Model
import TestSupport
import Testing

struct TimestampTests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.001Z", 1), ("1969-12-31T23:59:59.999Z", -1),
            ("1969-12-31T23:59:59Z", -1000), ("2025-08-16T14:00:00Z", 1_755_352_800_000),
            ("2025-08-16T16:00:00+02:00", 1_755_352_800_000), ("2025-08-16t07:30:00.0009-06:30", 1_755_352_800_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000), ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
            ("2024-02-29T23:59:59.5z", 1_709_251_199_500), ("1600-02-29T00:00:00Z", -11_670_998_400_000),
        ] as [(String, Int64)])
    func reads(_ text: String, _ milliseconds: Int64) {
        #expect(Timestamp(text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "Z", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00.", "1970-01-01T00:00:00.5",
        "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00X", "1970-01-01T00:00:00+", "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00+01:", "1970-01-01T00:00:00+01:0", "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+01:00Z", "1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00-00:60",
        "1970-01-01_00:00:00Z", "1970/01/01T00:00:00Z", "1970-01-01T00.00.00Z", "1970-00-01T00:00:00Z",
        "1970-13-01T00:00:00Z", "1970-01-00T00:00:00Z", "1970-01-32T00:00:00Z", "1970-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z", "1970-06-31T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:60Z", "0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
        "+970-01-01T00:00:00Z", "197a-01-01T00:00:00Z", "1970-01-01T00:00:00.5aZ", "1970-01-01T00:00:00 Z",
    ])
    func refuses(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test func writes() {
        #expect(Timestamp.earliest.description == "0001-01-01T00:00:00Z")
        #expect(Timestamp.latest.description == "9999-12-31T23:59:59.999Z")
        #expect(Timestamp(milliseconds: 7).description == "1970-01-01T00:00:00.007Z")
        #expect(Timestamp(milliseconds: -7).description == "1969-12-31T23:59:59.993Z")
    }

    @Test func roundTrips() {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        let range = Timestamp.earliest.milliseconds...Timestamp.latest.milliseconds
        for _ in 0..<20_000 {
            let time = Timestamp(milliseconds: Int64.random(in: range, using: &random))
            #expect(Timestamp(time.description) == time, "seed \(random.seed)")
        }
    }

    /// The first and the last day of every month of every year, days counted one month at a time.
    @Test func everyMonth() {
        var milliseconds = Timestamp.earliest.milliseconds
        for year in 1...9999 {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            for (index, length) in lengths.enumerated() {
                let month = "\(Self.padded(year, 4))-\(Self.padded(index + 1))"
                // One expectation for a month: there are 120,000 of them.
                let startsRight = Timestamp("\(month)-01T00:00:00Z")?.milliseconds == milliseconds
                milliseconds += Int64(length) * 86_400_000
                let last = Timestamp(milliseconds: milliseconds - 1).description
                let endsRight = last == "\(month)-\(length)T23:59:59.999Z"
                let isLast = Timestamp("\(month)-\(length + 1)T00:00:00Z") == nil
                if !(startsRight && endsRight && isLast) { Issue.record("\(month)") }
            }
        }
        #expect(milliseconds - 1 == Timestamp.latest.milliseconds)
    }

    /// Random times against Foundation's calendar, which is Julian before 1582-10-15.
    @Test func likeFoundation() {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        var calendar = Calendar(identifier: .iso8601)
        calendar.timeZone = .gmt
        let range = -12_219_292_800...253_402_300_799
        for _ in 0..<5_000 {
            let seconds = Int.random(in: range, using: &random)
            let date = Date(timeIntervalSince1970: Double(seconds))
            let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
            let text = [
                Self.padded(parts.year, 4), "-", Self.padded(parts.month), "-", Self.padded(parts.day), "T",
                Self.padded(parts.hour), ":", Self.padded(parts.minute), ":", Self.padded(parts.second), "Z",
            ].joined()
            #expect(Timestamp(milliseconds: Int64(seconds) * 1000).description == text, "seed \(random.seed)")
        }
    }

    private static func padded(_ value: Int?, _ digits: Int = 2) -> String {
        String(("000" + String(value ?? 0)).suffix(digits))
    }
}
