// One id, one process. Two that were given the same id must never both serve: the younger refuses to start, and where
// it could not see the older (cut off, or both starting at once) the older steps down when it sees the younger, whose
// records all readers go by.

public import Model

/// What a process may do about its own id.
public enum IdentityVerdict: Hashable, Sendable {
    /// Nobody else goes by it.
    case free
    /// A former life may still live: read on for the silent timeout, by one's own clock, then go ahead. (The log's
    /// clock may stand, when nobody else writes.)
    case wait(Incarnation)
    /// Another process lives under this id: do not start, or, when running, step down.
    case taken(Incarnation)
}

extension MembershipView {
    /// The incarnation with which a process starts, given its clock and a random number: younger than the life it
    /// follows even where the clock was set back meanwhile.
    public func incarnation(starting id: ID, nowMs: Int64, number: UInt64) -> Incarnation {
        guard let former = member(id)?.heartbeat.incarnation else {
            return Incarnation(startedMs: nowMs, number: number)
        }
        return Incarnation(startedMs: max(nowMs, former.startedMs + 1), number: number)
    }

    /// For a process that starts: `logEnd` is the control topic's end when it began. A record of another life at or
    /// beyond it was written since, so that life goes on; but for the one that is known to be `over`, whose last words
    /// may have been on their way.
    public func verdict(
        onStarting id: ID, _ incarnation: Incarnation, logEnd: Offset, over: Incarnation? = nil
    ) -> IdentityVerdict {
        guard let member = member(id), member.heartbeat.incarnation != incarnation,
            member.heartbeat.incarnation != over
        else { return .free }
        if member.offset >= logEnd { return .taken(member.heartbeat.incarnation) }
        return member.isSilent ? .free : .wait(member.heartbeat.incarnation)
    }

    /// For a process that has announced itself. The view keeps the youngest life alone: an older one is a former life,
    /// seen until the first own record is read, and a younger one is another process.
    public func verdict(onRunning id: ID, _ incarnation: Incarnation) -> IdentityVerdict {
        guard let member = member(id), member.heartbeat.incarnation.isYounger(than: incarnation) else { return .free }
        return .taken(member.heartbeat.incarnation)
    }
}
