// Real data: every message of the football fixtures.

import Foundation
import Model
import TestSupport
import Testing

struct FootballTests {
    static let folder = TestPaths.football

    static let counts: [ModelKind: Int] = [
        .event: 92_900, .participant: 1_147, .stage: 279, .season: 19, .region: 57, .category: 29,
    ]

    @Test(
        .enabled(if: folder != nil, "there is no folder of football fixtures"),
        arguments: ModelKind.allCases)
    func decodes(_ kind: ModelKind) throws {
        var harness = Harness()
        var count = 0
        for (key, value) in try Self.messages(kind) {
            switch harness.decode(kind, value, key: key) {
            case .message(let line):
                // The second decoder takes most of the time; one event in twenty is enough for it.
                if kind != .event || count % 20 == 0 { #expect(line == SlowDecoder().decode(kind, value, key: key)) }
            case .invalid(let reason): Issue.record("\(String(decoding: key, as: UTF8.self)): \(reason)")
            }
            count += 1
        }
        #expect(count == Self.counts[kind])
    }

    /// The keys and values of a file whose lines are `{"key":"…","value":{…}}`.
    static func messages(_ kind: ModelKind) throws -> [(key: [UInt8], value: [UInt8])] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc", try #require(folder) + "/\(kind.plural).ndjson.gz"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        let middle = Array(#"","value":"#.utf8)
        return text.split(separator: UInt8(ascii: "\n")).compactMap { line in
            guard let range = line.firstRange(of: middle) else { return nil }
            let keyStart = line.startIndex + #"{"key":""#.utf8.count
            return (Array(line[keyStart..<range.lowerBound]), Array(line[range.upperBound..<line.endIndex - 1]))
        }
    }
}
