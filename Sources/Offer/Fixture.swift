// One event as the generator and the match day handle it, and its message.

import Model

struct Fixture: Sendable {
    struct Entry: Sendable {
        var id: String
        var score: String?
        var periodScores: [String] = []
    }

    var id: String
    var sport: Sport
    var stageID: String
    var start: Timestamp
    var status = Status.notStarted
    var period: String?
    var minute: Int64?
    var participants: [Entry]

    /// The message's value.
    func appendJSON(to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "{\"id\":\"".utf8)
        bytes.append(contentsOf: id.utf8)
        bytes.append(contentsOf: "\",\"sport\":\"".utf8)
        bytes.append(contentsOf: sport.text.utf8)
        bytes.append(contentsOf: "\",\"stageId\":\"".utf8)
        bytes.append(contentsOf: stageID.utf8)
        bytes.append(contentsOf: "\",\"scheduledStart\":\"".utf8)
        start.append(to: &bytes)
        bytes.append(contentsOf: "\",\"status\":\"".utf8)
        bytes.append(contentsOf: status.text.utf8)
        bytes.append(UInt8(ascii: "\""))
        bytes.appendField("period", period)
        if let minute { bytes.append(contentsOf: ",\"minute\":\(minute)".utf8) }
        bytes.append(contentsOf: ",\"participants\":[".utf8)
        for (index, participant) in participants.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            participant.appendJSON(to: &bytes)
        }
        bytes.append(contentsOf: "]}".utf8)
    }

    var value: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512)
        appendJSON(to: &bytes)
        return bytes
    }
}

extension Fixture.Entry {
    fileprivate func appendJSON(to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "{\"id\":\"".utf8)
        bytes.append(contentsOf: id.utf8)
        bytes.append(UInt8(ascii: "\""))
        bytes.appendField("score", score)
        if !periodScores.isEmpty {
            bytes.append(contentsOf: ",\"periodScores\":[".utf8)
            for (index, score) in periodScores.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes.appendQuoted(score)
            }
            bytes.append(UInt8(ascii: "]"))
        }
        bytes.append(UInt8(ascii: "}"))
    }
}

/// A participant, whose name the match day changes now and then.
struct Competitor: Sendable {
    var id: String
    var sport: Sport
    var name: String
    var shortName: String?
    var abbreviation: String?
    var regionID: String?
    var imageURL: String?

    var value: [UInt8] {
        var bytes = Array("{\"id\":\"\(id)\",\"sport\":\"\(sport.text)\"".utf8)
        bytes.appendField("name", name)
        bytes.appendField("shortName", shortName)
        bytes.appendField("abbreviation", abbreviation)
        bytes.appendField("regionId", regionID)
        bytes.appendField("imageUrl", imageURL)
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }
}

extension [UInt8] {
    /// `,"name":"text"`; nothing where there is no text.
    mutating func appendField(_ name: StaticString, _ text: String?) {
        guard let text else { return }
        append(contentsOf: ",\"".utf8)
        append(contentsOf: name.text.utf8)
        append(contentsOf: "\":".utf8)
        appendQuoted(text)
    }

    mutating func appendQuoted(_ text: String) {
        append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(contentsOf: [UInt8(ascii: "\\"), byte])
            case 0..<0x20: append(contentsOf: "\\u00".utf8 + [byte >> 4 | 0x30] + Array(String(byte & 15, radix: 16).utf8))
            default: append(byte)
            }
        }
        append(UInt8(ascii: "\""))
    }
}

extension StaticString {
    /// `StaticString.description` makes the same string.
    var text: String { description }
}

extension Sport {
    private static let texts = Sport.allCases.map(\.name.description)
    var text: String { Self.texts[Int(rawValue)] }
}

extension Status {
    private static let texts = Status.allCases.map(\.name.description)
    var text: String { Self.texts[Int(rawValue)] }
}
