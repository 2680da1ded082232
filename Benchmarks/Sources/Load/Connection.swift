/// A request that was due at an instant.
struct Due {
    var request: Int
    var at: Int64
    /// The target whose connection broke under it, where it is sent once more.
    var avoids: Int?
}

/// One connection and the request on it, as the loop keeps it.
struct Connection {
    enum State {
        /// Not made; to be tried at `retryAt`.
        case waiting
        case connecting
        case idle
        case busy
        case givenUp
    }

    let target: Int
    /// The target's, when this connection was made.
    var life = 0
    var state = State.waiting
    var socket: Int32 = -1
    var due = Due(request: 0, at: 0, avoids: nil)
    var sentAt: Int64 = 0
    /// When the last bytes came, by the realtime clock; 0: not known.
    var stamp: Int64 = 0
    /// What the request was conditional on.
    var condition = Tag()
    var reader = ResponseReader()
    var isSampled = false
    /// What the socket did not take of the request: empty, save where its buffer is full.
    var unsent: [UInt8] = []
    var retryAt: Int64 = 0
    /// Doubles with each attempt in a row.
    var backoff: Int64 = Self.backoffMin
    /// To connect, since the last answer.
    var attempts = 0
    /// It stands in the ring of idle ones, where it stays while it is closed and made again.
    var isListed = false

    static let backoffMin: Int64 = 10_000_000
    static let backoffMax: Int64 = 500_000_000

    init(target: Int) { self.target = target }
}
