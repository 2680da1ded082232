import Foundation
import Reclamation
import TestSupport
import Testing

@Suite struct EpochDomainTests {
    @Test func aPinnedReaderBlocksFreeing() {
        let domain = EpochDomain()
        let reader = domain.register()
        domain.pin(reader)
        let stamp = domain.current
        #expect(domain.advance() <= stamp)
        #expect(domain.advance() <= stamp)
        domain.unpin(reader)
        #expect(domain.advance() > stamp)
    }

    @Test func withoutReadersEverythingIsFree() {
        let domain = EpochDomain()
        _ = domain.register()
        let stamp = domain.current
        #expect(domain.advance() > stamp)
    }

    @Test func aReaderThatComesLaterDoesNotBlock() {
        let domain = EpochDomain()
        let (early, late) = (domain.register(), domain.register())
        domain.pin(early)
        let stamp = domain.current
        _ = domain.advance()
        domain.pin(late)
        domain.unpin(early)
        #expect(domain.advance() > stamp)
        #expect(domain.advance() <= stamp + 1, "the late one holds what is retired since")
        domain.unpin(late)
    }

    @Test func readUnpinsAtItsEnd() {
        let domain = EpochDomain()
        let reader = domain.register()
        let inside = domain.read(reader) { _ in (domain.current, domain.advance()) }
        #expect(inside.1 <= inside.0)
        #expect(domain.advance() > inside.0)
    }

    /// Items know which readers were pinned when they were retired: none of those may be pinned still when one is freed.
    @Test(arguments: 0..<20) func nothingIsFreedUnderAReader(round: Int) {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        random = SeededGenerator(seed: random.seed &+ UInt64(round))
        let domain = EpochDomain()
        let readers = (0..<5).map { _ in domain.register() }
        var pinned: [Int: Int] = [:]
        var pins = 0
        var list = RetireList<Set<Int>>()
        for _ in 0..<2_000 {
            let reader = Int.random(in: readers.indices, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0 where pinned[reader] == nil:
                domain.pin(readers[reader])
                pins += 1
                pinned[reader] = pins
            case 1 where pinned[reader] != nil:
                domain.unpin(readers[reader])
                pinned[reader] = nil
            case 2: list.retire(Set(pinned.values), bytes: 1, epoch: domain.current)
            default:
                list.free(below: domain.advance()) { item, _ in
                    #expect(item.isDisjoint(with: pinned.values), "seed \(random.seed)")
                }
            }
        }
        for reader in pinned.keys { domain.unpin(readers[reader]) }
        list.free(below: domain.advance()) { _, _ in }
        #expect(list.count == 0 && list.bytes == 0, "seed \(random.seed)")
    }
}

@Suite struct RetireListTests {
    @Test(arguments: 0..<10) func agreesWithAnArray(round: Int) {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        random = SeededGenerator(seed: random.seed &+ UInt64(round))
        var list = RetireList<Int>()
        var model: [(item: Int, bytes: Int, epoch: UInt64)] = []
        var epoch: UInt64 = 1
        var highWater = 0
        for step in 0..<20_000 {
            // Long runs of retiring, so that the queue passes the sizes at which it is compacted.
            if Int.random(in: 0..<100, using: &random) < (step / 4_000 % 2 == 0 ? 95 : 30) {
                let bytes = Int.random(in: 0..<500, using: &random)
                list.retire(step, bytes: bytes, epoch: epoch)
                model.append((step, bytes, epoch))
                highWater = max(highWater, model.reduce(0) { $0 + $1.bytes })
                epoch += Bool.random(using: &random) ? 1 : 0
            } else {
                let bound = UInt64.random(in: 0...epoch, using: &random)
                let most = Bool.random(using: &random) ? Int.max : Int.random(in: 0..<20, using: &random)
                var freed: [Int] = []
                var freedBytes = 0
                list.free(below: bound, itemsMax: most) { item, bytes in
                    freed.append(item)
                    freedBytes += bytes
                }
                let expected = model.prefix { $0.epoch < bound }.prefix(most)
                #expect(freed == expected.map(\.item), "seed \(random.seed)")
                #expect(freedBytes == expected.reduce(0) { $0 + $1.bytes }, "seed \(random.seed)")
                model.removeFirst(expected.count)
            }
        }
        #expect(list.count == model.count)
        #expect(list.bytes == model.reduce(0) { $0 + $1.bytes })
        #expect(list.bytesHighWater == highWater)
        #expect(list.retiredTotal - list.freedTotal == list.count)
    }
}
