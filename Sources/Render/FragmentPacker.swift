// JSON → packed fragment: finds its pieces, then what stands between them as bytes and references to earlier ones.

/// Packs one fragment at a time, into memory of its own. Belongs to one thread.
public final class FragmentPacker {
    private let code = DeflateCode.shared
    private let crc = CRC32.shared
    private let pieces = Pieces.all
    private var output = BitOutput()
    private var slots: [UInt32] = []
    /// By the hash of six bytes: their pieces, as a range of `candidates`. The hash is perfect.
    private var prefixes: [Prefix]
    private var candidates: [UInt8] = []

    /// By the hash of four bytes: where they stood last, counted from the first fragment's first byte on. Places of
    /// earlier fragments are below `base`, so that nothing is emptied between fragments.
    private var places: [Int32]
    private var base: Int32 = 1

    private struct Prefix {
        var key: UInt64 = 0
        var first: UInt8 = 0
        var count: UInt8 = 0
    }

    private static let placesBits: UInt32 = 11
    private static let prefixMask: UInt64 = 1 << 48 - 1

    public init() {
        places = Array(repeating: 0, count: 1 << Int(Self.placesBits))
        prefixes = Array(repeating: Prefix(), count: 256)
        var byKey: [UInt64: [UInt8]] = [:]
        for piece in Array(Pieces.searched) + Array(Pieces.searchedMore) {
            let key = pieces[piece].text.prefix(6).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            byKey[key, default: []].append(UInt8(piece))
        }
        for (key, list) in byKey {
            let slot = Self.hash(prefix: key)
            precondition(prefixes[slot].count == 0, "two prefixes of pieces have the same hash")
            prefixes[slot] = Prefix(key: key, first: UInt8(candidates.count), count: UInt8(list.count))
            candidates += list
        }
    }

    /// The packed fragment of `json`, valid until the next call; nil where that is longer than any fragment.
    @unsafe
    public func pack(_ json: UnsafeBufferPointer<UInt8>) -> UnsafeRawBufferPointer? {
        guard unsafe json.count <= PackedFragment.jsonBytesMax else { return nil }
        let json = UnsafeRawBufferPointer(json)
        output.removeAll()
        unsafe output.reserve(PackedFragment.headerBytes + json.count * 2)
        // Written again once the counts are known.
        for _ in unsafe 0..<PackedFragment.headerBytes / 4 { output.put(0, 32) }
        slots.removeAll(keepingCapacity: true)
        if base > Int32.max - Int32(json.count) {
            base = 1
            for index in places.indices { places[index] = 0 }
        }
        unsafe packAll(json)
        let bits = unsafe output.bitCount - PackedFragment.headerBytes * 8
        output.align()
        unsafe output.reserve(slots.count * PackedFragment.slotBytes + PackedFragment.padding)
        for slot in slots { output.put(UInt64(slot), 32) }
        for _ in unsafe 0..<max(0, PackedFragment.padding - slots.count * PackedFragment.slotBytes) { output.put(0, 8) }
        base += Int32(json.count)
        return unsafe output.finishHeader(
            [
                crc.extend(0, by: json), UInt32(json.count) | UInt32(slots.count) << 24, UInt32(bits),
            ])
    }

    // MARK: - Pieces

    private func packAll(_ json: UnsafeRawBufferPointer) {
        var used: UInt64 = 0
        var end = 0
        var endBits = output.bitCount
        func take(_ piece: Int, at start: Int) {
            unsafe packGap(json, end..<start)
            let bits = output.bitCount
            slots.append(UInt32(piece | (start - end) << 6 | (bits - endBits) << 16))
            endBits = bits
            end = start + pieces[piece].text.count
            unsafe remember(json, start..<end)
            used |= 1 << UInt64(piece)
        }
        if unsafe holds(Pieces.opening, json, at: 0) { take(Pieces.opening, at: 0) }
        var index = end
        while let quote = unsafe Self.quote(in: json, from: index) {
            index = quote + 1
            guard let (piece, start) = unsafe piece(json, at: quote, after: end),
                used >> UInt64(piece) & 1 == 0, unsafe start - end <= PackedFragment.gapMax
            else { continue }
            take(piece, at: start)
            index = end
        }
        unsafe packGap(json, end..<json.count)
    }

