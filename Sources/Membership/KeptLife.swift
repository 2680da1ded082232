// The last life of a member, as bytes to be kept in its data directory: what tells the next one that it is over.
//
//   favorites life 1
//   lock     which lock the process of that life held
//   cluster  the control topic, and the brokers it was read from
//   id       the member's
//   life     when it began, milliseconds since 1970, and its random number
//
// The lock proves it: whoever held it has ended, or it would not be this process's now. So it must be the very same lock
// on the very same machine since that was started: a data directory that was copied has another one, and one that lies on
// a disk of the network may be locked elsewhere. A life is known by a random number of 64 bits, which a file that is
// damaged does not hit upon.

public import Model

/// Why a kept life tells nothing.
public enum KeptLifeRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// Not what was written.
    case damaged
    /// The process of that life held another lock, or the machine was started since.
    case otherLock
    /// Of another cluster, or another id, than this process is told.
    case otherMember

    public var description: String {
        switch self {
        case .damaged: "it is damaged"
        case .otherLock: "that life held another lock: the folder was copied or moved, or the machine was started since"
        case .otherMember: "it is of another member"
        }
    }
}

public struct KeptLife: Sendable, Equatable {
    private static let head = "favorites life 1"
    /// Addresses of brokers are most of it.
    public static let bytesMax = 64 << 10

    public var lock: String
    public var cluster: String
    public var id: ID
    public var incarnation: Incarnation

    /// `lock` and `cluster` hold no line's end.
    public init(lock: String, cluster: String, id: ID, incarnation: Incarnation) {
        self.lock = lock
        self.cluster = cluster
        self.id = id
        self.incarnation = incarnation
    }

    public func encode() -> [UInt8] {
        let life = "\(incarnation.startedMs) \(incarnation.number)"
        return Array("\(Self.head)\n\(lock)\n\(cluster)\n\(id)\n\(life)\n".utf8)
    }

    /// The life in `bytes`, which is over: its process held this lock, as this one does now.
    public static func over(
        in bytes: [UInt8], lock: String, cluster: String, id: ID
    ) throws(KeptLifeRefusal) -> Incarnation {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 6, lines[0] == head, lines[5].isEmpty else { throw .damaged }
        guard let keptID = ID(String(lines[3])) else { throw .damaged }
        let life = lines[4].split(separator: " ", omittingEmptySubsequences: false)
        guard life.count == 2, let startedMs = Int64(life[0]), let number = UInt64(life[1]) else { throw .damaged }
        let kept = KeptLife(
            lock: String(lines[1]), cluster: String(lines[2]), id: keptID,
            incarnation: Incarnation(startedMs: startedMs, number: number))
        // Strict: what is not exactly what `encode` writes is refused.
        guard kept.encode() == bytes, startedMs >= 0 else { throw .damaged }
        guard kept.lock == lock else { throw .otherLock }
        guard kept.cluster == cluster, kept.id == id else { throw .otherMember }
        return kept.incarnation
    }
}
