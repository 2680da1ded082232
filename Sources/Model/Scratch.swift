// Memory for lists that are filled and emptied with every request. An array would ask at each element whether it is
// shared; this one has one owner and cannot be.

/// A growing list of plain values. It keeps its memory when it is emptied, so that it allocates nothing once it has
/// grown. Its bound is that of what is put into it.
///
/// Sendable: one owner, who alone reaches the memory.
@frozen @safe
public struct Scratch<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
    @usableFromInline var base: UnsafeMutablePointer<Element>
    @usableFromInline var capacity: Int
    @usableFromInline var used = 0

    @inlinable
    public var count: Int { @inline(__always) get { used } }

    @inlinable
    public init(capacity: Int = 16) {
        unsafe base = .allocate(capacity: max(1, capacity))
        self.capacity = max(1, capacity)
    }

    deinit { unsafe base.deallocate() }

    @inlinable
    public var isEmpty: Bool { count == 0 }

    @inlinable
    public subscript(index: Int) -> Element {
        @inline(__always) get {
            precondition(index >= 0 && index < count)
            return unsafe base[index]
        }
        @inline(__always) set {
            precondition(index >= 0 && index < count)
            unsafe base[index] = newValue
        }
    }

    @inlinable @inline(__always)
    public mutating func removeAll() { used = 0 }

    @inlinable @inline(__always)
    public mutating func removeLast() -> Element {
        precondition(count > 0)
        used -= 1
        return unsafe base[count]
    }

    @inlinable @inline(__always)
    public mutating func append(_ element: Element) {
        if count == capacity { grow(to: count + 1) }
        unsafe base[count] = element
        used += 1
    }

    @inlinable
    public mutating func append(contentsOf elements: Span<Element>) {
        if count + elements.count > capacity { grow(to: count + elements.count) }
        unsafe elements.withUnsafeBufferPointer { source in
            if let first = source.baseAddress {
                unsafe (base + count).update(from: first, count: source.count)
            }
        }
        used += elements.count
    }

    /// Makes it `count` elements long, each of them `element`.
    @inlinable
    public mutating func fill(_ element: Element, count: Int) {
        if count > capacity { grow(to: count) }
        unsafe base.update(repeating: element, count: count)
        used = count
    }

    /// Keeps the elements of `range` alone.
    @inlinable
    public mutating func keep(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        unsafe base.update(from: base + range.lowerBound, count: range.count)
        used = range.count
    }

    /// The elements in place, until the list next grows. Indexes are not checked.
    @inlinable @unsafe
    public var elements: UnsafeMutablePointer<Element> {
        @inline(__always) get { unsafe base }
    }

    @usableFromInline
    mutating func grow(to wanted: Int) {
        let larger = max(wanted, capacity * 2)
        let new = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        unsafe new.update(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = new
        capacity = larger
    }
}
