// Numbers as little-endian bytes, and reading them back with every length checked.

internal import CXXHash

extension [UInt8] {
    mutating func append<Value: FixedWidthInteger & BitwiseCopyable>(little value: Value) {
        let value = value.littleEndian
        unsafe Swift.withUnsafeBytes(of: value) { unsafe append(contentsOf: $0) }
    }

    /// A text of at most 255 bytes, its length before it.
    mutating func append(short text: String) {
        let bytes = text.utf8.prefix(255)
        append(UInt8(bytes.count))
        append(contentsOf: bytes)
    }
}

/// A cursor over bytes that came from outside.
struct ByteReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var left: Int { bytes.count - position }

    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type) throws(SnapshotError) -> Value {
        guard left >= MemoryLayout<Value>.size else { throw SnapshotError(.malformed, "a field ends early") }
        defer { position += MemoryLayout<Value>.size }
        return bytes.span.little(position, Value.self)
    }

    mutating func text() throws(SnapshotError) -> String {
        let count = Int(try number(UInt8.self))
        guard left >= count else { throw SnapshotError(.malformed, "a text ends early") }
        defer { position += count }
        return String(decoding: bytes[position..<position + count], as: UTF8.self)
    }
}

extension Span<UInt8> {
    func little<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: Value.Type) -> Value {
        precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= count)
        // In bounds: checked just now. Any bits are an integer.
        return unsafe withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }.littleEndian
    }

    /// XXH3, 64 bits.
    func hash(seed: UInt64 = 0) -> UInt64 {
        // The C function reads the bytes and keeps nothing.
        unsafe withUnsafeBytes { unsafe cxxhash_xxh3_64($0.baseAddress, $0.count, seed) }
    }
}

/// A message's key as the header of a snapshot remembers it.
public func snapshotKeyHash(_ key: UnsafeRawBufferPointer) -> UInt64 {
    unsafe cxxhash_xxh3_64(key.baseAddress, key.count, 0)
}
