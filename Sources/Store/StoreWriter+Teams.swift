import Model

extension StoreWriter {
    /// Adds an event to a team's list and counts the use.
    func insertEntry(_ entry: TeamEntry, team: UInt32) {
        retain(.participant, team)
        guard let list = unsafe store.teamList(team) else {
            let single = unsafe TeamList.single(entry)
            unsafe memoryBytes += TeamList.bytes(chunks: 1) + TeamChunk.bytes(count: 1)
            unsafe store.teamLists.store(single.base, at: team)
            return
        }
        let (new, replaced) = unsafe list.inserting(entry)
        unsafe publish(new, replaced, team: team, growth: 12)
    }

    /// Takes an event out of a team's list. The team's slot goes with its last use.
    func removeEntry(_ entry: TeamEntry, team: UInt32) {
        guard let list = unsafe store.teamList(team) else { preconditionFailure("a team without a list") }
        let (new, replaced) = unsafe list.removing(entry)
        unsafe publish(new, replaced, team: team, growth: -12)
        release(.participant, team)
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
