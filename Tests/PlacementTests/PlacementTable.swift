// Prints the table of docs/decisions/0001-placement.md:
// FAVORITES_TEST_PLACEMENT_TABLE=1 swift test --filter PlacementTable

import Foundation
import Model
import Placement
import Testing

struct PlacementTable {
    enum Candidate: String, CaseIterable {
        case ring, groups, zones

        func measures(_ members: [PlacementMember], partitions: Int, replicas: Int) -> PlacementMeasures {
            switch self {
            case .ring:
                PlacementMeasures(.place(members: members, partitions: partitions, replicas: .count(replicas)))
            case .groups:
                PlacementMeasures(
                    placeInGroups(members, partitions: partitions, replicas: replicas), members: members)
            case .zones:
                PlacementMeasures(
                    .place(
                        members: members.enumerated().map { index, member in
                            PlacementMember(id: member.id, zone: ID("zone-\(index % replicas)"))
                        }, partitions: partitions, replicas: .count(replicas)))
            }
        }
    }

    static let seeds: Range<UInt64> = 0..<20

    @Test(.enabled(if: ProcessInfo.processInfo.environment["FAVORITES_TEST_PLACEMENT_TABLE"] != nil))
    func table() {
        print("| P | R | N | cover ring/groups/zones | max÷mean | moved, mean | moved, max |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for partitions in [12, 48, 128, 512] {
            for replicas in [2, 3] {
                for count in [3, 4, 5, 6, 8, 12, 16, 24, 32] {
                    print(Self.row(partitions, replicas, count))
                }
            }
        }
    }

    static func row(_ partitions: Int, _ replicas: Int, _ count: Int) -> String {
        var cells = ["\(partitions)", "\(replicas)", "\(count)"]
        var columns = [[String]](repeating: [], count: 4)
        let unit = Double(partitions * replicas) / Double(count)
        for candidate in Candidate.allCases {
            var covers: [Double] = []
            var balances: [Double] = []
            var joins: [Double] = []
            for seed in seeds {
                let members = makeMembers(count, seed: seed)
                let fewer = Array(members.dropLast())
                let large = candidate.measures(members, partitions: partitions, replicas: replicas)
                let small = candidate.measures(fewer, partitions: partitions, replicas: replicas)
                covers.append(Double(seed < 3 ? large.coverSize : large.greedyCoverSize))
                balances.append(large.maxOverMean)
                joins.append(Double(PlacementMeasures.moved(from: small, to: large)) / unit)
            }
            let figures = [mean(covers), mean(balances), mean(joins), joins.max() ?? 0]
            for (index, figure) in figures.enumerated() {
                columns[index].append(String(format: index == 0 ? "%.1f" : "%.2f", figure))
            }
        }
        cells += columns.map { $0.joined(separator: " / ") }
        return "| " + cells.joined(separator: " | ") + " |"
    }

    static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
}
