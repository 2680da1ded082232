import Decode
import Model
import Store

/// Events of one run that are decoded and not applied yet: few enough to stay in the processor's nearest memory, many
/// enough that their look-ups wait side by side.
struct DecodedEvents {
    private static let countMax = 16

    private struct Entry {
        var event: EventMessage
        var source: TopicPartition
        var offset: Offset
    }

    private var entries: [Entry] = []
    private var arenas = [MessageArena](repeating: MessageArena(), count: countMax)
    /// An arena is taken out of the array while it is used: handing on an element would count references to its three
    /// arrays up and down.
    private var taken = MessageArena()

    var isFull: Bool { entries.count == Self.countMax }

    /// Throws where the message is invalid; then it waits for nothing.
    mutating func add(
        _ source: TopicPartition, _ offset: Offset, key: Span<UInt8>, value: Span<UInt8>, _ decoder: inout Decoder,
        _ writer: StoreWriter
    ) throws(InvalidMessage) {
        let place = entries.count
        swap(&taken, &arenas[place])
        defer { swap(&taken, &arenas[place]) }
        let event = try decoder.decodeEvent(key: key, value: value, into: &taken)
        writer.expect(event, taken, partition: source.partition)
        entries.append(Entry(event: event, source: source, offset: offset))
    }

    mutating func apply(to writer: StoreWriter, _ applied: (ApplyResult, TopicPartition, Offset) -> Void) {
        guard !entries.isEmpty else { return }
        writer.fetchExpected()
        for index in entries.indices {
            let (source, offset) = (entries[index].source, entries[index].offset)
            swap(&taken, &arenas[index])
            let result = writer.apply(entries[index].event, taken, partition: source.partition, offset: offset)
            swap(&taken, &arenas[index])
            applied(result, source, offset)
        }
        entries.removeAll(keepingCapacity: true)
    }
}
