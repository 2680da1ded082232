public import NIOCore

/// What one server allows its clients. The sizes of a request's line and fields are fixed by the contract and stand in
/// `RequestHeadParser`.
public struct HTTPLimits: Sendable {
    /// Open connections of all event loops together. One more is closed at once and counted.
    public var connectionsMax = 10_000
    /// Requests of one connection that wait for their answers. At the limit the connection is read no further until
    /// one is answered.
    public var pipelinedMax = 32
    /// Bytes of one connection that were received but not yet parsed. Reading stops long before; only a client that
    /// sends much and closes its side meanwhile reaches it, and is closed.
    public var inputBytesMax = 512 << 10
    /// Bytes that wait in one connection's output before no more requests are taken from it, and the fewer bytes at
    /// which they are again. Beyond them stand at most the answers to `pipelinedMax` requests.
    public var outputBytesHigh = 256 << 10
    public var outputBytesLow = 64 << 10
    /// Bytes that wait for slow readers, over all connections of one event loop. At the limit the next connection
    /// that stalls is closed and counted: who reads slowly pays, not the others.
    public var stalledBytesMax = 256 << 20
    /// Bytes of answers that wait for an earlier one of their connection, over all connections of one event loop. In place
    /// of one more stands a refusal.
    public var heldBytesMax = 64 << 20
    /// A request that comes to its turn later than this after the loop's turn began is refused at once with 503: it has
    /// waited for that long and for what the turn before took, and others wait behind it.
    public var queueAgeMax = TimeAmount.milliseconds(100)
    /// The first requests of each turn are never refused for its age.
    public var queueFree = 64
    /// A connection without a request is closed after this time.
    public var idleTimeout = TimeAmount.seconds(75)
    /// From a head's first byte to its last; while older requests are being answered it closes nothing yet.
    public var headTimeout = TimeAmount.seconds(10)
    /// A client that takes no byte of a waiting answer for this time is closed.
    public var stallTimeout = TimeAmount.seconds(30)
    /// After a last answer the connection is half closed, and what the client still sends is dropped, so that the
    /// answer is not lost to a reset. It is closed when the client closes, after this time, or after
    /// `inputBytesMax` dropped bytes.
    public var lingerTimeout = TimeAmount.seconds(2)
    /// How often each event loop looks for the above: each time may be exceeded by this much.
    public var sweepInterval = TimeAmount.milliseconds(500)

    public init() {}
}
