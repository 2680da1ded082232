// Files that wait to be read into memory, first come first served, as many at once as there are loaders and room for. A
// value without time or IO of its own. `From`: what a loader needs to know beside the header.

public struct LoadQueue<From> {
    private let filesMax: Int
    /// Raw bytes of all files that are being read or wait to be taken; a file that is larger comes alone.
    private let bytesMax: UInt64
    private var waiting: [(header: SnapshotHeader, from: From)] = []
    /// Raw bytes of each.
    private var loading: [SnapshotScope: UInt64] = [:]

    public init(filesMax: Int, bytesMax: UInt64) {
        self.filesMax = filesMax
        self.bytesMax = bytesMax
    }

    public mutating func add(_ header: SnapshotHeader, _ from: From) { waiting.append((header, from)) }

    /// The next file, where it may be read now.
    public mutating func next() -> (header: SnapshotHeader, from: From)? {
        guard let header = waiting.first?.header, loading.count < filesMax else { return nil }
        let inMemory = loading.values.reduce(0, +)
        guard loading.isEmpty || inMemory + header.rawBytes <= bytesMax else { return nil }
        loading[header.scope] = header.rawBytes
        return waiting.removeFirst()
    }

    /// The file was read, and somebody else has its blocks now.
    public mutating func taken(_ scope: SnapshotScope) { loading[scope] = nil }
}
