import Foundation
import TestSupport
import Testing

@testable import Store

@Suite struct RecordMemoryTests {
    @Test func sizesHoldWhatTheyAreAskedFor() {
        var last = SizeClass(index: 0)
        for bytes in 1...SizeClass.bytesMax {
            let size = SizeClass(holding: bytes)
            #expect(size.bytes >= bytes && size.bytes % 8 == 0)
            #expect(size == last || (size.index == last.index + 1 && last.bytes == bytes - 1))
            #expect(bytes <= 256 || (size.bytes - bytes) * 16 <= bytes, "\(bytes) bytes in \(size.bytes)")
            last = size
        }
        #expect(last.index == SizeClass.count - 1 && last.bytes == SizeClass.bytesMax)
    }

    /// A block as the naive model knows it: its bytes all hold its number.
    @unsafe
    private struct Block {
        var address: UnsafeMutableRawPointer
        var bytes: Int
        var mark: UInt8
    }

    private static func size(_ random: inout SeededGenerator) -> Int {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<50: Int.random(in: 1...1_100, using: &random)
        case 50..<80: Int.random(in: 1...8, using: &random) * 64
        case 80..<95: Int.random(in: 1_000...SizeClass.bytesMax, using: &random)
        case 95..<99: Int.random(in: SizeClass.bytesMax...RecordMemory.runBytesMax, using: &random)
        default: Int.random(in: RecordMemory.runBytesMax...5 << 20, using: &random)
        }
    }

    /// Blocks keep what was written to them while others come and go, and overlap nothing; all comes back.
    @Test(arguments: 0..<6) func agreesWithANaiveModel(round: Int) {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        random = SeededGenerator(seed: random.seed &+ UInt64(round))
        let comment: Comment = "seed \(random.seed)"
        let memory = RecordMemory()
        var blocks = unsafe [Block]()
        var live = 0
        for step in 0..<4_000 {
            let grows = Int.random(in: 0..<100, using: &random) < (step / 1_000 % 2 == 0 ? 80 : 25)
            if unsafe grows || blocks.isEmpty {
                let bytes = Self.size(&random)
                guard let address = unsafe memory.allocate(bytes) else {
                    Issue.record("no memory")
                    return
                }
                let misalignment = UInt(bitPattern: address) % (bytes % 64 == 0 ? 64 : 8)
                #expect(misalignment == 0, comment)
                let mark = UInt8.random(in: 0...255, using: &random)
                unsafe address.initializeMemory(as: UInt8.self, repeating: mark, count: bytes)
                unsafe blocks.append(Block(address: address, bytes: bytes, mark: mark))
                live += bytes
            } else {
                let index = unsafe Int.random(in: blocks.indices, using: &random)
                unsafe blocks.swapAt(index, blocks.count - 1)
                let block = unsafe blocks.removeLast()
                unsafe expectWhole(block, comment)
                unsafe memory.free(block.address, block.bytes)
                unsafe live -= block.bytes
            }
            #expect(memory.bytesLive == live && memory.bytesReserved >= live, comment)
        }
        for index in unsafe blocks.indices {
            unsafe expectWhole(blocks[index], comment)
            unsafe memory.free(blocks[index].address, blocks[index].bytes)
        }
        #expect(memory.bytesLive == 0 && memory.bytesReserved == RecordMemory.regionBytes, comment)
    }

    private func expectWhole(_ block: Block, _ comment: Comment) {
        let bytes = unsafe UnsafeRawBufferPointer(start: block.address, count: block.bytes)
        let isWhole = unsafe bytes.allSatisfy { unsafe $0 == block.mark }
        #expect(isWhole, comment)
    }

    @Test func blocksOfOneSizeStandSideBySide() {
        let memory = RecordMemory()
        let blocks = unsafe (0..<100_000).compactMap { _ in unsafe memory.allocate(536) }
        let distinct = unsafe Set(blocks).count
        #expect(distinct == 100_000)
        // 544 bytes a block, the headers, the rest of each span, and a region begun.
        #expect(memory.bytesReserved < 100_000 * 550 + RecordMemory.regionBytes)
        // Every other block back: their places are used again before new ones are.
        let reserved = memory.bytesReserved
        for index in unsafe stride(from: 0, to: blocks.count, by: 2) { unsafe memory.free(blocks[index], 536) }
        let more = unsafe (0..<50_000).compactMap { _ in unsafe memory.allocate(540) }
        let moreCount = unsafe more.count
        #expect(moreCount == 50_000)
        #expect(memory.bytesReserved == reserved && memory.bytesLive == 50_000 * 536 + 50_000 * 540)
    }

    @Test func whatIsPreparedIsThere() {
        let memory = RecordMemory(bytesMax: 10_000)
        let isPrepared = memory.prepare()
        let reserved = memory.bytesReserved
        // Whatever one message takes up to a region less one unit comes from the reserve.
        let first = unsafe memory.allocate(RecordMemory.runBytesMax)
        let isThere = unsafe first != nil
        #expect(isPrepared && isThere && memory.bytesReserved == reserved)
        let isStillPrepared = memory.prepare()
        #expect(!isStillPrepared)
        if let first = unsafe first { unsafe memory.free(first, RecordMemory.runBytesMax) }
        let isPreparedAgain = memory.prepare()
        #expect(isPreparedAgain && memory.bytesReserved == reserved)
    }
}

@Suite struct MemoryLimitTests {
    /// At the limit messages are refused and change nothing; tombstones make room.
    @Test func aStoreAtItsLimitRefuses() {
        let fixture = Fixture(memoryBytesMax: 400_000)
        var count = 0
        while fixture.event("e\(count)", stage: "s\(count)", teams: ["t\(count)", "known"]) == .created {
            count += 1
            fixture.settle()
            if count > 10_000 { break }
        }
        #expect((200..<5_000).contains(count))
        let before = (fixture.writer.liveBytes, fixture.writer.memoryBytes)
        let json = fixture.json(event: "e7")
        #expect(fixture.event("e7", teams: ["t7"]) == .refused(.full))
        #expect(fixture.participant("known", name: "Name") == .refused(.full))
        #expect((fixture.writer.liveBytes, fixture.writer.memoryBytes) == before)
        #expect(json != nil && fixture.json(event: "e7") == json)
        #expect(fixture.json(event: "e\(count)") == nil)
        for index in 0..<count / 2 { #expect(fixture.delete(event: "e\(index)") == .deleted) }
        fixture.settle()
        #expect(fixture.event("e\(count)", teams: ["known"]) == .created)
        #expect(fixture.participant("known", name: "Name") == .created)
        fixture.settle()
        #expect(fixture.json(event: "e\(count)")?.contains("Name") == true)
    }
}
