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

/// A file read from front to back, in large steps.
private final class DiskInput {
    private static let bufferBytes = 1 << 20
    private let file: Int32
    private let path: String
    private var buffer: [UInt8] = []
    private var position = 0

    init(_ path: String) throws(SnapshotError) {
        file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        self.path = path
        guard file >= 0 else { throw fileError("open", path) }
    }

    deinit { if file >= 0 { close(file) } }

    /// Exactly `count` bytes, which are at most a block's.
    func read(_ count: Int) throws(SnapshotError) -> [UInt8] {
        while buffer.count - position < count {
            guard try fill() > 0 else { throw SnapshotError(.truncated, "it ends within its \(count) next bytes") }
        }
        defer { position += count }
        return Array(buffer[position..<position + count])
    }

    func isAtEnd() throws(SnapshotError) -> Bool {
        if position < buffer.count { return false }
        return try fill() == 0
    }

    /// Reads on behind what is left in the buffer; returns how much came.
    private func fill() throws(SnapshotError) -> Int {
        buffer.removeSubrange(..<position)
        position = 0
        let left = buffer.count
        var count = 0
        buffer.append(contentsOf: repeatElement(0, count: Self.bufferBytes))
        repeat {
            count = unsafe buffer.withUnsafeMutableBytes {
                unsafe Foundation.read(file, $0.baseAddress.unsafelyUnwrapped + left, Self.bufferBytes)
            }
        } while count < 0 && errno == EINTR
        guard count >= 0 else {
            let error = fileError("read", path)
            buffer.removeLast(Self.bufferBytes)
            throw error
        }
        buffer.removeLast(Self.bufferBytes - count)
        return count
    }
}
