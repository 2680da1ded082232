// A peer's file on its way in. The bytes come in pieces of any size, from another process: nothing of them is used
// before it is checked, and a peer that sends on for ever is held to what its own header says.

/// Why a peer did not hand a file over.
public enum PeerFault: String, CaseIterable, Equatable, Sendable {
    /// No connection.
    case unreachable
    /// It sent no answer, or the connection broke in the middle of one.
    case cut
    /// An answer, or the whole file, took longer than it may.
    case slow
    /// It was asked again and again, and had no room.
    case busy
    /// It has no such file, or has lost sight of the reader.
    case gone
    /// Not what was asked for: another status, too many bytes, another scope.
    case answer
    /// The file is larger than this node takes.
    case large
    /// It has put another file in its place again and again.
    case changed
    /// This process ends.
    case stopped

    /// Whether it says nothing about the peer's file: the same question may have another answer soon.
    public var isPassing: Bool {
        switch self {
        case .unreachable, .cut, .slow, .busy, .gone, .changed, .stopped: true
        case .answer, .large: false
        }
    }
}

public struct SnapshotReceiver: Sendable {
    private let scope: SnapshotScope
    private let rawBytesMax: Int
    private var decoder = SnapshotDecoder()
    private var checker: SnapshotChecker?
    /// Received and not yet a whole piece: less than a block, and one piece more.
    private var left: [UInt8] = []
    private var sums: (raw: UInt64, records: UInt64) = (0, 0)

    public private(set) var header: SnapshotHeader?
    public private(set) var blocks: [SnapshotBlock] = []

    /// `rawBytesMax`: bytes of the file's records that this process takes into its memory.
    public init(_ scope: SnapshotScope, rawBytesMax: Int) {
        self.scope = scope
        self.rawBytesMax = rawBytesMax
    }

    public var isAtEnd: Bool { decoder.isAtEnd }

    /// Takes the next bytes of the file.
    public mutating func take(_ bytes: Span<UInt8>) throws(SnapshotError) {
        var pending: [UInt8] = []
        swap(&pending, &left)
        unsafe bytes.withUnsafeBytes { unsafe pending.append(contentsOf: $0) }
        var position = 0
        while !decoder.isAtEnd, pending.count - position >= decoder.needed {
            let count = decoder.needed
            let piece = try decoder.step(pending.span.extracting(position..<position + count))
            position += count
            switch piece {
            case .header(let header): try take(header)
            case .block(let block): try take(block)
            case .end, nil: break
            }
        }
        pending.removeSubrange(..<position)
        swap(&pending, &left)
        guard !decoder.isAtEnd || left.isEmpty else { throw SnapshotError(.damaged, "bytes behind the end") }
    }

    private mutating func take(_ header: SnapshotHeader) throws(SnapshotError) {
        guard header.scope == scope else {
            throw SnapshotError(.transfer(.answer), "it holds \(header.scope), not \(scope)")
        }
        guard header.rawBytes <= UInt64(rawBytesMax) else {
            throw SnapshotError(
                .transfer(.large), "it has \(header.rawBytes) bytes of records, \(rawBytesMax) are allowed")
        }
        // Its images are of another kind than this program can look at.
        if header.schema == SnapshotHeader.schemaVersion { checker = SnapshotChecker(header) }
        self.header = header
    }

    private mutating func take(_ block: SnapshotBlock) throws(SnapshotError) {
        guard let header else { preconditionFailure("a block before the header") }
        sums.raw += UInt64(block.raw.count)
        sums.records += UInt64(block.records)
        guard sums.raw <= header.rawBytes, sums.records <= header.records else {
            throw SnapshotError(.malformed, "more comes than the header says")
        }
        // So there are no more blocks than records.
        guard block.records > 0 else { throw SnapshotError(.malformed, "a block without a record") }
        try checker?.check(block)
        blocks.append(block)
    }
}

extension SnapshotHeader {
    /// The header as it stands at a file's beginning, and as a peer tells it.
    public func encodedStart() -> [UInt8] { SnapshotEncoder(self).start() }

    /// The bytes of `encodedStart` and nothing else.
    public init(start bytes: Span<UInt8>) throws(SnapshotError) {
        var decoder = SnapshotDecoder()
        var position = 0
        while true {
            guard bytes.count - position >= decoder.needed else {
                throw SnapshotError(.truncated, "it ends within the header")
            }
            let count = decoder.needed
            let piece = try decoder.step(bytes.extracting(position..<position + count))
            position += count
            guard case .header(let header)? = piece else { continue }
            guard position == bytes.count else { throw SnapshotError(.malformed, "bytes behind the header") }
            self = header
            return
        }
    }

    /// Bytes of the longest start there is.
    public static var startBytesMax: Int { SnapshotLimits.preambleBytes + SnapshotLimits.headerBytesMax }
}
