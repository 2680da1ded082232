// Regions of record memory that another thread has mapped, and cleared by touching them, before the writer needs them: the
// system clears a huge page when it is touched first, which is what takes longest of a bulk load.
//
//   helper ── maps, touches ──► stock ──► writer
//
// Without stock the writer maps for itself.

import CMemory
import Synchronization

public final class RegionStock: Sendable {
    /// The most there are: 16 MiB.
    static let regionsMax = 8

    private struct State {
        /// Addresses. Nobody else knows them.
        var regions: [UInt] = []
        var wanted = 0
        var isFilling = false
    }

    private let state = Mutex(State())

    /// So many regions are to be in stock from now on; what is there above that goes back to the system. Returns whether
    /// somebody should call `fill` now.
    func want(_ count: Int) -> Bool {
        let (surplus, isShort) = state.withLock { state in
            state.wanted = min(count, Self.regionsMax)
            var surplus: [UInt] = []
            while state.regions.count > state.wanted, let region = state.regions.popLast() { surplus.append(region) }
            let isShort = state.regions.count < state.wanted && !state.isFilling
            if isShort { state.isFilling = true }
            return (surplus, isShort)
        }
        for region in surplus { Self.unmap(region) }
        return isShort
    }

    /// Takes one out; nil where none is ready. Its memory is zero.
    func take() -> UnsafeMutableRawPointer? {
        guard let region = state.withLock({ $0.regions.popLast() }) else { return nil }
        return unsafe UnsafeMutableRawPointer(bitPattern: region)
    }

    /// Maps and clears what is wanted: a few milliseconds a region, on whichever thread. Ends where the system has no memory.
    public func fill() {
        while true {
            let isWanted = state.withLock { state in
                if state.regions.count >= state.wanted { state.isFilling = false }
                return state.isFilling
            }
            guard isWanted else { return }
            guard let base = unsafe cmemory_map(Region.bytes, Region.bytes, true) else {
                return state.withLock { $0.isFilling = false }
            }
            // One byte where the page is huge, each page's first where it is not.
            var offset = 0
            while unsafe offset < Region.bytes {
                unsafe base.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
                offset += Self.pageBytes
            }
            let isKept = state.withLock { state in
                guard state.regions.count < state.wanted else { return false }
                state.regions.append(UInt(bitPattern: base))
                return true
            }
            if !isKept { Self.unmap(UInt(bitPattern: base)) }
        }
    }

    private static let pageBytes = 4 << 10

    private static func unmap(_ region: UInt) {
        if let base = unsafe UnsafeMutableRawPointer(bitPattern: region) { unsafe unmap(base) }
    }

    static func unmap(_ base: UnsafeMutableRawPointer) { unsafe cmemory_unmap(base, Region.bytes) }

    deinit { _ = want(0) }
}
