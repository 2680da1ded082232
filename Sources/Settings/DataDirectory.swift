// The folder of one process's files. Made where missing and locked: the lock is flock(2)'s on `lock`, so it ends with
// the process however that ends, and the file holds the pid of the process that has it.

import Glibc
public import Model

/// A locked `data.dir`. The lock is held while this object lives.
public final class DataDirectory: Sendable {
    public let path: String
    private let lockFile: Int32

    /// Fails where the folder cannot be made or another process has it, naming that process.
    public init(path: String) throws(CommandError) {
        try Self.makeFolders(path)
        let file = unsafe open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Self.failure("open", path + "/lock") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            let holder = Self.read(file, bytesMax: 32).split(separator: "\n").first.map(String.init)
            close(file)
            guard reason == EWOULDBLOCK else { throw Self.failure("lock", path + "/lock") }
            throw CommandError(
                "data.dir \(path): in use by process \(holder ?? "(unknown)"); stop it or give another --data-dir",
                code: .system)
        }
        guard ftruncate(file, 0) == 0, Self.write(file, "\(getpid())\n") else {
            defer { close(file) }
            throw Self.failure("write", path + "/lock")
        }
        self.path = path
        lockFile = file
    }

    deinit { close(lockFile) }

    /// The id kept in `node.id`, made at the first start.
    public func memberID() throws(CommandError) -> ID {
        let name = path + "/node.id"
        let file = unsafe open(name, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            guard errno == ENOENT else { throw Self.failure("open", name) }
            return try makeID(name)
        }
        defer { close(file) }
        let text = Self.read(file, bytesMax: 256).filter { !$0.isNewline }
        guard let id = ID(text) else {
            throw CommandError(
                "\(name): holds no legal id; delete the file for a new one, or give --node-id", code: .data)
        }
        return id
    }

    /// Written beside and renamed, so a crash leaves no half id.
    private func makeID(_ name: String) throws(CommandError) -> ID {
        let text = "m-" + String(UInt64.random(in: (1 << 60)...UInt64.max), radix: 16)
        guard let id = ID(text) else { preconditionFailure("a made id is legal") }
        let file = unsafe open(name + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Self.failure("write", name) }
        defer { close(file) }
        guard Self.write(file, text + "\n"), fsync(file) == 0, unsafe rename(name + ".new", name) == 0 else {
            throw Self.failure("write", name)
        }
        return id
    }

    private static func makeFolders(_ path: String) throws(CommandError) {
        var prefix = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            prefix += prefix.isEmpty || prefix.hasSuffix("/") ? String(part) : "/" + part
            guard unsafe mkdir(prefix, 0o755) == 0 || errno == EEXIST else { throw failure("make", prefix) }
        }
    }

    private static func failure(_ what: String, _ path: String) -> CommandError {
        let reason = unsafe String(cString: strerror(errno))
        return CommandError("data.dir: cannot \(what) \(path): \(reason)", code: .system)
    }

    private static func read(_ file: Int32, bytesMax: Int) -> String {
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, count in
            count = unsafe max(0, pread(file, buffer.baseAddress, buffer.count, 0))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func write(_ file: Int32, _ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) } == bytes.count
    }
}
