// An event's record: immutable once published, one block of memory.
//
//   header (48 bytes) | JSON | parts (8 bytes each) | where the JSON escapes the name: its count, the name unescaped
//   | where there was room: the JSON packed
//
// The JSON is what a request sends. Id and name, the sort keys, are looked at inside it; the id stands where no look-up
// has to wait for another field to find it. The parts say which bytes of the JSON come from which participant, so that
// a participant's change renders the event again from its own old record, without the message. There are a million
// records: whatever can be told from something else is not stored.

public import Model
public import Render

/// The fixed part of an event's record.
@usableFromInline
struct EventHeader: BitwiseCopyable {
    @usableFromInline var start: Int64
    /// The offset of the message it was rendered from.
    var offset: Int64
    var hash: ContentHash
    @usableFromInline var layout: EventLayout
    @usableFromInline var stageSlot: UInt32
    /// Nine bits, and six for the number of parts less one.
    @usableFromInline var partitionAndParts: UInt16
    @usableFromInline var status: Status
    @usableFromInline var sport: Sport

    init(
        start: Timestamp, offset: Offset, hash: ContentHash, layout: EventLayout, stageSlot: UInt32,
        partition: PartitionID, partCount: Int, status: Status, sport: Sport
    ) {
        assert(partCount >= 1 && partCount <= Limits.participantsPerEventMax)
        self.start = start.milliseconds
        self.offset = offset.rawValue
        self.hash = hash
        self.layout = layout
        self.stageSlot = stageSlot
        partitionAndParts = UInt16(partition.rawValue) << 6 | UInt16(partCount - 1)
        self.status = status
        self.sport = sport
    }

    var partition: PartitionID { PartitionID(Int(partitionAndParts >> 6)) }
    @inlinable var partCount: Int { Int(partitionAndParts & 63) + 1 }
}

/// Where what stands in the JSON. Counts and offsets are at most `Limits.eventRecordBytesMax`, 2^17.
@usableFromInline
struct EventLayout: BitwiseCopyable {
    @usableFromInline var bits: UInt64

    init(jsonCount: Int, middle: Range<Int>, idCount: Int, nameIsEscaped: Bool) {
        assert(jsonCount < 1 << 18 && middle.upperBound <= jsonCount && idCount <= ID.bytesMax)
        bits = UInt64(jsonCount) | UInt64(middle.lowerBound) << 18 | UInt64(middle.count) << 36
        bits |= UInt64(idCount) << 54 | (nameIsEscaped ? 1 << 61 : 0)
    }

    @inlinable func field(_ shift: UInt64) -> Int { Int(bits >> shift & 0x3FFFF) }

    @inlinable var jsonCount: Int { field(0) }
    /// `,"status":…,"participants":[`
    var middle: Range<Int> { field(18)..<field(18) + field(36) }
    @inlinable var idCount: Int { Int(bits >> 54 & 127) }
    var nameIsEscaped: Bool { bits >> 61 & 1 == 1 }
    var isPacked: Bool {
        get { bits >> 62 & 1 == 1 }
        set { bits = bits & ~(1 << 62) | (newValue ? 1 << 62 : 0) }
    }
    /// The name as it stands in the JSON, up to the quotation mark before the middle.
    var escapedName: Range<Int> { Fragments.idOffset + idCount + Fragments.nameGap..<field(18) - 1 }
}

/// One participant within the record.
struct EventPart: BitwiseCopyable {
    var slot: UInt32
    /// Where its own bytes of the event (`,"score":…}`) begin, 18 bits, and how many bytes before them show the
    /// participant, 14 bits: less than `Limits.referenceRecordBytesMax`.
    private var bits: UInt32

    init(slot: UInt32, tailOffset: Int, shownCount: Int) {
        assert(tailOffset < 1 << 18 && shownCount < 1 << 14)
        self.slot = slot
        bits = UInt32(tailOffset) << 14 | UInt32(shownCount)
    }

    var tailOffset: Int { Int(bits >> 14) }
    var shownOffset: Int { tailOffset - Int(bits & 0x3FFF) }
}

/// A record in memory. Valid while the guard it was loaded under is held; for the writer, until it retires it.
@unsafe
public struct EventRecord: BitwiseCopyable {
    @inlinable static var textOffset: Int { MemoryLayout<EventHeader>.size }
    static let partBytes = MemoryLayout<EventPart>.size
    /// What the count of an unescaped name takes, before the name.
    static let nameCountBytes = 4

    @usableFromInline let base: UnsafeRawPointer

    @inlinable
    init(_ base: UnsafeRawPointer) { unsafe self.base = base }

    @inlinable var header: UnsafePointer<EventHeader> { unsafe base.assumingMemoryBound(to: EventHeader.self) }
    @inlinable var layout: EventLayout { unsafe header.pointee.layout }
    @inlinable var text: UnsafePointer<UInt8> { unsafe (base + Self.textOffset).assumingMemoryBound(to: UInt8.self) }

