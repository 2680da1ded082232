// The Date header (RFC 9110, section 5.6.7), written once a second for each event loop.

/// A header line `Date: Sun, 06 Nov 1994 08:49:37 GMT` with its CR LF.
public struct DateLine: Sendable {
    public static let bytesCount = 37

    public private(set) var bytes = InlineArray<37, UInt8>(repeating: 0x20)

    /// `seconds` since 1970-01-01T00:00:00Z, from 0 to the end of the year 9999; others are taken as the nearest.
    public init(seconds: Int64) {
        let seconds = min(max(seconds, 0), 253_402_300_799)
        let days = Int(seconds / 86_400)
        let time = Int(seconds % 86_400)
        let (year, month, day) = Self.civil(days)
        var position = 0
        // 1970-01-01 was a Thursday.
        put("Date: ", &position)
        put("SunMonTueWedThuFriSat", part: (days + 4) % 7, &position)
        put(", ", &position)
        put(day, digits: 2, &position)
        put(" ", &position)
        put("JanFebMarAprMayJunJulAugSepOctNovDec", part: month - 1, &position)
        put(" ", &position)
        put(year, digits: 4, &position)
        put(" ", &position)
        put(time / 3_600, digits: 2, &position)
        put(":", &position)
        put(time / 60 % 60, digits: 2, &position)
        put(":", &position)
        put(time % 60, digits: 2, &position)
        put(" GMT\r\n", &position)
    }

    /// Year, month and day of a day since 1970, by Howard Hinnant's `civil_from_days`: years begin in March, so that
    /// the leap day is the last (http://howardhinnant.github.io/date_algorithms.html).
    private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }

    private mutating func put(_ text: StaticString, _ position: inout Int) {
        put(text, from: 0, count: text.utf8CodeUnitCount, &position)
    }

    /// The `part`th three letters of `names`.
    private mutating func put(_ names: StaticString, part: Int, _ position: inout Int) {
        put(names, from: 3 * part, count: 3, &position)
    }

    private mutating func put(_ text: StaticString, from start: Int, count: Int, _ position: inout Int) {
        precondition(start + count <= text.utf8CodeUnitCount)
        for index in start..<start + count {
            unsafe bytes[position] = text.utf8Start[index]
            position += 1
        }
    }

    private mutating func put(_ value: Int, digits: Int, _ position: inout Int) {
        var rest = value
        for index in stride(from: position + digits - 1, through: position, by: -1) {
            bytes[index] = 0x30 + UInt8(rest % 10)
            rest /= 10
        }
        position += digits
    }
}
