// The memory of a store's records, lists, tables and slab pages.
//
//   region   2 MiB     mapped from the system, in huge pages once the store is large
//   unit     64 KiB    a region has 32
//   span     1 or 4 units, cut into blocks of one size; a block has no header of its own
//   run      units in a row: a block above 32 KiB, a table mostly
//   mapping  a block above 1 MiB
//   stock    regions that another thread has mapped ahead, during a bulk load
//
// Only the writer allocates and frees, so there is no lock and no cache for each thread: taking a block is popping a
// list. What it replaced comes back through `Reclamation`, in any order. A span whose blocks all came back is free for
// other sizes, a region whose units are all free goes back to the system, but one, the reserve.
//
// The reserve: `prepare` is asked before a message is applied and sees to it that a whole region is free. So what one
// message of ordinary size takes is there, and a store at its limit, or a system without memory, is a refusal before
// anything changed, not half a change.

import CMemory

/// Owns all memory of a store.
///
/// Sendable: the state is the writer's alone; readers only look at blocks, which the epochs keep for them. The last
/// owner of the store, whichever thread it is on, frees everything when nobody is left to look.
@safe
struct RecordMemory: ~Copyable, @unchecked Sendable {
    /// The first regions have small pages: a small store takes what it touches and not 2 MiB at a time.
    static let smallRegions = 4
    /// Larger blocks are mappings of their own.
    static let runBytesMax = 1 << 20
    /// A region, the least that is mapped.
    static let regionBytes = unsafe Region.bytes
    private static let pageBytes = 4 << 10

    @unsafe
    private struct Mapping {
        var base: UnsafeMutableRawPointer
        var bytes: Int
    }

    @unsafe
    private struct State {
        /// For each size the spans that have room.
        var spans = unsafe InlineArray<160, UnsafeMutablePointer<BlockSpan>?>(repeating: nil)
        /// Regions with free units; empty ones are last.
        var firstOpen: Region?
        var lastOpen: Region?
        var firstOfAll: Region?
        var regions = 0
        var emptyRegions = 0
        var mappings = unsafe [Mapping]()
        var bytesMapped = 0
        var bytesLive = 0
    }

    private let state: UnsafeMutablePointer<State>
    /// Regions that are mapped already, during bulk loads.
    let stock = RegionStock()
    /// More bytes in blocks make `prepare` refuse.
    let bytesMax: Int

