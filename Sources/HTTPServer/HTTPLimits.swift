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
