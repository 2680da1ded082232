// The checks, as functions from text to problems, so that each can be shown a bad sample. A problem is one line that
// names the place and says what to do.

import Foundation

enum Checks {
    static let fileLinesMax = 600
    static let functionLinesMax = 70

    /// Functions longer than the wall, with the length they may have: it may fall, never rise. Empty is the aim.
    static let functionRatchet: [String: Int] = [:]

    static func length(_ file: SourceFile) -> [String] {
        let count = file.lines.count - 1
        return count <= fileLinesMax ? [] : ["\(file.path): \(count) lines; split it, \(fileLinesMax) is the wall"]
    }

    /// Functions, initializers, subscripts and computed properties over the wall.
    static func functionLengths(_ file: SourceFile) -> [String] {
        functions(file).compactMap { function in
            let limit = functionRatchet["\(file.path) \(function.name)"] ?? functionLinesMax
            guard function.lines > limit else { return nil }
            return "\(file.path):\(function.line): \(function.name) has \(function.lines) lines; \(limit) is the wall"
        }
    }

    struct Function {
        var name: String
        var line: Int
        var lines: Int
    }

    static func functions(_ file: SourceFile) -> [Function] {
        var functions: [Function] = []
        for (index, line) in file.codeLines.enumerated() {
            guard let name = functionName(line), let end = bodyEnd(file.codeLines, from: index) else { continue }
            functions.append(Function(name: name, line: index + 1, lines: end - index + 1))
        }
        return functions
    }

    private static func functionName(_ line: String) -> String? {
        let words = line.split(whereSeparator: { " \t(<{?:".contains($0) })
        guard let index = words.prefix(8).firstIndex(where: { ["func", "init", "deinit", "subscript"].contains($0) })
        else { return nil }
        let isCall = words.prefix(index).contains { $0.contains(".") || $0.contains("=") || $0 == "return" }
        guard !isCall else { return nil }
        return words[index] == "func" && index + 1 < words.count ? String(words[index + 1]) : String(words[index])
    }

    /// The line of the brace that closes the first one opened at or behind `start`; nil where there is no body: a
    /// line of less indentation comes first.
    private static func bodyEnd(_ lines: [String], from start: Int) -> Int? {
        let indentation = lines[start].prefix { $0 == " " }.count
        var depth = 0
        var isOpen = false
        for index in start..<lines.count {
            let line = lines[index]
            let isBlank = line.allSatisfy { $0 == " " }
            if index > start, !isOpen, !isBlank, line.prefix(while: { $0 == " " }).count < indentation { return nil }
            for byte in line.utf8 {
                if byte == 0x7B { (depth, isOpen) = (depth + 1, true) }
                if byte == 0x7D { depth -= 1 }
                if depth < 0 { return nil }
            }
            if isOpen, depth == 0 { return index }
        }
        return nil
    }

    /// Words that stand for work left undone.
    static func leftovers(_ file: SourceFile) -> [String] {
        let words: Set<Substring> = ["TODO", "FIXME", "XXX"]
        return file.lines.enumerated().compactMap { index, line in
            let found = line.split(whereSeparator: { !$0.isLetter }).first { words.contains($0) }
            return found.map { "\(file.path):\(index + 1): \($0); do it, or open an issue" }
        }
    }

    /// Foot-guns and what to write in their place.
    static let banned: [(text: String, instead: String)] = [
        ("try!", "outside bytes fail as values: throw a typed error"),
        ("as!", "use `as?` and handle nil"),
        ("fatalError", "`preconditionFailure` for programmer errors, a typed error for everything else"),
        ("nonisolated(unsafe)", "use an atomic, a `Mutex` or a `Sendable` owner"),
    ]

    static func footguns(_ file: SourceFile) -> [String] {
        file.codeLines.enumerated().flatMap { index, line in
            banned.filter { has(line, $0.text) }.map { "\(file.path):\(index + 1): \($0.text); \($0.instead)" }
        }
    }

    /// The one place of the tests that may pause: it asks a condition again and again, and the condition decides.
    static let sleepAllowed = "Tests/TestSupport/Processes.swift"

    /// Pauses in tests: on a busy machine they are too short, on an idle one too long.
    static func sleeps(_ file: SourceFile) -> [String] {
        guard file.path != sleepAllowed else { return [] }
        return file.codeLines.enumerated().compactMap { index, line in
            let call = ["sleep(", "usleep(", "nanosleep("].first { has(line, $0) }
            return call.map { _ in
                "\(file.path):\(index + 1): a pause; wait for what is to happen, as `wait(seconds:)` does"
            }
        }
    }

    /// Whether `text` stands in `line` at the start of a word.
    private static func has(_ line: String, _ text: String) -> Bool {
        line.ranges(of: text).contains { range in
            guard range.lowerBound > line.startIndex else { return true }
            let before = line[line.index(before: range.lowerBound)]
            return !before.isLetter && !before.isNumber && before != "_"
        }
    }

    /// `@unchecked Sendable` needs its reason in a comment within the three lines above.
    static func uncheckedSendable(_ file: SourceFile) -> [String] {
        file.codeLines.indices.compactMap { index in
            guard file.codeLines[index].contains("@unchecked Sendable") else { return nil }
            let above = file.lines[max(0, index - 3)..<index]
            guard !above.contains(where: { $0.drop { $0 == " " }.hasPrefix("//") }) else { return nil }
            return "\(file.path):\(index + 1): @unchecked Sendable; say above who writes, who reads, what orders them"
        }
    }

    /// Relative links of a Markdown text that lead nowhere. `exists` is asked with paths relative to the project.
    static func links(path: String, text: String, exists: (String) -> Bool) -> [String] {
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        return text.matches(of: /\]\(([^)\s]+)\)/).compactMap { match in
            let link = String(match.1.prefix { $0 != "#" })
            guard !link.isEmpty, !link.contains("://"), !link.hasPrefix("mailto:") else { return nil }
            let target = folder.isEmpty ? link : folder + "/" + link
            return exists(target) ? nil : "\(path): link to \(link) leads nowhere"
        }
    }
}