    init(bytesMax: Int = .max) {
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State())
        self.bytesMax = bytesMax
        unsafe precondition(SizeClass.count == state.pointee.spans.count)
    }

    deinit {
        var next = unsafe state.pointee.firstOfAll
        while let region = unsafe next {
            unsafe next = region.header.pointee.nextOfAll
            unsafe cmemory_unmap(region.base, Region.bytes)
        }
        for index in unsafe state.pointee.mappings.indices {
            let mapping = unsafe state.pointee.mappings[index]
            unsafe cmemory_unmap(mapping.base, mapping.bytes)
        }
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
    }

    // MARK: - Figures

    /// Bytes of blocks handed out, as they were asked for.
    var bytesLive: Int { unsafe state.pointee.bytesLive }
    /// Bytes mapped from the system. Pages of the first regions and of the reserve are resident once touched.
    var bytesReserved: Int { unsafe state.pointee.regions * Region.bytes + state.pointee.bytesMapped }

    /// Fills the reserve up, where the system lets it. Whether a message may be applied; see above.
    @inline(__always)
    func prepare() -> Bool {
        guard unsafe state.pointee.emptyRegions > 0 || mapRegion() else { return false }
        return unsafe state.pointee.bytesLive < bytesMax
    }

    // MARK: - Blocks

    /// A block of at least `bytes`, at a multiple of 8, and of 64 where `bytes` is one; nil where the system has no
    /// memory. What it holds is undefined.
    @inline(__always)
    func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? {
        let block =
            unsafe bytes <= SizeClass.bytesMax
            ? takeBlock(SizeClass(holding: bytes))
            : bytes <= Self.runBytesMax ? takeRun(Self.units(bytes)) : map(bytes)
        guard let block = unsafe block else { return nil }
        unsafe cmemory_unpoison(block, bytes)
        unsafe state.pointee.bytesLive += bytes
        return unsafe block
    }

    /// As `allocate`, for what one message takes after `prepare`. Traps where even the reserve is used up: the system
    /// had no memory, and the message was none of ordinary size.
    @inline(__always)
    func allocatePrepared(_ bytes: Int) -> UnsafeMutableRawPointer {
        guard let block = unsafe allocate(bytes) else { preconditionFailure("no memory within a message") }
        return unsafe block
    }

    /// Gives a block back. `bytes` is what it was allocated with.
    func free(_ block: UnsafeMutableRawPointer, _ bytes: Int) {
        unsafe state.pointee.bytesLive -= bytes
        if bytes <= SizeClass.bytesMax {
            unsafe giveBlock(block, SizeClass(holding: bytes))
        } else if bytes <= Self.runBytesMax {
            let region = unsafe Region(of: block)
            unsafe giveUnits(region, region.offset(of: block) / Region.unitBytes, Self.units(bytes))
        } else {
            unsafe unmap(block)
        }
    }

    private static func units(_ bytes: Int) -> Int { unsafe (bytes + Region.unitBytes - 1) / Region.unitBytes }

    private func takeBlock(_ size: SizeClass) -> UnsafeMutableRawPointer? {
        guard let span = unsafe state.pointee.spans[size.index] ?? openSpan(size) else { return nil }
        let region = unsafe Region(of: span)
        let block: UnsafeMutableRawPointer
        if unsafe span.pointee.free != 0 {
            unsafe block = region.base + Int(span.pointee.free)
            unsafe cmemory_unpoison(block, MemoryLayout<UInt32>.size)
            unsafe span.pointee.free = block.load(as: UInt32.self)
        } else {
            unsafe block = region.base + Int(span.pointee.fresh)
            unsafe span.pointee.fresh += UInt32(size.bytes)
        }
        unsafe span.pointee.live += 1
        if unsafe span.pointee.isFull(size.bytes) { unsafe unlink(span, size) }
        return unsafe block
    }

    private func giveBlock(_ block: UnsafeMutableRawPointer, _ size: SizeClass) {
        let region = unsafe Region(of: block)
        let offset = unsafe region.offset(of: block)
        let unit = unsafe (offset / Region.unitBytes) & ~(size.units - 1)
        let span = unsafe region.span(unit)
        let wasFull = unsafe span.pointee.isFull(size.bytes)
        unsafe precondition(span.pointee.live > 0, "a block was freed twice")
        unsafe span.pointee.live -= 1
        unsafe cmemory_unpoison(block, MemoryLayout<UInt32>.size)
        unsafe block.storeBytes(of: span.pointee.free, as: UInt32.self)
        unsafe span.pointee.free = UInt32(offset)
        unsafe cmemory_poison(block, size.bytes)
        if unsafe span.pointee.live == 0 {
            if !wasFull { unsafe unlink(span, size) }
            unsafe giveUnits(region, unit, size.units)
        } else if wasFull {
            unsafe link(span, size)
        }
    }

    // MARK: - Spans

    private func openSpan(_ size: SizeClass) -> UnsafeMutablePointer<BlockSpan>? {
        guard let (region, unit) = unsafe takeUnits(size.units, isSpan: true) else { return nil }
        let span = unsafe region.span(unit)
        let start = unsafe unit == 0 ? Region.firstOffset : unit * Region.unitBytes
        unsafe span.initialize(
            to: BlockSpan(fresh: UInt32(start), end: UInt32((unit + size.units) * Region.unitBytes)))
        unsafe link(span, size)
        return unsafe span
    }

    private func link(_ span: UnsafeMutablePointer<BlockSpan>, _ size: SizeClass) {
        let next = unsafe state.pointee.spans[size.index]
        unsafe span.pointee.next = next
        unsafe span.pointee.previous = nil
        unsafe next?.pointee.previous = span
        unsafe state.pointee.spans[size.index] = span
    }

    private func unlink(_ span: UnsafeMutablePointer<BlockSpan>, _ size: SizeClass) {
        let (next, previous) = unsafe (span.pointee.next, span.pointee.previous)
        unsafe next?.pointee.previous = previous
        if let previous = unsafe previous {
            unsafe previous.pointee.next = next
        } else {
            unsafe state.pointee.spans[size.index] = next
        }
    }
}

// MARK: - Units and regions

extension RecordMemory {
    private func takeRun(_ units: Int) -> UnsafeMutableRawPointer? {
        guard let (region, unit) = unsafe takeUnits(units, isSpan: false) else { return nil }
        return unsafe region.base + unit * Region.unitBytes
    }

    /// Free units in a row, of the first region that has them.
    private func takeUnits(_ count: Int, isSpan: Bool) -> (Region, Int)? {
        var candidate = unsafe state.pointee.firstOpen
        while let region = unsafe candidate {
            if let unit = unsafe region.freeRun(count, isSpan: isSpan) {
                unsafe take(region, unit, count)
                return unsafe (region, unit)
            }
            unsafe candidate = region.header.pointee.next
        }
        // No region is empty, then: an empty one has any run.
        guard mapRegion(), let region = unsafe state.pointee.lastOpen else { return nil }
        guard let unit = unsafe region.freeRun(count, isSpan: isSpan) else { return nil }
        unsafe take(region, unit, count)
        return unsafe (region, unit)
    }

