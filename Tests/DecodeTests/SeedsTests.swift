import Foundation
import Model
import Testing

struct SeedsTests {
    /// The fuzzer starts from valid messages of all models, or it would spend its time on finding them.
    @Test func fuzzSeedsAreValid() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let folder = tests.appendingPathComponent("../Fuzz/Seeds/fuzz-decode").standardizedFileURL
        var harness = Harness()
        var kinds: Set<ModelKind> = []
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            let bytes = [UInt8](try Data(contentsOf: file))
            let kind = ModelKind.allCases[Int(try #require(bytes.first)) % ModelKind.allCases.count]
            let value = Array(bytes.dropFirst())
            let key = value.dropFirst(#"{"id":""#.utf8.count).prefix { $0 != UInt8(ascii: "\"") }
            let outcome = harness.decode(kind, value, key: Array(key))
            #expect(outcome.description.hasPrefix("\(kind.name) "), "\(file.lastPathComponent): \(outcome)")
            kinds.insert(kind)
        }
        #expect(kinds.count == ModelKind.allCases.count)
    }
}
