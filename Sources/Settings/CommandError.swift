/// An error that ends a command: one clear line (or one for each problem) that says what to do, and an exit code.
public struct CommandError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The exit codes of sysexits(3) that this project uses.
    public enum Code: Int32, Sendable, CaseIterable {
        /// Wrong flags, settings or input named by the user.
        case usage = 64
        /// An input file or folder is broken.
        case data = 65
        /// Something outside is missing: a broker, a port, a peer.
        case unavailable = 69
        /// The system refused something: a file cannot be written, a lock is taken.
        case system = 71

        /// For people.
        public var meaning: String {
            switch self {
            case .usage: "wrong flags, settings or paths"
            case .data: "an input file is broken, or is too much for the broker"
            case .unavailable: "something outside is missing or refuses: a broker, a topic, a port"
            case .system: "the system refuses: a file cannot be read or written, a data.dir is in use"
            }
        }
    }

    public var message: String
    public var code: Code

    public init(_ message: String, code: Code = .usage) {
        self.message = message
        self.code = code
    }

    public var description: String { message }
}
