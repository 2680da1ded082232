import CLoad
import Foundation
import Load
import TestSupport
import Testing

struct DataFolderTests {
    private static let events = [
        #"{"key":"e1","value":{"id":"e1","sport":"soccer","stageId":"s","scheduledStart":"2026-03-14T16:00:00Z","status":"NOT_STARTED","participants":[{"id":"t1"},{"id":"t2"}]}}"#,
        #"{"key":"e2","value":{"id":"e2","sport":"soccer","stageId":"s","scheduledStart":"2025-03-14T16:00:00Z","status":"FINISHED","participants":[{"id":"t3"}]}}"#,
        #"{"key":"e3","value":{"id":"e3","sport":"tennis","stageId":"s","scheduledStart":"2026-03-14T16:00:00Z","status":"FINISHED","participants":[{"id":"t4"}]}}"#,
    ]

    /// A folder that goes away; references are empty files.
    private func withFolder(_ events: [String], packed: Bool = false, _ body: (DataFolder) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "load-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["regions", "categories", "seasons", "stages", "participants"] {
            try Data().write(to: folder.appending(path: name + ".ndjson"))
        }
        let text = events.map { $0 + "\n" }.joined()
        if packed {
            let file = unsafe gzopen(folder.appending(path: "events.ndjson.gz").path, "wb")
            _ = unsafe gzwrite(file, text, UInt32(text.utf8.count))
            _ = unsafe gzclose(file)
        } else {
            try Data(text.utf8).write(to: folder.appending(path: "events.ndjson"))
        }
        try body(DataFolder(path: folder.path))
    }

    @Test(arguments: [false, true])
    func eventsAndTheTeamsThatPlay(packed: Bool) throws {
        try withFolder(Self.events, packed: packed) { folder in
            let soccer = try folder.index(sport: "soccer")
            #expect(soccer.events == ["e1", "e2"])
            #expect(soccer.teams == ["t1", "t2"])
            #expect(try folder.index(sport: "tennis").teams == ["t4"], "none has a match ahead: all count")
            #expect(throws: LoadError.self) { try folder.index(sport: "hockey") }
            #expect(throws: LoadError.self) { try folder.index(sport: "chess") }
        }
    }

    @Test(arguments: [
        #"{"key":"e1"}"#, #"{"key":"e1","value":{}"#, "{}", #"{"key":"e2","value":{"id":"e1"}}"#, "]",
        #"{"key":"e1","value":nonsense}"#,
    ])
    func brokenLinesAreNamed(line: String) throws {
        try withFolder([Self.events[0], line]) { folder in
            #expect(throws: LoadError.self) { try folder.index(sport: "soccer") }
            #expect(throws: LoadError.self) { try folder.reference() }
        }
    }

    @Test func missingFolder() {
        #expect(throws: LoadError.self) { try DataFolder(path: "/nowhere").index(sport: "soccer") }
    }

    @Test func sampledAnswersAreCompared() throws {
        try withFolder(Self.events) { folder in
            let reference = try folder.reference()
            let path = "/v1/api/app/mym/soccer?eventIds=e1"
            let body = try #require(reference.answer(target: path, now: 0).body)
            func check(_ body: [UInt8], isGzip: Bool = false) -> CheckOutcome {
                let sample = Sample(request: 0, isGzip: isGzip, body: body)
                return Checker.check([sample], paths: [path], reference: reference, now: 0)
            }
            #expect(check(body).checked == 1 && check(body).wrong == 0)
            var other = body
            other[20] ^= 1
            #expect(check(other).wrong == 1)
            #expect(check(other).firstWrong?.contains("from byte 20") == true)
            #expect(check(Array(body.dropLast())).wrong == 1)
            #expect(check(packed(body), isGzip: true).wrong == 0)
            #expect(check(packed(other), isGzip: true).wrong == 1)
            #expect(check(Array(packed(body).dropLast(9)), isGzip: true).wrong == 1)
            #expect(check(body, isGzip: true).wrong == 1)
            #expect(check([], isGzip: true).wrong == 1)
        }
    }

    private func packed(_ plain: [UInt8]) -> [UInt8] {
        let url = FileManager.default.temporaryDirectory.appending(path: "load-\(UUID().uuidString).gz")
        defer { try? FileManager.default.removeItem(at: url) }
        let file = unsafe gzopen(url.path, "wb")
        _ = unsafe gzwrite(file, plain, UInt32(plain.count))
        _ = unsafe gzclose(file)
        return Array((try? Data(contentsOf: url)) ?? Data())
    }
}
