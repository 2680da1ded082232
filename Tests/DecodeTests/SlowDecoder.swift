// A second decoder, written only from contract section 1: slow, plain and independent of the first. It says whether a
// message is valid and, if so, its line.

import Model

struct SlowDecoder {
    private struct Invalid: Error {}
    private typealias Fields = [String: SlowJSON]

    func decode(_ kind: ModelKind, _ json: [UInt8], key: [UInt8] = Array("x1".utf8)) -> String? {
        guard json.count <= 262_144, case .object(let fields) = SlowJSON(json) else { return nil }
        return try? line(kind, fields, String(decoding: key, as: UTF8.self))
    }

    private func line(_ kind: ModelKind, _ fields: Fields, _ key: String) throws -> String {
        let id = try required(fields, "id", id)
        guard id == key else { throw Invalid() }
        var words = [kind.name, id]
        if kind != .season && kind != .region { words.append(try required(fields, "sport", sport)) }
        var line = Line(words.joined(separator: " "))
        if kind == .event { return try event(fields, line) }
        line = line.with("name", try required(fields, "name", quoted))
        switch kind {
        case .event: break
        case .participant:
            line = line.with("shortName", try optional(fields, "shortName", quoted))
                .with("abbreviation", try optional(fields, "abbreviation", quoted))
                .with("regionId", try optional(fields, "regionId", self.id))
                .with("imageUrl", try optional(fields, "imageUrl", quoted))
        case .stage:
            line = line.with("slug", try optional(fields, "slug", quoted))
                .with("categoryId", try optional(fields, "categoryId", self.id))
                .with("seasonId", try optional(fields, "seasonId", self.id))
                .with("positionScores", try optional(fields, "positionScores", integer))
                .with("positionTeams", try optional(fields, "positionTeams", integer))
        case .season:
            _ = try optional(fields, "startDate", quoted)
            _ = try optional(fields, "endDate", quoted)
        case .region: line = line.with("code", try optional(fields, "code", quoted))
        case .category:
            line = line.with("slug", try optional(fields, "slug", quoted))
                .with("regionId", try optional(fields, "regionId", self.id))
        }
        return line.text
    }

    private func event(_ fields: Fields, _ start: Line) throws -> String {
        var line = Line(
            start.text, try required(fields, "stageId", id), try required(fields, "scheduledStart", time),
            try required(fields, "status", status))
        let participants = try required(fields, "participants", list)
        guard participants.count >= 1, participants.count <= 64 else { throw Invalid() }
        for participant in participants {
            guard case .object(let fields) = participant else { throw Invalid() }
            line = line.with("participant", try required(fields, "id", id))
                .with("score", try optional(fields, "score", quoted))
                .with("periodScores", try optional(fields, "periodScores", { try list($0).map(quoted) }))
        }
        return line.with("period", try optional(fields, "period", quoted))
            .with("minute", try optional(fields, "minute", integer)).text
    }

    private func optional<T>(_ fields: Fields, _ name: String, _ read: (SlowJSON) throws -> T) throws -> T? {
        guard let value = fields[name] else { return nil }
        if case .null = value { return nil }
        return try read(value)
    }

    private func required<T>(_ fields: Fields, _ name: String, _ read: (SlowJSON) throws -> T) throws -> T {
        guard let value = try optional(fields, name, read) else { throw Invalid() }
        return value
    }

    private func text(_ value: SlowJSON) throws -> String {
        guard case .text(let text) = value else { throw Invalid() }
        return text
    }

    private func quoted(_ value: SlowJSON) throws -> String { try text(value).debugDescription }

    private func list(_ value: SlowJSON) throws -> [SlowJSON] {
        guard case .list(let elements) = value else { throw Invalid() }
        return elements
    }

    private func integer(_ value: SlowJSON) throws -> Int64 {
        guard case .number(let digits) = value, let integer = Int64(digits) else { throw Invalid() }
        return integer
    }

    private func id(_ value: SlowJSON) throws -> String {
        let text = try text(value)
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-".unicodeScalars
        guard (1...64).contains(text.utf8.count), text.unicodeScalars.allSatisfy(letters.contains) else {
            throw Invalid()
        }
        return text
    }

    private func sport(_ value: SlowJSON) throws -> String {
        try oneOf(["soccer", "tennis", "hockey", "basketball", "cricket", "horses"], value)
    }

    private func status(_ value: SlowJSON) throws -> String {
        try oneOf(
            ["NOT_STARTED", "IN_PROGRESS", "INTERRUPTED", "FINISHED", "POSTPONED", "CANCELLED", "ABANDONED"], value)
    }

    private func oneOf(_ names: [String], _ value: SlowJSON) throws -> String {
        let text = try text(value)
        guard names.contains(where: { $0.utf8.elementsEqual(text.utf8) }) else { throw Invalid() }
        return text
    }

    /// Counts the days one month at a time.
    private func time(_ value: SlowJSON) throws -> String {
        let pattern =
            /([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?([Zz]|[+\-][0-9]{2}:[0-9]{2})/
        guard let match = try text(value).wholeMatch(of: pattern)?.output,
            let year = Int(match.1), let month = Int(match.2), let day = Int(match.3), let hour = Int(match.4),
            let minute = Int(match.5), let second = Int(match.6), hour <= 23, minute <= 59, second <= 59,
            (1...12).contains(month), (1...daysIn(month, year)).contains(day)
        else { throw Invalid() }
        var days = day - 1
        for earlier in 0..<year { days += isLeap(earlier) ? 366 : 365 }
        for earlier in 1..<month { days += daysIn(earlier, year) }
        days -= 366 + 719_162  // The year 0, and the days from 0001-01-01 to 1970-01-01.
        let milliseconds = Int((String(match.7?.dropFirst() ?? "") + "000").prefix(3)) ?? 0
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - (try offsetSeconds(match.8))
        let timestamp = Timestamp(milliseconds: Int64(seconds * 1000 + milliseconds))
        guard timestamp >= .earliest, timestamp <= .latest else { throw Invalid() }
        return timestamp.description
    }

    private func offsetSeconds(_ zone: Substring) throws -> Int {
        guard zone.count == 6 else { return 0 }
        guard let hours = Int(zone.dropFirst().prefix(2)), let minutes = Int(zone.suffix(2)), hours <= 23, minutes <= 59
        else { throw Invalid() }
        return (hours * 3600 + minutes * 60) * (zone.hasPrefix("-") ? -1 : 1)
    }

    private func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private func daysIn(_ month: Int, _ year: Int) -> Int {
        [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    }
}
