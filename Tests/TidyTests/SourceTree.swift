// The project's files as the checks see them.

import Foundation

/// A Swift file: its lines, and the same lines with comments and the insides of string literals blanked, so that a
/// check for code does not stumble over prose.
struct SourceFile: Sendable {
    /// Relative to the project's folder.
    let path: String
    let lines: [String]
    let codeLines: [String]

    init(path: String, text: String) {
        self.path = path
        lines = text.components(separatedBy: "\n")
        codeLines = CodeText.blanked(text).components(separatedBy: "\n")
    }

    /// `Store` of `Sources/Store/Table.swift`; nil outside `Sources`.
    var module: String? {
        let parts = path.split(separator: "/")
        return parts.first == "Sources" && parts.count > 2 ? String(parts[1]) : nil
    }

    /// The modules this file imports, in order.
    var imports: [String] {
        codeLines.compactMap { line in
            let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }
            guard let index = words.firstIndex(of: "import"), index <= 1, index + 1 < words.count else { return nil }
            // `import struct Module.Name` names the module behind the kind.
            let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
            let name = kinds.contains(String(words[index + 1])) ? words.last : words[index + 1]
            return name.map { String($0.prefix { $0 != "." }) }
        }
    }
}

enum SourceTree {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func files(under folders: [String], suffix: String) throws -> [(path: String, text: String)] {
        var files: [(path: String, text: String)] = []
        for folder in folders {
            let base = root.appending(path: folder)
            guard let walk = FileManager.default.enumerator(atPath: base.path) else { continue }
            for case let name as String in walk {
                let last = name.split(separator: "/").last ?? ""
                if last.hasPrefix(".") || last == "favorites-data" { walk.skipDescendants() }
                guard name.hasSuffix(suffix), !last.hasPrefix(".") else { continue }
                let text = try String(contentsOf: base.appending(path: name), encoding: .utf8)
                files.append((folder == "." ? name : "\(folder)/\(name)", text))
            }
        }
        return files.sorted { $0.path < $1.path }
    }

    /// Every Swift file of `Sources`, `Tests` and `Benchmarks`, read once: blanking comments takes most of these tests' time.
    private static let swiftFiles = Result {
        try files(under: ["Sources", "Tests", "Benchmarks"], suffix: ".swift").map {
            SourceFile(path: $0.path, text: $0.text)
        }
    }

    static func swift(_ folders: String...) throws -> [SourceFile] {
        try swiftFiles.get().filter { file in folders.contains { file.path.hasPrefix($0 + "/") } }
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }
}
