// A JSON reader written only from RFC 8259, byte by byte: slow, plain and independent of simdjson. Foundation's would
// not do: it takes commas too many and does not say how a number was written.

indirect enum SlowJSON {
    case null
    case bool
    /// As it was written.
    case number(String)
    case text(String)
    case list([SlowJSON])
    /// Of a repeated key the last.
    case object([String: SlowJSON])

    struct Malformed: Error {}

    /// Nil where `bytes` is not exactly one JSON value.
    init?(_ bytes: [UInt8]) {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var reader = Reader(bytes: bytes)
        guard let value = try? reader.value() else { return nil }
        reader.skipSpace()
        guard reader.next == nil else { return nil }
        self = value
    }

    private struct Reader {
        let bytes: [UInt8]
        var index = 0

        var next: Character? { index < bytes.count ? Character(Unicode.Scalar(bytes[index])) : nil }

        mutating func skipSpace() {
            while let next, [" ", "\t", "\n", "\r"].contains(next.unicodeScalars.first) { index += 1 }
        }

        mutating func take(_ word: String) throws {
            guard bytes[index...].starts(with: Array(word.utf8)) else { throw Malformed() }
            index += word.utf8.count
        }

        mutating func value() throws -> SlowJSON {
            skipSpace()
            switch next {
            case "{": return .object(try object())
            case "[": return .list(try list())
            case "\"": return .text(try text())
            case "t": return try literal("true", .bool)
            case "f": return try literal("false", .bool)
            case "n": return try literal("null", .null)
            default: return .number(try number())
            }
        }

        mutating func literal(_ word: String, _ value: SlowJSON) throws -> SlowJSON {
            try take(word)
            return value
        }

        mutating func object() throws -> [String: SlowJSON] {
            var members: [String: SlowJSON] = [:]
            try take("{")
            skipSpace()
            if next == "}" { return try close("}", members) }
            while true {
                skipSpace()
                let name = try text()
                skipSpace()
                try take(":")
                members[name] = try value()
                skipSpace()
                if next == "}" { return try close("}", members) }
                try take(",")
            }
        }

        mutating func list() throws -> [SlowJSON] {
            var elements: [SlowJSON] = []
            try take("[")
            skipSpace()
            if next == "]" { return try close("]", elements) }
            while true {
                elements.append(try value())
                skipSpace()
                if next == "]" { return try close("]", elements) }
                try take(",")
            }
        }

        mutating func close<T>(_ bracket: String, _ value: T) throws -> T {
            try take(bracket)
            return value
        }

        mutating func number() throws -> String {
            let start = index
            if next == "-" { index += 1 }
            if next == "0" { index += 1 } else { try digits() }
            if next == "." {
                index += 1
                try digits()
            }
            if next == "e" || next == "E" {
                index += 1
                if next == "+" || next == "-" { index += 1 }
                try digits()
            }
            return String(decoding: bytes[start..<index], as: UTF8.self)
        }

        mutating func digits() throws {
            let start = index
            while let next, ("0"..."9").contains(next) { index += 1 }
            guard index > start else { throw Malformed() }
        }

        mutating func text() throws -> String {
            try take("\"")
            // UTF-16, since that is what an escape names. The bytes in between are known to be UTF-8.
            var units: [UInt16] = []
            var plain: [UInt8] = []
            while let byte = index < bytes.count ? bytes[index] : nil {
                index += 1
                guard byte == 0x22 || byte == 0x5C else {
                    guard byte >= 0x20 else { throw Malformed() }
                    plain.append(byte)
                    continue
                }
                units += Array(String(decoding: plain, as: UTF8.self).utf16)
                plain = []
                if byte == 0x5C {
                    units.append(try escape())
                    continue
                }
                guard let text = String(validating: units, as: UTF16.self) else { throw Malformed() }
                return text
            }
            throw Malformed()
        }

        mutating func escape() throws -> UInt16 {
            let simple: [Character: UInt16] = [
                "\"": 0x22, "\\": 0x5C, "/": 0x2F, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9,
            ]
            guard let letter = next else { throw Malformed() }
            index += 1
            if let unit = simple[letter] { return unit }
            let digits = bytes[index...].prefix(4)
            guard letter == "u", digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
            else { throw Malformed() }
            index += 4
            return unit
        }
    }
}
