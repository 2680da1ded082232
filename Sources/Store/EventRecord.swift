// An event's record: immutable once published, one block of memory.
//
//   header (64 bytes) | parts (12 bytes each) | JSON | the name unescaped, where the JSON escapes it
//
// The JSON is what a request sends. Id and name, the sort keys, are looked at inside it. The parts say which bytes of
// it come from which participant, so that a participant's change renders the event again from its own old record,
// without the message.

public import Model
public import Render

/// The fixed part of an event's record.
struct EventHeader: BitwiseCopyable {
    var start: Int64
    /// The offset of the message it was rendered from.
    var offset: Int64
    var hash: ContentHash
    var jsonCount: UInt32
    /// Where the unescaped name stands in the text; inside the JSON, or right behind it.
    var nameOffset: UInt32
    var nameCount: UInt32
    /// `,"status":…,"participants":[` within the text.
    var middleOffset: UInt32
    var middleCount: UInt32
    var stageSlot: UInt32
    var partition: UInt16
    var idCount: UInt8
    var status: Status
    var sport: Sport
    var partCount: UInt8
}

/// One participant within the record.
struct EventPart: BitwiseCopyable {
    var slot: UInt32
    /// Its own bytes of the event (`,"score":…}`) within the text.
    var tailOffset: UInt32
    var tailCount: UInt32
}

/// A record in memory. Valid while the guard it was loaded under is held; for the writer, until it retires it.
@unsafe
public struct EventRecord {
    let base: UnsafeRawPointer

    init(_ base: UnsafeRawPointer) { unsafe self.base = base }

    var header: UnsafePointer<EventHeader> { unsafe base.assumingMemoryBound(to: EventHeader.self) }
    var parts: UnsafePointer<EventPart> {
        unsafe (base + MemoryLayout<EventHeader>.stride).assumingMemoryBound(to: EventPart.self)
    }
    var text: UnsafePointer<UInt8> {
        unsafe (base + MemoryLayout<EventHeader>.stride + partCount * MemoryLayout<EventPart>.stride)
            .assumingMemoryBound(to: UInt8.self)
    }

    var partCount: Int { unsafe Int(header.pointee.partCount) }
    public var start: Timestamp { unsafe Timestamp(milliseconds: header.pointee.start) }
    public var offset: Offset { unsafe Offset(header.pointee.offset) }
    public var partition: PartitionID { unsafe PartitionID(header.pointee.partition) }
    public var hash: ContentHash { unsafe header.pointee.hash }
    public var status: Status { unsafe header.pointee.status }
    public var sport: Sport { unsafe header.pointee.sport }
    public var stageSlot: UInt32 { unsafe header.pointee.stageSlot }
    public var json: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text, count: Int(header.pointee.jsonCount))
    }
    public var id: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text + Fragments.idOffset, count: Int(header.pointee.idCount))
    }
    /// Unescaped, as it sorts.
    public var name: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text + Int(header.pointee.nameOffset), count: Int(header.pointee.nameCount))
    }
    var middle: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(
            start: text + Int(header.pointee.middleOffset), count: Int(header.pointee.middleCount))
    }
    func tail(_ part: Int) -> UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(
            start: text + Int(parts[part].tailOffset), count: Int(parts[part].tailCount))
    }

    /// Whether the participant of this slot takes part.
    @inline(__always)
    public func hasParticipant(_ slot: UInt32) -> Bool {
        for part in unsafe 0..<partCount where unsafe parts[part].slot == slot { return true }
        return false
    }

    /// The size of the whole block.
    var bytes: Int {
        let header = unsafe header.pointee
        let nameEnd = Int(header.nameOffset) + Int(header.nameCount)
        return unsafe MemoryLayout<EventHeader>.stride + partCount * MemoryLayout<EventPart>.stride
            + max(Int(header.jsonCount), nameEnd)
    }
}

/// Whether the bytes are those of `id`.
@inline(__always)
func equals(_ bytes: UnsafeBufferPointer<UInt8>, _ id: ID) -> Bool {
    guard bytes.count == id.count else { return false }
    let bytes = UnsafeRawBufferPointer(bytes)
    let wholeWords = id.count >> 3
    for index in 0..<wholeWords {
        let word = unsafe bytes.loadUnaligned(fromByteOffset: index << 3, as: UInt64.self)
        if UInt64(bigEndian: word) != id.word(index) { return false }
    }
    for index in wholeWords << 3..<id.count where unsafe bytes[index] != id[index] { return false }
    return true
}
