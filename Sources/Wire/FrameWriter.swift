// Writes frames into memory that the caller reserved: for an output buffer, its own free space. The reservation is an
// upper bound computed from the value to write, so a write over its end is a programmer's error and traps.

import Model
import Query
import Render

/// A cursor over memory to write to. Safe in itself, since every write is checked; it must not outlive the memory,
/// which is what making one promises.
@safe
public struct FrameWriter: ~Copyable {
    private let start: UnsafeMutableRawPointer
    private let capacity: Int
    /// How much is written.
    public private(set) var count = 0

    /// The memory must stay where it is for the writer's life.
    @unsafe
    public init(_ memory: UnsafeMutableRawBufferPointer) {
        unsafe start = memory.baseAddress.unsafelyUnwrapped
        capacity = memory.count
    }

    /// Writes one frame, whose body `body` writes.
    mutating func frame(_ type: FrameType, request: UInt64, body: (inout FrameWriter) -> Void) {
        let begin = count
        fixed(UInt32(0))
        byte(FrameHeader.version)
        byte(type.rawValue)
        fixed(request)
        body(&self)
        let length = UInt32(count - begin - 4)
        unsafe start.storeBytes(of: length.littleEndian, toByteOffset: begin, as: UInt32.self)
    }

    mutating func byte(_ value: UInt8) {
        precondition(count < capacity)
        unsafe start.storeBytes(of: value, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    mutating func fixed<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        precondition(capacity - count >= MemoryLayout<Value>.size)
        unsafe start.storeBytes(of: value.littleEndian, toByteOffset: count, as: Value.self)
        count += MemoryLayout<Value>.size
    }

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            byte(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        byte(UInt8(rest))
    }

    /// A count or an index, never negative.
    mutating func varint(_ value: Int) { varint(UInt64(value)) }

    mutating func offset(_ value: Offset) { varint(UInt64(bitPattern: value.rawValue)) }

    /// Room for the next `bytes` bytes, all of which the caller writes.
    @unsafe
    mutating func take(_ bytes: Int) -> UnsafeMutableRawPointer {
        precondition(bytes >= 0 && capacity - count >= bytes)
        defer { count += bytes }
        return unsafe start + count
    }

    mutating func id(_ id: ID) {
        byte(UInt8(id.count))
        let whole = id.count >> 3
        for index in 0..<whole { fixed(id.word(index).byteSwapped) }
        for index in (whole << 3)..<id.count { byte(id[index]) }
    }

    mutating func set(_ partitions: PartitionSet) {
        var used = 0
        for word in 0..<PartitionSet.wordCount where partitions[word: word] != 0 {
            used = word * 8 + (71 - partitions[word: word].leadingZeroBitCount) / 8
        }
        byte(UInt8(used))
        for index in 0..<used {
            byte(UInt8(truncatingIfNeeded: partitions[word: index >> 3] >> UInt64(8 * (index & 7))))
        }
    }

    mutating func globals(_ globals: GlobalPosition) {
        for count in globals.partitionCounts { varint(count) }
        for position in globals.offsets { offset(position) }
    }
}

/// Upper bounds of encoded sizes.
enum FrameSize {
    static let varintMax = 10
    static let setMax = 1 + PartitionSet.wordCount * 8
    static func globalsMax(_ globals: GlobalPosition) -> Int {
        (globals.partitionCounts.count + globals.offsets.count) * varintMax
    }
}
