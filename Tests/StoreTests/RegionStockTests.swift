import Testing

@testable import Store

struct RegionStockTests {
    /// The address of a region that is taken out; nil where there is none.
    private func take(_ stock: RegionStock) -> UInt? { unsafe stock.take().map { UInt(bitPattern: $0) } }

    private func giveBack(_ region: UInt) {
        if let base = unsafe UnsafeMutableRawPointer(bitPattern: region) { unsafe RegionStock.unmap(base) }
    }

    private func isZero(_ region: UInt) -> Bool {
        guard let base = unsafe UnsafeRawPointer(bitPattern: region) else { return false }
        let bytes = unsafe UnsafeRawBufferPointer(start: base, count: RecordMemory.regionBytes)
        return unsafe bytes.allSatisfy { $0 == 0 }
    }

    @Test func holdsWhatIsWantedAndNoMore() {
        let stock = RegionStock()
        #expect(take(stock) == nil)
        stock.fill()
        #expect(take(stock) == nil, "nothing is wanted")
        let first = stock.want(3)
        let again = stock.want(3)
        #expect(first && !again, "one fills it at a time")
        stock.fill()
        #expect(!stock.want(3))
        var taken: [UInt] = []
        while let region = take(stock) { taken.append(region) }
        #expect(Set(taken).count == 3)
        #expect(taken.allSatisfy { $0 % UInt(RecordMemory.regionBytes) == 0 && isZero($0) })
        for region in taken { giveBack(region) }
        #expect(stock.want(.max))
        stock.fill()
        _ = stock.want(1)
        let left = [take(stock), take(stock)]
        #expect(left[0] != nil && left[1] == nil, "what is wanted no more goes back")
        if let region = left[0] { giveBack(region) }
    }

    /// A store takes its regions out of the stock, and they are as good as its own.
    @Test func memoryTakesFromIt() {
        let memory = RecordMemory()
        _ = memory.stock.want(RegionStock.regionsMax)
        memory.stock.fill()
        var blocks: [(block: UInt, bytes: Int)] = []
        for index in 0..<6_000 {
            let isReady = memory.prepare()
            #expect(isReady)
            let bytes = 8_000 + index
            let block = unsafe memory.allocatePrepared(bytes)
            unsafe block.storeBytes(of: UInt64(index), as: UInt64.self)
            blocks.append((UInt(bitPattern: block), bytes))
        }
        #expect(take(memory.stock) == nil, "all were taken")
        var wrong = 0
        for (index, (block, bytes)) in blocks.enumerated() {
            guard let base = unsafe UnsafeMutableRawPointer(bitPattern: block) else { continue }
            if unsafe base.load(as: UInt64.self) != UInt64(index) { wrong += 1 }
            unsafe memory.free(base, bytes)
        }
        #expect(wrong == 0)
        let live = memory.bytesLive
        #expect(live == 0)
    }
}
