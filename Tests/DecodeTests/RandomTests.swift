// Random messages, damaged ones and real ones, against the second decoder.

import Decode
import Foundation
import Model
import TestSupport
import Testing

struct RandomTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// Messages with fields left out, null, of another type, of odd content and in random order.
    @Test func generated() {
        var random = SeededGenerator.forTest(environment: Self.environment)
        var harness = Harness()
        var validCount = 0
        for _ in 0..<10_000 {
            let kind = ModelKind.allCases.randomElement(using: &random) ?? .event
            let json = Array(message(kind, &random).utf8)
            let outcome = harness.decode(kind, json)
            validCount += agree(outcome, SlowDecoder().decode(kind, json), json, random.seed) ? 1 : 0
        }
        #expect(validCount > 1_000 && validCount < 9_000, "seed \(random.seed)")
    }

    /// An event that is read in one pass, and the same with a space before it, which is not: both are read alike. Texts of
    /// every length, so that quotation marks stand at every place of a block.
    @Test func plainOrNot() {
        var random = SeededGenerator.forTest(environment: Self.environment)
        var harness = Harness()
        let digits = Array("0123456789abcdefghij~ }]{,:".utf8)
        for round in 0..<1_000 {
            func text(_ countMax: Int) -> String {
                let bytes = (0..<Int.random(in: 0...countMax, using: &random)).map { _ in
                    digits.randomElement(using: &random) ?? 0x30
                }
                return "\"\(String(decoding: bytes, as: UTF8.self))\""
            }
            var fields = Messages.all(.event).filter { $0.name != "participants" && $0.name != "period" }
            let scores = (0..<Int.random(in: 0...3, using: &random)).map { _ in text(40) }.joined(separator: ",")
            fields.append(
                ("participants", #"[{"id":"p1","score":\#(text(70)),"periodScores":[\#(scores)]},{"id":"p2"}]"#))
            fields.append(("period", text(40)))
            fields.append(("minute", "\(Int64.random(in: -2_000...2_000, using: &random) << (round % 52))"))
            fields.shuffle(using: &random)
            let json = Messages.object(fields)
            let outcome = harness.decode(.event, json)
            #expect(outcome == harness.decode(.event, " " + json), "seed \(random.seed): \(json)")
            guard case .message = outcome else {
                Issue.record("invalid, seed \(random.seed): \(json)")
                continue
            }
        }
    }

    /// A message cut anywhere is invalid, and no cut crashes.
    @Test(arguments: ModelKind.allCases)
    func truncated(_ kind: ModelKind) {
        var harness = Harness()
        let json = Array(Self.full(kind).utf8)
        for count in 0..<json.count {
            guard case .invalid(let reason) = harness.decode(kind, Array(json[..<count])) else {
                Issue.record("valid at \(count)")
                continue
            }
            #expect(["value is not JSON", "value is not UTF-8"].contains(reason) || reason.contains("bad escape"))
        }
    }

    /// Every single bit of a message flipped, and many random damages of several bytes.
    @Test(arguments: ModelKind.allCases)
    func damaged(_ kind: ModelKind) {
        var random = SeededGenerator.forTest(environment: Self.environment)
        var harness = Harness()
        let json = Array(Self.full(kind).utf8)
        for bit in 0..<json.count * 8 {
            var damaged = json
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            agree(harness.decode(kind, damaged), SlowDecoder().decode(kind, damaged), damaged, random.seed)
        }
        for _ in 0..<3_000 {
            var damaged = json
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<damaged.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: damaged[index] = UInt8.random(in: 0...255, using: &random)
                case 1: damaged.remove(at: index)
                default: damaged.insert(Array(#"{}[]",:\u0-.eE"#.utf8).randomElement(using: &random) ?? 0, at: index)
                }
            }
            agree(harness.decode(kind, damaged), SlowDecoder().decode(kind, damaged), damaged, random.seed)
        }
    }

    /// Whether the message is valid, which both decoders must agree on, line by line.
    @discardableResult
    private func agree(_ outcome: Outcome, _ slow: String?, _ json: [UInt8], _ seed: UInt64) -> Bool {
        switch outcome {
        case .message(let line):
            #expect(line == slow, "seed \(seed): \(String(decoding: json, as: UTF8.self))")
            return true
        case .invalid(let reason):
            #expect(slow == nil, "\(reason), seed \(seed): \(String(decoding: json, as: UTF8.self))")
            return false
        }
    }

    static func full(_ kind: ModelKind) -> String {
        guard kind == .event else { return Messages.object(Messages.all(kind) + [("x", #""ä\u00e9😀\n""#)]) }
        let participants = #"[{"id":"p1","score":"2","periodScores":["1","1"]},{"id":"p2","score":"é","x":[-1.5e3]}]"#
        return Messages.changing(.event, "participants", to: participants)
    }

    private func message(_ kind: ModelKind, _ random: inout SeededGenerator) -> String {
        var fields = Messages.required(kind)
        fields += Messages.optional(kind).filter { _ in Bool.random(using: &random) }
        for index in fields.indices where Int.random(in: 0..<3, using: &random) == 0 {
            fields[index].json = value(like: fields[index], &random)
        }
        if Int.random(in: 0..<20, using: &random) == 0 {
            fields.remove(at: Int.random(in: 0..<fields.count, using: &random))
        }
        for index in 0..<Int.random(in: 0..<3, using: &random) { fields.append(("x\(index)", anything(&random))) }
        if Int.random(in: 0..<10, using: &random) == 0, let again = fields.randomElement(using: &random) {
            fields.append((again.name, value(like: again, &random)))
        }
        fields.shuffle(using: &random)
        return Messages.object(fields)
    }

    private func value(like field: (name: String, json: String), _ random: inout SeededGenerator) -> String {
        if Int.random(in: 0..<12, using: &random) == 0 { return anything(&random) }
        switch field.name {
        case "id": return field.json
        case "participants": return participants(&random)
        case "scheduledStart": return time(&random)
        case "minute", "positionScores", "positionTeams":
            return "\(Int64.random(in: -9_223_372_036_854_775_807...9_223_372_036_854_775_807, using: &random))"
        case "sport": return "\"\((Sport.allCases.randomElement(using: &random) ?? .soccer).name)\""
        case "status": return "\"\((Status.allCases.randomElement(using: &random) ?? .finished).name)\""
        default: return field.name.hasSuffix("Id") ? id(&random) : text(&random)
        }
    }

    private func participants(_ random: inout SeededGenerator) -> String {
        let count = [1, 1, 2, 2, 2, 3, 12, 63, 64, 65, 0].randomElement(using: &random) ?? 2
        let objects = (0..<count).map { _ in
            var fields = [("id", id(&random))]
            if Bool.random(using: &random) { fields.append(("score", text(&random))) }
            if Bool.random(using: &random) {
                let scores = (0..<Int.random(in: 0..<5, using: &random)).map { _ in text(&random) }
                fields.append(("periodScores", "[\(scores.joined(separator: ","))]"))
            }
            return Messages.object(fields.shuffled(using: &random))
        }
        return "[\(objects.joined(separator: ","))]"
    }

    private func id(_ random: inout SeededGenerator) -> String {
        let letters = Array("ABCXYZabcxyz0189._:-")
        let count = [1, 2, 8, 17, 63, 64].randomElement(using: &random) ?? 1
        let text = String((0..<count).map { _ in letters.randomElement(using: &random) ?? "a" })
        return Int.random(in: 0..<100, using: &random) == 0 ? "\"\(text)x \"" : "\"\(text)\""
    }

    private func text(_ random: inout SeededGenerator) -> String {
        let pieces = [
            "a", "Z", " ", "é", "日", "😀", #"\n"#, #"\""#, #"\\"#, #"\u00e9"#, #"\ud83d\ude00"#, "/", #"\/"#, "\u{7F}",
        ]
        let count = Int.random(in: 0..<6, using: &random)
        return "\"" + (0..<count).map { _ in Self.one(of: pieces, &random) }.joined() + "\""
    }

    private func time(_ random: inout SeededGenerator) -> String {
        func two(_ range: ClosedRange<Int>) -> String {
            let value = Int.random(in: range, using: &random)
            return value < 10 ? "0\(value)" : "\(value)"
        }
        let year = Self.one(
            of: ["0000", "0001", "1900", "1969", "1970", "2000", "2024", "2025", "9999"], &random)
        let date = "\(year)-\(two(1...12))-\(two(1...31))"
        let clock = "\(two(0...23)):\(two(0...59)):\(two(0...60))"
        let fraction = Self.one(of: ["", "", ".5", ".0009", ".123456789", "."], &random)
        let zone = Self.one(
            of: ["Z", "z", "+\(two(0...24)):\(two(0...60))", "-\(two(0...23)):\(two(0...59))"], &random)
        return "\"\(date)T\(clock)\(fraction)\(zone)\""
    }

    private static func one(of texts: [String], _ random: inout SeededGenerator) -> String {
        texts.randomElement(using: &random) ?? ""
    }

    private func anything(_ random: inout SeededGenerator) -> String {
        let values = [
            "null", "true", "false", "5", "-7", "-0", "1.5", "1e3", "1e400", "9223372036854775808", "[]", "{}",
            #"[1,["a"],{"id":"b"}]"#, #"{"id":1,"id":"x2"}"#, #"{"id":"x2","participants":[]}"#, #""""#, #""text""#,
        ]
        return Self.one(of: values, &random)
    }
}
