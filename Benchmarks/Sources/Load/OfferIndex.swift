// What of an offer folder the requests are made of: ids of one sport's events, and of its teams.

import CLoad
import Decode
import Glibc
import Model
package import TestSupport

package struct LoadError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// A folder of `{events,participants,…}.ndjson[.gz]`, as `favorites generate` writes it.
package struct DataFolder: Sendable {
    /// Names and models of the files, references first.
    private static let files: [(name: String, kind: ModelKind)] = [
        ("regions", .region), ("categories", .category), ("seasons", .season), ("stages", .stage),
        ("participants", .participant), ("events", .event),
    ]

    private let path: String

    package init(path: String) { self.path = path }

    /// The naive reference, loaded with everything.
    package func reference() throws(LoadError) -> Reference {
        let reference = Reference()
        for file in Self.files {
            try forEachLine(file.name) { (key, value) throws(LoadError) in
                let reason = reference.apply(file.kind, key: copy(key), value: copy(value))
                guard let reason else { return }
                throw LoadError("\(file.name) of \(path): the message \(text(key)) is invalid: \(reason)")
            }
        }
        return reference
    }

    /// Reads the events alone.
    package func index(sport: String) throws(LoadError) -> OfferIndex {
        guard let wanted = Sport(Array(sport.utf8).span) else { throw LoadError("there is no sport \(sport)") }
        var decoder = Decoder()
        var arena = MessageArena()
        var index = OfferIndex(sport: sport)
        var teams: Set<String> = []
        var ahead: Set<String> = []
        try forEachLine("events") { (key, value) throws(LoadError) in
            let message: Message
            do throws(InvalidMessage) {
                message = try decoder.decode(.event, key: key, value: value, into: &arena)
            } catch {
                throw LoadError("events of \(path): the message \(text(key)) is invalid: \(error)")
            }
            guard case .event(let event) = message, event.sport == wanted else { return }
            index.events.append(text(key))
            for participant in arena.participants {
                let id = "\(participant.id)"
                teams.insert(id)
                if event.status == .notStarted || event.status == .inProgress { ahead.insert(id) }
            }
        }
        guard !index.events.isEmpty else { throw LoadError("\(path) has no event of \(sport)") }
        index.teams = (ahead.isEmpty ? teams : ahead).sorted()
        return index
    }

    /// Each line reads `{"key":"…","value":…}`; a key has no escapes.
    private func forEachLine(
        _ name: String, _ body: (_ key: Span<UInt8>, _ value: Span<UInt8>) throws(LoadError) -> Void
    ) throws(LoadError) {
        let bytes = try contents(name)
        var (at, number) = (0, 0)
        while at < bytes.count {
            number += 1
            let rest = bytes.span.extracting(at..<bytes.count)
            let line = rest.extracting(0..<(lineFeed(rest) ?? rest.count))
            at += line.count + 1
            if line.isEmpty { continue }
            guard let (key, value) = parts(line) else {
                throw LoadError("\(name) of \(path), line \(number): not {\"key\":\"…\",\"value\":…}")
            }
            try body(line.extracting(key), line.extracting(value))
        }
    }

    private func parts(_ line: Span<UInt8>) -> (key: Range<Int>, value: Range<Int>)? {
        let (opening, middle) = (Array(#"{"key":""#.utf8), Array(#"","value":"#.utf8))
        guard has(line, opening, at: 0), line[line.count - 1] == 0x7D,
            let quote = (opening.count..<line.count).first(where: { line[$0] == 0x22 }), has(line, middle, at: quote)
        else { return nil }
        return (opening.count..<quote, quote + middle.count..<line.count - 1)
    }

    private func has(_ line: Span<UInt8>, _ text: [UInt8], at start: Int) -> Bool {
        line.count > start + text.count && text.indices.allSatisfy { line[start + $0] == text[$0] }
    }

    /// zlib's gzread serves both: it passes through what has no gzip header.
    private func contents(_ name: String) throws(LoadError) -> [UInt8] {
        let names = ["\(path)/\(name).ndjson", "\(path)/\(name).ndjson.gz"]
        guard let found = names.first(where: { unsafe access($0, R_OK) == 0 }), let file = unsafe gzopen(found, "rb")
        else { throw LoadError("\(path) has no \(name).ndjson or \(name).ndjson.gz that can be read") }
        defer { _ = unsafe gzclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe gzread(file, $0.baseAddress, UInt32($0.count)) }
            guard count >= 0 else { throw LoadError("\(found) is broken") }
            guard count > 0 else { return bytes }
            bytes += chunk.prefix(Int(count))
        }
    }
}

private func copy(_ bytes: Span<UInt8>) -> [UInt8] { bytes.indices.map { bytes[$0] } }
private func text(_ bytes: Span<UInt8>) -> String { String(decoding: copy(bytes), as: UTF8.self) }

package struct OfferIndex: Sendable {
    package let sport: String
    /// In the order of the file.
    package var events: [String] = []
    /// Those with a match ahead or running; where there is none, all. Sorted.
    package var teams: [String] = []

    package init(sport: String, events: [String] = [], teams: [String] = []) {
        self.sport = sport
        self.events = events
        self.teams = teams
    }
}
