// The requests of one connection that wait for their answers, in their order. A request gets a sequence number; the
// answer to the oldest one may leave, an earlier answer to a later request is held until all before it have left.
//
// A ring of fixed size: the request with sequence `n` has the slot `n % capacity`. It is made with a connection's
// first request and allocates nothing after that.

import HTTP1
import NIOCore

/// What must be known of a request when its answer is written.
struct OpenRequest {
    var method = Method.other
    var isVersion10 = false
    /// No request follows it on this connection.
    var isLast = false
    /// When its last byte was read.
    var received = NIODeadline.uptimeNanoseconds(0)
}

struct RequestQueue {
    private struct Slot {
        var request = OpenRequest()
        var isAnswered = false
        var held: ByteBuffer?
    }

    private let capacity: Int
    private var slots: [Slot] = []
    private var first = 0
    private var next = 0

    init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
    }

    var isEmpty: Bool { first == next }
    /// At this limit the connection is read no further.
    var isFull: Bool { next - first >= capacity }

    /// Of the answers that are held.
    var heldBytes: Int { slots.reduce(0) { $0 + ($1.held?.readableBytes ?? 0) } }

    /// Adds the newest request; returns its sequence number. The queue must not be full.
    mutating func add(_ request: OpenRequest) -> Int {
        precondition(!isFull)
        if slots.isEmpty { slots = Array(repeating: Slot(), count: capacity) }
        slots[next % capacity] = Slot(request: request)
        next += 1
        return next - 1
    }

    func isNewest(_ sequence: Int) -> Bool { sequence == next - 1 }
    func isOldest(_ sequence: Int) -> Bool { sequence == first }

    /// Takes the request as answered. A second time traps: that is a fault of the answerer.
    mutating func answer(_ sequence: Int) -> OpenRequest {
        precondition(sequence >= first && sequence < next, "a request was answered twice")
        let place = sequence % capacity
        precondition(!slots[place].isAnswered, "a request was answered twice")
        slots[place].isAnswered = true
        return slots[place].request
    }

    /// Keeps the answer to a request that is not the oldest.
    mutating func hold(_ sequence: Int, _ answer: ByteBuffer) { slots[sequence % capacity].held = answer }

    /// The oldest request's answer has left.
    mutating func removeOldest() { first += 1 }

    /// Removes the oldest request if its answer is held, and returns the answer.
    mutating func removeHeld() -> ByteBuffer? {
        guard !isEmpty, let answer = slots[first % capacity].held else { return nil }
        slots[first % capacity].held = nil
        first += 1
        return answer
    }

    /// Drops all answers that are held.
    mutating func removeAll() {
        slots = []
        first = next
    }
}
