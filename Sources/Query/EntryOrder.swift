// The order of an answer: contract, section 2. Free functions over pointers, since they are what sorting spends its
// time in.

import Model

extension EventEntry {
    /// (start, name, id)
    @inline(__always)
    static func isBefore(_ left: UnsafePointer<EventEntry>, _ right: UnsafePointer<EventEntry>) -> Bool {
        let (leftStart, rightStart) = unsafe (left.pointee.start, right.pointee.start)
        if leftStart != rightStart { return leftStart < rightStart }
        return unsafe isBeforeByText(left, right)
    }

    @inline(never)
    private static func isBeforeByText(_ left: UnsafePointer<EventEntry>, _ right: UnsafePointer<EventEntry>) -> Bool {
        let byName = unsafe ByteView.compare(left.pointee.name, right.pointee.name)
        if byName != 0 { return byName < 0 }
        return unsafe ByteView.compare(left.pointee.id, right.pointee.id) < 0
    }
}

extension StageEntry {
    /// (positionScores, positionTeams, name, id); a missing position after every present one, an unknown stage after
    /// every known one.
    @inline(__always)
    static func isBefore(_ left: UnsafePointer<StageEntry>, _ right: UnsafePointer<StageEntry>) -> Bool {
        // Nearly always the first position decides.
        if unsafe left.pointee.isKnown && right.pointee.isKnown && left.pointee.hasPositionScores
            && right.pointee.hasPositionScores && left.pointee.positionScores != right.pointee.positionScores
        {
            return unsafe left.pointee.positionScores < right.pointee.positionScores
        }
        return unsafe isBeforeByAll(left, right)
    }

    @inline(never)
    private static func isBeforeByAll(_ left: UnsafePointer<StageEntry>, _ right: UnsafePointer<StageEntry>) -> Bool {
        let (left, right) = unsafe (left.pointee, right.pointee)
        if unsafe left.isKnown != right.isKnown { return unsafe left.isKnown }
        if unsafe left.isKnown {
            if unsafe left.hasPositionScores != right.hasPositionScores { return unsafe left.hasPositionScores }
            if unsafe left.positionScores != right.positionScores {
                return unsafe left.positionScores < right.positionScores
            }
            if unsafe left.hasPositionTeams != right.hasPositionTeams { return unsafe left.hasPositionTeams }
            if unsafe left.positionTeams != right.positionTeams {
                return unsafe left.positionTeams < right.positionTeams
            }
            let byName = unsafe ByteView.compare(left.name, right.name)
            if byName != 0 { return byName < 0 }
        }
        return unsafe ByteView.compare(left.id, right.id) < 0
    }
}
