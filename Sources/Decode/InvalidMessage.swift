/// Why a message is invalid. It is a few bytes without a reference, so a flood of invalid messages costs no more
/// than a flood of valid ones, and it repeats nothing of the message.
public struct InvalidMessage: Error, Sendable {
    public enum Reason: UInt8, CaseIterable, Sendable {
        // Of the value as a whole.
        case tooLarge, notJSON, notUTF8, badText, tooDeep
        // Of a field. A null field counts as missing.
        case missing, notText, notInteger, notList, notObject
        case badID, badTime, unknown, empty, tooMany
        // Of the key.
        case differsFromKey

        var text: StaticString {
            switch self {
            case .tooLarge: "is over 256 KiB"
            case .notJSON: "is not JSON"
            case .notUTF8: "is not UTF-8"
            case .badText: "has a text with a bad escape, a lone surrogate or a control character"
            case .tooDeep: "is nested too deep"
            case .missing: "is missing"
            case .notText: "is not a text"
            case .notInteger: "is not an integer of 64 bits"
            case .notList: "is not a list"
            case .notObject: "is not an object"
            case .badID: "is not 1 to 64 bytes out of A-Z a-z 0-9 . _ : -"
            case .badTime: "is not an RFC 3339 time of the years 0001 to 9999"
            case .unknown: "is not one of the known values"
            case .empty: "is empty"
            case .tooMany: "has more than 64 elements"
            case .differsFromKey: "differs from the key"
            }
        }
    }

    public let reason: Reason
    /// The field's path, such as `participants.id`; or `key` or `value` where the whole of it is meant.
    public let field: StaticString

    init(_ field: StaticString, _ reason: Reason) {
        self.field = field
        self.reason = reason
    }
}

extension InvalidMessage: CustomStringConvertible {
    /// One short line for a log, of fixed texts alone.
    public var description: String { "\(field) \(reason.text)" }
}
