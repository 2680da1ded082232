// A block: the ids that its records name for the first time, then the images of records. On disk it is compressed.
//
//   raw:  names (kind, length, bytes of each) | images
//
// A name's number is its place among all names of the file, so each id stands in a file once.

internal import CLZ4
public import Model

/// A block in memory, as it is written and as it is after decompression.
public struct SnapshotBlock: Equatable, Sendable {
    public internal(set) var raw: [UInt8]
    public internal(set) var names: Int
    public internal(set) var records: Int

    /// Of bytes that nobody has checked.
    public init(raw: [UInt8], names: Int, records: Int) {
        self.raw = raw
        self.names = names
        self.records = records
    }

    /// Calls `body` with each name. Of a checked block; traps on another.
    public func forEachName(_ body: (ModelKind, ID) -> Void) {
        var position = 0
        for _ in 0..<names {
            let count = Int(raw[position + 1])
            guard let kind = ModelKind(rawValue: raw[position]),
                let id = ID(raw.span.extracting(position + 2..<position + 2 + count))
            else { preconditionFailure("a block that was not checked") }
            body(kind, id)
            position += 2 + count
        }
    }

    /// Where the images begin.
    var imagesStart: Int {
        var position = 0
        for _ in 0..<names { position += 2 + Int(raw[position + 1]) }
        return position
    }

