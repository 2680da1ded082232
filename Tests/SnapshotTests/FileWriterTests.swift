// A folder that loses what was not synchronised, and fails where a test wants it to.

import Foundation
import Model
import TestSupport
import Testing

@testable import Snapshot

/// A disk in memory. What a power cut leaves of it is `survivors`.
private final class FaultyFolder: SnapshotFolder {
    final class File: SnapshotOutput {
        unowned let folder: FaultyFolder
        var bytes: [UInt8] = []
        /// What is on the disk for sure.
        var safe: [UInt8] = []

        init(_ folder: FaultyFolder) { self.folder = folder }

        func write(_ slice: ArraySlice<UInt8>, at offset: Int64) throws(SnapshotError) -> Int {
            try folder.count()
            let count = folder.writesShort ? max(1, slice.count / 3) : slice.count
            guard Int(offset) + count <= folder.capacity else {
                throw SnapshotError(.file(errno: ENOSPC), "no space left on device")
            }
            let end = Int(offset) + count
            if bytes.count < end { bytes.append(contentsOf: repeatElement(0, count: end - bytes.count)) }
            bytes.replaceSubrange(Int(offset)..<end, with: slice.prefix(count))
            return count
        }

        func synchronize() throws(SnapshotError) {
            try folder.count()
            safe = bytes
        }
    }

    var files: [String: File] = [:]
    /// The names as the disk has them for sure.
    var safeFiles: [String: File] = [:]
    var capacity = Int.max
    var writesShort = false
    /// The operation that fails, and all behind it.
    var failsAt = Int.max
    private(set) var operations = 0

    func count() throws(SnapshotError) {
        operations += 1
        if operations > failsAt { throw SnapshotError(.file(errno: EIO), "input/output error") }
    }

    func create(_ name: String) throws(SnapshotError) -> any SnapshotOutput {
        try count()
        let file = File(self)
        files[name] = file
        return file
    }

    func rename(_ name: String, to newName: String) throws(SnapshotError) {
        try count()
        files[newName] = files.removeValue(forKey: name)
    }

    func remove(_ name: String) { files[name] = nil }

    func synchronize() throws(SnapshotError) {
        try count()
        safeFiles = files
    }

    func list() -> [(name: String, bytes: Int64)] { files.map { ($0.key, Int64($0.value.bytes.count)) } }

    /// What may be found after a power cut: names as before or as now, of each file what was synchronised and perhaps
    /// a part of what was not.
    func survivors(by random: inout SeededGenerator) -> [String: [UInt8]] {
        let names = Bool.random(using: &random) ? files : safeFiles
        return names.mapValues { file in
            guard file.safe != file.bytes else { return file.bytes }
            return Array(file.bytes.prefix(Int.random(in: 0...file.bytes.count, using: &random)))
        }
    }
}

@Suite struct FileWriterTests {
    private let blocks = [
        Samples.eventBlock(["e1", "e2"], first: true), Samples.eventBlock(["e3"], first: false, filler: 2_000),
    ]

    private func write(_ folder: FaultyFolder, resume: Int64, bytesMax: Int64 = .max) throws(SnapshotError) {
        var header = Samples.header()
        header.positions[0].resume = Offset(resume)
        var writer = try SnapshotFileWriter(header, in: folder, bytesMax: bytesMax)
        for block in blocks { try writer.add(block) }
        try writer.finish(newest: [Offset(2_000)], globalsNewest: header.globalsNewest)
    }

    private func resume(_ bytes: [UInt8]?) -> Int64? {
        guard let bytes else { return nil }
        let reading = Reading(bytes)
        guard reading.isWhole, case .header(let header)? = reading.pieces.first else { return nil }
        return header.positions[0].resume.rawValue
    }

    private let name = Samples.header().scope.fileName

    @Test func aFileIsWrittenWhole() throws {
        let folder = FaultyFolder()
        folder.writesShort = true
        try write(folder, resume: 100)
        #expect(folder.files.keys.sorted() == [name])
        #expect(resume(folder.files[name]?.bytes) == 100)
        #expect(folder.files[name]?.safe == folder.files[name]?.bytes)
    }

    /// Every operation fails once, and then the power goes: what is found is the file before or this one, whole.
    @Test func aFailureOrACrashAtAnyStepLeavesAWholeFile() throws {
        let whole = FaultyFolder()
        try write(whole, resume: 100)
        let steps = whole.operations
        #expect(steps > 6)
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        for step in 0...steps {
            for _ in 0..<20 {
                let folder = FaultyFolder()
                try write(folder, resume: 100)
                folder.failsAt = folder.operations + step
                do throws(SnapshotError) {
                    try write(folder, resume: 101)
                    #expect(step == steps)
                } catch {
                    #expect(error.code == .file(errno: EIO))
                    // The process lives on: no unfinished file is left, and what is there is whole.
                    #expect(folder.files[name + SnapshotFileWriter.suffix] == nil)
                }
                let kept = resume(folder.files[name]?.bytes)
                #expect(kept == 100 || kept == 101, "step \(step)")
                let found = resume(folder.survivors(by: &random)[name])
                #expect(found == 100 || found == 101, "step \(step), seed \(random.seed)")
                if step == steps { #expect(found == 101) }
            }
        }
    }

    @Test func aFullDiskAndABudgetLeaveTheFileBefore() throws {
        let folder = FaultyFolder()
        try write(folder, resume: 100)
        let size = try #require(folder.files[name]).bytes.count
        for capacity in stride(from: 0, to: size, by: 37) {
            folder.capacity = capacity
            do throws(SnapshotError) {
                try write(folder, resume: 101)
                Issue.record("written in \(capacity) of \(size) bytes")
            } catch { #expect(error.code == .file(errno: ENOSPC)) }
            folder.capacity = .max
            do throws(SnapshotError) {
                try write(folder, resume: 101, bytesMax: Int64(capacity))
                Issue.record("written with a budget of \(capacity) of \(size) bytes")
            } catch { #expect(error.description.contains("budget")) }
            #expect(folder.files.keys.sorted() == [name] && resume(folder.files[name]?.bytes) == 100)
        }
        try write(folder, resume: 101, bytesMax: Int64(size))
        #expect(resume(folder.files[name]?.bytes) == 101)
    }
}
