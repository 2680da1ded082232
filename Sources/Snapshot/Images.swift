// A record as it stands in a snapshot: its fields one by one, not the store's memory, so that the store may change how
// it keeps them. What names another model names its number among the file's names. All numbers are little-endian.
//
// An image is checked once, when its block was read (`SnapshotChecker`); afterwards its fields are taken as they are.

public import Model

/// An event's image: 60 bytes, 8 for each participant, the JSON, and the name unescaped where the JSON escapes it.
///
///   0 bytes (4)  4 stage (4)  8 start (8)  16 offset (8)  24 hash (16)  40 JSON count (4)
///   44 middle offset (4)  48 middle count (4)  52 id count  53 status  54 sport  55 participants
///   56 whether the name is escaped  57 zero (3);  of each participant: its name's number (4), and where its own bytes
///   begin (18 bits) and how many bytes before them show it (14 bits)
@unsafe
public struct EventImage {
    static let fixedBytes = 60
    static let partBytes = 8
    /// No image is larger: the text, and the name unescaped behind it.
    static let bytesMax = fixedBytes + Limits.participantsPerEventMax * partBytes + 2 * Limits.eventRecordBytesMax

    let base: UnsafeRawPointer

    /// Of a checked block.
    public init(_ bytes: UnsafeRawBufferPointer) { unsafe base = bytes.baseAddress.unsafelyUnwrapped }

    private func number<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: Value.Type) -> Value {
        unsafe base.loadUnaligned(fromByteOffset: offset, as: Value.self).littleEndian
    }

    private var bytes: Int { unsafe Int(number(0, UInt32.self)) }
    public var stage: Int { unsafe Int(number(4, UInt32.self)) }
    public var start: Int64 { unsafe number(8, Int64.self) }
    public var offset: Int64 { unsafe number(16, Int64.self) }
    public var hashLow: UInt64 { unsafe number(24, UInt64.self) }
    public var hashHigh: UInt64 { unsafe number(32, UInt64.self) }
    public var jsonCount: Int { unsafe Int(number(40, UInt32.self)) }
    private var middleOffset: Int { unsafe Int(number(44, UInt32.self)) }
    private var middleCount: Int { unsafe Int(number(48, UInt32.self)) }
    public var middle: Range<Int> { unsafe middleOffset..<middleOffset + middleCount }
    public var idCount: Int { unsafe Int(number(52, UInt8.self)) }
    public var partCount: Int { unsafe Int(number(55, UInt8.self)) }
    public var nameIsEscaped: Bool { unsafe number(56, UInt8.self) == 1 }
    public func part(_ index: Int) -> (name: Int, tailOffset: Int, shownCount: Int) {
        let offset = unsafe Self.fixedBytes + index * Self.partBytes
        let bits = unsafe number(offset + 4, UInt32.self)
        return unsafe (Int(number(offset, UInt32.self)), Int(bits >> 14), Int(bits & 0x3FFF))
    }
    /// The bytes that one participant has of the event alone: up to the comma before the next, or the brackets behind
    /// the last.
    public func tail(_ index: Int) -> Range<Int> {
        let next = unsafe index + 1 < partCount ? part(index + 1) : nil
        let end = unsafe next.map { $0.tailOffset - $0.shownCount - 1 } ?? jsonCount - 2
        return unsafe part(index).tailOffset..<end
    }
    public var status: Status {
        guard let status = unsafe Status(rawValue: number(53, UInt8.self)) else { preconditionFailure("unchecked") }
        return status
    }
    public var sport: Sport {
        guard let sport = unsafe Sport(rawValue: number(54, UInt8.self)) else { preconditionFailure("unchecked") }
        return sport
    }
    private var textStart: Int { unsafe Self.fixedBytes + partCount * Self.partBytes }
    public var json: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base + textStart, count: jsonCount)
    }
    /// The name unescaped; empty where the JSON does not escape it.
    public var unescapedName: UnsafeRawBufferPointer {
        let start = unsafe textStart + jsonCount
        return unsafe UnsafeRawBufferPointer(start: base + start, count: bytes - start)
    }
    public var id: ID {
        guard let id = unsafe imageID(json, idCount) else { preconditionFailure("unchecked") }
        return id
    }

    /// What is wrong with the image; nil where nothing is. `isName` says whether the file has named such a model.
    static func problem(
        _ image: UnsafeRawBufferPointer, isName: (ModelKind, Int) -> Bool
    ) -> String? {
        guard unsafe image.count >= fixedBytes, unsafe image.count <= bytesMax else { return "its length" }
        let event = unsafe EventImage(image)
        guard unsafe Status(rawValue: event.number(53, UInt8.self)) != nil,
            unsafe Sport(rawValue: event.number(54, UInt8.self)) != nil, unsafe event.number(56, UInt32.self) <= 1
        else { return "its status, sport or flag" }
        let json = unsafe event.jsonCount
        guard unsafe (1...Limits.participantsPerEventMax).contains(event.partCount),
            json <= Limits.eventRecordBytesMax, unsafe image.count >= event.textStart + json,
            unsafe event.nameIsEscaped || image.count == event.textStart + json
        else { return "its participants or text" }
        guard unsafe (0...imageOffsetMax).contains(event.offset), unsafe imageID(event.json, event.idCount) != nil
        else {
            return "its offset or id"
        }
        // The name stands between the id and the quotation mark before the middle.
        guard unsafe imageIDOffset + event.idCount + imageNameGap < event.middleOffset,
            unsafe event.middleOffset + event.middleCount <= json
        else { return "its name or middle" }
        guard unsafe isName(.stage, event.stage) else { return "its stage" }
        var end = unsafe event.middleOffset + event.middleCount
        for index in unsafe 0..<event.partCount {
            let part = unsafe event.part(index)
            guard isName(.participant, part.name), part.tailOffset - part.shownCount >= end else {
                return "participant \(index)"
            }
            // A comma, or the brackets, at least.
            end = part.tailOffset + 1
        }
        return end + 1 <= json ? nil : "its last participant"
    }
}

