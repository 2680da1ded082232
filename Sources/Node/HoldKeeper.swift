// Which partitions this process was last to hold, on its disk: what the next one begins with before the cluster has told
// it. A hint alone. Only partitions whose file is on the disk are begun with, and what is placed elsewhere by then is
// dropped again.

import Dispatch
public import Logging
import Model
public import Settings
import Synchronization

public final class HoldKeeper: Sendable {
    static let name = "held"
    private static let head = "favorites held 1"
    /// The largest set of numbers.
    static let bytesMax = head.utf8.count + 1 + Limits.partitionsMax * 4

    private let folder: DataDirectory
    private let logger: Logger
    /// The newest set that is not on the disk yet.
    private let newest = Mutex<PartitionSet?>(nil)
    private let queue = DispatchQueue(label: "held")

    /// `folder` is this process's own.
    public init(folder: DataDirectory, logger: Logger) {
        self.folder = folder
        self.logger = logger
    }

    /// Empty where nothing is kept, or nothing that can be read, which is logged.
    func load() -> PartitionSet {
        do throws(CommandError) {
            guard let bytes = try folder.contents(of: Self.name, bytesMax: Self.bytesMax) else { return PartitionSet() }
            if let held = Self.decode(bytes) { return held }
            logger.warning(
                "what was held last is damaged on disk; the cluster tells", metadata: ["file": "\(Self.name)"])
        } catch {
            logger.warning("what was held last is not known; the cluster tells: \(error.message)")
        }
        return PartitionSet()
    }

    /// Written on a queue, since the cluster's thread must not wait for a disk; what changes meanwhile is written once.
    func keep(_ held: PartitionSet) {
        newest.withLock { $0 = held }
        queue.async {
            guard let held = self.newest.withLock({ $0.take() }) else { return }
            do throws(CommandError) {
                try self.folder.replace(Self.name, with: Self.encode(held))
            } catch {
                self.logger.warning("what is held could not be kept on disk: \(error.message)")
            }
        }
    }

    static func encode(_ held: PartitionSet) -> [UInt8] {
        Array((Self.head + "\n" + held.partitions.map { "\($0.rawValue)" }.joined(separator: " ") + "\n").utf8)
    }

    /// Nil where it is not exactly what `encode` writes.
    static func decode(_ bytes: [UInt8]) -> PartitionSet? {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 3 else { return nil }
        var held = PartitionSet()
        for number in lines[1].split(separator: " ") {
            guard let number = Int(number), (0..<Limits.partitionsMax).contains(number) else { return nil }
            held.insert(PartitionID(number))
        }
        return encode(held) == bytes ? held : nil
    }
}
