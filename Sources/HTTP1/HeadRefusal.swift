/// Why a request head is refused. The connection is closed after the answer: what follows on it can't be told apart
/// from the refused request with certainty, and that doubt is what request smuggling lives on.
public enum HeadRefusal: UInt8, Error, Sendable, CaseIterable {
    case requestLineTooLong
    case fieldsTooLong
    case requestLine
    case method
    case target
    case version
    case bareLineFeed
    case fieldName
    case fieldValue
    case foldedField
    case missingHost
    case host
    case contentLength
    case framing

    /// The HTTP status of the answer.
    public var status: Int {
        switch self {
        case .requestLineTooLong: 414
        case .fieldsTooLong: 431
        case .version: 505
        case .requestLine, .method, .target, .bareLineFeed, .fieldName, .fieldValue, .foldedField, .missingHost, .host,
            .contentLength, .framing:
            400
        }
    }

    /// What was wrong and what is allowed.
    public var detail: StaticString {
        switch self {
        case .requestLineTooLong: "The request line is over 16384 bytes."
        case .fieldsTooLong: "The header fields are over 16384 bytes in all."
        case .requestLine: "The request line is not 'METHOD SP TARGET SP HTTP/1.1'."
        case .method: "The method is not a token."
        case .target: "The target is not a path, with a query or without, of visible ASCII bytes and without '#'."
        case .version: "The version is not HTTP/1.1 or HTTP/1.0."
        case .bareLineFeed: "A line does not end in CR LF."
        case .fieldName: "A header line is not a token followed at once by ':'."
        case .fieldValue: "A header value holds a control byte."
        case .foldedField: "A header line begins with white space; folded lines are not allowed."
        case .missingHost: "An HTTP/1.1 request needs the Host header."
        case .host: "The Host header is repeated or is not a host with an optional port."
        case .contentLength: "The Content-Length header is repeated or is not a number."
        case .framing: "Transfer-Encoding is not allowed beside Content-Length or in HTTP/1.0."
        }
    }
}