    private func take(_ region: Region, _ unit: Int, _ count: Int) {
        let wasEmpty = unsafe region.header.pointee.freeUnits == .max
        unsafe region.header.pointee.freeUnits &= ~Region.mask(unit: unit, count: count)
        if wasEmpty { unsafe state.pointee.emptyRegions -= 1 }
        if unsafe region.header.pointee.freeUnits == 0 { unsafe close(region) }
    }

    private func giveUnits(_ region: Region, _ unit: Int, _ count: Int) {
        let start = unsafe unit == 0 ? Region.firstOffset : unit * Region.unitBytes
        unsafe cmemory_poison(region.base + start, (unit + count) * Region.unitBytes - start)
        let wasFull = unsafe region.header.pointee.freeUnits == 0
        unsafe region.header.pointee.freeUnits |= Region.mask(unit: unit, count: count)
        let isEmpty = unsafe region.header.pointee.freeUnits == .max
        guard wasFull || isEmpty else { return }
        if !wasFull { unsafe close(region) }
        if isEmpty, unsafe state.pointee.emptyRegions > 0 {
            unsafe unmap(region)
            return
        }
        unsafe open(region, last: isEmpty)
        if isEmpty { unsafe state.pointee.emptyRegions += 1 }
    }

    /// Adds an empty region. False where the system has no memory.
    private func mapRegion() -> Bool {
        let isHuge = unsafe state.pointee.regions >= Self.smallRegions
        let stocked = unsafe isHuge ? stock.take() : nil
        guard let base = unsafe stocked ?? cmemory_map(Region.bytes, Region.bytes, isHuge) else { return false }
        let region = unsafe Region(base)
        let first = unsafe state.pointee.firstOfAll
        unsafe region.header.initialize(to: RegionHeader(nextOfAll: first))
        unsafe first?.header.pointee.previousOfAll = region
        unsafe state.pointee.firstOfAll = region
        unsafe state.pointee.regions += 1
        unsafe state.pointee.emptyRegions += 1
        unsafe cmemory_poison(base + Region.firstOffset, Region.bytes - Region.firstOffset)
        unsafe open(region, last: true)
        return true
    }

    private func unmap(_ region: Region) {
        let (next, previous) = unsafe (region.header.pointee.nextOfAll, region.header.pointee.previousOfAll)
        unsafe next?.header.pointee.previousOfAll = previous
        if let previous = unsafe previous {
            unsafe previous.header.pointee.nextOfAll = next
        } else {
            unsafe state.pointee.firstOfAll = next
        }
        unsafe state.pointee.regions -= 1
        unsafe cmemory_unmap(region.base, Region.bytes)
    }

    /// Puts a region into the list of those with free units.
    private func open(_ region: Region, last: Bool) {
        let before = unsafe last ? state.pointee.lastOpen : nil
        let after = unsafe last ? nil : state.pointee.firstOpen
        unsafe region.header.pointee.previous = before
        unsafe region.header.pointee.next = after
        if let before = unsafe before {
            unsafe before.header.pointee.next = region
        } else {
            unsafe state.pointee.firstOpen = region
        }
        if let after = unsafe after {
            unsafe after.header.pointee.previous = region
        } else {
            unsafe state.pointee.lastOpen = region
        }
    }

    private func close(_ region: Region) {
        let (next, previous) = unsafe (region.header.pointee.next, region.header.pointee.previous)
        if let previous = unsafe previous {
            unsafe previous.header.pointee.next = next
        } else {
            unsafe state.pointee.firstOpen = next
        }
        if let next = unsafe next {
            unsafe next.header.pointee.previous = previous
        } else {
            unsafe state.pointee.lastOpen = previous
        }
    }

    // MARK: - Mappings

    private static func mappedBytes(_ bytes: Int) -> Int { (bytes + pageBytes - 1) & ~(pageBytes - 1) }

    private func map(_ bytes: Int) -> UnsafeMutableRawPointer? {
        let bytes = Self.mappedBytes(bytes)
        let isHuge = unsafe bytes >= Region.bytes
        guard let base = unsafe cmemory_map(bytes, isHuge ? Region.bytes : Self.pageBytes, isHuge) else { return nil }
        unsafe state.pointee.mappings.append(Mapping(base: base, bytes: bytes))
        unsafe state.pointee.bytesMapped += bytes
        return unsafe base
    }

    /// There are few mappings: tables of more than 100,000 keys.
    private func unmap(_ base: UnsafeMutableRawPointer) {
        let index = unsafe state.pointee.mappings.firstIndex { unsafe $0.base == base }
        guard let index else { preconditionFailure("a mapping was freed twice") }
        let mapping = unsafe state.pointee.mappings[index]
        unsafe state.pointee.bytesMapped -= mapping.bytes
        unsafe state.pointee.mappings.remove(at: index)
        unsafe cmemory_unmap(mapping.base, mapping.bytes)
    }
}
