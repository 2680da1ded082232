// One file onto a disk, so that a crash at any moment leaves the file before it or this one, whole:
//
//   write NAME.new ─► header once more ─► fsync ─► rename to NAME ─► fsync the folder
//
// What does it is a `SnapshotFolder`: the disk's in a node, one with faults in tests.

public import Model

/// A folder of snapshots. Names have no slashes. A failure is `.file` with the errno.
public protocol SnapshotFolder: AnyObject {
    /// Makes an empty file, and the folder where it is missing. One file is written at a time.
    func create(_ name: String) throws(SnapshotError) -> any SnapshotOutput
    func rename(_ name: String, to newName: String) throws(SnapshotError)
    func remove(_ name: String)
    /// Makes renames last.
    func synchronize() throws(SnapshotError)
    /// Names and sizes of the files; none where there is no folder.
    func list() -> [(name: String, bytes: Int64)]
}

/// A file that is being written. Closed when the last reference goes.
public protocol SnapshotOutput: AnyObject {
    /// Writes some of the bytes, one at least, and says how many.
    func write(_ bytes: ArraySlice<UInt8>, at offset: Int64) throws(SnapshotError) -> Int
    func synchronize() throws(SnapshotError)
}

public struct SnapshotFileWriter {
    public static let suffix = ".new"

    private let folder: any SnapshotFolder
    private let output: any SnapshotOutput
    private let name: String
    /// Bytes that this file may take.
    private let bytesMax: Int64
    private var encoder: SnapshotEncoder
    private var position: Int64 = 0

    /// Begins the file of the header's scope. `bytesMax`: what the budget leaves for it.
    public init(_ header: SnapshotHeader, in folder: any SnapshotFolder, bytesMax: Int64) throws(SnapshotError) {
        self.folder = folder
        self.bytesMax = bytesMax
        name = header.scope.fileName
        encoder = SnapshotEncoder(header)
        output = try folder.create(name + Self.suffix)
        do {
            try append(encoder.start())
        } catch {
            abandon()
            throw error
        }
    }

    public var header: SnapshotHeader { encoder.header }
    public var bytes: Int64 { position }

    /// Compresses and writes a block. After a failure the file is gone, and this value is of no more use.
    public mutating func add(_ block: SnapshotBlock) throws(SnapshotError) {
        do {
            try append(encoder.block(block))
        } catch {
            abandon()
            throw error
        }
    }

    /// Puts the file in the place of the one before.
    public mutating func finish(newest: [Offset], globalsNewest: GlobalPosition?) throws(SnapshotError) {
        encoder.end(newest: newest, globalsNewest: globalsNewest)
        do {
            try append(encoder.finish())
            try put(encoder.start(), at: 0)
            try output.synchronize()
            try folder.rename(name + Self.suffix, to: name)
            try folder.synchronize()
        } catch {
            abandon()
            throw error
        }
    }

    /// Takes the unfinished file away. The one before stays.
    public func abandon() { folder.remove(name + Self.suffix) }

    private mutating func append(_ bytes: [UInt8]) throws(SnapshotError) {
        guard position + Int64(bytes.count) <= bytesMax else {
            throw SnapshotError(.file(errno: 0), "\(name): over the budget of \(bytesMax) bytes for it")
        }
        try put(bytes, at: position)
        position += Int64(bytes.count)
    }

    private func put(_ bytes: [UInt8], at offset: Int64) throws(SnapshotError) {
        var written = 0
        while written < bytes.count {
            let count = try output.write(bytes[written...], at: offset + Int64(written))
            guard count > 0, count <= bytes.count - written else {
                throw SnapshotError(.file(errno: 0), "\(name): \(count) bytes of \(bytes.count) written")
            }
            written += count
        }
    }
}
