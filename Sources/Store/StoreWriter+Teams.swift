import CMemory
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

    /// Puts all events of some partitions into their teams' lists, each list built once: how a bulk load ends. Takes time
    /// in proportion to the partitions, and to the lists that they add to, about 0.1 µs an event; until then none of the
    /// events is in a list. So partitions that are loaded together are listed together.
    func listEvents(of partitions: [PartitionID]) {
        for partition in partitions where participantChanges != changesAtLoad[Int(partition.rawValue)] {
            // A participant changed while its events here stood in no list, where its renderings would have found them.
            for slot in eventSlots(of: partition) { _ = rerenderEvent(slot) }
        }
        var found: [(team: UInt32, entry: TeamEntry)] = []
        found.reserveCapacity(2 * partitions.reduce(0) { $0 + eventCounts[Int($1.rawValue)].live })
        // For each team where its entries begin: counted first, then summed up.
        var starts = [Int](repeating: 0, count: entities[Int(ModelKind.participant.rawValue) - 1].slots.highWater + 1)
        unsafe forEachEvent(of: partitions) { slot, record in
            let entry = unsafe TeamEntry(start: record.start.milliseconds, slot: slot)
            for part in unsafe 0..<record.partCount where unsafe isFirst(part, record) {
                let team = unsafe record.part(part).slot
                found.append((team, entry))
                starts[Int(team) + 1] += 1
            }
        }
        for team in 1..<starts.count { starts[team] += starts[team - 1] }
        var next = starts
        var sorted = [TeamEntry](repeating: TeamEntry(start: 0, slot: 0), count: found.count)
        for index in found.indices {
            let team = Int(found[index].team)
            sorted[next[team]] = found[index].entry
            next[team] += 1
        }
        found = []
        for team in 1..<starts.count where starts[team - 1] < starts[team] {
            merge(sorted[starts[team - 1]..<starts[team]].sorted(), team: UInt32(team - 1))
        }
    }

    /// How many records ahead the header is asked for, and then, since it says where they stand, the parts.
    private static let headersAhead: UInt32 = 24
    private static let partsAhead: UInt32 = 8

    /// In the order of slots, and so about that of memory, where that is most of the events there are.
    private func forEachEvent(of partitions: [PartitionID], _ body: (UInt32, EventRecord) -> Void) {
        let count = partitions.reduce(0) { $0 + eventCounts[Int($1.rawValue)].live }
        guard count * 2 > eventSlots.highWater else {
            for partition in partitions {
                for slot in eventSlots(of: partition) {
                    if let record = unsafe store.event(slot) { unsafe body(slot, record) }
                }
            }
            return
        }
        var isWanted = [Bool](repeating: false, count: eventCounts.count)
        for partition in partitions { isWanted[Int(partition.rawValue)] = true }
        let end = UInt32(eventSlots.highWater)
        for slot in 0..<end {
            if slot + Self.headersAhead < end, let base = unsafe store.events.load(slot + Self.headersAhead) {
                unsafe cmemory_prefetch(base)
            }
            if slot + Self.partsAhead < end, let record = unsafe store.event(slot + Self.partsAhead) {
                unsafe cmemory_prefetch(record.firstPart)
            }
            guard let record = unsafe store.event(slot), unsafe isWanted[Int(record.partition.rawValue)] else {
                continue
            }
            unsafe body(slot, record)
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
