// Files that wait to be read into memory, first come first served but for those that cannot wait, as many at once as there
// are loaders and room for. A value without time or IO of its own. `From`: what a loader needs to know beside the header.

public struct LoadQueue<From> {
    private let filesMax: Int
    /// Raw bytes of all files that are being read or wait to be taken; a file that is larger comes alone.
    private let bytesMax: UInt64
    private var waiting: [(header: SnapshotHeader, from: From)] = []
    /// Those that cannot wait.
    private var urgent: [(header: SnapshotHeader, from: From)] = []
    /// A scope that was given up and is wanted again stands here twice while its first file is read: there are two loaders.
    private var loading: [SnapshotHeader] = []

    public init(filesMax: Int, bytesMax: UInt64) {
        self.filesMax = filesMax
        self.bytesMax = bytesMax
    }

    /// `isUrgent`: it comes before all that are not.
    public mutating func add(_ header: SnapshotHeader, _ from: From, isUrgent: Bool = false) {
        if isUrgent { urgent.append((header, from)) } else { waiting.append((header, from)) }
    }

    /// The next file, where it may be read now.
    public mutating func next() -> (header: SnapshotHeader, from: From)? {
        guard let header = (urgent.first ?? waiting.first)?.header, loading.count < filesMax else { return nil }
        let inMemory = loading.reduce(0) { $0 + $1.rawBytes }
        guard loading.isEmpty || inMemory + header.rawBytes <= bytesMax else { return nil }
        loading.append(header)
        return urgent.isEmpty ? waiting.removeFirst() : urgent.removeFirst()
    }

    /// The file was read, and somebody else has its blocks now.
    public mutating func taken(_ header: SnapshotHeader) {
        if let index = loading.firstIndex(of: header) { loading.remove(at: index) }
    }
}
