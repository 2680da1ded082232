import Model
import Testing

@testable import Store

@Suite struct DropTests {
    private static let zero = PartitionID(0)

    private func filled(_ events: Int) -> Fixture {
        let fixture = Fixture()
        fixture.participant("t0", name: "Known")
        for index in 0..<events {
            fixture.event(
                "a\(index)", partition: 0, stage: "s\(index % 7)", start: Int64(index), teams: ["t0", "x\(index)"])
            fixture.event("b\(index)", partition: 1, start: Int64(index), teams: ["t0"])
        }
        fixture.writer.advance(TopicPartition(.event, Self.zero), to: Offset(77))
        fixture.settle()
        return fixture
    }

    @Test func aDroppedPartitionGivesItsMemoryBack() {
        let fixture = filled(1_000)
        let alone = Fixture()
        alone.participant("t0", name: "Known")
        for index in 0..<1_000 { alone.event("b\(index)", partition: 1, start: Int64(index), teams: ["t0"]) }
        alone.settle()
        fixture.writer.beginDrop(Self.zero)
        var slices = 1
        while fixture.writer.dropSlice(budget: 100) {
            #expect(fixture.writer.isDropping(Self.zero))
            slices += 1
        }
        fixture.settle()
        #expect((6...12).contains(slices))
        #expect(!fixture.writer.isDropping(Self.zero))
        #expect(fixture.json(event: "a5") == nil && fixture.json(event: "b5", partition: 1) != nil)
        #expect(fixture.events(of: "t0").count == 1_000 && fixture.events(of: "x5").isEmpty)
        #expect(fixture.writer.count(.event) == 1_000)
        // Team lists may have other chunks; the rest is the same to the byte.
        #expect(abs(fixture.writer.memoryBytes - alone.writer.memoryBytes) < 32 * 24)
        let reader = StoreReader(fixture.store)
        #expect(!reader.readyPartitions.contains(Self.zero) && reader.applied(Self.zero) == Offset(0))
        // Held again it fills as it did before.
        fixture.event("a5", teams: ["t0"])
        fixture.writer.setReady([Self.zero])
        #expect(fixture.json(event: "a5") != nil && reader.readyPartitions.contains(Self.zero))
    }

    @Test func aReaderThatFoundThePartitionReadyKeepsItsEvents() {
        let fixture = filled(50)
        let reader = StoreReader(fixture.store)
        reader.hold()
        #expect(reader.readyPartitions.contains(Self.zero))
        fixture.writer.beginDrop(Self.zero)
        for _ in 0..<10 {
            #expect(fixture.writer.dropSlice(budget: 1_000))
            fixture.writer.reclaim()
        }
        for index in 0..<50 { #expect(fixture.json(event: "a\(index)") != nil) }
        reader.letGo()
        // A reader that comes now finds the partition closed and holds nothing up.
        reader.hold()
        #expect(!reader.readyPartitions.contains(Self.zero))
        #expect(!fixture.writer.dropSlice(budget: 1_000))
        #expect(fixture.json(event: "a0") == nil)
        reader.letGo()
    }

    @Test func severalPartitionsAtOnce() {
        let fixture = filled(300)
        fixture.writer.beginDrop(Self.zero)
        fixture.writer.beginDrop(PartitionID(1))
        while fixture.writer.dropSlice(budget: 64) {}
        fixture.delete(.participant, "t0")
        fixture.expectEmpty()
    }
}