    /// Calls `body` with the bytes of each image until it returns false. Of a checked block; traps on another.
    public func forEachImage(_ body: (UnsafeRawBufferPointer) -> Bool) {
        let start = imagesStart
        unsafe raw.withUnsafeBytes { raw in
            var position = start
            for _ in 0..<records {
                let count = Int(
                    UInt32(littleEndian: unsafe raw.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
                guard unsafe body(UnsafeRawBufferPointer(rebasing: raw[position..<position + count])) else { return }
                position += count
            }
        }
    }
}

/// A block while a walk fills it. Names and images grow side by side.
public struct SnapshotBlockBuilder: Sendable {
    private var nameBytes: [UInt8] = []
    /// Images are appended here, each beginning with its length; see `Images.swift`.
    var imageBytes: [UInt8] = []
    public private(set) var names = 0
    public private(set) var records = 0

    public init() {
        // What a full block takes, but for the last image: no growing while the writer's turn lasts.
        imageBytes.reserveCapacity(SnapshotLimits.blockBytes + (16 << 10))
    }

    public var bytes: Int { nameBytes.count + imageBytes.count }
    public var isFull: Bool { bytes >= SnapshotLimits.blockBytes }
    public var isEmpty: Bool { bytes == 0 }

    /// Adds an id. Its number is how many the walk added before it.
    public mutating func add(_ kind: ModelKind, id: UnsafeBufferPointer<UInt8>) {
        nameBytes.append(kind.rawValue)
        nameBytes.append(UInt8(id.count))
        unsafe nameBytes.append(contentsOf: id)
        names += 1
    }

    /// Appends one image: its fixed part by `body`, its length by this function.
    mutating func addImage(_ body: (inout [UInt8]) -> Void) {
        let start = imageBytes.count
        imageBytes.append(little: UInt32(0))
        body(&imageBytes)
        let count = UInt32(imageBytes.count - start)
        for byte in 0..<4 { imageBytes[start + byte] = UInt8(truncatingIfNeeded: count >> UInt32(8 * byte)) }
        records += 1
    }

    public consuming func finish() -> SnapshotBlock {
        let (names, records) = (names, records)
        var raw = nameBytes
        raw.append(contentsOf: imageBytes)
        return SnapshotBlock(raw: raw, names: names, records: records)
    }
}

/// What stands before each block's bytes.
struct BlockHead: Equatable {
    static let mark: UInt32 = 0x4B4C_4246  // "FBLK"
    /// The last one, which has no bytes: its hash is the file's.
    static let endMark: UInt32 = 0x444E_4546  // "FEND"

    var isEnd: Bool
    /// Counts from 0, so that a block cannot be missing, doubled or moved.
    var number: UInt32
    var rawBytes: UInt32
    /// `rawBytes` where compression gained nothing.
    var storedBytes: UInt32
    var names: UInt32
    var records: UInt32
    /// XXH3 of the stored bytes, the number being the seed.
    var hash: UInt64

    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(SnapshotLimits.blockHeadBytes)
        bytes.append(little: isEnd ? Self.endMark : Self.mark)
        for field in [number, rawBytes, storedBytes, names, records] { bytes.append(little: field) }
        bytes.append(little: hash)
        return bytes
    }

    init(_ block: borrowing SnapshotBlock, stored: borrowing [UInt8], number: UInt32) {
        isEnd = false
        self.number = number
        rawBytes = UInt32(block.raw.count)
        storedBytes = UInt32(stored.count)
        (names, records) = (UInt32(block.names), UInt32(block.records))
        hash = stored.span.hash(seed: UInt64(number))
    }

    /// The end of a file.
    init(end number: UInt32, fileHash: UInt64) {
        isEnd = true
        self.number = number
        (rawBytes, storedBytes, names, records) = (0, 0, 0, 0)
        hash = fileHash
    }

    /// Refuses what no block may be, before anything is allocated for it.
    init(decoding bytes: Span<UInt8>, number wanted: UInt32) throws(SnapshotError) {
        let mark = bytes.little(0, UInt32.self)
        guard mark == Self.mark || mark == Self.endMark else { throw SnapshotError(.damaged, "a block's mark") }
        isEnd = mark == Self.endMark
        number = bytes.little(4, UInt32.self)
        rawBytes = bytes.little(8, UInt32.self)
        storedBytes = bytes.little(12, UInt32.self)
        names = bytes.little(16, UInt32.self)
        records = bytes.little(20, UInt32.self)
        hash = bytes.little(24, UInt64.self)
        guard number == wanted else { throw SnapshotError(.damaged, "block \(wanted) says that it is \(number)") }
        if isEnd {
            guard rawBytes == 0, storedBytes == 0, names == 0, records == 0 else {
                throw SnapshotError(.damaged, "the end mark")
            }
            return
        }
        guard rawBytes >= 1, rawBytes <= SnapshotLimits.blockRawBytesMax, storedBytes >= 1, storedBytes <= rawBytes,
            // A name takes three bytes, an image more than four.
            UInt64(names) * 3 + UInt64(records) * 4 <= UInt64(rawBytes)
        else { throw SnapshotError(.damaged, "the sizes of block \(number)") }
    }
}

extension SnapshotBlock {
    /// The bytes as they stand in the file: an LZ4 block, or as they are where that is no longer.
    func stored() -> [UInt8] {
        let packed = unsafe [UInt8](unsafeUninitializedCapacity: raw.count) { buffer, count in
            guard let into = buffer.baseAddress else { return }
            count = unsafe raw.withUnsafeBytes { raw in
                guard let from = raw.baseAddress else { return 0 }
                return unsafe clz4_compress(from, raw.count, into, raw.count - 1)
            }
        }
        return packed.isEmpty ? raw : packed
    }

    /// Checks the hash and decompresses.
    init(_ stored: Span<UInt8>, _ head: BlockHead) throws(SnapshotError) {
        guard stored.hash(seed: UInt64(head.number)) == head.hash else {
            throw SnapshotError(.damaged, "the hash of block \(head.number)")
        }
        let rawCount = Int(head.rawBytes)
        (names, records) = (Int(head.names), Int(head.records))
        if stored.count == rawCount {
            raw = unsafe stored.withUnsafeBytes { unsafe Array($0) }
            return
        }
        raw = unsafe [UInt8](unsafeUninitializedCapacity: rawCount) { buffer, count in
            guard let into = buffer.baseAddress else { return }
            let isWhole = unsafe stored.withUnsafeBytes { stored in
                guard let from = stored.baseAddress else { return false }
                return unsafe clz4_decompress(from, stored.count, into, rawCount)
            }
            count = isWhole ? rawCount : 0
        }
        guard raw.count == rawCount else {
            throw SnapshotError(.malformed, "block \(head.number) is no LZ4 of \(rawCount) bytes")
        }
    }
}