/// The image of a participant, stage, season, region or category: 60 bytes, its own JSON, and the name unescaped where
/// the JSON escapes it.
///
///   0 bytes (4)  4 first (4)  8 second (4)  12 partition (2)  14 sport  15 flags  16 offset (8)
///   24 position among scores (8)  32 among teams (8)  40 own count (4)  44 shown count (4)
///   48 escaped name's count (4)  52 name count (4)  56 id count  57 zero (3)
@unsafe
public struct ReferenceImage {
    static let fixedBytes = 60
    private static let hasPositionScores: UInt8 = 1
    private static let hasPositionTeams: UInt8 = 2
    private static let isEscaped: UInt8 = 4

    let base: UnsafeRawPointer

    /// Of a checked block.
    public init(_ bytes: UnsafeRawBufferPointer) { unsafe base = bytes.baseAddress.unsafelyUnwrapped }

    private func number<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: Value.Type) -> Value {
        unsafe base.loadUnaligned(fromByteOffset: offset, as: Value.self).littleEndian
    }

    private func has(_ flag: UInt8) -> Bool { unsafe number(15, UInt8.self) & flag != 0 }

    /// The number of the region's, the category's name; nil where it names none.
    public var first: Int? {
        let name = unsafe number(4, UInt32.self)
        return name == noName ? nil : Int(name)
    }
    /// The number of the season's name.
    public var second: Int? {
        let name = unsafe number(8, UInt32.self)
        return name == noName ? nil : Int(name)
    }
    public var partition: Int { unsafe Int(number(12, UInt16.self)) }
    public var offset: Int64 { unsafe number(16, Int64.self) }
    public var positionScores: Int64? { unsafe has(Self.hasPositionScores) ? number(24, Int64.self) : nil }
    public var positionTeams: Int64? { unsafe has(Self.hasPositionTeams) ? number(32, Int64.self) : nil }
    public var ownCount: Int { unsafe Int(number(40, UInt32.self)) }
    public var shownCount: Int { unsafe Int(number(44, UInt32.self)) }
    public var escapedNameCount: Int { unsafe Int(number(48, UInt32.self)) }
    public var nameCount: Int { unsafe Int(number(52, UInt32.self)) }
    public var nameIsEscaped: Bool { unsafe has(Self.isEscaped) }
    public var idCount: Int { unsafe Int(number(56, UInt8.self)) }
    public var sport: Sport {
        guard let sport = unsafe Sport(rawValue: number(14, UInt8.self)) else { preconditionFailure("unchecked") }
        return sport
    }
    public var own: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base + Self.fixedBytes, count: ownCount)
    }
    /// The name unescaped, where it is escaped in `own`.
    public var name: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base + Self.fixedBytes + ownCount, count: nameCount)
    }
    public var id: ID {
        guard let id = unsafe imageID(own, idCount) else { preconditionFailure("unchecked") }
        return id
    }

    /// What is wrong with the image; nil where nothing is.
    static func problem(
        _ image: UnsafeRawBufferPointer, kind: ModelKind, partitionCount: Int, isName: (ModelKind, Int) -> Bool
    ) -> String? {
        guard unsafe image.count >= fixedBytes, unsafe image.count <= fixedBytes + 2 * Limits.referenceRecordBytesMax
        else { return "its length" }
        let model = unsafe ReferenceImage(image)
        guard unsafe Sport(rawValue: model.number(14, UInt8.self)) != nil,
            unsafe model.number(15, UInt8.self) < 8, unsafe model.partition < partitionCount,
            unsafe (0...imageOffsetMax).contains(model.offset)
        else { return "its sport, flags, partition or offset" }
        let own = unsafe model.ownCount
        let nameStart = unsafe imageIDOffset + model.idCount + imageNameGap
        guard own < Limits.referenceRecordBytesMax, unsafe model.shownCount <= own,
            unsafe nameStart + model.escapedNameCount <= own,
            // Escaping makes a name longer; the store tells by that whether there is an unescaped one.
            unsafe model.nameCount <= model.escapedNameCount,
            unsafe model.nameIsEscaped == (model.nameCount < model.escapedNameCount),
            unsafe image.count == fixedBytes + own + (model.nameIsEscaped ? model.nameCount : 0)
        else { return "its text" }
        guard unsafe imageID(model.own, model.idCount) != nil else { return "its id" }
        let firstKind = kind.referenceKind
        if let first = unsafe model.first {
            guard let firstKind, isName(firstKind, first) else { return "its first reference" }
        }
        if let second = unsafe model.second {
            guard kind == .stage, isName(.season, second) else { return "its second reference" }
        }
        return nil
    }
}

