import Foundation
import Model
import Testing

/// The rules of the house over the project's own files.
struct TidyTests {
    @Test func filesAndFunctionsAreShort() throws {
        let files = try SourceTree.swift("Sources", "Tests", "Benchmarks")
        #expect(files.count > 30)
        #expect(files.contains { $0.path.hasPrefix("Benchmarks/Sources/") })
        expectNone(files.flatMap(Checks.length))
        expectNone(try SourceTree.swift("Sources", "Benchmarks/Sources").flatMap(Checks.functionLengths))
    }

    @Test func nothingIsLeftUndone() throws {
        let files = try SourceTree.swift("Sources", "Tests", "Benchmarks").filter {
            !$0.path.hasPrefix("Tests/TidyTests/")
        }
        expectNone(files.flatMap(Checks.leftovers))
    }

    @Test func noFootguns() throws {
        expectNone(try SourceTree.swift("Sources", "Benchmarks/Sources").flatMap(Checks.footguns))
        expectNone(try SourceTree.swift("Sources", "Tests", "Benchmarks").flatMap(Checks.uncheckedSendable))
    }

    @Test func testsDoNotSleep() throws {
        let files = try SourceTree.swift("Tests", "Benchmarks/Tests")
        #expect(files.contains { $0.path == Checks.sleepAllowed })
        expectNone(files.flatMap(Checks.sleeps))
    }

    @Test func arrowsGoDownOnly() throws {
        let files = try SourceTree.swift("Sources")
        let modules = Set(Layers.rows.joined())
        for (module, imports) in Layers.graph(files) { print("\(module) → \(imports.joined(separator: ", "))") }
        expectNone(files.flatMap { Layers.upward($0, modules: modules) })
    }

    @Test func theCoreIsPure() throws {
        let core = Set(Layers.coreModules(package: try SourceTree.text("Package.swift")))
        #expect(core.isSuperset(of: ["Model", "Store", "Query", "Selection", "FanOut", "HTTP1", "Ingest"]))
        #expect(core.isDisjoint(with: ["Kafka", "HTTPServer", "Link", "Node", "Router", "Settings"]))
        expectNone(try SourceTree.swift("Sources").flatMap { Layers.impure($0, core: core) })
    }

    @Test func linksOfDocumentsLeadSomewhere() throws {
        let documents = try SourceTree.files(under: ["."], suffix: ".md")
        #expect(documents.contains { $0.path == "README.md" })
        expectNone(
            documents.flatMap { document in
                Checks.links(path: document.path, text: document.text) { path in
                    FileManager.default.fileExists(atPath: SourceTree.root.appending(path: path).path)
                }
            })
    }

    @Test func architectureShowsTheGraph() throws {
        let text = try SourceTree.text("docs/ARCHITECTURE.md")
        let files = try SourceTree.swift("Sources")
        expectNone(Layers.untold(Layers.graph(files), document: text))
    }

    private func expectNone(_ problems: [String]) {
        for problem in problems { Issue.record("\(problem)") }
    }
}

/// docs/LIMITS.md names every limit with its value.
struct LimitsDocumentTests {
    static let limits: [(name: String, value: Int)] = [
        ("messageBytesMax", Limits.messageBytesMax), ("participantsPerEventMax", Limits.participantsPerEventMax),
        ("referenceRecordBytesMax", Limits.referenceRecordBytesMax),
        ("eventRecordBytesMax", Limits.eventRecordBytesMax), ("requestEventsMax", Limits.requestEventsMax),
        ("requestTeamsMax", Limits.requestTeamsMax), ("answerBytesMax", Limits.answerBytesMax),
        ("frameBytesMax", Limits.frameBytesMax), ("partitionsMax", Limits.partitionsMax),
        ("membersMax", Limits.membersMax),
    ]

    @Test func documentIsTrue() throws {
        let source = try SourceTree.text("Sources/Model/Limits.swift")
        let declared = source.matches(of: /static let (\w+)/).map { String($0.1) }
        #expect(declared.sorted() == Self.limits.map(\.name).sorted())
        let document = try SourceTree.text("docs/LIMITS.md")
        for limit in Self.limits {
            #expect(document.contains("| `\(limit.name)` | \(limit.value) |"), "\(limit.name) \(limit.value)")
        }
    }
}
