import Foundation
import TestSupport
import Testing

@testable import Store

@Suite struct TeamListTests {
    /// Owns the list as the writer does.
    @safe
    private struct Owner: ~Copyable {
        private let memory = RecordMemory()
        var list: TeamList?

        init() { unsafe list = nil }

        mutating func insert(_ entry: TeamEntry) {
            guard let old = unsafe list else {
                unsafe list = TeamList.single(entry, memory)
                return
            }
            let (new, replaced) = unsafe old.inserting(entry, memory)
            unsafe take(new, replaced)
        }

        mutating func remove(_ entry: TeamEntry) {
            guard let old = unsafe list else { return }
            let (new, replaced) = unsafe old.removing(entry, memory)
            unsafe take(new, replaced)
        }

        private mutating func take(_ new: TeamList?, _ replaced: Replaced) {
            unsafe list = new
            if let list = unsafe replaced.list { unsafe memory.free(list, replaced.listBytes) }
            if let chunk = unsafe replaced.chunk { unsafe memory.free(chunk, replaced.chunkBytes) }
            if unsafe new == nil { #expect(memory.bytesLive == 0) }
        }

        func entries(after start: Int64 = .min) -> [TeamEntry] {
            var cursor = unsafe TeamCursor(list: list, after: start)
            var entries: [TeamEntry] = []
            while let (start, slot) = unsafe cursor.next() { entries.append(TeamEntry(start: start, slot: slot)) }
            return entries
        }
    }

    @Test(arguments: 0..<10) func agreesWithASortedArray(round: Int) {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        random = SeededGenerator(seed: random.seed &+ UInt64(round))
        var owner = Owner()
        var model: [TeamEntry] = []
        for step in 0..<3_000 {
            let grows = Int.random(in: 0..<100, using: &random) < (step / 750 % 2 == 0 ? 80 : 20)
            if grows || model.isEmpty {
                let entry = TeamEntry(start: Int64.random(in: -60...60, using: &random), slot: UInt32(step))
                owner.insert(entry)
                model.insert(entry, at: model.firstIndex { entry < $0 } ?? model.count)
            } else {
                owner.remove(model.remove(at: Int.random(in: model.indices, using: &random)))
            }
            check(owner, model, Int64.random(in: -62...62, using: &random), "seed \(random.seed), step \(step)")
        }
        for entry in model.shuffled(using: &random) { owner.remove(entry) }
        #expect(unsafe owner.list == nil)
    }

    private func check(_ owner: borrowing Owner, _ model: [TeamEntry], _ after: Int64, _ comment: Comment) {
        #expect(owner.entries() == model, comment)
        #expect(owner.entries(after: after) == model.filter { $0.start > after }, comment)
        guard let list = unsafe owner.list else { return }
        #expect(unsafe list.entryCount == model.count)
        for index in unsafe 0..<list.chunkCount {
            let chunk = unsafe list.chunk(index)
            #expect(unsafe (1...TeamChunk.entriesMax).contains(chunk.count), comment)
            #expect(unsafe list.firstStart(index) == chunk[0].start, comment)
        }
    }

    /// Fixtures arrive in the order of time: chunks stay full.
    @Test func appendingKeepsChunksFull() {
        var owner = Owner()
        for index in unsafe 0..<TeamChunk.entriesMax * 5 + 1 { owner.insert(TeamEntry(start: Int64(index), slot: 1)) }
        let chunks = unsafe owner.list.map { unsafe $0.chunkCount }
        #expect(chunks == 6)
    }

    /// A list whose entries all have one start still splits and is found by slot.
    @Test func oneStartForAll() {
        var owner = Owner()
        for index in (0..<200).reversed() { owner.insert(TeamEntry(start: 7, slot: UInt32(index))) }
        #expect(owner.entries().map(\.slot) == Array(0..<200))
        #expect(owner.entries(after: 7).isEmpty)
        #expect(owner.entries(after: 6).count == 200)
    }
}
