// The record of a participant, stage, season, region or category: immutable once published, one block of memory.
//
//   header | JSON | the name unescaped, where the JSON escapes it | the JSON packed, of stages and participants alone
//
// The JSON begins with the model's own fields; what follows comes from other models and is rendered again when they
// change. A model that is referenced but unknown has a record too, with its id alone: so a reference always finds one.

public import Model
public import Render

/// The fixed part.
struct ReferenceHeader: BitwiseCopyable {
    /// The offset of the message; −1 where the model is unknown.
    var offset: Int64
    var hash: ContentHash
    var positionScores: Int64
    var positionTeams: Int64
    var jsonCount: UInt32
    /// The JSON's first bytes that an event shows of a participant: up to the abbreviation, without a closing brace.
    var shownCount: UInt32
    /// The JSON's first bytes that are the model's own fields, without a closing brace.
    var ownCount: UInt32
    var nameOffset: UInt32
    var nameCount: UInt32
    /// The name as it stands in the JSON.
    var escapedNameCount: UInt32
    /// The slot of: a participant's region, a stage's category, a category's region. `noSlot` where there is none.
    var first: UInt32
    /// The slot of a stage's season.
    var second: UInt32
    var partition: UInt16
    var idCount: UInt8
    var sport: Sport
    var isKnown: Bool
    var hasPositionScores: Bool
    var hasPositionTeams: Bool
    var isPacked = false
}

/// No slot: the model has no such reference.
@inlinable var noSlot: UInt32 { .max }

/// A record in memory. Valid while the guard it was loaded under is held; for the writer, until it retires it.
@unsafe
public struct ReferenceRecord {
    let base: UnsafeRawPointer

    init(_ base: UnsafeRawPointer) { unsafe self.base = base }

    var header: UnsafePointer<ReferenceHeader> { unsafe base.assumingMemoryBound(to: ReferenceHeader.self) }
    var text: UnsafePointer<UInt8> {
        unsafe (base + MemoryLayout<ReferenceHeader>.stride).assumingMemoryBound(to: UInt8.self)
    }

    public var isKnown: Bool { unsafe header.pointee.isKnown }
    /// Meaningful where the model has a sport and is known.
    public var sport: Sport { unsafe header.pointee.sport }
    public var offset: Offset { unsafe Offset(header.pointee.offset) }
    public var partition: PartitionID { unsafe PartitionID(header.pointee.partition) }
    public var hash: ContentHash { unsafe header.pointee.hash }
    public var positionScores: Int64? {
        unsafe header.pointee.hasPositionScores ? header.pointee.positionScores : nil
    }
    public var positionTeams: Int64? {
        unsafe header.pointee.hasPositionTeams ? header.pointee.positionTeams : nil
    }
    /// A participant: its team object. A stage: its object up to the events. Others: the object as it is shown.
    public var json: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text, count: Int(header.pointee.jsonCount))
    }
    public var id: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text + Fragments.idOffset, count: Int(header.pointee.idCount))
    }
    /// Unescaped, as it sorts; of an unknown model its id.
    public var name: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text + Int(header.pointee.nameOffset), count: Int(header.pointee.nameCount))
    }
    /// The name as it stands in the JSON.
    var escapedName: UnsafeBufferPointer<UInt8> {
        let offset = unsafe Fragments.idOffset + (isKnown ? Int(header.pointee.idCount) + Fragments.nameGap : 0)
        return unsafe UnsafeBufferPointer(start: text + offset, count: Int(header.pointee.escapedNameCount))
    }
    var shown: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text, count: Int(header.pointee.shownCount))
    }
    var own: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text, count: Int(header.pointee.ownCount))
    }
    /// Whether the record is that of `id`.
    @inline(__always)
    func isRecord(of id: ID) -> Bool { unsafe textHasID(text, Int(header.pointee.idCount), id) }

    var first: UInt32 { unsafe header.pointee.first }
    var second: UInt32 { unsafe header.pointee.second }

    /// The JSON as it stands in gzip answers, where it stands in any and there was room for it.
    public var packed: PackedFragment? {
        unsafe header.pointee.isPacked ? PackedFragment(text + textCount) : nil
    }

    private var textCount: Int {
        let header = unsafe header.pointee
        return max(Int(header.jsonCount), Int(header.nameOffset) + Int(header.nameCount))
    }

    /// The size of the whole block.
    var bytes: Int { unsafe MemoryLayout<ReferenceHeader>.stride + textCount + (packed?.count ?? 0) }
}
