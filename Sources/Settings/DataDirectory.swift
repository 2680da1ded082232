// The folder of one process's files. Made where missing and locked: the lock is flock(2)'s on `lock`, so it ends with
// the process however that ends, and the file holds the pid of the process that has it.

import Glibc
public import Model

/// A locked `data.dir`. The lock is held while this object lives.
public final class DataDirectory: Sendable {
    public let path: String
    /// Names the lock for as long as the machine runs: two processes that held a lock of one name held it one after the
    /// other. Nil where the system does not tell.
    public let lockName: String?
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
        guard ftruncate(file, 0) == 0, Self.write(file, Array("\(getpid())\n".utf8)) else {
            defer { close(file) }
            throw Self.failure("write", path + "/lock")
        }
        self.path = path
        lockName = Self.name(of: file)
        lockFile = file
    }

    /// The machine's boot, the file system and the file. While the file is open no other one gets its number.
    private static func name(of file: Int32) -> String? {
        let boot = unsafe open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard boot >= 0 else { return nil }
        defer { close(boot) }
        let bootID = read(boot, bytesMax: 64).filter { !$0.isNewline }
        var status = stat()
        guard !bootID.isEmpty, unsafe fstat(file, &status) == 0 else { return nil }
        return "\(bootID) \(status.st_dev) \(status.st_ino)"
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

    private func makeID(_ name: String) throws(CommandError) -> ID {
        let text = "m-" + String(UInt64.random(in: (1 << 60)...UInt64.max), radix: 16)
        guard let id = ID(text) else { preconditionFailure("a made id is legal") }
        try Self.replace(name, with: Array((text + "\n").utf8))
        return id
    }

    /// Puts these bytes in the place of a file of the folder. One caller for each name at a time.
    public func replace(_ name: String, with bytes: [UInt8]) throws(CommandError) {
        try Self.replace(path + "/" + name, with: bytes)
        let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw Self.failure("open", path) }
        defer { close(folder) }
        // The new name, too, outlives a crash of the machine.
        guard fsync(folder) == 0 else { throw Self.failure("sync", path) }
    }

    /// Written beside and renamed, so a crash leaves the old or the new and no half of one.
    private static func replace(_ name: String, with bytes: [UInt8]) throws(CommandError) {
        let file = unsafe open(name + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure("write", name) }
        defer { close(file) }
        guard write(file, bytes), fsync(file) == 0, unsafe rename(name + ".new", name) == 0 else {
            throw failure("write", name)
        }
    }

    /// The bytes of a file of the folder; nil where there is none, or where it has more than `bytesMax`.
    public func contents(of name: String, bytesMax: Int) throws(CommandError) -> [UInt8]? {
        let file = unsafe open(path + "/" + name, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            guard errno == ENOENT else { throw Self.failure("open", path + "/" + name) }
            return nil
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        while bytes.count <= bytesMax {
            let offset = bytes.count
            let more = unsafe [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, count in
                count = unsafe max(0, pread(file, buffer.baseAddress, buffer.count, off_t(offset)))
            }
            if more.isEmpty { return bytes }
            bytes += more
        }
        return nil
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

    private static func write(_ file: Int32, _ bytes: [UInt8]) -> Bool {
        unsafe bytes.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[written...])
                let count = unsafe Glibc.write(file, rest.baseAddress, rest.count)
                guard count > 0 else { return false }
                written += count
            }
            return true
        }
    }
}
