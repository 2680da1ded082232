import Foundation
import Model
import Offer
import Testing

@Suite struct OfferFolderTests {
    /// A folder of its own for each test, removed at its end.
    final class Folder {
        let path = NSTemporaryDirectory() + "/offer-" + UUID().uuidString
        init() { try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ name: String, _ bytes: [UInt8]) throws {
            try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
        }
    }

    func lines(_ text: String) throws -> [String] {
        let folder = Folder()
        try folder.write("events.ndjson", Array(text.utf8))
        var result: [String] = []
        try OfferFolder(path: folder.path).forEach(.event) { line, key, value in
            result.append("\(line) \(String(decoding: key, as: UTF8.self)) ")
            result[result.count - 1] += value.map { String(decoding: $0, as: UTF8.self) } ?? "nil"
        }
        return result
    }

    @Test func passesValuesOnAsTheyStand() throws {
        #expect(
            try lines(
                """
                {"key":"a","value":{ "x" : 1.50e+1, "y":"\\u00e4\\"" }}

                 { "value" : null , "other":[1,{}], "key" : "b\\u002d\\ud83d\\ude00" }
                {"key":"x","key":"c","value":null,"value":{}}
                """) == [
                    "1 a { \"x\" : 1.50e+1, \"y\":\"\\u00e4\\\"\" }", "3 b-😀 nil", "4 c {}",
                ])
    }

    static let broken = [
        "{", "[]", "{\"key\":\"a\"}", "{\"value\":{}}", "{\"key\":1,\"value\":{}}", "{\"key\":\"a\",\"value\":[]}",
        "{\"key\":\"a\",\"value\":{}} x", "{\"key\":\"a\",\"value\":{\"x\":01}}", "{\"key\":\"a\",\"value\":{\"x\":1.}}",
        "{\"key\":\"a\",\"value\":{\"x\":tru}}", "{\"key\":\"a\",\"value\":{\"x\":\"\\x\"}}",
        "{\"key\":\"a\",\"value\":{\"x\":\"\\u12g4\"}}", "{\"key\":\"\\ud800\",\"value\":{}}",
        "{\"key\":\"a\",\"value\":{\"x\":[1,]}}", "{\"key\":\"a\",\"value\":{\"x\":1,}}", "{\"key\":\"a\",\"value\":{}",
        "{\"key\":\"a\",\"value\":{\"x\":\"\t\"}}", "{\"key\":\"a\",\"value\":{\"x\":-}}", "nonsense",
        "{\"key\":\"a\",\"value\":{\"x\":" + String(repeating: "[", count: 10_000),
        "{\"key\":\"a\",\"value\":{\"x\":\"" + String(repeating: "y", count: OfferFolder.lineBytesMax) + "\"}}",
    ]

    @Test(arguments: broken.indices) func namesFileAndLine(ofBroken index: Int) throws {
        let folder = Folder()
        let text = "{\"key\":\"a\",\"value\":null}\n" + Self.broken[index] + "\n\n{\"key\":\"b\",\"value\":{}}"
        try folder.write("stages.ndjson", Array(text.utf8))
        let offer = try OfferFolder(path: folder.path)
        let error = try #require(throws: OfferError.self) { try offer.check(skipInvalid: false) }
        #expect(error.code == .brokenLine)
        #expect(error.description.hasPrefix(folder.path + "/stages.ndjson:2: "))
        let counts = try offer.check(skipInvalid: true)
        #expect(counts[.stage] == 2 && counts.skippedTotal == 1 && counts.firstSkipped == error)
        var keys: [[UInt8]] = []
        try offer.forEach(.stage, skipInvalid: true) { _, key, _ in keys.append(key) }
        #expect(keys == [Array("a".utf8), Array("b".utf8)])
    }

    @Test func refusesWhatIsNoUTF8() throws {
        let folder = Folder()
        let bytes = Array("{\"key\":\"a\",\"value\":{\"name\":\"".utf8) + [0xC3] + Array("\"}}".utf8)
        try folder.write("regions.ndjson", bytes)
        #expect(throws: OfferError.self) { try OfferFolder(path: folder.path).check(skipInvalid: false) }
    }

    @Test func refusesMissingAndDoubtfulFolders() throws {
        #expect(throws: OfferError.self) { try OfferFolder(path: "/nowhere/at/all") }
        let folder = Folder()
        #expect(throws: OfferError.self) { try OfferFolder(path: folder.path) }
        try folder.write("events.ndjson", [])
        #expect(try OfferFolder(path: folder.path).check(skipInvalid: false).total == 0)
        try folder.write("events.ndjson.gz", [])
        #expect(throws: OfferError.self) { try OfferFolder(path: folder.path) }
    }

    @Test(arguments: [false, true]) func readsWhatItWrote(gzip: Bool) throws {
        let folder = Folder()
        var writer = try OfferWriter(path: folder.path, gzip: gzip)
        for number in 0..<20_000 {
            let value = number % 7 == 0 ? nil : Array("{\"id\":\"e\(number)\",\"text\":\"žluťoučký \(number)\"}".utf8)
            try writer.write(.event, key: "e\(number)".utf8, value: value)
        }
        try writer.finish()
        let offer = try OfferFolder(path: folder.path)
        var count = 0
        try offer.forEach(.event) { line, key, value in
            #expect(key == Array("e\(count)".utf8) && (value == nil) == (count % 7 == 0))
            count += 1
            #expect(line == count)
        }
        #expect(count == 20_000)
        #expect(try offer.check(skipInvalid: false).total == 20_000)
        #expect(throws: OfferError.self) { try OfferWriter(path: folder.path, gzip: !gzip).finish() }
    }

    @Test func noticesAGzipFileThatWasCutOff() throws {
        let folder = Folder()
        var writer = try OfferWriter(path: folder.path, gzip: true)
        for number in 0..<20_000 { try writer.write(.event, key: "e\(number)".utf8, value: Array("{}".utf8)) }
        try writer.finish()
        let path = folder.path + "/events.ndjson.gz"
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        try folder.write("events.ndjson.gz", Array(bytes.dropLast(100)))
        let error = try #require(throws: OfferError.self) { try OfferFolder(path: folder.path).check(skipInvalid: true) }
        #expect(error.code == .inputOutput)
    }
}
