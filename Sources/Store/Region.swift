// A region of record memory: 2 MiB at a multiple of 2 MiB, so that a block's address leads to it.
//
//   header | 32 spans' headers | unit 0 (the rest of it), unit 1, … unit 31
//
// The writer's alone: no atomics here.

/// A run of units that is cut into blocks of one size. Stands in its region's header, at its first unit's number.
@unsafe
struct Span {
    /// Offsets within the region. The first block that was given back (0: none), which holds the offset of the next.
    var free: UInt32 = 0
    /// The first block that was never handed out.
    var fresh: UInt32
    var end: UInt32
    /// Blocks handed out.
    var live: UInt32 = 0
    /// Neighbours in the list of its size's spans that have room.
    var next: UnsafeMutablePointer<Span>?
    var previous: UnsafeMutablePointer<Span>?

    @inline(__always)
    func isFull(_ blockBytes: Int) -> Bool { unsafe free == 0 && Int(fresh) + blockBytes > Int(end) }
}

@unsafe
struct RegionHeader {
    /// One bit for each unit.
    var freeUnits: UInt32 = .max
    /// Neighbours in the list of regions with free units.
    var next: Region?
    var previous: Region?
    /// Neighbours in the list of all regions.
    var nextOfAll: Region?
    var previousOfAll: Region?
}

@unsafe
struct Region {
    static let bytes = 2 << 20
    static let unitBytes = 64 << 10
    static let units = 32
    private static let spansOffset = 64
    /// Where unit 0 begins: behind the headers, at the start of a cache line.
    static let firstOffset = unsafe 64 + units * MemoryLayout<Span>.stride

    let base: UnsafeMutableRawPointer

    init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }

    /// The region of a block, or of a span's header.
    @inline(__always)
    init(of address: UnsafeMutableRawPointer) {
        let offset = unsafe Int(bitPattern: UInt(bitPattern: address) & UInt(Self.bytes - 1))
        unsafe base = address - offset
    }

    var header: UnsafeMutablePointer<RegionHeader> { unsafe base.assumingMemoryBound(to: RegionHeader.self) }

    @inline(__always)
    func span(_ unit: Int) -> UnsafeMutablePointer<Span> {
        unsafe (base + Self.spansOffset).assumingMemoryBound(to: Span.self) + unit
    }

    /// The number of a span's first unit.
    func unit(of span: UnsafeMutablePointer<Span>) -> Int { unsafe span - self.span(0) }

    func offset(of address: UnsafeMutableRawPointer) -> Int { unsafe address - base }

    static func == (left: Region, right: Region) -> Bool { unsafe left.base == right.base }

    /// The first of `count` free units in a row, nil where there are none. A span of several begins at a multiple of
    /// its length, so that each of its blocks leads to its header; a run without a header begins behind unit 0.
    func freeRun(_ count: Int, isSpan: Bool) -> Int? {
        var starts = unsafe header.pointee.freeUnits
        if isSpan {
            if count == 4 { starts &= 0x1111_1111 }
        } else {
            starts &= ~1
        }
        for index in 1..<max(1, count) { starts &= unsafe header.pointee.freeUnits >> UInt32(index) }
        return starts == 0 ? nil : starts.trailingZeroBitCount
    }

    static func mask(unit: Int, count: Int) -> UInt32 { UInt32(truncatingIfNeeded: (1 << count - 1) << unit) }
}