extension ModelKind {
    /// What the first reference of such a model names; nil where it has none.
    public var referenceKind: ModelKind? {
        switch self {
        case .participant, .category: .region
        case .stage: .category
        case .event, .season, .region: nil
        }
    }
}

/// Stands where a model names no other.
private let noName = UInt32.max

/// Every JSON object begins `{"id":"…"`, and a reference's name stands behind `","name":"`.
let imageIDOffset = 7
/// The position behind it can still be told, and compared with others.
let imageOffsetMax: Int64 = 1 << 62
let imageNameGap = 10

/// The id within an image's text; nil where none stands there.
private func imageID(_ text: UnsafeRawBufferPointer, _ count: Int) -> ID? {
    guard imageIDOffset + count < text.count, unsafe text[imageIDOffset + count] == 0x22 else { return nil }
    let bytes = unsafe text[imageIDOffset..<imageIDOffset + count]
    return unsafe UnsafeRawBufferPointer(rebasing: bytes).withMemoryRebound(to: UInt8.self) { unsafe ID($0.span) }
}

// MARK: - Writing

/// What of a record an event's image holds, but for its participants and its text.
public struct EventImageFields {
    public var stage: UInt32
    public var start: Int64
    public var offset: Int64
    public var hashLow: UInt64
    public var hashHigh: UInt64
    public var middle: Range<Int>
    public var idCount: UInt8
    public var status: Status
    public var sport: Sport
    public var partCount: UInt8

