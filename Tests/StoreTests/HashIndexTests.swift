import Foundation
import TestSupport
import Testing

@testable import Store

@Suite struct HashIndexTests {
    /// Hashes of which many share their lower half, so that probing and removed words are met often.
    private static func hash(_ random: inout SeededGenerator) -> UInt64 {
        UInt64.random(in: 0..<1_000, using: &random) << 32 | UInt64.random(in: 0..<40, using: &random)
    }

    @Test(arguments: 0..<10) func agreesWithADictionary(round: Int) {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        random = SeededGenerator(seed: random.seed &+ UInt64(round))
        let memory = RecordMemory()
        let index = HashIndex(memory)
        var counts = IndexCounts()
        var model: [UInt64: UInt32] = [:]
        var hashes: [UInt32: UInt64] = [:]
        var free = Array((0..<4_000).map { UInt32($0) }.shuffled(using: &random))
        func retire(_ table: UnsafeMutableRawPointer, _ bytes: Int) { unsafe memory.free(table, bytes) }
        for step in 0..<12_000 {
            // Grows, shrinks, grows again.
            let grows = Int.random(in: 0..<100, using: &random) < (step / 3_000 % 2 == 0 ? 75 : 25)
            let hash = Self.hash(&random)
            if grows, model[hash] == nil, let slot = free.popLast() {
                let hasRoom = unsafe index.makeRoom(&counts, memory, retire: retire)
                #expect(hasRoom)
                index.insert(hash, slot: slot, &counts)
                (model[hash], hashes[slot]) = (slot, hash)
            } else if !grows, let (hash, slot) = model.randomElement(using: &random) {
                unsafe index.remove(hash, slot: slot, &counts, memory, retire: retire)
                (model[hash], hashes[slot]) = (nil, nil)
                free.append(slot)
            }
            let asked = Bool.random(using: &random) ? model.randomElement(using: &random)?.key ?? hash : hash
            #expect(index.find(asked) { hashes[$0] == asked } == model[asked], "seed \(random.seed)")
            #expect(counts.live == model.count)
            #expect((counts.live + counts.removed) * 8 <= index.capacity * 7, "there is always a word never used")
            #expect(index.capacity <= max(16, (counts.live + 1) * 8), "seed \(random.seed)")
            if step % 500 == 0 { checkWalk(index, Set(model.values), &random) }
        }
        for (hash, slot) in model { unsafe index.remove(hash, slot: slot, &counts, memory, retire: retire) }
        #expect(counts.live == 0 && index.capacity == 16)
        checkWalk(index, [], &random)
    }

    private func checkWalk(_ index: borrowing HashIndex, _ expected: Set<UInt32>, _ random: inout SeededGenerator) {
        var found: [UInt32] = []
        var start: Int? = 0
        while let from = start {
            start = index.walk(from: from, words: Int.random(in: 1..<100, using: &random)) { found.append($0) }
        }
        #expect(found.count == expected.count && Set(found) == expected, "seed \(random.seed)")
    }

    @Test func slotsAreUsedAgainAndPagesGrow() {
        let memory = RecordMemory()
        let slab = Slab()
        var allocator = SlotAllocator()
        let slots = (0..<Slab.pageSlots + 2).compactMap { _ in allocator.allocate(in: slab, memory) }
        #expect(slots == Array(0..<UInt32(Slab.pageSlots + 2)))
        for slot in slots { unsafe slab.store(UnsafeRawPointer(bitPattern: Int(slot) * 8 + 8), at: slot) }
        for slot in slots { #expect(unsafe Int(bitPattern: slab.load(slot)) == Int(slot) * 8 + 8) }
        allocator.release(5)
        #expect(allocator.used == Slab.pageSlots + 1)
        #expect(allocator.allocate(in: slab, memory) == 5)
        #expect(allocator.allocate(in: slab, memory) == UInt32(Slab.pageSlots + 2))
        #expect(allocator.highWater == Slab.pageSlots + 3)
    }
}
