// Reads the fields of a frame's body. Every length is checked against what is left before it is used, and every count
// against the least bytes its entries take before anything is allocated for them.

import Model
import Query
import Render

/// A cursor over a frame's body. Safe in itself, since every read is checked; it must not outlive the frame, which is
/// what making one promises, and the views it gives out are as long-lived as the frame.
@safe
struct FrameReader: ~Copyable {
    private let start: UnsafePointer<UInt8>
    private let count: Int
    private var position = 0

    @unsafe
    init(_ body: UnsafeRawBufferPointer) {
        count = body.count
        // A body of no bytes may have no address; nothing is ever read from the stand-in.
        let address = unsafe body.baseAddress ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
        unsafe start = address.assumingMemoryBound(to: UInt8.self)
    }

    var left: Int { count - position }

    mutating func end() throws(WireError) {
        guard left == 0 else { throw .malformed("bytes behind the last field") }
    }

    mutating func byte() throws(WireError) -> UInt8 {
        guard position < count else { throw .truncated }
        defer { position += 1 }
        return unsafe start[position]
    }

    mutating func fixed<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type) throws(WireError) -> Value {
        guard left >= MemoryLayout<Value>.size else { throw .truncated }
        defer { position += MemoryLayout<Value>.size }
        return unsafe UnsafeRawPointer(start + position).loadUnaligned(as: Value.self).littleEndian
    }

    mutating func varint() throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            guard shift < 63 || next <= 1 else { throw .malformed("varint over 64 bits") }
            value |= UInt64(next & 0x7F) << shift
            if next < 0x80 { return value }
            shift += 7
        }
    }

    /// A number from 0 to `most`.
    mutating func number(most: Int) throws(WireError) -> Int {
        let value = try varint()
        guard value <= UInt64(most) else { throw .malformed("number over its limit") }
        return Int(value)
    }

    /// How many entries follow, of which each takes at least `bytesMin`.
    mutating func entryCount(bytesMin: Int) throws(WireError) -> Int { try number(most: left / bytesMin) }

    mutating func offset() throws(WireError) -> Offset { Offset(Int64(bitPattern: try varint())) }

    mutating func timestamp() throws(WireError) -> Timestamp {
        let value = Timestamp(milliseconds: try fixed(Int64.self))
        guard value >= .earliest, value <= .latest else { throw .malformed("time out of range") }
        return value
    }

    /// The next `bytes` bytes.
    @unsafe
    mutating func take(_ bytes: Int) throws(WireError) -> UnsafeRawPointer {
        guard bytes <= left else { throw .truncated }
        defer { position += bytes }
        return unsafe UnsafeRawPointer(start + position)
    }

    mutating func id() throws(WireError) -> ID {
        let count = Int(try byte())
        let bytes = unsafe UnsafeRawBufferPointer(start: try take(count), count: count)
        guard let id = unsafe ID(bytes.assumingMemoryBound(to: UInt8.self).span) else { throw .malformed("id") }
        return id
    }

    mutating func set() throws(WireError) -> PartitionSet {
        let bytes = Int(try byte())
        guard bytes <= PartitionSet.wordCount * 8 else { throw .malformed("partition over the limit") }
        var partitions = PartitionSet()
        for index in 0..<bytes {
            partitions[word: index >> 3] |= UInt64(try byte()) << UInt64(8 * (index & 7))
        }
        return partitions
    }

    mutating func globals() throws(WireError) -> GlobalPosition {
        var counts: [Int] = []
        counts.reserveCapacity(GlobalPosition.kinds.count)
        for _ in GlobalPosition.kinds { counts.append(try number(most: Limits.partitionsMax)) }
        guard counts.reduce(0, +) <= left else { throw .truncated }
        var globals = GlobalPosition(partitionCounts: counts)
        for index in globals.offsets.indices { globals.set(try offset(), at: index) }
        return globals
    }
}
