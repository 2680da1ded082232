// What is JSON and what is not, whatever the model.

import Decode
import Model
import Testing

struct JSONTests {
    static let good = #""id":"x1","name":"N""#

    /// Each row is put where `$` stands, and the message stays valid and unchanged.
    @Test(arguments: [
        "{$GOOD}", " \t\r\n{$GOOD}\n\n ", #"{$GOOD,"x":{"id":"x2","name":[1,{"id":[]}]}}"#,
        #"{"x":{"id":"x2"},$GOOD,"y":[true,false,null,-1.5e-7]}"#,
        #"{"id":"x2","name":5,$GOOD}"#, #"{"id":null,$GOOD}"#, #"{"\u0069d":"x2",$GOOD}"#,
        #"{$GOOD,"ID":"x2","i":1,"idd":1,"id\u0000":2,"":3}"#,
        #"{$GOOD,"x":1e400,"y":-1e400,"z":1E+99999999999999999999}"#,
        #"{$GOOD,"x":18446744073709551616,"y":[-9223372036854775809,123456789012345678901234567890]}"#,
        #"{$GOOD,"a\"1e400":"1e400 \"18446744073709551616\" \\","x":1e400}"#,
        #"{$GOOD,"x":1e-400,"y":0e0,"z":-0.0}"#,
    ])
    func accepted(_ template: String) {
        var harness = Harness()
        let json = template.replacing("$GOOD", with: Self.good)
        #expect(harness.decode(.region, json) == .message(#"region x1 name="N""#))
    }

