import Testing

/// Each check is shown a bad sample: a check that cannot fail proves nothing.
struct ChecksTests {
    private func file(_ text: String, path: String = "Sources/Store/Sample.swift") -> SourceFile {
        SourceFile(path: path, text: text)
    }

    private func body(lines: Int) -> String { String(repeating: "    step()\n", count: lines) }

    @Test func longFilesAreFound() {
        #expect(Checks.length(file(String(repeating: "\n", count: 600))) == [])
        #expect(Checks.length(file(String(repeating: "\n", count: 601))).count == 1)
    }

    @Test(arguments: [
        ("func long() {\n", "long"), ("public init?(_ a: Int)\n    throws\n{\n", "init"), ("deinit {\n", "deinit"),
        ("    @inlinable static func long<T>(\n        _ a: T\n    ) -> Int {\n", "long"),
        ("subscript(index: Int) -> Int {\n", "subscript"),
    ])
    func longFunctionsAreFound(head: String, name: String) {
        let headLines = head.split(separator: "\n").count
        let short = file(head + body(lines: 69 - headLines) + "}\n")
        #expect(Checks.functions(short).map(\.lines) == [69 + 1])
        #expect(Checks.functionLengths(short) == [])
        let long = file(head + body(lines: 70 - headLines) + "}\n")
        #expect(Checks.functions(long).map(\.name) == [name])
        #expect(Checks.functionLengths(long).count == 1)
    }

    @Test func bracesInTextDoNotCount() {
        let text =
            "func a() {\n    print(\"} \\(b.map { \"}\" }) {\")  // }\n    /* } /* } */ } */\n    c(#\"}\"\\\"#)\n}\n"
        #expect(Checks.functions(file(text)).map(\.lines) == [5])
        let multiline = "func a() {\n    let text = \"\"\"\n        } \\(x) }\n        \"\"\"\n}\nfunc b() {}\n"
        #expect(Checks.functions(file(multiline)).map(\.lines) == [5, 1])
    }

    @Test func requirementsOfProtocolsHaveNoBody() {
        let text = "protocol A {\n    func a() -> Int\n    init()\n}\nfunc b() {\n}\n"
        #expect(Checks.functions(file(text)).map(\.name) == ["b"])
    }

    @Test(arguments: ["// TODO: later", "x() // FIXME", "/* XXX */"])
    func leftoversAreFound(line: String) { #expect(Checks.leftovers(file(line)).count == 1) }

    @Test(arguments: ["let a = try! b()", "a as! B", "fatalError(\"x\")", "nonisolated(unsafe) var a = 1"])
    func footgunsAreFound(line: String) {
        #expect(Checks.footguns(file(line)).count == 1)
        #expect(Checks.footguns(file("// " + line)) == [])
    }

    @Test(arguments: ["Thread.sleep(forTimeInterval: 1)", "_ = usleep(5)", "try await Task.sleep(for: .seconds(1))"])
    func sleepsAreFound(line: String) {
        #expect(Checks.sleeps(file(line, path: "Tests/ATests/B.swift")).count == 1)
        #expect(Checks.sleeps(file("// " + line, path: "Tests/ATests/B.swift")) == [])
        #expect(Checks.sleeps(file(line, path: Checks.sleepAllowed)) == [])
    }

    @Test func uncheckedSendableNeedsAReason() {
        #expect(Checks.uncheckedSendable(file("final class A: @unchecked Sendable {}")).count == 1)
        #expect(Checks.uncheckedSendable(file("// Written by one thread.\nclass A: @unchecked Sendable {}")) == [])
    }

    @Test func brokenLinksAreFound() {
        let text = "[a](b.md) [c](#d) [e](https://f) [g](sub/h.md#i) [j](../README.md)"
        var asked: [String] = []
        let problems = Checks.links(path: "docs/x.md", text: text) { path in
            asked.append(path)
            return path == "docs/b.md"
        }
        #expect(asked == ["docs/b.md", "docs/sub/h.md", "docs/../README.md"])
        #expect(problems.count == 2)
    }

    @Test(arguments: [
        ("import Selection", 1), ("public import Query", 1), ("@testable import Store", 1), ("import Reclamation", 0),
        ("import struct Node.A", 1), ("internal import Model", 0), ("// import Node", 0),
    ])
    func upwardImportsAreFound(line: String, count: Int) {
        #expect(Layers.upward(file(line), modules: Set(Layers.rows.joined())).count == count)
    }

    @Test func anUntrueTableOfModulesIsFound() {
        let graph = Layers.graph([
            file("import Model\nimport Glibc"), file("import Render"), file("", path: "Sources/Model/A.swift"),
        ])
        #expect(graph.map(\.module) == ["Store", "Model"])
        #expect(graph.map(\.imports) == [["Model", "Render"], []])
        let model = "| `Model` | yes | – | values |\n"
        #expect(Layers.untold(graph, document: model + "| `Store` | yes | `Model`, `Render` | tables |") == [])
        #expect(Layers.untold(graph, document: model + "| `Store` | yes | `Model` | tables |").count == 1)
        #expect(Layers.untold(graph, document: model).count == 1)
    }

    @Test func modulesOutsideTheTableAreFound() {
        #expect(Layers.upward(file("", path: "Sources/New/A.swift"), modules: []).count == 1)
    }

    @Test(arguments: [
        ("import NIOCore", 1), ("import Foundation", 1), ("import Dispatch", 1), ("import Glibc", 1),
        ("import Kafka", 1), ("let a = ContinuousClock.now", 1), ("let a = Int.random(in: 0...1)", 1),
        ("import Synchronization", 0), ("public import Model", 0), ("import CXXHash", 0),
    ])
    func impurityIsFound(line: String, count: Int) {
        #expect(Layers.impure(file(line), core: ["Store", "Model"]).count == count)
        #expect(Layers.impure(file(line, path: "Sources/Node/A.swift"), core: ["Store", "Model"]) == [])
    }
}
