// Who reads this node's snapshots at the moment. A reader asks for a file piece by piece under a number that it drew; from
// its first piece on the file is held for it. A value without time or IO of its own.
//
//   first piece ──► open ──► the last piece, silence, or the longest time ──► over
//
// What is held (an open file, so that a newer file in its place or none changes nothing for the reader) is the caller's.

/// `Held`: what is kept for a reader.
public struct SnapshotLeases<Held> {
    public struct Lease {
        public let name: String
        public let held: Held
        public let bytes: Int64
        let openedNs: UInt64
        var usedNs: UInt64
    }

    /// A reader that asks for nothing for so long is gone.
    public static var idleNs: UInt64 { 10_000_000_000 }
    /// So long one may read, in all: a file that was deleted or replaced keeps its room on the disk until then.
    public static var longestNs: UInt64 { 900_000_000_000 }

    private let countMax: Int
    private var leases: [UInt64: Lease] = [:]

    public init(countMax: Int) { self.countMax = countMax }

    public var count: Int { leases.count }

    /// The lease under the number, which is used now. Nil where there is none, or of another file.
    public mutating func use(_ number: UInt64, name: String, nowNs: UInt64) -> Lease? {
        sweep(nowNs)
        guard let lease = leases[number], lease.name == name else { return nil }
        leases[number]?.usedNs = nowNs
        return lease
    }

    public enum Refusal: Error, Equatable { case full, taken }

    /// Opens a lease. At the limit of `countMax` the reader is to come again later.
    public mutating func open(
        _ number: UInt64, name: String, bytes: Int64, nowNs: UInt64, _ held: () -> Held?
    ) -> Result<Lease?, Refusal> {
        sweep(nowNs)
        guard leases[number] == nil else { return .failure(.taken) }
        guard leases.count < countMax else { return .failure(.full) }
        guard let held = held() else { return .success(nil) }
        let lease = Lease(name: name, held: held, bytes: bytes, openedNs: nowNs, usedNs: nowNs)
        leases[number] = lease
        return .success(lease)
    }

    public mutating func close(_ number: UInt64) { leases[number] = nil }
    public mutating func closeAll() { leases.removeAll() }

    /// Ends what is over.
    public mutating func sweep(_ nowNs: UInt64) {
        guard !leases.isEmpty else { return }
        leases = leases.filter { nowNs < $1.usedNs + Self.idleNs && nowNs < $1.openedNs + Self.longestNs }
    }
}
