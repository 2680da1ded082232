// JSON text under construction, in memory that its owner reuses from message to message. An array would do the same, at
// several times the cost of each of the two dozen pieces of an event: it asks who else holds it before every one.

public import Model

// `@safe`: `base` holds `capacity` bytes, of which the first `count` are written; every writer reserves before it writes.
// `@unchecked Sendable`: the memory's only owner, which cannot be copied.
@safe
public struct TextBuffer: ~Copyable, @unchecked Sendable {
    @usableFromInline var base: UnsafeMutablePointer<UInt8>
    @usableFromInline var capacity: Int
    @usableFromInline var used = 0

    @inlinable public var count: Int { used }

    /// Grows where what is appended needs more.
    public init(capacity: Int = 4096) {
        self.capacity = max(capacity, 64)
        unsafe base = .allocate(capacity: self.capacity)
    }

    deinit { unsafe base.deallocate() }

    /// What was written.
    public var bytes: UnsafeBufferPointer<UInt8> { unsafe UnsafeBufferPointer(start: base, count: used) }

    @inlinable @inline(__always)
    public mutating func removeAll() { used = 0 }

    @inlinable @inline(__always)
    mutating func reserve(_ more: Int) {
        if capacity - used < more { grow(more) }
    }

    @usableFromInline @inline(never)
    mutating func grow(_ more: Int) {
        let larger = max(capacity * 2, used + more)
        let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        unsafe grown.update(from: base, count: used)
        unsafe base.deallocate()
        unsafe base = grown
        capacity = larger
    }

    // MARK: - Pieces

    @inlinable @inline(__always)
    public mutating func append(_ byte: UInt8) {
        reserve(1)
        unsafe base[used] = byte
        used += 1
    }

    /// Appends ASCII known at compile time, such as a field's name with its punctuation.
    @inlinable @inline(__always)
    public mutating func append(ascii text: StaticString) {
        let length = text.utf8CodeUnitCount
        reserve(length)
        unsafe (base + used).update(from: text.utf8Start, count: length)
        used += length
    }

    @inlinable @inline(__always)
    public mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let start = bytes.baseAddress else { return }
        reserve(bytes.count)
        unsafe (base + used).update(from: start, count: bytes.count)
        used += bytes.count
    }

    @inlinable @inline(__always)
    public mutating func append(_ id: ID) {
        reserve(ID.bytesMax)
        let start = unsafe UnsafeMutableRawPointer(base + used)
        // Whole words: the bytes behind the id are written over by what follows.
        for index in 0..<(id.count + 7) >> 3 {
            unsafe start.storeBytes(
                of: id.word(index).bigEndian, toByteOffset: index << 3, as: UInt64.self)
        }
        used += id.count
    }

    public mutating func append(_ time: Timestamp) {
        let text = time.text
        reserve(text.count)
        for index in 0..<text.count { unsafe base[used + index] = text.bytes[index] }
        used += text.count
    }

    /// Appends a decimal number.
    public mutating func append(decimal value: Int64) {
        let digits = DecimalDigits(value)
        for index in digits.start..<DecimalDigits.countMax { append(digits.bytes[index]) }
    }

    /// Appends the inside of a JSON string: `text` escaped only where JSON demands it (RFC 8259, section 7): quotation
    /// mark, reverse solidus and the control characters below U+0020, in their short form where there is one.
    /// Returns whether anything was escaped.
    @discardableResult
    public mutating func append(escaping text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard unsafe Self.needsEscape(text) else {
            unsafe append(text)
            return false
        }
        for index in text.indices { append(escaping: unsafe text[index]) }
        return true
    }

    /// Eight bytes at a time: of each the highest bit says whether it is below U+0020, a quotation mark or a reverse
    /// solidus. Borrows between bytes can only mislead above a byte that is one of them.
    private static func needsEscape(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let each: UInt64 = 0x0101_0101_0101_0101
        let bytes = UnsafeRawBufferPointer(text)
        var index = 0
        while index + 8 <= bytes.count {
            let word = unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let quote = word ^ 0x22 &* each
            let solidus = word ^ 0x5C &* each
            let found =
                ((word &- 0x20 &* each) & ~word) | ((quote &- each) & ~quote) | ((solidus &- each) & ~solidus)
            if found & (0x80 &* each) != 0 { return true }
            index += 8
        }
        while index < bytes.count {
            let byte = unsafe bytes[index]
            if byte < 0x20 || byte == 0x22 || byte == 0x5C { return true }
            index += 1
        }
        return false
    }

    private mutating func append(escaping byte: UInt8) {
        switch byte {
        case 0x22: append(ascii: "\\\"")
        case 0x5C: append(ascii: "\\\\")
        case 0x08: append(ascii: "\\b")
        case 0x09: append(ascii: "\\t")
        case 0x0A: append(ascii: "\\n")
        case 0x0C: append(ascii: "\\f")
        case 0x0D: append(ascii: "\\r")
        case 0..<0x20:
            append(ascii: "\\u00")
            append(Self.hexDigit(byte >> 4))
            append(Self.hexDigit(byte & 15))
        default: append(byte)
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}
