// Finds the key and the value's bytes in a line, checking its JSON on the way (RFC 8259). The value is not decoded:
// it goes to Kafka as it stands.

import Model

/// Why a line is no message.
struct BrokenLine: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// Reads `{"key":…,"value":…}`; nil where the line is blank. Of a repeated field the last counts; others are ignored.
func offerLine(_ line: Span<UInt8>) throws(BrokenLine) -> OfferLine? {
    var index = 0
    line.skipSpace(&index)
    guard index < line.count else { return nil }
    guard (try? UTF8Span(validating: line)) != nil else { throw BrokenLine("is not UTF-8") }
    var key: [UInt8]?
    var value: Range<Int>?
    try line.object(&index) { name, index throws(BrokenLine) in
        let start = index
        try line.skipValue(&index, depth: 1)
        if name == Array("value".utf8) { value = start..<index }
        guard name == Array("key".utf8) else { return }
        guard line[start] == UInt8(ascii: "\"") else { throw BrokenLine("\"key\" is no string") }
        var again = start
        key = try line.string(&again)
    }
    line.skipSpace(&index)
    guard index == line.count else { throw BrokenLine("has text behind the JSON object") }
    guard let key else { throw BrokenLine("has no \"key\"") }
    guard let value else { throw BrokenLine("has no \"value\"") }
    return .message(key: key, value: try line.messageValue(value))
}

extension Span<UInt8> {
    private static var depthMax: Int { 512 }

    /// Nil for `null`.
    fileprivate func messageValue(_ range: Range<Int>) throws(BrokenLine) -> [UInt8]? {
        switch self[range.lowerBound] {
        case UInt8(ascii: "n"): return nil
        case UInt8(ascii: "{"):
            let bytes = extracting(range)
            return unsafe [UInt8](unsafeUninitializedCapacity: bytes.count) { target, count in
                for index in 0..<bytes.count { unsafe target[index] = bytes[index] }
                count = bytes.count
            }
        default: throw BrokenLine("\"value\" is neither an object nor null")
        }
    }

    fileprivate func skipSpace(_ index: inout Int) {
        while index < count, self[index] <= 0x20, self[index] == 0x20 || self[index] == 0x09 || self[index] == 0x0D {
            index += 1
        }
    }

    private func expect(_ byte: Unicode.Scalar, _ index: inout Int) throws(BrokenLine) {
        guard index < count, self[index] == UInt8(ascii: byte) else {
            throw BrokenLine("is no JSON object: '\(byte)' expected at byte \(index + 1)")
        }
        index += 1
    }

    /// Calls `field` with each name, `index` at its value; `field` moves `index` behind it.
    fileprivate func object(
        _ index: inout Int, _ field: (_ name: [UInt8], _ index: inout Int) throws(BrokenLine) -> Void
    ) throws(BrokenLine) {
        try expect("{", &index)
        skipSpace(&index)
        if index < count, self[index] == UInt8(ascii: "}") {
            index += 1
            return
        }
        while true {
            skipSpace(&index)
            let name = try string(&index)
            skipSpace(&index)
            try expect(":", &index)
            skipSpace(&index)
            try field(name, &index)
            skipSpace(&index)
            guard index < count, self[index] == UInt8(ascii: ",") else { break }
            index += 1
        }
        try expect("}", &index)
    }

    fileprivate func skipValue(_ index: inout Int, depth: Int) throws(BrokenLine) {
        guard depth <= Self.depthMax else { throw BrokenLine("is nested deeper than \(Self.depthMax)") }
        guard index < count else { throw BrokenLine("ends within its JSON") }
        switch self[index] {
        case UInt8(ascii: "{"):
            try object(&index) { _, index throws(BrokenLine) in try skipValue(&index, depth: depth + 1) }
        case UInt8(ascii: "["): try skipArray(&index, depth: depth)
        case UInt8(ascii: "\""): try skipString(&index)
        case UInt8(ascii: "t"): try skipWord("true", &index)
        case UInt8(ascii: "f"): try skipWord("false", &index)
        case UInt8(ascii: "n"): try skipWord("null", &index)
        default: try skipNumber(&index)
        }
    }

