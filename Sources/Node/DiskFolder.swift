// A folder of snapshots on the disk.

import Foundation
public import Snapshot

public final class DiskFolder: SnapshotFolder {
    public let path: String

    public init(path: String) { self.path = path }

    private func full(_ name: String) -> String { path + "/" + name }

    public func create(_ name: String) throws(SnapshotError) -> any SnapshotOutput {
        // Someone may have taken the folder away while the process ran.
        guard unsafe mkdir(path, 0o755) == 0 || errno == EEXIST else { throw fileError("make", path) }
        let file = unsafe open(full(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw fileError("make", full(name)) }
        return DiskOutput(file, full(name))
    }

    public func rename(_ name: String, to newName: String) throws(SnapshotError) {
        guard unsafe Foundation.rename(full(name), full(newName)) == 0 else { throw fileError("rename", full(name)) }
    }

    public func remove(_ name: String) { unsafe unlink(full(name)) }

    public func synchronize() throws(SnapshotError) {
        let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw fileError("open", path) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw fileError("synchronise", path) }
    }

    public func list() -> [(name: String, bytes: Int64)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.sorted().compactMap { name in
            var status = stat()
            guard unsafe stat(full(name), &status) == 0 else { return nil }
            return (name, Int64(status.st_size))
        }
    }

    // MARK: - Reading

    /// The header alone.
    public func header(_ name: String) throws(SnapshotError) -> SnapshotHeader {
        let file = try DiskInput(full(name))
        var decoder = SnapshotDecoder()
        while true {
            let bytes = try file.read(decoder.needed)
            if case .header(let header)? = try decoder.step(bytes.span) { return header }
        }
    }

    /// Reads a whole file and hands over what stands in it, each block checked.
    public func read(_ name: String, _ piece: (SnapshotDecoder.Piece) -> Void) throws(SnapshotError) {
        let file = try DiskInput(full(name))
        var decoder = SnapshotDecoder()
        var checker: SnapshotChecker?
        while !decoder.isAtEnd {
            let bytes = try file.read(decoder.needed)
            guard let next = try decoder.step(bytes.span) else { continue }
            switch next {
            case .header(let header):
                // Its images are of another kind than this program can look at.
                if header.schema == SnapshotHeader.schemaVersion { checker = SnapshotChecker(header) }
            case .block(let block): try checker?.check(block)
            case .end: break
            }
            piece(next)
        }
        guard try file.isAtEnd() else { throw SnapshotError(.damaged, "bytes behind the end") }
    }
}

private func fileError(_ what: String, _ path: String) -> SnapshotError {
    let code = errno
    let reason = unsafe String(cString: strerror(code))
    return SnapshotError(.file(errno: code), "cannot \(what) \(path): \(reason)")
}

private final class DiskOutput: SnapshotOutput {
    private let file: Int32
    private let path: String

    init(_ file: Int32, _ path: String) {
        self.file = file
        self.path = path
    }

    deinit { close(file) }

    func write(_ bytes: ArraySlice<UInt8>, at offset: Int64) throws(SnapshotError) -> Int {
        while true {
            let count = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, off_t(offset)) }
            if count >= 0 { return count }
            guard errno == EINTR else { throw fileError("write", path) }
        }
    }

    func synchronize() throws(SnapshotError) {
        guard fsync(file) == 0 else { throw fileError("synchronise", path) }
    }
}

/// A file read from front to back: a block's head, and the block, in one call of the system each.
private final class DiskInput {
    private let file: Int32
    private let path: String

    init(_ path: String) throws(SnapshotError) {
        file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        self.path = path
        guard file >= 0 else { throw fileError("open", path) }
    }

    deinit { if file >= 0 { close(file) } }

    /// Exactly `count` bytes, which are at most a block's.
    func read(_ count: Int) throws(SnapshotError) -> [UInt8] {
        var failure: SnapshotError?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let taken = unsafe Foundation.read(file, buffer.baseAddress.unsafelyUnwrapped + filled, count - filled)
                if taken < 0 && errno == EINTR { continue }
                guard taken > 0 else {
                    failure =
                        taken < 0
                        ? fileError("read", path) : SnapshotError(.truncated, "it ends within its \(count) next bytes")
                    return
                }
                filled += taken
            }
        }
        if let failure { throw failure }
        return bytes
    }

    func isAtEnd() throws(SnapshotError) -> Bool {
        var byte: UInt8 = 0
        while true {
            let taken = unsafe Foundation.read(file, &byte, 1)
            if taken >= 0 { return taken == 0 }
            guard errno == EINTR else { throw fileError("read", path) }
        }
    }
}
