// Which file is written next. One at a time; the one that was written longest ago first.

public struct SnapshotSchedule: Sendable {
    private struct Entry {
        /// Nil: there is no file.
        var writtenNs: UInt64?
        /// The scope's changed bytes when that walk began.
        var changedBytes: UInt64 = 0
        /// After a failure: not before.
        var notBeforeNs: UInt64 = 0
    }

    private var entries: [SnapshotScope: Entry] = [:]
    private let intervalNs: UInt64
    private let changedBytesMax: UInt64
    /// A file of which nothing changed is written again all the same: it must not grow older than tombstones live.
    private static let unchangedIntervals: UInt64 = 6
    /// Between a failure and the next try.
    public static let pauseNs: UInt64 = 10_000_000_000

    public init(intervalNs: UInt64, changedBytesMax: UInt64) {
        self.intervalNs = intervalNs
        self.changedBytesMax = changedBytesMax
    }

    /// A usable file was there at the start.
    public mutating func found(_ scope: SnapshotScope, nowNs: UInt64) {
        entries[scope, default: Entry()].writtenNs = nowNs
    }

    public mutating func wrote(_ scope: SnapshotScope, changedBytes: UInt64, nowNs: UInt64) {
        entries[scope] = Entry(writtenNs: nowNs, changedBytes: changedBytes)
    }

    public mutating func failed(_ scope: SnapshotScope, nowNs: UInt64) {
        entries[scope, default: Entry()].notBeforeNs = nowNs + Self.pauseNs
    }

    /// The scope whose turn it is, of those that could be written now, each with the bytes changed since the start.
    public func next(_ changed: [SnapshotScope: UInt64], nowNs: UInt64) -> SnapshotScope? {
        due(changed) { entry, bytes in
            guard nowNs >= entry.notBeforeNs else { return false }
            guard let writtenNs = entry.writtenNs else { return true }
            let age = nowNs - min(nowNs, writtenNs)
            return (bytes > 0 && age >= intervalNs) || bytes >= changedBytesMax
                || age >= intervalNs * Self.unchangedIntervals
        }
    }

    /// As `next`, in the process's end, which began at `endBeganNs`: whatever has changed, each scope once. Messages go
    /// on coming, so a scope that was just written has always changed again.
    public func last(_ changed: [SnapshotScope: UInt64], nowNs: UInt64, endBeganNs: UInt64) -> SnapshotScope? {
        due(changed) { entry, bytes in
            guard nowNs >= entry.notBeforeNs else { return false }
            guard let writtenNs = entry.writtenNs else { return true }
            return bytes > 0 && writtenNs < endBeganNs
        }
    }

    private func due(_ changed: [SnapshotScope: UInt64], _ isDue: (Entry, UInt64) -> Bool) -> SnapshotScope? {
        var best: (scope: SnapshotScope, writtenNs: UInt64)?
        for (scope, bytes) in changed {
            let entry = entries[scope, default: Entry()]
            guard isDue(entry, bytes - min(bytes, entry.changedBytes)) else { continue }
            let writtenNs = entry.writtenNs ?? 0
            if let best, (best.writtenNs, best.scope.fileName) <= (writtenNs, scope.fileName) { continue }
            best = (scope, writtenNs)
        }
        return best?.scope
    }
}
