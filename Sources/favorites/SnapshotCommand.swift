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
            for file in try SnapshotPath.all(paths) { print(try file.header().summary(file.path)) }
        }
    }

    struct VerifyCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Reads each file to its end and checks everything in it.")
        @Argument(help: ArgumentHelp("Files, or folders of them.", valueName: "file"))
        var paths: [String]

        func run() throws {
            var problems: [String] = []
            for file in try SnapshotPath.all(paths) {
                do {
                    var records: UInt64 = 0
                    try file.read { if case .block(let block) = $0 { records += UInt64(block.records) } }
                    print("\(file.path): whole, \(records) records")
                } catch let error as CommandError {
                    problems.append(error.message)
                }
            }
            guard problems.isEmpty else { throw CommandError(problems.joined(separator: "\n"), code: .data) }
        }
    }

    struct ExportCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export",
            abstract: "Prints the records as messages, one {\"key\":…,\"value\":…} a line, as `publish` reads them.",
            discussion: "A season's dates are not in a snapshot, since no answer shows them.")
        @Argument(help: ArgumentHelp("Files, or folders of them.", valueName: "file"))
        var paths: [String]

        func run() throws {
            for file in try SnapshotPath.all(paths) {
                try file.forEachMessage { key, value in
                    FileHandle.standardOutput.write(
                        Data(Array("{\"key\":\"\(key)\",\"value\":".utf8) + value + "}\n".utf8))
                }
            }
        }
    }

    struct DiffCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "diff", abstract: "Prints what changed from one file to another, by key.",
            discussion: "Each line begins with + (new), - (gone) or ~ (another value).")
        @Argument(help: ArgumentHelp("The older file.", valueName: "file")) var older: String
        @Argument(help: ArgumentHelp("The newer file.", valueName: "file")) var newer: String

        func run() throws {
            var before: [ID: [UInt8]] = [:]
            try SnapshotPath(older).forEachMessage { before[$0] = $1 }
            var after: [ID: [UInt8]] = [:]
            try SnapshotPath(newer).forEachMessage { after[$0] = $1 }
            for key in Set(before.keys).union(after.keys).sorted() where before[key] != after[key] {
                let value = String(decoding: after[key] ?? [], as: UTF8.self)
                print(after[key] == nil ? "- \(key)" : "\(before[key] == nil ? "+" : "~") \(key) \(value)")
            }
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
