// What a partition holds, for whoever compares it with its log.

public import Model

extension StoreWriter {
    /// Where a known model of the partition stands; nil where there is none of the id.
    public func knownSlot(_ kind: ModelKind, _ id: ID, in partition: PartitionID) -> UInt32? {
        guard kind != .event else { return store.findEvent(id, in: partition) }
        guard let slot = store[kind].find(id), let record = unsafe store[kind].record(slot), unsafe record.isKnown,
            unsafe record.partition == partition
        else { return nil }
        return slot
    }

    /// The offset of the last message of a known model at `slot`; nil where there is none.
    public func offset(_ kind: ModelKind, at slot: UInt32) -> Offset? {
        kind == .event ? unsafe store.event(slot)?.offset : unsafe store[kind].record(slot)?.offset
    }

    /// The known keys of a partition whose slot and last message's offset `isWanted` takes, with that offset. Goes through all there are,
    /// in one go: some 50 ns each.
    public func keys(of source: TopicPartition, _ isWanted: (UInt32, Offset) -> Bool) -> [(id: ID, offset: Offset)] {
        var keys: [(id: ID, offset: Offset)] = []
        if source.kind == .event {
            _ = unsafe store.partitions[Int(source.partition.rawValue)].index.walk(from: 0, words: .max / 2) { slot in
                guard let record = unsafe store.event(slot), unsafe isWanted(slot, record.offset),
                    let id = unsafe ID(record.id.span)
                else { return }
                unsafe keys.append((id, record.offset))
            }
            return keys
        }
        _ = store[source.kind].index.walk(from: 0, words: .max / 2) { slot in
            guard let record = unsafe store[source.kind].record(slot), unsafe record.isKnown,
                unsafe record.partition == source.partition, unsafe isWanted(slot, record.offset),
                let id = unsafe ID(record.id.span)
            else { return }
            unsafe keys.append((id, record.offset))
        }
        return keys
    }
}