    public init(
        stage: UInt32, start: Int64, offset: Int64, hashLow: UInt64, hashHigh: UInt64, middle: Range<Int>,
        idCount: UInt8, status: Status, sport: Sport, partCount: UInt8
    ) {
        self.stage = stage
        self.start = start
        self.offset = offset
        self.hashLow = hashLow
        self.hashHigh = hashHigh
        self.middle = middle
        self.idCount = idCount
        self.status = status
        self.sport = sport
        self.partCount = partCount
    }
}

/// What of a record a reference's image holds, but for its text.
public struct ReferenceImageFields {
    public var first: UInt32?
    public var second: UInt32?
    public var partition: UInt16
    public var sport: Sport
    public var offset: Int64
    public var positionScores: Int64?
    public var positionTeams: Int64?
    public var shownCount: UInt32
    public var escapedNameCount: UInt32
    public var idCount: UInt8

    public init(
        first: UInt32?, second: UInt32?, partition: UInt16, sport: Sport, offset: Int64, positionScores: Int64?,
        positionTeams: Int64?, shownCount: UInt32, escapedNameCount: UInt32, idCount: UInt8
    ) {
        self.first = first
        self.second = second
        self.partition = partition
        self.sport = sport
        self.offset = offset
        self.positionScores = positionScores
        self.positionTeams = positionTeams
        self.shownCount = shownCount
        self.escapedNameCount = escapedNameCount
        self.idCount = idCount
    }
}

extension SnapshotBlockBuilder {
    /// Appends an event. `name`: unescaped, where the JSON escapes it. `part` gives each participant: the number of its
    /// name, where its own bytes begin, and how many before them show it.
    public mutating func add(
        _ event: EventImageFields, json: UnsafeBufferPointer<UInt8>, name: UnsafeBufferPointer<UInt8>?,
        part: (Int) -> (name: UInt32, tailOffset: Int, shownCount: Int)
    ) {
        addImage { bytes in
            bytes.append(little: event.stage)
            bytes.append(little: event.start)
            bytes.append(little: event.offset)
            bytes.append(little: event.hashLow)
            bytes.append(little: event.hashHigh)
            bytes.append(little: UInt32(json.count))
            bytes.append(little: UInt32(event.middle.lowerBound))
            bytes.append(little: UInt32(event.middle.count))
            bytes.append(event.idCount)
            bytes.append(event.status.rawValue)
            bytes.append(event.sport.rawValue)
            bytes.append(event.partCount)
            bytes.append(contentsOf: [unsafe name == nil ? 0 : 1, 0, 0, 0])
            for index in 0..<Int(event.partCount) {
                let part = part(index)
                bytes.append(little: part.name)
                bytes.append(little: UInt32(part.tailOffset) << 14 | UInt32(part.shownCount))
            }
            unsafe bytes.append(contentsOf: json)
            if let name = unsafe name { unsafe bytes.append(contentsOf: name) }
        }
    }

    /// Appends a reference. `name`: unescaped, where `own` escapes it.
    public mutating func add(
        _ model: ReferenceImageFields, own: UnsafeBufferPointer<UInt8>, nameCount: Int,
        name: UnsafeBufferPointer<UInt8>?
    ) {
        addImage { bytes in
            bytes.append(little: model.first ?? noName)
            bytes.append(little: model.second ?? noName)
            bytes.append(little: model.partition)
            bytes.append(model.sport.rawValue)
            let flags: UInt8 =
                (model.positionScores == nil ? 0 : 1) | (model.positionTeams == nil ? 0 : 2)
                | (unsafe name == nil ? 0 : 4)
            bytes.append(flags)
            bytes.append(little: model.offset)
            bytes.append(little: model.positionScores ?? 0)
            bytes.append(little: model.positionTeams ?? 0)
            bytes.append(little: UInt32(own.count))
            bytes.append(little: model.shownCount)
            bytes.append(little: model.escapedNameCount)
            bytes.append(little: UInt32(nameCount))
            bytes.append(model.idCount)
            bytes.append(contentsOf: [0, 0, 0])
            unsafe bytes.append(contentsOf: own)
            if let name = unsafe name { unsafe bytes.append(contentsOf: name) }
        }
    }
}
