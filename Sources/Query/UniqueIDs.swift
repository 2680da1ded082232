// Telling which ids of a list stand in it for the first time, by the hash that each carries.

import Model

/// Open addressing over twice as many places as ids. It keeps its memory from list to list.
struct UniqueIDs: ~Copyable, Sendable {
    /// Where in the list the id of a place stands; -1 where none does.
    private var places = Scratch<Int32>()

    /// Forgets the last list; the next has at most `count` ids.
    mutating func begin(count: Int) {
        var size = 8
        while size < count * 2 { size *= 2 }
        places.fill(-1, count: size)
    }

    /// Whether `id` stands nowhere in `ids` yet; it is then noted as standing at their end, where it must be put.
    @inline(__always)
    mutating func insert(_ id: ID, behind ids: Span<ID>) -> Bool {
        var place = Int(truncatingIfNeeded: id.hash) & (places.count - 1)
        while places[place] >= 0 {
            if ids[Int(places[place])] == id { return false }
            place = (place + 1) & (places.count - 1)
        }
        places[place] = Int32(ids.count)
        return true
    }
}
