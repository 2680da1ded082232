// Writing to descriptors and files by system calls: nothing is buffered, so a line is out when the call returns.

import Glibc
import Settings

struct FileOutput: Sendable {
    static let standardOutput = FileOutput(descriptor: STDOUT_FILENO)
    static let standardError = FileOutput(descriptor: STDERR_FILENO)

    let descriptor: Int32

    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// False where the system refused some of it, as for a closed pipe.
    @discardableResult
    func write(_ text: String) -> Bool { write(bytes: Array(text.utf8)) }

    @discardableResult
    func write(bytes: [UInt8]) -> Bool {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            written += count
        }
        return true
    }
}

/// Writes a file so that a reader sees all of it or none: into a neighbour, then renamed.
func writeFileAtomically(_ path: String, _ text: String) throws {
    let temporary = "\(path).\(getpid()).tmp"
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
        throw CommandError("cannot write \(path): \(systemError()); name another path", code: .system)
    }
    let isWritten = FileOutput(descriptor: descriptor).write(text)
    close(descriptor)
    guard isWritten, unsafe rename(temporary, path) == 0 else {
        let reason = systemError()
        unsafe unlink(temporary)
        throw CommandError("cannot write \(path): \(reason); name another path", code: .system)
    }
}

/// The last system call's error in words.
func systemError() -> String { unsafe String(cString: strerror(errno)) }
