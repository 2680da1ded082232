public import HTTP1

/// Why the server ended a connection, or that the client did.
public enum ConnectionEnd: UInt8, Sendable, CaseIterable {
    /// The client closed, or asked for it with its last request.
    case client
    /// A refused request.
    case refusal
    case idle
    case slowHead
    case slowReader
    case inputLimit
    case drain
    /// A read or write failed.
    case failure
}

/// Why a request was refused in place of being answered.
public enum ShedReason: UInt8, Sendable, CaseIterable {
    /// The loop's turn has lasted too long.
    case queueAge
    /// Too many bytes wait for answers to earlier requests of their connections.
    case heldBytes
}

/// What a server tells about itself, for counters and logs. Called on event loops, often: it must neither block nor
/// take long.
public protocol HTTPObserver: AnyObject, Sendable {
    func connectionOpened()
    func connectionClosed(_ end: ConnectionEnd)
    /// `HTTPLimits.connectionsMax` is reached.
    func connectionRefused()
    /// Load was shed.
    func requestShed(_ reason: ShedReason)
    /// An answer was handed to its connection, `nanoseconds` after its request was read from the socket.
    func answered(route: RouteIndex, method: Method, status: Int, nanoseconds: Int64)
}

/// The label `uri` of an answer's metrics, as an index into the answerer's own list, so that a request needs no text.
public struct RouteIndex: Sendable, Equatable {
    public let rawValue: UInt8

    /// Answered by the server itself: a refused request, another method, OPTIONS, or an unknown path.
    public static let none = RouteIndex(0)

    public init(_ rawValue: UInt8) { self.rawValue = rawValue }
}
