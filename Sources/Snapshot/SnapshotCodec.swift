// A file as bytes: written once from front to back, but for its header, which is written again when the counts are
// known; read in one pass, in pieces of any size.
//
//   preamble: magic (8) | format version (4) | header bytes (4) | hash of the header (8)
//   header | block head, block | block head, block | … | end mark with the file's hash
//
// The file's hash is over the preamble, the header and every block's head, and each head has the hash of its block: so
// it is over every byte of the file.

public import Model

enum SnapshotPreamble {
    static let magic: [UInt8] = Array("FAVSNAP\n".utf8)

    static func encoded(_ header: borrowing [UInt8]) -> [UInt8] {
        var bytes = magic
        bytes.append(little: SnapshotHeader.formatVersion)
        bytes.append(little: UInt32(header.count))
        bytes.append(little: header.span.hash())
        return bytes
    }

    /// The number of the header's bytes, and their hash.
    static func read(_ bytes: Span<UInt8>) throws(SnapshotError) -> (bytes: Int, hash: UInt64) {
        for index in magic.indices where bytes.little(index, UInt8.self) != magic[index] {
            throw SnapshotError(.notASnapshot, "it does not begin as one")
        }
        let version = bytes.little(8, UInt32.self)
        guard version == SnapshotHeader.formatVersion else {
            throw SnapshotError(.version(version), "it reads version \(SnapshotHeader.formatVersion)")
        }
        let count = Int(bytes.little(12, UInt32.self))
        guard count >= 1, count <= SnapshotLimits.headerBytesMax else {
            throw SnapshotError(.damaged, "a header of \(count) bytes")
        }
        return (count, bytes.little(16, UInt64.self))
    }
}

/// Makes the bytes of a file. The caller writes them, in this order.
public struct SnapshotEncoder: Sendable {
    public private(set) var header: SnapshotHeader
    private var heads: [UInt8] = []
    private var blocks: UInt32 = 0

    public init(_ header: SnapshotHeader) { self.header = header }

    /// The file's first bytes: now to hold their place, and again when `header` has its last values.
    public func start() -> [UInt8] {
        let encoded = header.encoded()
        return SnapshotPreamble.encoded(encoded) + encoded
    }

    /// A block's head and bytes.
    public mutating func block(_ block: borrowing SnapshotBlock) -> [UInt8] {
        let stored = block.stored()
        let head = BlockHead(block, stored: stored, number: blocks).encoded()
        blocks += 1
        heads.append(contentsOf: head)
        header.records += UInt64(block.records)
        header.names += UInt64(block.names)
        header.rawBytes += UInt64(block.raw.count)
        header.storedBytes += UInt64(stored.count)
        return head + stored
    }

    /// What the walk knows at its end: the newest of everything it may have seen.
    public mutating func end(newest: [Offset], globalsNewest: GlobalPosition?) {
        precondition(newest.count == header.positions.count)
        for index in newest.indices { header.positions[index].newest = newest[index] }
        header.globalsNewest = globalsNewest
    }

    /// The file's last bytes.
    public func finish() -> [UInt8] {
        BlockHead(end: blocks, fileHash: hash(of: start() + heads)).encoded()
    }
}

/// Reads a file's bytes as they come. Before each step `needed` says how many it takes; give at least as many.
public struct SnapshotDecoder: Sendable {
    public enum Piece: Equatable, Sendable {
        case header(SnapshotHeader)
        case block(SnapshotBlock)
        /// The whole file was read, and everything in it agrees.
        case end
    }

    private enum Stage {
        case preamble, header(hash: UInt64), head, block(BlockHead), done
    }

    private var stage = Stage.preamble
    private var header: SnapshotHeader?
    private var start: [UInt8] = []
    private var heads: [UInt8] = []
    private var blocks: UInt32 = 0
    private var sums: (records: UInt64, names: UInt64, raw: UInt64, stored: UInt64) = (0, 0, 0, 0)
    /// The bytes that the next step takes; 0 at the end. At most `SnapshotLimits.blockRawBytesMax`.
    public private(set) var needed = SnapshotLimits.preambleBytes

    public init() {}

    public var isAtEnd: Bool { needed == 0 }

    /// Takes the first `needed` of the bytes. Returns what they completed, if anything.
    public mutating func step(_ bytes: Span<UInt8>) throws(SnapshotError) -> Piece? {
        precondition(!isAtEnd && bytes.count >= needed)
        let bytes = bytes.extracting(first: needed)
        switch stage {
        case .preamble:
            let (count, hash) = try SnapshotPreamble.read(bytes)
            unsafe bytes.withUnsafeBytes { unsafe start.append(contentsOf: $0) }
            (stage, needed) = (.header(hash: hash), count)
            return nil
        case .header(let hash):
            guard bytes.hash() == hash else { throw SnapshotError(.damaged, "the header's hash") }
            let encoded = unsafe bytes.withUnsafeBytes { unsafe Array($0) }
            let header = try SnapshotHeader(decoding: encoded)
            start.append(contentsOf: encoded)
            self.header = header
            (stage, needed) = (.head, SnapshotLimits.blockHeadBytes)
            return .header(header)
        case .head:
            let head = try BlockHead(decoding: bytes, number: blocks)
            if head.isEnd { return try end(head) }
            guard blocks < SnapshotLimits.blocksMax else { throw SnapshotError(.malformed, "too many blocks") }
            unsafe bytes.withUnsafeBytes { unsafe heads.append(contentsOf: $0) }
            (stage, needed) = (.block(head), Int(head.storedBytes))
            return nil
        case .block(let head):
            let block = try SnapshotBlock(bytes, head)
            count(head)
            (stage, needed) = (.head, SnapshotLimits.blockHeadBytes)
            return .block(block)
        case .done: preconditionFailure("a step behind the end")
        }
    }

    private mutating func count(_ head: BlockHead) {
        blocks += 1
        sums.records += UInt64(head.records)
        sums.names += UInt64(head.names)
        sums.raw += UInt64(head.rawBytes)
        sums.stored += UInt64(head.storedBytes)
    }

    private mutating func end(_ head: BlockHead) throws(SnapshotError) -> Piece {
        guard hash(of: start + heads) == head.hash else { throw SnapshotError(.damaged, "the file's hash") }
        guard let header, header.records == sums.records, header.names == sums.names, header.rawBytes == sums.raw,
            header.storedBytes == sums.stored
        else { throw SnapshotError(.damaged, "the header's counts are not those of the blocks") }
        (stage, needed) = (.done, 0)
        return .end
    }
}

private func hash(of bytes: [UInt8]) -> UInt64 { bytes.span.hash() }