    private func skipArray(_ index: inout Int, depth: Int) throws(BrokenLine) {
        try expect("[", &index)
        skipSpace(&index)
        if index < count, self[index] == UInt8(ascii: "]") {
            index += 1
            return
        }
        while true {
            skipSpace(&index)
            try skipValue(&index, depth: depth + 1)
            skipSpace(&index)
            guard index < count, self[index] == UInt8(ascii: ",") else { break }
            index += 1
        }
        try expect("]", &index)
    }

    private func skipWord(_ word: StaticString, _ index: inout Int) throws(BrokenLine) {
        guard index + word.utf8CodeUnitCount <= count,
            extracting(index..<index + word.utf8CodeUnitCount).equals(word)
        else { throw BrokenLine("is no JSON at byte \(index + 1)") }
        index += word.utf8CodeUnitCount
    }

    private func skipNumber(_ index: inout Int) throws(BrokenLine) {
        let start = index
        if index < count, self[index] == UInt8(ascii: "-") { index += 1 }
        let leading = index
        var good = skipDigits(&index) > 0 && (self[leading] != UInt8(ascii: "0") || index == leading + 1)
        if index < count, self[index] == UInt8(ascii: ".") {
            index += 1
            good = skipDigits(&index) > 0 && good
        }
        if index < count, self[index] | 0x20 == UInt8(ascii: "e") {
            index += 1
            if index < count, self[index] == UInt8(ascii: "+") || self[index] == UInt8(ascii: "-") { index += 1 }
            good = skipDigits(&index) > 0 && good
        }
        guard good else { throw BrokenLine("is no JSON at byte \(start + 1)") }
    }

    private func skipDigits(_ index: inout Int) -> Int {
        let start = index
        while index < count, self[index] &- 0x30 <= 9 { index += 1 }
        return index - start
    }

    private func skipString(_ index: inout Int) throws(BrokenLine) {
        try expect("\"", &index)
        while index < count, self[index] != UInt8(ascii: "\"") {
            guard self[index] >= 0x20 else { throw BrokenLine("has a control character at byte \(index + 1)") }
            if self[index] == UInt8(ascii: "\\") { try skipEscape(&index) } else { index += 1 }
        }
        try expect("\"", &index)
    }

    private func skipEscape(_ index: inout Int) throws(BrokenLine) {
        guard index + 1 < count else { throw BrokenLine("ends within its JSON") }
        switch self[index + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            index += 2
        case UInt8(ascii: "u") where hexadecimal(index + 2) != nil: index += 6
        default: throw BrokenLine("has a bad escape at byte \(index + 1)")
        }
    }

    private func hexadecimal(_ start: Int) -> UInt16? {
        guard start + 4 <= count else { return nil }
        var unit: UInt16 = 0
        for index in start..<start + 4 {
            guard let digit = Character(Unicode.Scalar(self[index])).hexDigitValue else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }

    /// The string at `index`, unescaped.
    fileprivate func string(_ index: inout Int) throws(BrokenLine) -> [UInt8] {
        let start = index + 1
        try skipString(&index)
        let text = extracting(start..<index - 1)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var at = 0
        while at < text.count {
            if text[at] != UInt8(ascii: "\\") {
                bytes.append(text[at])
                at += 1
            } else {
                try text.appendEscape(&at, to: &bytes)
            }
        }
        return bytes
    }

    /// Appends what the escape at `index`, already checked, stands for.
    private func appendEscape(_ index: inout Int, to bytes: inout [UInt8]) throws(BrokenLine) {
        let letter = self[index + 1]
        guard let unit = letter == UInt8(ascii: "u") ? hexadecimal(index + 2) : nil else {
            let plain: [UInt8: UInt8] = [0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09]
            bytes.append(plain[letter] ?? letter)
            index += 2
            return
        }
        index += 6
        var scalar = Unicode.Scalar(unit)
        if UTF16.isLeadSurrogate(unit), index + 1 < count, self[index] == UInt8(ascii: "\\"),
            self[index + 1] == UInt8(ascii: "u"), let low = hexadecimal(index + 2), UTF16.isTrailSurrogate(low)
        {
            index += 6
            scalar = Unicode.Scalar(0x10000 + (UInt32(unit) & 0x3FF) << 10 + UInt32(low) & 0x3FF)
        }
        guard let scalar else { throw BrokenLine("has a lone surrogate in a name or key") }
        bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
}