    var partCount: Int { unsafe header.pointee.partCount }
    @inlinable public var start: Timestamp { unsafe Timestamp(milliseconds: header.pointee.start) }
    public var offset: Offset { unsafe Offset(header.pointee.offset) }
    public var partition: PartitionID { unsafe header.pointee.partition }
    public var hash: ContentHash { unsafe header.pointee.hash }
    @inlinable public var status: Status { unsafe header.pointee.status }
    @inlinable public var sport: Sport { unsafe header.pointee.sport }
    @inlinable public var stageSlot: UInt32 { unsafe header.pointee.stageSlot }
    @inlinable public var json: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text, count: layout.jsonCount)
    }
    public var id: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text + Fragments.idOffset, count: layout.idCount)
    }
    /// Unescaped, as it sorts.
    public var name: UnsafeBufferPointer<UInt8> {
        let layout = unsafe layout
        if layout.nameIsEscaped {
            let start = unsafe text + nameCountOffset + Self.nameCountBytes
            return unsafe UnsafeBufferPointer(start: start, count: unescapedCount)
        }
        let name = layout.escapedName
        return unsafe UnsafeBufferPointer(start: text + name.lowerBound, count: name.count)
    }

    /// Where the count of the unescaped name stands in the text.
    private var nameCountOffset: Int { unsafe layout.jsonCount + partCount * Self.partBytes }
    private var unescapedCount: Int {
        unsafe Int(UnsafeRawPointer(text + nameCountOffset).loadUnaligned(as: UInt32.self))
    }

    /// The JSON as it stands in gzip answers, where there was room for it.
    public var packed: PackedFragment? {
        unsafe layout.isPacked ? PackedFragment((base + plainBytes).assumingMemoryBound(to: UInt8.self)) : nil
    }

    /// Whether the record is that of `id`.
    @inlinable @inline(__always)
    func isRecord(of id: ID) -> Bool { unsafe textHasID(text, layout.idCount, id) }

    /// Where the parts begin.
    @inline(__always)
    var firstPart: UnsafeRawPointer { unsafe UnsafeRawPointer(text + layout.jsonCount) }

    @inline(__always)
    func part(_ index: Int) -> EventPart {
        unsafe UnsafeRawPointer(text + layout.jsonCount + index * Self.partBytes).loadUnaligned(as: EventPart.self)
    }

    /// The bytes of the JSON that one participant has of the event alone: they end at the comma before the next, or at
    /// the brackets behind the last.
    func tail(_ index: Int) -> Range<Int> {
        let end = unsafe index + 1 < partCount ? part(index + 1).shownOffset - 1 : layout.jsonCount - 2
        return unsafe part(index).tailOffset..<end
    }

    /// Whether the participant of this slot takes part.
    @inline(__always)
    public func hasParticipant(_ slot: UInt32) -> Bool {
        for index in unsafe 0..<partCount where unsafe part(index).slot == slot { return true }
        return false
    }

    /// The size of the whole block.
    var bytes: Int { unsafe plainBytes + (packed?.count ?? 0) }

    /// Without what is packed.
    private var plainBytes: Int {
        unsafe Self.plainBytes(
            jsonCount: layout.jsonCount, partCount: partCount,
            unescapedCount: layout.nameIsEscaped ? unescapedCount : nil)
    }

    static func plainBytes(jsonCount: Int, partCount: Int, unescapedCount: Int?) -> Int {
        unsafe textOffset + jsonCount + partCount * partBytes + (unescapedCount.map { unsafe $0 + nameCountBytes } ?? 0)
    }
}

/// Whether a text that begins with `{"id":"` and an id of `count` bytes is of `id`.
@inlinable @inline(__always)
func textHasID(_ text: UnsafePointer<UInt8>, _ count: Int, _ id: ID) -> Bool {
    // All branches but the last go by the id's own count: it is known long before the record's line arrives, and a
    // wrong guess about it does not wait for that.
    let bytes = unsafe UnsafeRawPointer(text) + Fragments.idOffset
    let wanted = id.count
    let wholeWords = wanted >> 3
    var difference = UInt64(truncatingIfNeeded: count ^ wanted)
    for index in 0..<wholeWords {
        let word = unsafe bytes.loadUnaligned(fromByteOffset: index << 3, as: UInt64.self)
        difference |= UInt64(bigEndian: word) ^ id.word(index)
    }
    if wanted & 7 != 0 {
        // The eight bytes that end with the id. They begin within it, or at most seven bytes before it, where the
        // text's opening stands; what does not belong to the id's last word is shifted out.
        let word = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: wanted - 8, as: UInt64.self))
        difference |= word << UInt64(64 - 8 * (wanted & 7)) ^ id.word(wholeWords)
    }
    return difference == 0
}
