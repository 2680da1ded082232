// zlib's word on what a gzip body holds.

internal import CZlib

/// What zlib makes of one whole gzip member, its checksum and length checked; nil where that is not what `bytes` are.
public func gunzip(_ bytes: [UInt8], mostBytes: Int = 64 << 20) -> [UInt8]? {
    var stream = unsafe z_stream()
    // 16: with a gzip header; 15: any window.
    let opened = unsafe inflateInit2_(&stream, 16 + 15, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
    guard opened == Z_OK else { return nil }
    defer { unsafe _ = inflateEnd(&stream) }
    var input = bytes
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    let count = input.count
    return unsafe input.withUnsafeMutableBufferPointer { input in
        unsafe stream.next_in = input.baseAddress
        unsafe stream.avail_in = CUnsignedInt(count)
        while output.count <= mostBytes {
            let (result, made) = unsafe chunk.withUnsafeMutableBufferPointer { chunk in
                unsafe stream.next_out = chunk.baseAddress
                unsafe stream.avail_out = CUnsignedInt(chunk.count)
                let result = unsafe inflate(&stream, Z_NO_FLUSH)
                return unsafe (result, chunk.count - Int(stream.avail_out))
            }
            output += chunk[..<made]
            if result == Z_STREAM_END { return unsafe stream.avail_in == 0 ? output : nil }
            guard result == Z_OK else { return nil }
        }
        return nil
    }
}

/// zlib's CRC-32.
public func zlibCRC32(_ bytes: [UInt8]) -> UInt32 {
    unsafe bytes.withUnsafeBufferPointer { UInt32(unsafe crc32(0, $0.baseAddress, CUnsignedInt($0.count))) }
}
