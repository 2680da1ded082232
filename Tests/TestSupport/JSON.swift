// A small exact JSON reader (RFC 8259) for tests: of a repeated name the last counts, 64-bit integers stay exact, and
// lone surrogates, control characters and bytes that are not UTF-8 are refused. Foundation's is lax in each of these.

public indirect enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that fits 64 signed bits.
    case integer(Int64)
    /// Any other number.
    case number
    /// Unescaped UTF-8.
    case text([UInt8])
    case array([JSON])
    case object([String: JSON])

    public struct Malformed: Error {
        public let reason: String
    }

    public init(_ bytes: [UInt8]) throws(Malformed) {
        guard (try? UTF8Span(validating: bytes.span)) != nil else { throw Malformed(reason: "not UTF-8") }
        var parser = Parser(bytes: bytes)
        self = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.index == bytes.count else { throw Malformed(reason: "text behind the value") }
    }

    public subscript(name: String) -> JSON? {
        guard case .object(let fields) = self else { return nil }
        return fields[name]
    }
}

private struct Parser {
    let bytes: [UInt8]
    var index = 0
    /// Deeper text is refused, so that the reader's stack is bounded.
    static let depthMax = 256

    var byte: UInt8? { index < bytes.count ? bytes[index] : nil }

    mutating func skipSpace() {
        while index < bytes.count {
            let byte = bytes[index]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            index += 1
        }
    }

    mutating func take(_ expected: UInt8) -> Bool {
        guard index < bytes.count, bytes[index] == expected else { return false }
        index += 1
        return true
    }

    mutating func value(depth: Int) throws(JSON.Malformed) -> JSON {
        guard depth <= Self.depthMax else { throw JSON.Malformed(reason: "too deep") }
        skipSpace()
        switch byte {
        case 0x7B: return try object(depth: depth)
        case 0x5B: return try array(depth: depth)
        case 0x22: return .text(try text())
        case 0x74: return try word("true", .bool(true))
        case 0x66: return try word("false", .bool(false))
        case 0x6E: return try word("null", .null)
        default: return try number()
        }
    }

    mutating func object(depth: Int) throws(JSON.Malformed) -> JSON {
        var fields: [String: JSON] = [:]
        index += 1
        skipSpace()
        if take(0x7D) { return .object(fields) }
        repeat {
            skipSpace()
            guard byte == 0x22 else { throw JSON.Malformed(reason: "a field without name") }
            let name = String(decoding: try text(), as: UTF8.self)
            skipSpace()
            guard take(0x3A) else { throw JSON.Malformed(reason: "a field without colon") }
            fields[name] = try value(depth: depth + 1)
            skipSpace()
        } while take(0x2C)
        guard take(0x7D) else { throw JSON.Malformed(reason: "an object without end") }
        return .object(fields)
    }

    mutating func array(depth: Int) throws(JSON.Malformed) -> JSON {
        var values: [JSON] = []
        index += 1
        skipSpace()
        if take(0x5D) { return .array(values) }
        repeat {
            values.append(try value(depth: depth + 1))
            skipSpace()
        } while take(0x2C)
        guard take(0x5D) else { throw JSON.Malformed(reason: "an array without end") }
        return .array(values)
    }

    mutating func word(_ word: String, _ value: JSON) throws(JSON.Malformed) -> JSON {
        for expected in word.utf8 {
            guard take(expected) else { throw JSON.Malformed(reason: "an unknown word") }
        }
        return value
    }

    mutating func number() throws(JSON.Malformed) -> JSON {
        let start = index
        _ = take(0x2D)
        let first = index
        guard digits() > 0, bytes[first] != 0x30 || index == first + 1 else {
            throw JSON.Malformed(reason: "no value")
        }
        let integerEnd = index
        if take(0x2E), digits() == 0 { throw JSON.Malformed(reason: "a fraction without digits") }
        if take(0x65) || take(0x45) {
            if !take(0x2B) { _ = take(0x2D) }
            guard digits() > 0 else { throw JSON.Malformed(reason: "an exponent without digits") }
        }
        guard index == integerEnd, let value = Int64(String(decoding: bytes[start..<index], as: UTF8.self)) else {
            return .number
        }
        return .integer(value)
    }

    mutating func digits() -> Int {
        let start = index
        while let byte, (0x30...0x39).contains(byte) { index += 1 }
        return index - start
    }

    mutating func text() throws(JSON.Malformed) -> [UInt8] {
        index += 1
        var result: [UInt8] = []
        var plain = index
        while index < bytes.count {
            let byte = bytes[index]
            if byte == 0x22 {
                result.append(contentsOf: bytes[plain..<index])
                index += 1
                return result
            }
            guard byte >= 0x20 else { throw JSON.Malformed(reason: "a control character in a text") }
            if byte == 0x5C {
                result.append(contentsOf: bytes[plain..<index])
                try escape(to: &result)
                plain = index
            } else {
                index += 1
            }
        }
        throw JSON.Malformed(reason: "a text without end")
    }

    mutating func escape(to result: inout [UInt8]) throws(JSON.Malformed) {
        index += 1
        let letters: [UInt8: UInt8] = [
            0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09,
        ]
        guard let letter = byte else { throw JSON.Malformed(reason: "a text without end") }
        index += 1
        if let plain = letters[letter] {
            result.append(plain)
            return
        }
        guard letter == 0x75 else { throw JSON.Malformed(reason: "an unknown escape") }
        var scalar = UInt32(try unit())
        if (0xD800...0xDBFF).contains(scalar), take(0x5C), take(0x75) {
            let low = UInt32(try unit())
            guard (0xDC00...0xDFFF).contains(low) else { throw JSON.Malformed(reason: "a lone surrogate") }
            scalar = 0x10000 + ((scalar - 0xD800) << 10) + (low - 0xDC00)
        }
        guard let character = Unicode.Scalar(scalar) else { throw JSON.Malformed(reason: "a lone surrogate") }
        result.append(contentsOf: Array(String(Character(character)).utf8))
    }

    mutating func unit() throws(JSON.Malformed) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw JSON.Malformed(reason: "an escape without four digits")
            }
            unit = unit << 4 | UInt16(digit)
            index += 1
        }
        return unit
    }
}

extension JSON {
    /// The text with quotes, unescaped except where JSON demands it.
    public static func quoted(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [0x22]
        result.reserveCapacity(text.count + 2)
        for byte in text {
            switch byte {
            case 0x22, 0x5C: result += [0x5C, byte]
            case 0x08: result += "\\b".utf8
            case 0x0C: result += "\\f".utf8
            case 0x0A: result += "\\n".utf8
            case 0x0D: result += "\\r".utf8
            case 0x09: result += "\\t".utf8
            case 0x00..<0x20:
                result += "\\u00".utf8
                result += Array(String(byte >> 4, radix: 16).utf8) + Array(String(byte & 15, radix: 16).utf8)
            default: result.append(byte)
            }
        }
        result.append(0x22)
        return result
    }
}
