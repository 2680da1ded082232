// Time for the reference: days are counted by walking over years and months, slow and plainly right.

private func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

private func monthLengths(_ year: Int) -> [Int] { isLeap(year) ? leapMonths : plainMonths }
private let plainMonths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
private let leapMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/// The days from 0001-01-01 to the first day of each year up to 10000.
private let yearStarts: [Int] = {
    var starts = [0, 0]
    for year in 1...9999 { starts.append(starts[year] + (isLeap(year) ? 366 : 365)) }
    return starts
}()

private let epochDay = yearStarts[1970]
private let dayMs: Int64 = 86_400_000

/// Milliseconds since 1970 of an RFC 3339 text; nil where the contract calls it malformed.
public func referenceMilliseconds(_ text: [UInt8]) -> Int64? {
    guard text.count >= 20 else { return nil }
    func number(_ from: Int, _ length: Int) -> Int? {
        guard from + length <= text.count else { return nil }
        var value = 0
        for index in from..<from + length {
            guard (0x30...0x39).contains(text[index]) else { return nil }
            value = value * 10 + Int(text[index] - 0x30)
        }
        return value
    }
    guard let year = number(0, 4), let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2),
        let minute = number(14, 2), let second = number(17, 2), text[4] == 0x2D, text[7] == 0x2D,
        text[10] == 0x54 || text[10] == 0x74, text[13] == 0x3A, text[16] == 0x3A,
        (1...12).contains(month), day >= 1, day <= monthLengths(year)[month - 1], hour < 24, minute < 60, second < 60
    else { return nil }
    var index = 19
    var fraction = 0
    if text[index] == 0x2E {
        index += 1
        let start = index
        while index < text.count, (0x30...0x39).contains(text[index]) { index += 1 }
        guard index > start else { return nil }
        let digits = text[start..<index].prefix(3).map { Int($0 - 0x30) } + [0, 0]
        fraction = digits[0] * 100 + digits[1] * 10 + digits[2]
    }
    guard index < text.count else { return nil }
    var offset = 0
    if text[index] == 0x5A || text[index] == 0x7A {
        index += 1
    } else {
        guard text[index] == 0x2B || text[index] == 0x2D, let hours = number(index + 1, 2), hours < 24,
            index + 3 < text.count, text[index + 3] == 0x3A, let minutes = number(index + 4, 2), minutes < 60
        else { return nil }
        offset = (text[index] == 0x2D ? -1 : 1) * (hours * 60 + minutes)
        index += 6
    }
    guard index == text.count else { return nil }
    let days = (year == 0 ? -366 : yearStarts[year]) + monthLengths(year)[..<(month - 1)].reduce(0, +) + day - 1
    let minutes = (days * 24 + hour) * 60 + minute - offset
    let milliseconds = Int64(minutes * 60 + second) * 1000 + Int64(fraction)
    guard milliseconds >= 0, milliseconds < Int64(yearStarts[10_000]) * dayMs else { return nil }
    return milliseconds - Int64(epochDay) * dayMs
}

/// The same of a string that the test itself wrote.
public func referenceMilliseconds(_ text: String) -> Int64 {
    guard let milliseconds = referenceMilliseconds(Array(text.utf8)) else { preconditionFailure("no time: \(text)") }
    return milliseconds
}

/// The UTC text, with three digits of milliseconds only where they are not zero.
func referenceTimeText(_ milliseconds: Int64) -> String {
    let sinceFirst = milliseconds + Int64(epochDay) * dayMs
    var day = Int(sinceFirst / dayMs)
    let inDay = Int(sinceFirst % dayMs)
    var year = max(day / 366, 1)
    while yearStarts[year + 1] <= day { year += 1 }
    day -= yearStarts[year]
    var month = 0
    while day >= monthLengths(year)[month] {
        day -= monthLengths(year)[month]
        month += 1
    }
    func padded(_ value: Int, _ digits: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: digits - text.count) + text
    }
    let date = "\(padded(year, 4))-\(padded(month + 1, 2))-\(padded(day + 1, 2))"
    let time = "\(padded(inDay / 3_600_000, 2)):\(padded(inDay / 60_000 % 60, 2)):\(padded(inDay / 1000 % 60, 2))"
    return date + "T" + time + (inDay % 1000 == 0 ? "" : "." + padded(inDay % 1000, 3)) + "Z"
}
