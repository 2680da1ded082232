import Model

extension StoreWriter {
    /// Adds an event to a team's list.
    func insertEntry(_ entry: TeamEntry, team: UInt32) {
        guard let list = unsafe store.teamList(team) else {
            let single = unsafe TeamList.single(entry, store.memory)
            unsafe memoryBytes += TeamList.bytes(chunks: 1) + TeamChunk.bytes(count: 1)
            unsafe store.teamLists.store(single.base, at: team)
            return
        }
        let (new, replaced) = unsafe list.inserting(entry, store.memory)
        unsafe publish(new, replaced, team: team, growth: 12)
    }

    /// Takes an event out of a team's list.
    func removeEntry(_ entry: TeamEntry, team: UInt32) {
        guard let list = unsafe store.teamList(team) else { preconditionFailure("a team without a list") }
        let (new, replaced) = unsafe list.removing(entry, store.memory)
        unsafe publish(new, replaced, team: team, growth: -12)
    }

    /// Puts all events of a partition into their teams' lists, each list built once: how a bulk load ends. Takes time
    /// in proportion to the partition, about 50 ms for 100,000 events; until then none of them is in a list.
    func listEvents(of partition: PartitionID) {
        let slots = eventSlots(of: partition)
        if participantChanges != changesAtLoad[Int(partition.rawValue)] {
            // A participant changed while its events here stood in no list, where its renderings would have found them.
            for slot in slots { _ = rerenderEvent(slot) }
        }
        var entries: [(team: UInt32, entry: TeamEntry)] = []
        entries.reserveCapacity(slots.count * 2)
        for slot in slots {
            guard let record = unsafe store.event(slot) else { continue }
            let entry = unsafe TeamEntry(start: record.start.milliseconds, slot: slot)
            for part in unsafe 0..<record.partCount where unsafe isFirst(part, record) {
                unsafe entries.append((record.part(part).slot, entry))
            }
        }
        entries.sort { $0.team != $1.team ? $0.team < $1.team : $0.entry < $1.entry }
        var start = 0
        while start < entries.count {
            let team = entries[start].team
            var end = start
            while end < entries.count, entries[end].team == team { end += 1 }
            merge(entries[start..<end].map(\.entry), team: team)
            start = end
        }
    }

    private func eventSlots(of partition: PartitionID) -> [UInt32] {
        var slots: [UInt32] = []
        slots.reserveCapacity(eventCounts[Int(partition.rawValue)].live)
        _ = unsafe store.partitions[Int(partition.rawValue)].index.walk(from: 0, words: .max / 2) { slots.append($0) }
        return slots
    }

    /// One new list of what stands in the team's list and `added`, which is sorted too.
    private func merge(_ added: [TeamEntry], team: UInt32) {
        let old = unsafe store.teamList(team)
        var all = added
        if let old = unsafe old {
            for chunk in unsafe 0..<old.chunkCount {
                for index in unsafe 0..<old.chunk(chunk).count { unsafe all.append(old.chunk(chunk)[index]) }
            }
            all.sort()
        }
        let new = unsafe TeamList.building(all, store.memory)
        unsafe memoryBytes += new.bytes + new.chunkCount * 8 + all.count * 12
        unsafe store.teamLists.store(new.base, at: team)
        guard let old = unsafe old else { return }
        for index in unsafe 0..<old.chunkCount {
            let chunk = unsafe old.chunk(index)
            unsafe retire(chunk.base, TeamChunk.bytes(count: chunk.count))
        }
        unsafe retire(old.base, old.bytes)
    }

    private func publish(_ new: TeamList?, _ replaced: Replaced, team: UInt32, growth: Int) {
        let oldChunks = unsafe (replaced.listBytes - 16) / 16
        let newChunks = unsafe new?.chunkCount ?? 0
        // What the new list and its one or two new chunks take: the entries of the old chunk and 8 bytes a new chunk.
        let chunkHeads = (newChunks - oldChunks + 1) * 8
        if let new = unsafe new {
            memoryBytes += unsafe new.bytes + chunkHeads + (replaced.chunkBytes - 8) + growth
        }
        unsafe store.teamLists.store(new?.base, at: team)
        if let list = unsafe replaced.list { unsafe retire(list, replaced.listBytes) }
        if let chunk = unsafe replaced.chunk { unsafe retire(chunk, replaced.chunkBytes) }
    }
}
