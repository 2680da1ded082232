// How old an answer of the store may be, and the bound that a query sets to it.

import Model
import Query
import Selection
import Store
import Testing

@Suite struct FreshnessTests {
    private func answer(asOfMs: UInt64, nowMs: UInt64, boundMs: UInt32) -> Result<Freshness, HolderRefusalError> {
        let store = Store(partitionCounts: [2, 1, 1, 1, 1, 1])
        let writer = StoreWriter(store)
        writer.setGlobalsReady()
        writer.setReady([PartitionID(0), PartitionID(1)])
        writer.setGlobalsAsOf(max(asOfMs, 900))
        writer.setAsOf(PartitionID(0), 900)
        writer.setAsOf(PartitionID(1), asOfMs)
        writer.raiseNewest(to: 77)
        let holder = StoreHolder(store, nowMs: { nowMs })
        let request = MatchesRequest(sport: .soccer, eventIDs: [], teamIDs: [], limit: 1, offset: 0)
        let query = HolderQuery(
            request: .matches(request), partitions: PartitionSet(below: 2), now: Timestamp(milliseconds: 0),
            eventsPerTeamMax: 3, matchesRemainMs: 1, stalenessMaxMs: boundMs)
        var result: Result<Freshness, HolderRefusalError>?
        unsafe holder.answer(
            query, needs: PositionNeeds(), knowing: nil, part: { _, _, freshness in result = .success(freshness) },
            refused: { result = .failure(HolderRefusalError(refusal: $0)) })
        guard let result else { preconditionFailure("neither answered nor refused") }
        return result
    }

    struct HolderRefusalError: Error, Equatable {
        var refusal: HolderRefusal
    }

    @Test(arguments: [
        (asOfMs: UInt64(850), nowMs: UInt64(1_000), boundMs: UInt32.max, ageMs: UInt32(150)),
        (850, 1_000, 150, 150), (850, 840, 0, 0), (0, 1_000, .max, .max), (1_000, 1_000, .max, 100),
    ])
    func answered(asOfMs: UInt64, nowMs: UInt64, boundMs: UInt32, ageMs: UInt32) {
        let expected = Freshness(ageMs: ageMs, newestMs: 77)
        #expect(answer(asOfMs: asOfMs, nowMs: nowMs, boundMs: boundMs) == .success(expected))
    }

    @Test(arguments: [
        (asOfMs: UInt64(850), nowMs: UInt64(1_000), boundMs: UInt32(149), ageMs: UInt32(150)),
        (0, 1_000, .max - 1, .max), (850, 1_000_000_000_000, 5, .max),
    ])
    func refused(asOfMs: UInt64, nowMs: UInt64, boundMs: UInt32, ageMs: UInt32) {
        let expected = HolderRefusalError(refusal: .stale(ageMs: ageMs))
        #expect(answer(asOfMs: asOfMs, nowMs: nowMs, boundMs: boundMs) == .failure(expected))
    }
}
