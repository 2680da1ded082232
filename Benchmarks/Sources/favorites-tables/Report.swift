import Foundation

/// A median with least and most.
struct Spread: Codable {
    var median: Double
    var least: Double
    var most: Double

    init(_ values: [Double]) {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        least = sorted.first ?? 0
        most = sorted.last ?? 0
    }

    func text(_ digits: Int) -> String {
        [median, least, most].map { String(format: "%.\(digits)f", $0) }.joined(separator: " / ")
    }
}

/// What the rounds gave, and the ratios, each formed within a round.
struct Report {
    private struct Rates {
        var one: [Double] = []
        var two: [Double] = []
        var without: [Double] = []
        var updated: [Double] = []
        var updates: [Double] = []
    }

    private struct Row: Codable {
        var name: String
        var millionsOneReader: Spread
        var timesOfPeer: Spread
        var twoReadersByOne: Spread
        var updatedByWithout: Spread
        var updatesPerSecond: Spread
    }

    private struct Document: Codable {
        var records: Int
        var jsonBytes: Int
        var lookups: Int
        var rounds: Int
        var betterPeer: String
        var rows: [Row]
    }

    private let names: [String]
    private let options: Options
    private let jsonBytes: Int
    private var rates: [Rates]
    /// The bar is set by the better of these.
    private let peers = ["liburcu qsbr", "liburcu memb", "tbb"]

    init(_ names: [String], _ options: Options, jsonBytes: Int) {
        self.names = names
        self.options = options
        self.jsonBytes = jsonBytes
        rates = names.map { _ in Rates() }
    }

    mutating func add(_ side: Int, _ one: Rate, _ two: Rate) {
        rates[side].one.append(one.perSecond)
        rates[side].two.append(two.perSecond)
    }

    mutating func addUpdated(_ side: Int, _ without: Rate, _ updated: Rate) {
        rates[side].without.append(without.perSecond)
        rates[side].updated.append(updated.perSecond)
        rates[side].updates.append(updated.updatesPerSecond)
    }

    private var document: Document {
        let better =
            names.indices.filter { peers.contains(names[$0]) }
            .max { Spread(rates[$0].one).median < Spread(rates[$1].one).median } ?? 0
        func ratio(_ left: [Double], _ right: [Double]) -> Spread { Spread(zip(left, right).map { $0 / $1 }) }
        let rows = names.indices.map { side in
            Row(
                name: names[side], millionsOneReader: Spread(rates[side].one.map { $0 / 1e6 }),
                timesOfPeer: ratio(rates[side].one, rates[better].one),
                twoReadersByOne: ratio(rates[side].two, rates[side].one),
                updatedByWithout: ratio(rates[side].updated, rates[side].without),
                updatesPerSecond: Spread(rates[side].updates))
        }
        return Document(
            records: options.records, jsonBytes: jsonBytes, lookups: options.lookups, rounds: options.rounds,
            betterPeer: names[better], rows: rows)
    }

    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        guard let data = try? encoder.encode(document) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    var table: String {
        let document = document
        var lines = [
            "\(document.records) records of \(document.jsonBytes) bytes of JSON, \(document.lookups) look-ups a reader, "
                + "\(document.rounds) rounds; median / least / most",
            "",
            "| table | M look-ups/s, 1 reader | ÷ \(document.betterPeer) | 2 readers ÷ 1 | with updates ÷ without | updates/s |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for row in document.rows {
            lines.append(
                "| \(row.name) | \(row.millionsOneReader.text(2)) | \(row.timesOfPeer.text(2)) "
                    + "| \(row.twoReadersByOne.text(2)) | \(row.updatedByWithout.text(2)) "
                    + "| \(row.updatesPerSecond.text(0)) |")
        }
        return lines.joined(separator: "\n")
    }
}
