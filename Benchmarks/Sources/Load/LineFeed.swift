import Glibc

/// The place of the first line feed. The C library's search looks at 16 bytes or more at a time.
func lineFeed(_ bytes: Span<UInt8>) -> Int? {
    unsafe bytes.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress, let found = unsafe memchr(base, 0x0A, bytes.count) else { return nil }
        return unsafe UnsafeRawPointer(found) - base
    }
}
