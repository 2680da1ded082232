import Model
import Testing

@testable import Store

@Suite struct PackedTests {
    @Test func offTheyAreNotMade() {
        let fixture = Fixture()
        fixture.event("e", teams: ["a", "b"])
        #expect(!fixture.isPacked(event: "e") && fixture.writer.packedBytes == 0 && fixture.writer.unpackedCount == 0)
    }

    /// Every record that comes and goes is counted in and out: updates, renderings, references, tombstones.
    @Test func theirBytesAreGivenBack() {
        let fixture = Fixture(packedBytesMax: 1 << 20)
        fixture.stage("st", name: "Stage \"one\"", category: "c", season: "s")
        fixture.participant("a", name: "Alpha", region: "r")
        for event in 0..<20 { fixture.event("e\(event)", teams: ["a", "b"]) }
        #expect(fixture.isPacked(event: "e7"))
        let loaded = fixture.writer.packedBytes
        #expect(loaded > 20 * 50)
        for event in 0..<20 { fixture.event("e\(event)", teams: ["a", "b"], score: "1") }
        fixture.participant("a", name: "Another \\ name", region: "r")
        fixture.other(.region, "r", name: "Region")
        fixture.other(.category, "c", name: "Category", region: "r")
        fixture.settle()
        #expect(fixture.isPacked(event: "e7") && fixture.writer.packedBytes > loaded)
        for event in 0..<20 { fixture.delete(event: "e\(event)") }
        fixture.delete(.stage, "st")
        fixture.delete(.participant, "a")
        fixture.delete(.region, "r")
        fixture.delete(.category, "c")
        fixture.expectEmpty()
    }

    @Test func atTheLimitRecordsGoWithoutUntilThereIsRoomAgain() {
        let fixture = Fixture(packedBytesMax: 1_000)
        for event in 0..<30 { fixture.event("e\(event)", teams: ["a", "b"]) }
        #expect(fixture.isPacked(event: "e0") && !fixture.isPacked(event: "e29"))
        #expect(fixture.writer.packedBytes >= 1_000 && fixture.writer.packedBytes < 1_400)
        #expect(fixture.writer.unpackedCount > 10)
        for event in 0..<29 { fixture.delete(event: "e\(event)") }
        fixture.event("e29", teams: ["a", "b"], score: "2")
        #expect(fixture.isPacked(event: "e29"))
        fixture.delete(event: "e29")
        fixture.expectEmpty()
    }
}
