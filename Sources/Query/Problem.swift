// What a client is told when it gets no answer: RFC 9457, `application/problem+json`.

import Model

/// A refusal, with what was wrong and what is allowed.
public struct Problem: Error, Sendable, Equatable {
    /// The HTTP status.
    public let status: Int
    /// The name of the status.
    public let title: String
    /// What was wrong and what is allowed. Text from outside stands in it cut to `quotedBytesMax`.
    public let detail: String
    /// The value of `Allow`; 405 only.
    public let allow: String?
    /// The value of `Retry-After`; 503 only.
    public let retryAfterSeconds: Int?

    /// Bytes of text from outside that a problem repeats.
    public static let quotedBytesMax = 64
    /// The methods that are served.
    public static let methodsAllowed = "GET, HEAD, OPTIONS"

    public init(
        status: Int, title: String, detail: String, allow: String? = nil, retryAfterSeconds: Int? = nil
    ) {
        self.status = status
        self.title = title
        self.detail = detail
        self.allow = allow
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// The JSON body. The type is `about:blank`: the status says it all (RFC 9457, section 4.2.1).
    public func render() -> [UInt8] {
        var bytes = Array("{\"type\":\"about:blank\",\"title\":\"".utf8)
        Self.escape(title, into: &bytes)
        bytes += "\",\"status\":\(status),\"detail\":\"".utf8
        Self.escape(detail, into: &bytes)
        bytes += "\"}".utf8
        return bytes
    }

    /// Bytes from outside, as a text to be put between quotes: cut, with what is not visible ASCII as `?`.
    static func quoted(_ bytes: Span<UInt8>) -> String {
        var text: [UInt8] = []
        for index in 0..<min(bytes.count, quotedBytesMax) {
            let byte = bytes[index]
            text.append(byte >= 0x20 && byte < 0x7F ? byte : 0x3F)
        }
        return "'" + String(decoding: text, as: UTF8.self) + (bytes.count > quotedBytesMax ? "…'" : "'")
    }

    private static func escape(_ text: String, into bytes: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C:
                bytes += [0x5C, byte]
            case 0..<0x20:
                let hexadecimal = Array("0123456789abcdef".utf8)
                bytes += Array("\\u00".utf8) + [hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 15)]]
            default:
                bytes.append(byte)
            }
        }
    }
}

// MARK: - 4xx

extension Problem {
    public static func badRequest(_ detail: String) -> Problem {
        Problem(status: 400, title: "Bad Request", detail: detail)
    }

    /// Of `Favorites-Max-Staleness-Ms`.
    public static func badStaleness(_ value: Span<UInt8>) -> Problem {
        badRequest(
            "Favorites-Max-Staleness-Ms is \(quoted(value)); it is a number of milliseconds, 0 or more, and may stand once."
        )
    }

    public static func unknownPath(_ path: Span<UInt8>) -> Problem {
        notFound(
            "There is nothing at \(quoted(path)). Paths are /v1/api/app/mym/{sport} and /v1/api/app/myt/{sport}, "
                + "without a slash at the end; case counts.")
    }

    public static func unknownSport(_ sport: Span<UInt8>) -> Problem {
        notFound(
            "The sport \(quoted(sport)) is unknown. Sports are "
                + Sport.allCases.map { "\($0.name)" }.joined(separator: ", ") + ".")
    }

    private static func notFound(_ detail: String) -> Problem {
        Problem(status: 404, title: "Not Found", detail: detail)
    }

    public static func methodNotAllowed(_ method: Span<UInt8>) -> Problem {
        Problem(
            status: 405, title: "Method Not Allowed",
            detail: "The method \(quoted(method)) is not served. Methods are \(methodsAllowed).", allow: methodsAllowed)
    }
}

// MARK: - 503

extension Problem {
    /// Nothing was read to its end yet.
    public static let notReady = unavailable("The data is not loaded yet. Ask again.")

    /// `count` partitions of the events have no live holder.
    public static func noHolder(partitions count: Int) -> Problem {
        unavailable("No live holder for \(count) of the partitions that the answer needs. Ask again.")
    }

    /// Load is shed.
    public static let overloaded = unavailable("There are too many requests at the moment. Ask again.")

    /// No holder is as fresh as was asked for; the freshest there is is `ageMs` behind.
    public static func stale(ageMs: UInt32, boundMs: UInt32) -> Problem {
        let best = ageMs == .max ? "of unknown age" : "up to \(ageMs) ms old"
        return unavailable(
            "What there is may be \(best); Favorites-Max-Staleness-Ms allows \(boundMs). Ask again.")
    }

    /// The holders did not answer in time.
    public static let deadline = unavailable("The answer was not there in time. Ask again.")

    /// The answer would be over `Limits.answerBytesMax`. Asking the same again helps only when the data has changed.
    public static let answerTooLarge = unavailable(
        "The answer would be over \(Limits.answerBytesMax) bytes. Ask for fewer ids.",
        retryAfterSeconds: 60)

    private static func unavailable(_ detail: String, retryAfterSeconds: Int = 1) -> Problem {
        Problem(status: 503, title: "Service Unavailable", detail: detail, retryAfterSeconds: retryAfterSeconds)
    }
}
