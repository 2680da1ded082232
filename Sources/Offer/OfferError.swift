/// Why an offer folder cannot be read or written. `description` is one line that a user can act on.
public struct OfferError: Error, CustomStringConvertible, Sendable, Equatable {
    public enum Code: Sendable, Equatable {
        /// The folder is missing, or no folder.
        case noFolder
        /// The folder holds no offer file at all, or one twice (plain and gzipped).
        case wrongFiles
        /// The system refused to read or write, or a gzip file is damaged.
        case inputOutput
        /// A line is no `{"key":…,"value":…}`; `line` says which.
        case brokenLine
        /// The folder to write already holds an offer.
        case alreadyThere
    }

    public let code: Code
    /// The file's path, or the folder's where no single file is meant.
    public let path: String
    /// Counted from 1; nil where no line is meant.
    public let line: Int?
    public let reason: String

    init(_ code: Code, path: String, line: Int? = nil, _ reason: String) {
        self.code = code
        self.path = path
        self.line = line
        self.reason = reason
    }

    public var description: String {
        guard let line else { return "\(path): \(reason)" }
        return "\(path):\(line): \(reason)"
    }
}
