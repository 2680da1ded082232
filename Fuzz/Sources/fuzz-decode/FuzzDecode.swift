// Any bytes as a message: the first byte chooses the model, the rest is the value. The key is the value's own id where
// one can be found by plain search, so that the fuzzer need not invent the same id twice.
//
// It fails on a crash, on a memory error, on an illegal id, on a text that is not UTF-8 or not in the arena, on a reason
// that is too long for a log line, and on a message that reads otherwise with white space around it.

import Decode
import Model
import Synchronization

/// One for all inputs, as ingest has it, so that what one leaves behind for the next is tested too.
private let harness = Mutex(Harness())

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDecode(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let bytes, count > 0 else { return 0 }
    let kind = ModelKind.allCases[Int(bytes[0]) % ModelKind.allCases.count]
    let value = Array(UnsafeBufferPointer(start: bytes + 1, count: count - 1))
    let key = firstID(in: value)
    harness.withLock { harness in
        let plain = harness.trace(kind, key, value)
        guard value.count + 2 <= Limits.messageBytesMax else { return }
        let spaced = harness.trace(kind, key, [0x20] + value + [0x0A])
        precondition(plain == spaced, "White space changes the message.")
    }
    return 0
}

/// What stands in the quotes behind the first `"id":`, or else `x`.
private func firstID(in value: [UInt8]) -> [UInt8] {
    let name = Array(#""id":""#.utf8)
    guard let start = value.firstRange(of: name)?.upperBound,
        let end = value[start...].firstIndex(of: 0x22), end > start
    else { return [0x78] }
    return Array(value[start..<end])
}

private struct Harness: ~Copyable {
    var decoder = Decoder()
    var arena = MessageArena()

    /// All that the message holds; nil where it is invalid.
    mutating func trace(_ kind: ModelKind, _ key: [UInt8], _ value: [UInt8]) -> [UInt8]? {
        do throws(InvalidMessage) {
            let message = try decoder.decode(kind, key: key.span, value: value.span, into: &arena)
            var trace = Trace(arena: arena)
            trace.add(message, kind, key)
            return trace.bytes
        } catch {
            precondition(!error.description.isEmpty && error.description.utf8.count < 120)
            return nil
        }
    }
}

/// Checks what every message promises, and notes it.
private struct Trace {
    let arena: MessageArena
    var bytes: [UInt8] = []

    mutating func add(_ message: Message, _ kind: ModelKind, _ key: [UInt8]) {
        switch message {
        case .event(let event):
            addOwn(event.id, key, kind == .event)
            add(event)
        case .participant(let team):
            addOwn(team.id, key, kind == .participant)
            add(Int64(team.sport.rawValue))
            for text in [team.name, team.shortName, team.abbreviation, team.imageURL] { add(text) }
            add(team.regionID)
        case .stage(let stage):
            addOwn(stage.id, key, kind == .stage)
            add(Int64(stage.sport.rawValue))
            for text in [stage.name, stage.slug] { add(text) }
            for id in [stage.categoryID, stage.seasonID] { add(id) }
            for position in [stage.positionScores, stage.positionTeams] { add(position) }
        case .season(let season):
            addOwn(season.id, key, kind == .season)
            add(season.name)
        case .region(let region):
            addOwn(region.id, key, kind == .region)
            for text in [region.name, region.code] { add(text) }
        case .category(let category):
            addOwn(category.id, key, kind == .category)
            add(Int64(category.sport.rawValue))
            for text in [category.name, category.slug] { add(text) }
            add(category.regionID)
        }
    }

    private mutating func add(_ event: EventMessage) {
        add(event.stageID)
        for number in [Int64(event.sport.rawValue), Int64(event.status.rawValue), event.minute] { add(number) }
        precondition(event.start >= .earliest && event.start <= .latest)
        precondition(Timestamp(event.start.description) == event.start)
        add(event.start.milliseconds)
        add(event.period)
        precondition((1...Limits.participantsPerEventMax).contains(arena.participants.count))
        var scoresCount = 0
        for participant in arena.participants {
            add(participant.id)
            add(participant.score)
            guard let scores = participant.periodScores else { continue }
            precondition(scores.lowerBound == scoresCount)
            scoresCount = scores.upperBound
            for score in arena.periodScores[scores] { add(score) }
        }
        precondition(arena.periodScores.count == scoresCount)
    }

    private mutating func addOwn(_ id: ID, _ key: [UInt8], _ isKind: Bool) {
        precondition(isKind)
        precondition(id.description.utf8.elementsEqual(key))
        add(id)
    }

    private mutating func add(_ id: ID?) {
        bytes.append(id == nil ? 0 : 1)
        guard let id else { return }
        precondition(ID(id.description) == id)
        id.append(to: &bytes)
    }

    private mutating func add(_ text: Text?) {
        bytes.append(text == nil ? 0 : 1)
        guard let text else { return }
        let slice = arena.bytes[text.offset..<text.offset + text.count]
        precondition(String(validating: slice, as: UTF8.self) != nil)
        bytes += slice
    }

    private mutating func add(_ number: Int64?) {
        bytes += Array("\(number.map(String.init) ?? "-") ".utf8)
    }
}
