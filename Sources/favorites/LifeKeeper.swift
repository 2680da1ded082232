// This process's life on disk, so that the next one under its id need not wait where this one is killed: see `KeptLife`.

import Dispatch
import Logging
import Membership
import Model
import Settings

struct LifeKeeper: Sendable {
    static let name = "life"

    private let folder: DataDirectory
    private let cluster: String
    private let id: ID
    private let logger: Logger

    /// `folder` is this process's own.
    init(folder: DataDirectory, kafka: KafkaSettings, id: ID, logger: Logger) {
        self.folder = folder
        self.id = id
        self.logger = logger
        cluster = "\(kafka.topics.cluster) at \(kafka.brokers.sorted().joined(separator: ","))"
    }

    /// The life before, where it is known to be over; nil where nothing is kept or it proves nothing, which is logged.
    func over() -> Incarnation? {
        do {
            guard let bytes = try folder.contents(of: Self.name, bytesMax: KeptLife.bytesMax) else { return nil }
            guard let lock = folder.lockName else { throw KeptLifeRefusal.otherLock }
            return try KeptLife.over(in: bytes, lock: lock, cluster: cluster, id: id)
        } catch {
            logger.notice(
                "the life kept on disk does not tell whether it is over: \(error)", metadata: ["file": "\(Self.name)"])
            return nil
        }
    }

    /// Keeps this life, once. The cluster's thread must not wait for a disk; should this process be killed before it is
    /// written, the next one waits.
    func keep(_ incarnation: Incarnation) {
        guard let lock = folder.lockName else { return }
        let kept = KeptLife(lock: lock, cluster: cluster, id: id, incarnation: incarnation)
        DispatchQueue.global().async {
            do throws(CommandError) {
                try folder.replace(Self.name, with: kept.encode())
            } catch {
                logger.warning("this life could not be kept on disk: \(error.message)")
            }
        }
    }
}
