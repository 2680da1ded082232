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

    /// The known keys of a partition whose slot and last message's offset `isWanted` takes. Goes through all there are,
    /// in one go: some 50 ns each.
    public func keys(of source: TopicPartition, _ isWanted: (UInt32, Offset) -> Bool) -> [ID] {
        var keys: [ID] = []
        if source.kind == .event {
            _ = unsafe store.partitions[Int(source.partition.rawValue)].index.walk(from: 0, words: .max / 2) { slot in
                guard let record = unsafe store.event(slot), unsafe isWanted(slot, record.offset),
                    let id = unsafe ID(record.id.span)
                else { return }
                keys.append(id)
            }
            return keys
        }
        _ = store[source.kind].index.walk(from: 0, words: .max / 2) { slot in
            guard let record = unsafe store[source.kind].record(slot), unsafe record.isKnown,
                unsafe record.partition == source.partition, unsafe isWanted(slot, record.offset),
                let id = unsafe ID(record.id.span)
            else { return }
            keys.append(id)
        }
        return keys
    }
}
