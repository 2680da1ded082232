// Puts an answer's body into the memory that was measured for it.

/// Fills a buffer from front to back. Running past its end is a programmer's error and traps.
@unsafe
struct BodyWriter {
    private var next: UnsafeMutableRawPointer
    private let end: UnsafeMutableRawPointer

    init(_ buffer: UnsafeMutableRawBufferPointer) {
        guard let base = buffer.baseAddress else { preconditionFailure("an answer without a buffer") }
        unsafe next = base
        unsafe end = base + buffer.count
    }

    var isFull: Bool { unsafe next == end }

    @inline(__always)
    mutating func write(_ byte: UInt8) {
        unsafe precondition(next < end, "the body is longer than it was measured to be")
        unsafe next.storeBytes(of: byte, as: UInt8.self)
        unsafe next += 1
    }

    @inline(__always)
    mutating func write(_ text: StaticString) {
        unsafe write(ByteView(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    mutating func write(_ view: ByteView) {
        unsafe precondition(view.count <= end - next, "the body is longer than it was measured to be")
        unsafe next.copyMemory(from: view.start, byteCount: view.count)
        unsafe next += view.count
    }
}
