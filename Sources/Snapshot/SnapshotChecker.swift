// Whether what stands in a file's blocks is what a store can take: every length, number and id is looked at once, so
// that nothing behind it has to.

import Model

/// Checks the blocks of one file, in order.
public struct SnapshotChecker: Sendable {
    private let kind: ModelKind
    private let partitionCount: Int
    /// The kind of every name so far.
    private var names: [ModelKind] = []
    private var block = 0

    public init(_ header: SnapshotHeader) {
        kind = header.scope.kind
        partitionCount = header.partitionCount
    }

    /// Throws `.malformed` where a rule is broken.
    public mutating func check(_ block: borrowing SnapshotBlock) throws(SnapshotError) {
        defer { self.block += 1 }
        let raw = block.raw.span
        var position = 0
        for _ in 0..<block.names {
            guard raw.count - position >= 2, let kind = ModelKind(rawValue: raw[position]),
                raw.count - position - 2 >= Int(raw[position + 1]),
                ID(raw.extracting(position + 2..<position + 2 + Int(raw[position + 1]))) != nil,
                names.count < SnapshotLimits.namesMax, self.kind.names(kind)
            else { throw malformed("a name") }
            names.append(kind)
            position += 2 + Int(raw[position + 1])
        }
        for index in 0..<block.records {
            guard raw.count - position >= 4 else { throw malformed("image \(index) ends early") }
            let count = Int(raw.little(position, UInt32.self))
            guard count >= 4, count <= raw.count - position else { throw malformed("the length of image \(index)") }
            let problem = unsafe raw.extracting(position..<position + count).withUnsafeBytes { image in
                unsafe self.problem(image)
            }
            if let problem { throw malformed("image \(index): \(problem)") }
            position += count
        }
        guard position == raw.count else { throw malformed("bytes behind the last image") }
    }

    private func problem(_ image: UnsafeRawBufferPointer) -> String? {
        let isName = { (kind: ModelKind, name: Int) in name < names.count && names[name] == kind }
        guard kind == .event else {
            return unsafe ReferenceImage.problem(image, kind: kind, partitionCount: partitionCount, isName: isName)
        }
        return unsafe EventImage.problem(image, isName: isName)
    }

    private func malformed(_ what: String) -> SnapshotError { SnapshotError(.malformed, "block \(block), \(what)") }
}

extension ModelKind {
    /// Whether a model of this kind may name one of the other.
    fileprivate func names(_ other: ModelKind) -> Bool {
        switch self {
        case .event: other == .stage || other == .participant
        case .stage: other == .category || other == .season
        case .participant, .category: other == .region
        case .season, .region: false
        }
    }
}