    @Test(arguments: [
        ("", "value is not JSON"), (" ", "value is not JSON"), ("{", "value is not JSON"),
        ("{$GOOD", "value is not JSON"), ("{$GOOD,}", "value is not JSON"), ("{,$GOOD}", "value is not JSON"),
        ("{$GOOD}}", "value is not JSON"), ("{$GOOD}]", "value is not JSON"), ("{$GOOD},", "value is not JSON"),
        ("{$GOOD}{$GOOD}", "value is not JSON"), ("{$GOOD} x", "value is not JSON"),
        ("{$GOOD}\u{0}", "value is not JSON"), ("\u{FEFF}{$GOOD}", "value is not JSON"),
        ("// c\n{$GOOD}", "value is not JSON"), ("{$GOOD,'x':1}", "value is not JSON"),
        ("{$GOOD,x:1}", "value is not JSON"), (#"{$GOOD,"x"}"#, "value is not JSON"),
        (#"{$GOOD,"x":}"#, "value is not JSON"), (#"{$GOOD,"x":nul}"#, "value is not JSON"),
        (#"{$GOOD,"x":True}"#, "value is not JSON"), (#"{$GOOD,"x":01}"#, "value is not JSON"),
        (#"{$GOOD,"x":.5}"#, "value is not JSON"), (#"{$GOOD,"x":1.}"#, "value is not JSON"),
        (#"{$GOOD,"x":1e}"#, "value is not JSON"), (#"{$GOOD,"x":-}"#, "value is not JSON"),
        (#"{$GOOD,"x":1e400e5}"#, "value is not JSON"), (#"{$GOOD,"x":1e400.5}"#, "value is not JSON"),
        (#"{$GOOD,"x":[-1-5e300]}"#, "value is not JSON"), (#"{$GOOD,"x":1-1e400}"#, "value is not JSON"),
        (#"{$GOOD,"x":1e400x}"#, "value is not JSON"), (#"{$GOOD,"x":x1e400}"#, "value is not JSON"),
        (#"{$GOOD,"x":01e400}"#, "value is not JSON"), (#"{$GOOD,"x":1e400,"y":1e}"#, "value is not JSON"),
        (#"{$GOOD,"x":18446744073709551616-1}"#, "value is not JSON"),
        (#"{$GOOD,"x":1e400 1}"#, "value is not JSON"), (#"{$GOOD,"x":[1}}"#, "value is not JSON"),
        (#"{$GOOD,"x":0x10}"#, "value is not JSON"), (#"{$GOOD,"x":Infinity}"#, "value is not JSON"),
        ("[{$GOOD}]", "value is not an object"), (#""x1""#, "value is not an object"), ("1", "value is not an object"),
        ("1e400", "value is not an object"), ("true", "value is not an object"), ("null", "value is not an object"),
    ])
    func refused(_ template: String, _ reason: String) {
        var harness = Harness()
        #expect(harness.decode(.region, template.replacing("$GOOD", with: Self.good)) == .invalid(reason))
    }

    /// Bad texts are found in every field and in every key, known or not.
    @Test(arguments: [
        #"\ud800"#, #"\udc00"#, #"\ud800\u0041"#, #"\ud800\ud800"#, #"\udc00\ud800"#, #"\ud800x"#, #"\ud800\n"#,
        #"\ud83d\\ude00"#, #"\u12"#, #"\u12G4"#, #"\x41"#, #"\'"#, "\n", "\u{0}", "\u{1F}",
    ])
    func badTexts(_ text: String) {
        var harness = Harness()
        for json in [
            "{\"id\":\"x1\",\"name\":\"\(text)\"}", "{\(Self.good),\"x\":\"\(text)\"}",
            "{\(Self.good),\"\(text)\":1}", "{\"name\":\"\(text)\",\(Self.good)}",
            "{\(Self.good),\"x\":[[\"\(text)\"]]}",
        ] {
            let outcome = harness.decode(.region, json)
            #expect(
                outcome
                    == .invalid("value has a text with a bad escape, a lone surrogate or a control character"),
                "\(json)")
        }
    }

    /// Overlong forms, surrogates, beyond U+10FFFF, cut sequences, stray continuations.
    @Test(
        arguments: [
            [0xFF], [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
            [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
            [0xE2, 0x82],
            [0xF0, 0x9F, 0x98],
        ] as [[UInt8]])
    func notUTF8(_ bytes: [UInt8]) {
        var harness = Harness()
        for (before, after) in [
            (#"{"id":"x1","name":""#, "\"}"), ("{\(Self.good),\"x\":\"", "\"}"), ("{\(Self.good),\"", "\":1}"),
        ] {
            let json = Array(before.utf8) + bytes + Array(after.utf8)
            #expect(harness.decode(.region, json) == .invalid("value is not UTF-8"), "\(before)")
        }
        // Outside of a text both reasons hold, and which is named depends on the processor's instructions.
        let behind = harness.decode(.region, Array("{\(Self.good)}".utf8) + bytes)
        #expect([.invalid("value is not UTF-8"), .invalid("value is not JSON")].contains(behind))
    }

    @Test func size() {
        var harness = Harness()
        let frame = Array("{\(Self.good)}".utf8)
        for (count, outcome) in [
            (Limits.messageBytesMax, Outcome.message(#"region x1 name="N""#)),
            (Limits.messageBytesMax + 1, .invalid("value is over 256 KiB")),
            (Limits.messageBytesMax * 4, .invalid("value is over 256 KiB")),
        ] {
            let json = frame + Array(repeating: UInt8(ascii: " "), count: count - frame.count)
            #expect(harness.decode(.region, json) == outcome)
        }
        // The longest text, the most escapes, and the most scores that fit.
        let room = Limits.messageBytesMax - #"{"id":"x1","name":""}"#.utf8.count
        let long = String(repeating: "n", count: room)
        #expect(
            harness.decode(.region, "{\"id\":\"x1\",\"name\":\"\(long)\"}") == .message("region x1 name=\"\(long)\""))
        let escapes = String(repeating: #"\u00e9"#, count: room / 6)
        let line = "region x1 name=\"\(String(repeating: "é", count: room / 6))\""
        #expect(harness.decode(.region, "{\"id\":\"x1\",\"name\":\"\(escapes)\"}") == .message(line))
        let scores = String(repeating: "\"\",", count: 87_000) + "\"\""
        let event = Messages.changing(.event, "participants", to: "[{\"id\":\"p1\",\"periodScores\":[\(scores)]}]")
        #expect(harness.decode(.event, event).description.hasPrefix("event x1"))
        #expect(harness.arena.periodScores.count == 87_001)
    }

    /// The largest messages that simdjson refuses at first, in good time.
    @Test func wideNumbers() {
        var harness = Harness()
        let digits = String(repeating: "9", count: 250_000)
        let many = Array(repeating: "1e999", count: 40_000).joined(separator: ",")
        for json in ["[\(digits)]", "[0.\(digits)e999]", "[\(many)]", "[-\(digits)]"] {
            #expect(harness.decode(.region, "{\(Self.good),\"x\":\(json)}") == .message(#"region x1 name="N""#))
        }
    }

    @Test func depth() {
        var harness = Harness()
        for (open, close) in [("[", "]"), (#"{"x":"#, "}")] {
            func nested(_ depth: Int) -> String {
                let inner = String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
                return "{\(Self.good),\"x\":\(inner)}"
            }
            #expect(harness.decode(.region, nested(1000)) == .message(#"region x1 name="N""#))
            #expect(harness.decode(.region, nested(1024)) == .invalid("value is nested too deep"))
            #expect(harness.decode(.region, nested(30_000)) == .invalid("value is nested too deep"))
            let bomb = String(repeating: open, count: Limits.messageBytesMax / open.utf8.count)
            #expect(harness.decode(.region, bomb) == .invalid("value is not JSON"))
        }
    }

    /// A message leaves nothing behind for the next, valid or not.
    @Test func reuse() {
        var harness = Harness()
        let event = Messages.changing(
            .event, "participants", to: #"[{"id":"p1","score":"9","periodScores":["8","7"]},{"id":"p2","score":"6"}]"#)
        let first = harness.decode(.event, event)
        for json in ["", "{", event.replacing("x1", with: "x9"), event.replacing("\"7\"", with: "7")] {
            _ = harness.decode(.event, json)
            #expect(harness.decode(.event, event) == first)
        }
        let bare = harness.decode(.event, Messages.object(Messages.required(.event)))
        #expect(
            bare == .message("event x1 soccer st1 2025-08-16T14:00:00Z IN_PROGRESS participant=p1 participant=p2"))
    }
}
