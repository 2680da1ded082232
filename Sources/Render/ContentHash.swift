internal import CXXHash

/// A 128-bit hash (XXH3, seed 0) of rendered bytes, the same on every machine; an answer's ETag is made of them.
@frozen
public struct ContentHash: Equatable, Sendable, BitwiseCopyable {
    public var low: UInt64
    public var high: UInt64

    @inlinable
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    public init(of bytes: UnsafeRawBufferPointer) {
        // The C function reads `count` bytes and keeps nothing.
        let hash = unsafe cxxhash_xxh3_128(bytes.baseAddress, bytes.count)
        self.init(low: hash.low, high: hash.high)
    }
}
