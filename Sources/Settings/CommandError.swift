/// An error that ends a command: one clear line (or one for each problem) that says what to do, and an exit code.
public struct CommandError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The exit codes of sysexits(3) that this project uses.
    public enum Code: Int32, Sendable {
        /// Wrong flags, settings or input named by the user.
        case usage = 64
        /// An input file or folder is broken.
        case data = 65
        /// Something outside is missing: a broker, a port, a peer.
        case unavailable = 69
        /// The system refused something: a file cannot be written, a lock is taken.
        case system = 71
    }

    public var message: String
    public var code: Code

    public init(_ message: String, code: Code = .usage) {
        self.message = message
        self.code = code
    }

    public var description: String { message }
}
