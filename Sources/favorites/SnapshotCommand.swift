// `favorites snapshot`: looks into the files that a node writes.

import ArgumentParser
import Foundation
import Model
import Node
import Settings
import Snapshot

struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Looks into snapshots: what they hold, whether they are whole, and what changed.",
        subcommands: [InspectCommand.self, VerifyCommand.self, ExportCommand.self, DiffCommand.self])

    struct InspectCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inspect", abstract: "Prints the header and the counts of each file.")
        @Argument(help: ArgumentHelp("Files, or folders of them.", valueName: "file"))
        var paths: [String]

        func run() throws {
            try SnapshotPath.forEach(paths) { file, output in
                try output.write(try file.header().summary(file.path) + "\n")
            }
        }
    }

    struct VerifyCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Reads each file to its end and checks everything in it.")
        @Argument(help: ArgumentHelp("Files, or folders of them.", valueName: "file"))
        var paths: [String]

        func run() throws {
            try SnapshotPath.forEach(paths) { file, output in
                var records: UInt64 = 0
                try file.read { if case .block(let block) = $0 { records += UInt64(block.records) } }
                try output.write("\(file.path): whole, \(records) records\n")
            }
        }
    }

    struct ExportCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export",
            abstract: "Prints the records as messages, one {\"key\":…,\"value\":…} a line, as `publish` reads them.",
            discussion: """
                A season's dates are not in a snapshot, since no answer shows them. Each file is checked before anything of \
                it is printed; one that is not whole is left out and named at the end.
                """)
        @Argument(help: ArgumentHelp("Files, or folders of them.", valueName: "file"))
        var paths: [String]

        func run() throws {
            try SnapshotPath.forEach(paths) { file, output in
                try file.read { _ in }
                var failure: (any Error)?
                try file.forEachMessage { key, value in
                    guard failure == nil else { return }
                    do {
                        try output.write(Array("{\"key\":\"\(key)\",\"value\":".utf8) + value + "}\n".utf8)
                    } catch { failure = error }
                }
                if let failure { throw failure }
            }
        }
    }

    struct DiffCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "diff", abstract: "Prints what changed from one file to another, by key.",
            discussion: "Each line begins with + (new), - (gone) or ~ (another value). Both are of one scope.")
        @Argument(help: ArgumentHelp("The older file.", valueName: "file")) var older: String
        @Argument(help: ArgumentHelp("The newer file.", valueName: "file")) var newer: String

        func run() throws {
            let (older, newer) = (SnapshotPath(older), SnapshotPath(newer))
            let scopes = (try older.header().scope, try newer.header().scope)
            guard scopes.0 == scopes.1 else {
                throw CommandError(
                    "\(older.path) holds \(scopes.0), \(newer.path) holds \(scopes.1): name two files of the same",
                    code: .usage)
            }
            var before: [ID: [UInt8]] = [:]
            try older.forEachMessage { before[$0] = $1 }
            var after: [ID: [UInt8]] = [:]
            try newer.forEachMessage { after[$0] = $1 }
            let output = CommandOutput()
            for key in Set(before.keys).union(after.keys).sorted() where before[key] != after[key] {
                let value = String(decoding: after[key] ?? [], as: UTF8.self)
                try output.write(
                    after[key] == nil ? "- \(key)\n" : "\(before[key] == nil ? "+" : "~") \(key) \(value)\n")
            }
            try output.flush()
        }
    }
}

/// Standard output in large pieces, for commands that print much. What the system refuses, as of a full disk or a closed
/// pipe, is an error.
private final class CommandOutput {
    private static let bufferBytes = 64 << 10
    private var buffer: [UInt8] = []

    func write(_ bytes: [UInt8]) throws {
        buffer += bytes
        if buffer.count >= Self.bufferBytes { try flush() }
    }

    func write(_ text: String) throws { try write(Array(text.utf8)) }

    func flush() throws {
        defer { buffer.removeAll(keepingCapacity: true) }
        guard FileOutput.standardOutput.write(bytes: buffer) else {
            throw CommandError("cannot write to standard output: \(systemError())", code: .system)
        }
    }
}

/// A snapshot that a user named.
private struct SnapshotPath {
    let path: String
    private let folder: DiskFolder
    private let name: String

    init(_ path: String) {
        self.path = path
        let url = URL(fileURLWithPath: path)
        folder = DiskFolder(path: url.deletingLastPathComponent().path)
        name = url.lastPathComponent
    }

    /// The files named, and all snapshots of the folders named.
    static func all(_ paths: [String]) throws -> [SnapshotPath] {
        guard !paths.isEmpty else { throw ValidationError("Name a file, or a folder.") }
        return paths.flatMap { path in
            let names = DiskFolder(path: path).list().map(\.name).filter { SnapshotScope(fileName: $0) != nil }
            return names.isEmpty ? [SnapshotPath(path)] : names.map { SnapshotPath(path + "/" + $0) }
        }
    }

    /// Calls `body` with each file, to the last one whatever is wrong with some, which are named at the end.
    static func forEach(_ paths: [String], _ body: (SnapshotPath, CommandOutput) throws -> Void) throws {
        let output = CommandOutput()
        var problems: [String] = []
        for file in try all(paths) {
            do { try body(file, output) } catch let error as CommandError where error.code == .data {
                problems.append(error.message)
            }
        }
        try output.flush()
        guard problems.isEmpty else { throw CommandError(problems.joined(separator: "\n"), code: .data) }
    }

    func header() throws -> SnapshotHeader { try failing { () throws(SnapshotError) in try folder.header(name) } }

    /// Everything in the file, checked.
    func read(_ piece: (SnapshotDecoder.Piece) -> Void) throws {
        try failing { () throws(SnapshotError) in try folder.read(name, piece) }
    }

    func forEachMessage(_ body: (ID, [UInt8]) -> Void) throws {
        let schema = try header().schema
        guard schema == SnapshotHeader.schemaVersion else {
            throw CommandError(
                "\(path): records of schema version \(schema); this program reads \(SnapshotHeader.schemaVersion)",
                code: .data)
        }
        var export: SnapshotExport?
        try read { piece in
            if case .header(let header) = piece { export = SnapshotExport(header) }
            if case .block(let block) = piece { export?.forEachMessage(block, body) }
        }
    }

    private func failing<Result>(_ body: () throws(SnapshotError) -> Result) throws -> Result {
        do throws(SnapshotError) { return try body() } catch {
            throw CommandError("\(path): \(error)", code: .data)
        }
    }
}

extension SnapshotHeader {
    /// What stands in the header, one `name value` a line.
    fileprivate func summary(_ path: String) -> String {
        var lines = [
            ("file", path), ("scope", "\(scope)"), ("topic", "\(topic), \(partitionCount) partitions"),
            ("cluster", clusterID), ("schema", "\(schema)"),
            ("created", "\(Timestamp(milliseconds: createdMs))"),
            ("caught up", "\(Timestamp(milliseconds: caughtUpMs))"),
            ("records", "\(records)"), ("bytes", "\(storedBytes) stored, \(rawBytes) raw"), ("lineage", "\(lineage)"),
        ]
        for (partition, position) in zip(scope.partitions(of: partitionCount), positions) {
            let last = position.last.map { ", last message at \($0.offset)" } ?? ""
            lines.append(
                ("partition \(partition.partition)", "resume at \(position.resume), newest \(position.newest)\(last)"))
        }
        return lines.map { "\($0.0.padding(toLength: 14, withPad: " ", startingAt: 0))\($0.1)" }.joined(separator: "\n")
            + "\n"
    }
}
