// Look-ups of events by id: the store beside liburcu's `cds_lfht`, oneTBB's `concurrent_hash_map` and
// `std::unordered_map` under a shared mutex.
//
//     favorites-tables [--records 1000000] [--rounds 7] [--lookups 2000000] [--json FILE]
//
// All sides hold the same ids and, for each, a start and the same JSON. A look-up is given the id in the form that the
// side's keys have (ours `ID`, theirs hash, length and bytes), hashed before the clock runs on every side: in use an id
// is hashed where it is taken out of the request. Each side compares the id and reads the record's start and the first
// bytes of its JSON. The store has one partition here; in use a partition is found before, for all sides alike. All look the same ids up in the same random order; the sums of what they read
// must agree. Sides take turns within a round; the result is the median of the rounds with least and most.

import CTablePeers
import Foundation
import Model
import Store

/// What was asked for on the command line.
struct Options {
    var records = 1_000_000
    var rounds = 7
    var lookups = 2_000_000
    /// Where the same figures go as JSON.
    var json: String?

    init?(_ arguments: [String]) {
        var arguments = arguments[...]
        while let argument = arguments.popFirst() {
            if argument == "--json" {
                json = arguments.popFirst()
                continue
            }
            guard let value = arguments.popFirst().flatMap({ Int($0) }), value > 0 else { return nil }
            switch argument {
            case "--records": records = value
            case "--rounds": rounds = value
            case "--lookups": lookups = (value + 15) / 16 * 16
            default: return nil
            }
        }
    }
}

@main
enum Tables {
    static func main() throws {
        guard let options = Options(Array(CommandLine.arguments.dropFirst())) else {
            print("usage: favorites-tables [--records N] [--rounds N] [--lookups N] [--json FILE]")
            return
        }
        let offer = Offer(records: options.records)
        let ids = offer.lookups(count: options.lookups)
        let ours = Ours(offer)
        let peers = unsafe [peer_qsbr, peer_memb, peer_tbb, peer_std].map { unsafe PeerSide($0, ours, offer) }
        let sides: [any Side] = [StoreSide(ours, isBatched: false), StoreSide(ours, isBatched: true)] + peers
        var report = Report(sides.map(\.name), options, jsonBytes: ours.jsonBytes / options.records)
        for round in 0..<options.rounds {
            var sums: Set<UInt64> = []
            // Who begins changes from round to round.
            for place in sides.indices {
                let side = (place + round) % sides.count
                let alone = measure(sides[side], ids, readers: 1)
                report.add(side, alone, measure(sides[side], ids, readers: 2))
                if round == 0 { sums.insert(alone.sum) }
            }
            precondition(sums.count <= 1, "the sides read different records")
        }
        // Updates change what the peers hold, so they come last.
        for round in 0..<options.rounds {
            for place in sides.indices {
                let side = (place + round) % sides.count
                let without = measure(sides[side], ids, readers: 1)
                report.addUpdated(
                    side, without, measure(sides[side], ids, readers: 1, updatesOf: options.records, from: round))
            }
        }
        if let path = options.json { try report.json.write(toFile: path, atomically: true, encoding: .utf8) }
        print(report.table)
    }
}
