/// A queue of fixed room.
struct Ring<Element> {
    private var places: [Element?]
    private var start = 0
    private(set) var count = 0

    init(room: Int) {
        precondition(room > 0)
        places = Array(repeating: nil, count: room)
    }

    var first: Element? { count > 0 ? places[start] : nil }

    /// False where it is full.
    mutating func append(_ element: Element) -> Bool {
        guard count < places.count else { return false }
        var place = start + count
        if place >= places.count { place -= places.count }
        places[place] = element
        count += 1
        return true
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = places[start]
        start = start + 1 == places.count ? 0 : start + 1
        count -= 1
        return element
    }
}
