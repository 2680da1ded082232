// A point in time, to the millisecond, and its text form (RFC 3339). The calendar arithmetic is Howard Hinnant's
// (https://howardhinnant.github.io/date_algorithms.html): exact, without tables or a time zone database.

/// Milliseconds since 1970-01-01T00:00:00Z, of a year 0001 to 9999.
@frozen
public struct Timestamp: Hashable, Comparable, Sendable, BitwiseCopyable {
    public let milliseconds: Int64

    /// 0001-01-01T00:00:00.000Z
    public static let earliest = Timestamp(milliseconds: -62_135_596_800_000)
    /// 9999-12-31T23:59:59.999Z
    public static let latest = Timestamp(milliseconds: 253_402_300_799_999)

    @inlinable
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    @inlinable
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }

    /// Reads RFC 3339: any offset, an optional fraction whose digits past the millisecond are cut, no leap second.
    /// Nil where the text is malformed, names a day that does not exist, or leaves the years 0001 to 9999 in UTC.
    public init?(_ text: Span<UInt8>) {
        guard text.count >= 20,
            let year = text.digits(0, 4), text[4] == 0x2D,
            let month = text.digits(5, 2), text[7] == 0x2D,
            let day = text.digits(8, 2), text[10] | 0x20 == 0x74,
            let hour = text.digits(11, 2), text[13] == 0x3A,
            let minute = text.digits(14, 2), text[16] == 0x3A,
            let second = text.digits(17, 2),
            (1...12).contains(month), day >= 1, day <= Self.days(inMonth: month, year: year),
            hour <= 23, minute <= 59, second <= 59
        else { return nil }
        var index = 19
        guard let fraction = text.fraction(&index), let offset = text.offsetMinutes(&index), index == text.count
        else { return nil }
        let minutes = (Self.daysSinceEpoch(year: year, month: month, day: day) * 24 + hour) * 60 + minute - offset
        let milliseconds = Int64((minutes * 60 + second) * 1000 + fraction)
        guard milliseconds >= Self.earliest.milliseconds, milliseconds <= Self.latest.milliseconds else { return nil }
        self.milliseconds = milliseconds
    }

    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(bytes.span)
    }

    /// The UTC form, with three digits of milliseconds only where they are not zero: 20 or 24 bytes.
    public var text: (bytes: InlineArray<24, UInt8>, count: Int) {
        let inDay = Int(Self.floorModulo(milliseconds, 86_400_000))
        let date = Self.date(daysSinceEpoch: (Int(milliseconds) - inDay) / 86_400_000)
        var bytes = InlineArray<24, UInt8>(repeating: 0x5A)
        Self.write(date.year / 100, at: 0, in: &bytes)
        Self.write(date.year % 100, at: 2, in: &bytes)
        bytes[4] = 0x2D
        Self.write(date.month, at: 5, in: &bytes)
        bytes[7] = 0x2D
        Self.write(date.day, at: 8, in: &bytes)
        bytes[10] = 0x54
        Self.write(inDay / 3_600_000, at: 11, in: &bytes)
        bytes[13] = 0x3A
        Self.write(inDay / 60_000 % 60, at: 14, in: &bytes)
        bytes[16] = 0x3A
        Self.write(inDay / 1000 % 60, at: 17, in: &bytes)
        let fraction = inDay % 1000
        guard fraction != 0 else { return (bytes, 20) }
        bytes[19] = 0x2E
        bytes[20] = 0x30 + UInt8(truncatingIfNeeded: fraction / 100)
        Self.write(fraction % 100, at: 21, in: &bytes)
        return (bytes, 24)
    }

    public func append(to bytes: inout [UInt8]) {
        let text = text
        for index in 0..<text.count { bytes.append(text.bytes[index]) }
    }

    /// Two digits.
    private static func write(_ value: Int, at index: Int, in bytes: inout InlineArray<24, UInt8>) {
        bytes[index] = 0x30 + UInt8(truncatingIfNeeded: value / 10)
        bytes[index + 1] = 0x30 + UInt8(truncatingIfNeeded: value % 10)
    }

    static func floorModulo(_ value: Int64, _ modulus: Int64) -> Int64 {
        let rest = value % modulus
        return rest < 0 ? rest + modulus : rest
    }

    static func days(inMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func date(daysSinceEpoch: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthShifted = (5 * dayOfYear + 2) / 153
        let month = monthShifted < 10 ? monthShifted + 3 : monthShifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthShifted + 2) / 5 + 1)
    }
}

extension Timestamp: CustomStringConvertible {
    public var description: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Span<UInt8> {
    /// The value of `length` ASCII digits at `start`; nil where a byte is no digit. The caller checked the length.
    fileprivate func digits(_ start: Int, _ length: Int) -> Int? {
        var value = 0
        for index in start..<start + length {
            let digit = self[index] &- 0x30
            guard digit <= 9 else { return nil }
            value = value * 10 + Int(digit)
        }
        return value
    }

    /// The milliseconds of an optional `.ddd…` at `index`, which moves behind it; nil where the dot has no digit.
    fileprivate func fraction(_ index: inout Int) -> Int? {
        guard index < count, self[index] == 0x2E else { return 0 }
        index += 1
        let start = index
        var value = 0
        while index < count, self[index] &- 0x30 <= 9 {
            if index - start < 3 { value = value * 10 + Int(self[index] - 0x30) }
            index += 1
        }
        guard index > start else { return nil }
        for _ in Swift.min(index - start, 3)..<3 { value *= 10 }
        return value
    }

    /// The minutes east of UTC of a `Z` or `±hh:mm` at `index`, which moves behind it.
    fileprivate func offsetMinutes(_ index: inout Int) -> Int? {
        guard index < count else { return nil }
        let sign = self[index]
        if sign | 0x20 == 0x7A {
            index += 1
            return 0
        }
        guard sign == 0x2B || sign == 0x2D, index + 6 <= count, self[index + 3] == 0x3A,
            let hours = digits(index + 1, 2), let minutes = digits(index + 4, 2), hours <= 23, minutes <= 59
        else { return nil }
        index += 6
        return (sign == 0x2D ? -1 : 1) * (hours * 60 + minutes)
    }
}