    /// Where the next quotation mark stands.
    @inline(__always)
    private static func quote(in json: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var index = start
        while index + 8 <= json.count {
            let word = unsafe UInt64(littleEndian: json.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let other = word ^ 0x2222_2222_2222_2222
            let hit = (other &- 0x0101_0101_0101_0101) & ~other & 0x8080_8080_8080_8080
            if hit != 0 { return index + hit.trailingZeroBitCount >> 3 }
            index += 8
        }
        while index < json.count {
            if unsafe json[index] == 0x22 { return index }
            index += 1
        }
        return nil
    }

    /// The piece that begins with the quotation mark, or with the time in front of it.
    @inline(__always)
    private func piece(_ json: UnsafeRawBufferPointer, at quote: Int, after end: Int) -> (Int, Int)? {
        if quote + 8 <= json.count {
            let word = unsafe UInt64(littleEndian: json.loadUnaligned(fromByteOffset: quote, as: UInt64.self))
            let prefix = prefixes[Self.hash(prefix: word & Self.prefixMask)]
            guard prefix.count > 0, prefix.key == word & Self.prefixMask else { return nil }
            for index in Int(prefix.first)..<Int(prefix.first) + Int(prefix.count) {
                let piece = Int(candidates[index])
                guard unsafe holds(piece, json, at: quote) else { continue }
                if piece == Pieces.participants, quote >= end + 7 {
                    for kickOff in Pieces.kickOffs where unsafe holds(kickOff, json, at: quote - 7) {
                        return (kickOff, quote - 7)
                    }
                }
                return (piece, quote)
            }
            return nil
        }
        for ending in Pieces.endings where pieces[ending].text.count == json.count - quote {
            if unsafe holds(ending, json, at: quote) { return (ending, quote) }
        }
        return nil
    }

    @inline(__always)
    private static func hash(prefix: UInt64) -> Int { Int((prefix &* 0x9E37_79B9_7F4A_7C15) >> 56) }

    private func holds(_ piece: Int, _ json: UnsafeRawBufferPointer, at start: Int) -> Bool {
        let text = pieces[piece].text
        guard json.count - start >= text.count else { return false }
        for index in text.indices where unsafe json[start + index] != text[index] { return false }
        return true
    }

    // MARK: - What stands between them

    @inline(__always)
    private static func hash(_ word: UInt32) -> Int { Int((word &* 2_654_435_769) >> (32 - placesBits)) }

    @inline(__always)
    private func word(_ json: UnsafeRawBufferPointer, _ index: Int) -> UInt32 {
        unsafe UInt32(littleEndian: json.loadUnaligned(fromByteOffset: index, as: UInt32.self))
    }

    /// Makes a range of bytes known to later ones.
    private func remember(_ json: UnsafeRawBufferPointer, _ range: Range<Int>) {
        for index in range.lowerBound..<max(range.lowerBound, min(range.upperBound, json.count - 3)) {
            places[unsafe Self.hash(word(json, index))] = base + Int32(index)
        }
    }

    private func packGap(_ json: UnsafeRawBufferPointer, _ range: Range<Int>) {
        var index = range.lowerBound
        while index + 4 <= range.upperBound {
            let key = unsafe word(json, index)
            let slot = Self.hash(key)
            let place = Int(places[slot] - base)
            places[slot] = base + Int32(index)
            guard place >= 0, index - place <= DeflateCode.distanceMax, unsafe word(json, place) == key else {
                output.put(code.literals[Int(truncatingIfNeeded: key & 255)])
                index += 1
                continue
            }
            let most = min(range.upperBound - index, DeflateCode.lengthMax)
            var length = 4
            while length < most, unsafe json[place + length] == json[index + length] { length += 1 }
            output.putMatch(length, index - place, code)
            unsafe remember(json, index + 1..<index + length)
            index += length
        }
        while index < range.upperBound {
            output.put(unsafe code.literals[Int(json[index])])
            index += 1
        }
    }
}
