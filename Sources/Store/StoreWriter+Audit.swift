// Whether what a snapshot brought holds together: each key of the index leads to its record and back, and there are as many
// as were loaded. In slices, so that the messages of other partitions get their turn.

import CMemory
import Model
import Snapshot

/// An audit under way. The writer's alone.
public struct SnapshotAudit {
    fileprivate let scope: SnapshotScope
    fileprivate let records: Int
    fileprivate let replaced: Int
    /// Where the walk through the index goes on, and that index's capacity: after another was built, at the start.
    fileprivate var next = 0
    fileprivate var capacity = 0
    fileprivate var known = 0
    fileprivate var wrong = 0
    fileprivate var slots: [UInt32] = []
}

public enum AuditOutcome: Equatable, Sendable {
    case goesOn, agrees
    case problem(String)
}

extension StoreWriter {
    /// Begins the audit of a load that has ended. Until it is over nothing else may bring keys of the load's scope.
    public func beginAudit(_ load: SnapshotLoad) -> SnapshotAudit {
        SnapshotAudit(scope: load.scope, records: load.records, replaced: load.replaced)
    }

    /// Looks at the next `words` places of the index.
    public func auditSlice(_ audit: inout SnapshotAudit, words: Int) -> AuditOutcome {
        switch audit.scope {
        case .events(let partition): auditEvents(partition, &audit, words)
        case .topic(let kind): auditReferences(kind, &audit, words)
        }
    }

    private func auditEvents(_ partition: PartitionID, _ audit: inout SnapshotAudit, _ words: Int) -> AuditOutcome {
        let (live, wanted) = (eventCounts[Int(partition.rawValue)].live, audit.records - audit.replaced)
        guard live == wanted else { return .problem("\(live) events are in the index, \(wanted) were loaded") }
        let capacity = unsafe store.partitions[Int(partition.rawValue)].index.capacity
        audit.restart(ifNot: capacity)
        audit.slots.removeAll(keepingCapacity: true)
        let next = unsafe store.partitions[Int(partition.rawValue)].index.walk(from: audit.next, words: words) {
            audit.slots.append($0)
        }
        // Records are all over the memory: each is asked for before the first one is looked at.
        for slot in audit.slots {
            guard let base = unsafe store.events.load(slot) else { continue }
            // The header, and the id behind it.
            unsafe cmemory_prefetch(base)
            unsafe cmemory_prefetch(base + 64)
        }
        for slot in audit.slots {
            guard let record = unsafe store.event(slot), unsafe record.partition == partition,
                let id = unsafe ID(record.id.span), store.findEvent(id, in: partition) == slot
            else {
                audit.wrong += 1
                continue
            }
        }
        guard let next else {
            return audit.wrong == 0
                ? .agrees : .problem("\(audit.wrong) events of the index lead to another record or none")
        }
        audit.next = next
        return .goesOn
    }

    /// The index has unknown models too, which anything that is loaded may name meanwhile.
    private func auditReferences(_ kind: ModelKind, _ audit: inout SnapshotAudit, _ words: Int) -> AuditOutcome {
        audit.restart(ifNot: store[kind].index.capacity)
        let next = store[kind].index.walk(from: audit.next, words: words) { slot in
            guard let record = unsafe store[kind].record(slot), unsafe record.isKnown,
                let id = unsafe ID(record.id.span), store[kind].find(id) == slot
            else { return }
            audit.known += 1
        }
        if let next {
            audit.next = next
            return .goesOn
        }
        let counted = entities[Int(kind.rawValue) - 1].known
        return audit.known == counted && counted <= audit.records
            ? .agrees
            : .problem(
                "\(audit.known) \(kind.plural) are in the index, \(counted) are counted, \(audit.records) were loaded")
    }
}

extension SnapshotAudit {
    fileprivate mutating func restart(ifNot now: Int) {
        guard capacity != now else { return }
        (next, known, wrong, capacity) = (0, 0, 0, now)
    }
}
