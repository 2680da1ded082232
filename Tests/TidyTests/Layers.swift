// Which module stands above which. Arrows (imports) go down only: from a later row to an earlier one.

import Foundation

enum Layers {
    /// Lowest first. A module imports modules of lower rows alone, never one of its own row.
    static let rows: [[String]] = [
        [
            "CXXHash", "CLZ4", "CSimdjson", "CMemory", "CHMAC", "CRDKafka", "CSpawn", "CZlib", "Model", "Telemetry",
            "Reclamation",
        ],
        ["Decode", "Render", "Placement", "Snapshot", "HTTP1", "Offer", "Kafka"],
        ["Store", "Query", "Membership", "Settings"],
        ["Selection", "Wire", "Ingest", "FanOut", "HTTPServer", "Cluster", "Autoscale"],
        ["Link", "Hooks"],
        ["Node", "Router"],
        ["favorites"],
    ]

    /// What the core may import besides its own modules: nothing that has threads, sockets, files or a clock.
    static let coreImports: Set<String> = ["Synchronization"]

    /// Files of the core that may go further, with the reason. They are shells that have no module of their own.
    static let coreExceptions: [String: String] = [
        "Sources/Telemetry/ProcessMetrics.swift": "reads /proc and the process's clocks, at each scrape"
    ]

    /// Calls that read a clock or a random source.
    static let impureCalls = [
        "clock_gettime", "ContinuousClock", "SuspendingClock", "DispatchTime", "Date()", ".random(in:",
        "SystemRandomNumberGenerator", ".randomElement(", ".shuffled()",
    ]

    static func row(of module: String) -> Int? { rows.firstIndex { $0.contains(module) } }

    /// The targets of Package.swift's first part, where no package dependency exists; without C and test targets.
    static func coreModules(package: String) -> [String] {
        let core = package.prefix(upTo: package.range(of: "var products")?.lowerBound ?? package.startIndex)
        return core.matches(of: /\.target\(\s*name: "(\w+)"/).map { String($0.1) }
            .filter { !isC($0) && $0 != "TestSupport" }
    }

    static func isC(_ module: String) -> Bool {
        module.hasPrefix("C") && module.dropFirst().first?.isUppercase == true
    }

    /// Imports that go sideways or up, and project modules that stand in no row.
    static func upward(_ file: SourceFile, modules: Set<String>) -> [String] {
        guard let module = file.module else { return [] }
        guard let own = row(of: module) else { return ["\(file.path): module \(module) stands in no row of Layers"] }
        return file.imports.filter { modules.contains($0) }.compactMap { imported in
            guard let other = row(of: imported) else { return "\(file.path): module \(imported) stands in no row" }
            return other < own ? nil : "\(file.path): \(module) imports \(imported), which does not stand below it"
        }
    }

    /// What a file of the core imports or calls and may not.
    static func impure(_ file: SourceFile, core: Set<String>) -> [String] {
        guard let module = file.module, core.contains(module), coreExceptions[file.path] == nil else { return [] }
        let imports = file.imports.filter { !core.contains($0) && !coreImports.contains($0) && !isC($0) }
            .map { "\(file.path): the core imports \($0); it belongs in a shell" }
        let calls = file.codeLines.enumerated().flatMap { index, line in
            impureCalls.filter { line.contains($0) }
                .map { "\(file.path):\(index + 1): the core calls \($0); take it as an argument" }
        }
        return imports + calls
    }

    /// What each module imports of the project, in the order of the rows, highest first.
    static func graph(_ files: [SourceFile]) -> [(module: String, imports: [String])] {
        let modules = Set(rows.joined())
        var edges: [String: Set<String>] = [:]
        for file in files {
            guard let module = file.module else { continue }
            edges[module, default: []].formUnion(file.imports.filter { modules.contains($0) })
        }
        return rows.reversed().joined().compactMap { module in
            edges[module].map { (module, imports: $0.sorted()) }
        }
    }

    /// Where the table of modules in `document` tells another graph. A row is
    /// `| Module | core or not | imports, separated by commas | one line |`, names in back quotes.
    static func untold(_ graph: [(module: String, imports: [String])], document: String) -> [String] {
        let rows = document.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { line in
            line.split(separator: "|").map { $0.filter { $0 != "`" && $0 != " " } }
        }
        return graph.compactMap { module, imports in
            let wanted = imports.joined(separator: ",")
            let row = rows.first { $0.count == 4 && $0[0] == module }
            guard row?[2] != (wanted.isEmpty ? "–" : wanted) else { return nil }
            return "docs/ARCHITECTURE.md: the table's row of \(module) must say that it imports "
                + (imports.isEmpty ? "–" : imports.map { "`\($0)`" }.joined(separator: ", "))
        }
    }
}
