// What a setting's text may be, and the value it stands for.

import Model

/// A setting's value after parsing and range check.
enum SettingValue: Sendable, Equatable {
    case absent
    case text(String)
    case list([String])
    case integer(Int)
    case duration(Duration)
    case timestamp(Timestamp)
}

enum SettingType: Sendable, Equatable {
    case text
    /// An id as in the contract, or absent.
    case id
    /// A Kafka topic's name.
    case topic
    /// `host:port`, separated by commas.
    case addresses
    case integer(ClosedRange<Int>)
    /// 0 takes a free port.
    case port
    case duration(ClosedRange<Duration>)
    case choice([String])
    /// A number of replicas, or `max`.
    case replicas
    /// RFC 3339, or absent.
    case timestamp

    /// The value in brackets behind a flag.
    var placeholder: String {
        switch self {
        case .text: "text"
        case .id: "id"
        case .topic: "topic"
        case .addresses: "host:port,…"
        case .integer: "number"
        case .port: "port"
        case .duration: "duration"
        case .choice(let choices): choices.joined(separator: "|")
        case .replicas: "number|max"
        case .timestamp: "time"
        }
    }

    /// What is allowed, as it ends an error's line and stands in the documentation.
    var allowed: String {
        switch self {
        case .text: "1 to 255 bytes of text"
        case .id: "1 to \(ID.bytesMax) of A-Z a-z 0-9 . _ : -"
        case .topic: "1 to 249 of A-Z a-z 0-9 . _ -"
        case .addresses: "host:port, several separated by commas"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .port: "a port from 0 to 65535; 0 takes a free one"
        case .duration(let range):
            "a duration from \(DurationText.render(range.lowerBound)) to \(DurationText.render(range.upperBound)), "
                + "as in 500ms, 5s, 10m, 12h, 7d"
        case .choice(let choices): "one of " + choices.joined(separator: ", ")
        case .replicas: "a whole number from 1 to \(Limits.membersMax), or max"
        case .timestamp: "a time in RFC 3339, as in 2026-03-13T12:00:00Z"
        }
    }

    /// Nil where the text is not allowed.
    func parse(_ text: String) -> SettingValue? {
        switch self {
        case .text: (1...255).contains(text.utf8.count) ? .text(text) : nil
        case .id: ID(text) == nil ? nil : .text(text)
        case .topic: Self.isTopic(text) ? .text(text) : nil
        case .addresses: Self.addresses(text).map(SettingValue.list)
        case .integer(let range): Self.integer(text, range)
        case .port: Self.integer(text, 0...65_535)
        case .duration(let range): DurationText.parse(text).flatMap { range.contains($0) ? .duration($0) : nil }
        case .choice(let choices): choices.contains(text) ? .text(text) : nil
        case .replicas: text == "max" ? .text(text) : Self.integer(text, 1...Limits.membersMax)
        case .timestamp: Timestamp(Array(text.utf8).span).map(SettingValue.timestamp)
        }
    }

    private static func integer(_ text: String, _ range: ClosedRange<Int>) -> SettingValue? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text), range.contains(number)
        else { return nil }
        return .integer(number)
    }

    private static func isTopic(_ text: String) -> Bool {
        (1...249).contains(text.utf8.count) && ID(text.prefix(ID.bytesMax)) != nil && text != "." && text != ".."
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
    }

    private static func addresses(_ text: String) -> [String]? {
        var addresses: [String] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let address = part.drop { $0 == " " }
            guard let colon = address.lastIndex(of: ":"), colon != address.startIndex,
                case .integer? = integer(String(address[address.index(after: colon)...]), 1...65_535),
                !address.contains(" ")
            else { return nil }
            addresses.append(String(address))
        }
        return addresses
    }
}

/// `500ms`, `5s`, `10m`, `12h`, `7d`: a whole number and one unit.
enum DurationText {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    static func parse(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), let unit = units.first(where: { $0.name == text[digits.endIndex...] })
        else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
        return overflow ? nil : .milliseconds(milliseconds)
    }

    /// In the largest unit that divides it.
    static func render(_ duration: Duration) -> String {
        let milliseconds = duration.milliseconds
        let unit = units.last { milliseconds % $0.milliseconds == 0 && milliseconds >= $0.milliseconds } ?? units[0]
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }
}

extension Duration {
    /// Whole milliseconds, the rest cut.
    public var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}
