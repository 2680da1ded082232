// Whether a request wants its answer in gzip or as it is: `Accept-Encoding` (RFC 9110, section 12.5.3).
//
//   #( ( content-coding | "identity" | "*" ) [ OWS ";" OWS "q=" qvalue ] )

/// What the `Accept-Encoding` lines of one request say, as far as gzip and identity go. Weights are thousandths.
struct AcceptEncoding {
    private var gzip: Int?
    private var identity: Int?
    private var others: Int?

    /// Whether gzip is to be sent. What is not named has the weight of `*`. An identity that is named by neither is what
    /// is sent where nothing else may be, so any gzip comes before it; at equal weights gzip is the smaller.
    var prefersGzip: Bool {
        let gzip = gzip ?? others ?? 0
        return gzip > 0 && gzip >= (identity ?? others ?? 0)
    }

    /// Reads one line; false where it breaks the grammar. Looks at each byte a fixed number of times.
    mutating func read(_ value: Span<UInt8>) -> Bool {
        var index = 0
        while true {
            Self.skipBlanks(value, &index)
            // A list may have empty elements (section 5.6.1).
            if index < value.count, value[index] != 0x2C {
                guard readElement(value, &index) else { return false }
                Self.skipBlanks(value, &index)
            }
            if index == value.count { return true }
            guard value[index] == 0x2C else { return false }
            index += 1
        }
    }

    private mutating func readElement(_ value: Span<UInt8>, _ index: inout Int) -> Bool {
        let start = index
        while index < value.count, TokenBytes.contains(value[index]) { index += 1 }
        let name = start..<index
        guard !name.isEmpty, let weight = Self.readWeight(value, &index) else { return false }
        // Named twice: the lower weight, so that nothing is sent that one of them excludes.
        if value.equalsIgnoringCase(name, "gzip") || value.equalsIgnoringCase(name, "x-gzip") {
            gzip = min(gzip ?? weight, weight)
        } else if value.equalsIgnoringCase(name, "identity") {
            identity = min(identity ?? weight, weight)
        } else if value.equalsIgnoringCase(name, "*") {
            others = min(others ?? weight, weight)
        }
        return true
    }

    /// `[ OWS ";" OWS "q=" ( "0" [ "." 0*3DIGIT ] | "1" [ "." 0*3"0" ] ) ]` in thousandths; nil where it is something else.
    private static func readWeight(_ value: Span<UInt8>, _ index: inout Int) -> Int? {
        var next = index
        skipBlanks(value, &next)
        guard next < value.count, value[next] == 0x3B else { return 1000 }
        next += 1
        skipBlanks(value, &next)
        guard next + 2 < value.count, value[next] | 0x20 == 0x71, value[next + 1] == 0x3D,
            value[next + 2] == 0x30 || value[next + 2] == 0x31
        else { return nil }
        var weight = value[next + 2] == 0x31 ? 1000 : 0
        next += 3
        if next < value.count, value[next] == 0x2E {
            next += 1
            var unit = 100
            while next < value.count, value[next] >= 0x30, value[next] <= 0x39 {
                guard unit > 0 else { return nil }
                weight += Int(value[next] - 0x30) * unit
                unit /= 10
                next += 1
            }
        }
        index = next
        return weight <= 1000 ? weight : nil
    }

    @inline(__always)
    private static func skipBlanks(_ value: Span<UInt8>, _ index: inout Int) {
        while index < value.count, value[index] == 0x20 || value[index] == 0x09 { index += 1 }
    }
}

extension RequestHead {
    /// Whether the answer is to be sent in gzip, where there is one. Without the field, with more lines than are kept,
    /// or where one breaks the grammar, it is sent as it is, which is never wrong. `bytes` are those of the head.
    public func prefersGzip(in bytes: Span<UInt8>) -> Bool {
        guard encodingCount > 0, encodingCount <= Self.encodingsMax else { return false }
        var accepted = AcceptEncoding()
        for index in 0..<encodingCount where !accepted.read(bytes.extracting(encodings[index].range)) { return false }
        return accepted.prefersGzip
    }
}
