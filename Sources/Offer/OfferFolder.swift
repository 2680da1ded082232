// An offer folder: all messages of the six topics as files, one `{"key":…,"value":…}` a line. `publish` reads one,
// `generate` writes one, tests load one into the reference. Read by streaming, in memory bounded by the longest
// line, by one thread at a time.

import Glibc
public import Model

/// What a folder holds, as `OfferFolder.check` counted it.
public struct OfferCounts: Sendable, Equatable {
    /// Good lines of each model, in the order of `ModelKind.allCases`; 0 where the file is missing.
    public var lines: [Int] = ModelKind.allCases.map { _ in 0 }
    /// Broken lines that `skipInvalid` let pass, in the same order.
    public var skipped: [Int] = ModelKind.allCases.map { _ in 0 }
    /// The first broken line that was skipped, if any.
    public var firstSkipped: OfferError?

    public init() {}

    public subscript(kind: ModelKind) -> Int { lines[Int(kind.rawValue)] }
    public var total: Int { lines.reduce(0, +) }
    public var skippedTotal: Int { skipped.reduce(0, +) }
}

/// A folder of `{regions,categories,seasons,stages,participants,events}.ndjson[.gz]`. Files may be missing, but not
/// all of them.
public struct OfferFolder: Sendable {
    /// A longer line is broken. The largest legal value takes 256 KiB; JSON escapes need no more than four times that.
    public static let lineBytesMax = 1 << 20
    /// The models in the order in which a reader meets few unknown references.
    public static let order: [ModelKind] = [.region, .category, .season, .stage, .participant, .event]

    public let path: String
    /// The file of each model, in the order of `ModelKind.allCases`.
    let files: [String?]

    /// Finds the files; reads none. Throws `noFolder` and `wrongFiles`.
    public init(path: String) throws(OfferError) {
        guard isFolder(path) else { throw OfferError(.noFolder, path: path, "there is no such folder") }
        self.path = path
        var files: [String?] = []
        for kind in ModelKind.allCases { files.append(try Self.file(of: kind, in: path)) }
        guard files.contains(where: { $0 != nil }) else {
            let names = Self.order.map(\.plural).joined(separator: ",")
            throw OfferError(.wrongFiles, path: path, "holds none of {\(names)}.ndjson[.gz]")
        }
        self.files = files
    }

    /// Reads every line of every file and counts them. Throws at the first broken line, unless `skipInvalid`.
    public func check(skipInvalid: Bool) throws(OfferError) -> OfferCounts {
        var counts = OfferCounts()
        for kind in Self.order {
            guard let file = files[Int(kind.rawValue)] else { continue }
            var reader = try LineReader(path: file)
            while let line = try reader.next() {
                switch line {
                case .message: counts.lines[Int(kind.rawValue)] += 1
                case .broken(let error):
                    guard skipInvalid else { throw error }
                    counts.skipped[Int(kind.rawValue)] += 1
                    if counts.firstSkipped == nil { counts.firstSkipped = error }
                }
            }
        }
        return counts
    }

    /// Hands over every line of one model, in the file's order: its number (from 1), the key's bytes, and the value's
    /// bytes as they stand in the line, nil for a tombstone. A broken line throws `OfferError`, unless `skipInvalid`.
    /// Rethrows what `body` throws. Nothing happens where the model's file is missing.
    public func forEach(
        _ kind: ModelKind, skipInvalid: Bool = false,
        _ body: (_ line: Int, _ key: [UInt8], _ value: [UInt8]?) throws -> Void
    ) throws {
        guard let file = files[Int(kind.rawValue)] else { return }
        var reader = try LineReader(path: file)
        while let line = try reader.next() {
            switch line {
            case .message(let key, let value): try body(reader.number, key, value)
            case .broken(let error): guard skipInvalid else { throw error }
            }
        }
    }

    private static func file(of kind: ModelKind, in path: String) throws(OfferError) -> String? {
        let names = [kind.plural + ".ndjson", kind.plural + ".ndjson.gz"]
        let found = names.map { path + "/" + $0 }.filter { unsafe access($0, F_OK) == 0 }
        guard found.count < 2 else {
            throw OfferError(.wrongFiles, path: path, "holds both \(names[0]) and \(names[1]); remove one")
        }
        return found.first
    }
}

func isFolder(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}
