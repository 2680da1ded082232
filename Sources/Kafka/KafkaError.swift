/// What went wrong with Kafka, in one line for a person.
public struct KafkaError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable {
        /// An option is unknown, reserved or malformed; the message names it.
        case configuration
        /// No broker answers.
        case unreachable
        case timedOut
        case unknownTopic
        case topicExists
        /// The broker cannot do this at all, as the embedded one cannot create topics.
        case unsupported
        case messageTooLarge
        /// Authentication or authorization.
        case denied
        case failed
    }

    public let code: Code
    public let message: String
    /// Whether the same call may succeed later without any change.
    public let isRetriable: Bool
    /// Whether the client that threw it is of no further use.
    public let isFatal: Bool

    init(_ code: Code, _ message: String, isRetriable: Bool = false, isFatal: Bool = false) {
        self.code = code
        self.message = message
        self.isRetriable = isRetriable
        self.isFatal = isFatal
    }

    public var description: String { message }
}
