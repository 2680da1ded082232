import Foundation
import Model
import Render
import TestSupport
import Testing

extension TextBuffer {
    fileprivate var string: String { unsafe String(decoding: bytes, as: UTF8.self) }

    @discardableResult
    fileprivate mutating func append(escaping text: String) -> Bool {
        unsafe Array(text.utf8).withUnsafeBufferPointer { unsafe append(escaping: $0) }
    }
}

@Suite struct JSONTextTests {
    @Test(arguments: [
        ("plain é 東京 😀 /", "plain é 東京 😀 /"), ("", ""), ("a\"b", "a\\\"b"), ("\\", "\\\\"),
        ("\u{8}\t\n\u{C}\r", "\\b\\t\\n\\f\\r"), ("\u{0}\u{1}\u{1F}\u{7F}", "\\u0000\\u0001\\u001f\u{7F}"),
    ])
    func escapes(text: String, expected: String) {
        // Behind enough plain bytes for each place in a word of eight.
        for places in 0..<9 {
            let plain = String(repeating: "x", count: places)
            var buffer = TextBuffer()
            let isEscaped = buffer.append(escaping: plain + text)
            #expect(buffer.string == plain + expected)
            #expect(isEscaped == (text != expected))
        }
    }

    @Test(arguments: 0..<20) func whatIsEscapedIsReadBack(round: Int) throws {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        random = SeededGenerator(seed: random.seed &+ UInt64(round))
        let scalars = (0..<200).compactMap { _ in
            Unicode.Scalar(UInt32.random(in: 0..<(Bool.random(using: &random) ? 0x60 : 0x3000), using: &random))
        }
        let text = String(String.UnicodeScalarView(scalars))
        var buffer = TextBuffer()
        buffer.append(0x22)
        buffer.append(escaping: text)
        buffer.append(0x22)
        #expect(try JSON(Array(buffer.string.utf8)) == .text(Array(text.utf8)), "seed \(random.seed)")
    }

    @Test(arguments: [0, 7, -1, 10, 100, -100, Int64.max, Int64.min]) func decimals(number: Int64) {
        var bytes: [UInt8] = [0x5B]
        bytes.append(decimal: number)
        #expect(String(decoding: bytes, as: UTF8.self) == "[\(number)")
        var buffer = TextBuffer()
        buffer.append(decimal: number)
        #expect(buffer.string == "\(number)")
    }

    @Test(arguments: [1, 7, 8, 9, 63, 64]) func idsOfEveryLength(count: Int) throws {
        let text = String("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._:-".prefix(count))
        var buffer = TextBuffer()
        buffer.append(try #require(ID(text)))
        buffer.append(0x22)
        #expect(buffer.string == text + "\"")
    }

    @Test func growsAsNeeded() {
        var buffer = TextBuffer(capacity: 1)
        var expected = ""
        for number in 0..<3_000 {
            buffer.append(decimal: Int64(number))
            buffer.append(escaping: "\n\(number)")
            expected += "\(number)\\n\(number)"
        }
        #expect(buffer.string == expected)
        buffer.removeAll()
        #expect(buffer.count == 0 && buffer.string.isEmpty)
    }
}

@Suite struct FragmentsTests {
    @Test func anEventsFragmentsInTheOrderOfTheContract() throws {
        var arena = MessageArena()
        let id = try #require(ID("e1"))
        let period = arena.add("2H".utf8)
        let event = EventMessage(
            id: id, sport: .soccer, stageID: id, start: Timestamp(milliseconds: 1_755_352_800_500), status: .inProgress,
            period: period, minute: -3)
        arena.periodScores = [arena.add("1".utf8), arena.add("\"".utf8)]
        let score = arena.add("".utf8)
        let participants = [
            EventParticipant(id: id), EventParticipant(id: id, score: score, periodScores: 0..<2),
            EventParticipant(id: id, periodScores: 0..<0),
        ]
        var text = TextBuffer()
        Fragments.open(id, to: &text)
        #expect(unsafe arena.withBytes(period) { unsafe Fragments.name($0, to: &text) } == false)
        Fragments.eventMiddle(event, arena, to: &text)
        for participant in participants { Fragments.participantTail(participant, arena, to: &text) }
        #expect(
            text.string
                == #"{"id":"e1","name":"2H","status":"IN_PROGRESS","scheduledStart":"2025-08-16T14:00:00.500Z","#
                + #""period":"2H","minute":-3,"participants":[},"score":"","periodScores":["1","\""]},"periodScores":[]}"#
        )
        #expect(Fragments.idOffset == 7 && Fragments.nameGap == 10)
    }

    /// The tag must be the same on every machine and in every version: golden values of XXH3, seed 0.
    @Test func hashesAreFixed() {
        func hash(_ text: String) -> ContentHash {
            unsafe Array(text.utf8).withUnsafeBytes { unsafe ContentHash(of: $0) }
        }
        #expect(hash("") == ContentHash(low: 0x6001_c324_468d_497f, high: 0x99aa_06d3_0147_98d8))
        #expect(hash("a") != hash("b"))
    }
}
