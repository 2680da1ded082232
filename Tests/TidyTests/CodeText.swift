// Blanks comments and string literals, so that braces and words in them do not count as code.

enum CodeText {
    private enum Mode {
        case code(parentheses: Int)
        case lineComment
        case blockComment(depth: Int)
        case string(hashes: Int, isMultiline: Bool)
    }

    /// The text with the same lines, where every byte of a comment or a literal is a space.
    static func blanked(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var modes: [Mode] = [.code(parentheses: 0)]
        var index = 0
        while index < bytes.count {
            let length = step(bytes, index, &modes, &result)
            index += length
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Takes one token and returns its length. An interpolation is code inside a string: it is pushed as a mode of its
    /// own that ends at its closing parenthesis.
    private static func step(_ bytes: [UInt8], _ index: Int, _ modes: inout [Mode], _ result: inout [UInt8]) -> Int {
        func at(_ text: String, _ offset: Int = 0) -> Bool { bytes[(index + offset)...].starts(with: text.utf8) }
        func blank(_ length: Int) -> Int {
            for offset in 0..<length { result.append(bytes[index + offset] == 0x0A ? 0x0A : 0x20) }
            return length
        }
        switch modes[modes.count - 1] {
        case .code(let parentheses):
            return code(bytes, index, parentheses, &modes, &result)
        case .lineComment:
            if at("\n") { modes.removeLast() }
            return blank(1)
        case .blockComment(let depth):
            if at("/*") { modes[modes.count - 1] = .blockComment(depth: depth + 1) }
            guard at("*/") else { return blank(1) }
            if depth == 1 { modes.removeLast() } else { modes[modes.count - 1] = .blockComment(depth: depth - 1) }
            return blank(2)
        case .string(let hashes, let isMultiline):
            let marks = String(repeating: "#", count: hashes)
            let end = (isMultiline ? "\"\"\"" : "\"") + marks
            if at(end) || (!isMultiline && at("\n")) {
                modes.removeLast()
                return blank(at("\n") ? 1 : end.utf8.count)
            }
            if at("\\" + marks + "(") {
                modes.append(.code(parentheses: 1))
                return blank(2 + hashes)
            }
            return blank(at("\\" + marks) && index + 1 + hashes < bytes.count ? 2 + hashes : 1)
        }
    }

    private static func code(
        _ bytes: [UInt8], _ index: Int, _ parentheses: Int, _ modes: inout [Mode], _ result: inout [UInt8]
    ) -> Int {
        func at(_ text: String, _ offset: Int) -> Bool { bytes[(index + offset)...].starts(with: text.utf8) }
        var hashes = 0
        while index + hashes < bytes.count, bytes[index + hashes] == 0x23 { hashes += 1 }
        let isInInterpolation = modes.count > 1
        var length = 1
        if at("//", 0) {
            modes.append(.lineComment)
        } else if at("/*", 0) {
            modes.append(.blockComment(depth: 1))
            length = 2
        } else if index + hashes < bytes.count, bytes[index + hashes] == 0x22 {
            let isMultiline = at("\"\"\"", hashes)
            modes.append(.string(hashes: hashes, isMultiline: isMultiline))
            length = hashes + (isMultiline ? 3 : 1)
        } else {
            if bytes[index] == 0x28 { modes[modes.count - 1] = .code(parentheses: parentheses + 1) }
            if bytes[index] == 0x29 {
                modes[modes.count - 1] = .code(parentheses: parentheses - 1)
                if isInInterpolation, parentheses == 1 { modes.removeLast() }
            }
            result.append(bytes[index])
            return 1
        }
        for offset in 0..<length { result.append(bytes[index + offset] == 0x0A ? 0x0A : 0x20) }
        return length
    }
}
