// The steps of a message and of a request, one small benchmark each. `Benchmarks/counts.sh` runs this under callgrind and
// compares the counts with Benchmarks/Thresholds/counts.tsv; without valgrind it only does the work.

import CCallgrind
import Decode
import HTTP1
import Model
import Placement
import Query
import Render
import Selection
import Store
import Wire

var counter = Counter()
if !favorites_counts_is_on() { print("not under valgrind: nothing is counted; use Benchmarks/counts.sh") }
countMessages(&counter)
countHolder(&counter)
countFrames(&counter)
countRequests(&counter)
countPlacement(&counter)
countSnapshots(&counter)
print("checksum: \(counter.checksum)")

// MARK: - A message: decode, render, insert, update

func countMessages(_ counter: inout Counter) {
    let fixture = Fixture(isLoaded: false)
    var decoder = Decoder()
    var arena = MessageArena()
    counter.count("decode", 1_000) { index in
        let sample = fixture.events[index]
        do throws(InvalidMessage) {
            _ = try decoder.decode(.event, key: sample.key.span, value: sample.value.span, into: &arena)
        } catch {
            preconditionFailure("\(error)")
        }
        return arena.bytes.count
    }
    var text = TextBuffer()
    counter.count("render", 1_000) { index in
        text.removeAll()
        render(fixture.events[index], &text)
        return unsafe text.bytes.count
    }
    // The first half goes in as the warming up, the second is counted.
    var inserted = 0
    counter.count("insert", Fixture.events / 2) { _ in
        fixture.apply(fixture.events[inserted])
        inserted += 1
        if inserted % 100 == 0 { fixture.writer.reclaim() }
        return inserted
    }
    var updates = Array((fixture.updates[..<1_000] + fixture.events[..<1_000]).reversed())
    counter.count("update", 1_000) { index in
        // Of two messages in turn, so that each changes the event.
        fixture.apply(updates.removeLast())
        if index % 100 == 99 { fixture.writer.reclaim() }
        return index
    }
    fixture.writer.reclaim()
}

func render(_ sample: Sample, _ text: inout TextBuffer) {
    guard case .event(let event) = sample.message else { preconditionFailure("no event") }
    Fragments.open(event.id, to: &text)
    Fragments.eventMiddle(event, sample.arena, to: &text)
    for participant in sample.arena.participants { Fragments.participantTail(participant, sample.arena, to: &text) }
}

// MARK: - A holder: look up, select; and a router: merge

func countHolder(_ counter: inout Counter) {
    let fixture = Fixture(isLoaded: true)
    let reader = StoreReader(fixture.store)
    let places = fixture.eventIDs.map { Partitioner.partition(of: $0, partitions: Fixture.partitions) }
    counter.count("look-up", 1_000) { index in
        reader.read { view in
            guard let found = unsafe view.event(fixture.eventIDs[index], in: places[index]) else { return 0 }
            return unsafe Int(found.slot)
        }
    }
    let holder = StoreHolder(fixture.store, nowMs: { 0 })
    let queries = (0..<200).map(fixture.query)
    counter.count("select", queries.count) { index in
        var found = 0
        unsafe holder.answer(
            queries[index], needs: PositionNeeds(), knowing: nil,
            part: { part, _, _ in found = unsafe part.events.count },
            refused: { preconditionFailure("refused: \($0)") })
        return found
    }
    var builder = AnswerBuilder()
    let query = queries[0]
    var body = [UInt8](repeating: 0, count: 1 << 16)
    unsafe holder.answer(
        query, needs: PositionNeeds(), knowing: nil,
        part: { part, _, _ in
            counter.count("merge", 200) { _ in
                builder.begin(query.request, eventsPerTeamMax: query.eventsPerTeamMax)
                unsafe builder.add(part, rank: 0)
                builder.finish()
                let count = builder.bodyCount
                unsafe body.withUnsafeMutableBytes {
                    unsafe builder.write(to: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]))
                }
                return count
            }
        }, refused: { preconditionFailure("refused: \($0)") })
}

// MARK: - A link: the frame of a part there and back

func countFrames(_ counter: inout Counter) {
    let fixture = Fixture(isLoaded: true)
    let holder = StoreHolder(fixture.store, nowMs: { 0 })
    var (writer, reader) = (PartWriter(), PartReader())
    var read = unsafe Part()
    var load = NodeLoad()
    var memory = [UInt8](repeating: 0, count: 1 << 16)
    unsafe holder.answer(
        fixture.query(0), needs: PositionNeeds(), knowing: nil,
        part: { part, shown, _ in
            guard let shown else { preconditionFailure("a part without its position") }
            var position = shown
            counter.count("frame", 200) { _ in
                unsafe memory.withUnsafeMutableBytes { bytes in
                    var frame = unsafe FrameWriter(bytes)
                    unsafe writer.write(part, shown: shown, load: load, request: 1, to: &frame)
                    let body = unsafe UnsafeRawBufferPointer(rebasing: bytes[FrameHeader.bytes..<frame.count])
                    do throws(WireError) {
                        unsafe try reader.read(body, into: &read, shown: &position, load: &load)
                    } catch {
                        preconditionFailure("\(error)")
                    }
                    return unsafe read.events.count
                }
            }
        }, refused: { preconditionFailure("refused: \($0)") })
}

// MARK: - A client's request: head and parameters

func countRequests(_ counter: inout Counter) {
    let ids = (0..<10).map { "so0-2025-26-\($0 * 37)" }.joined(separator: ",")
    let target = "/v1/api/app/mym/soccer?eventIds=\(ids)&teamIds=so0-t1,so0-t2,so0-t3"
    let head = Array("GET \(target) HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: cdn\r\nAccept: */*\r\n\r\n".utf8)
    var headParser = RequestHeadParser()
    var parser = RequestParser(rules: SelectionRules())
    counter.count("http-parse", 1_000) { _ in
        headParser.reset()
        guard case .complete = headParser.parse(head.span) else { preconditionFailure("no whole head") }
        return headParser.head.count
    }
    let (path, query) = (headParser.head.path.range, headParser.head.query.range)
    counter.count("parameters", 1_000) { _ in
        do throws(Problem) {
            guard
                case .matches(let matches) = try parser.parse(
                    path: head.span.extracting(path), query: head.span.extracting(query))
            else { preconditionFailure("no mym") }
            return matches.eventIDs.count
        } catch {
            preconditionFailure("\(error)")
        }
    }
}

// MARK: - The cluster: a key's partition, the placement of all

func countPlacement(_ counter: inout Counter) {
    let ids = (0..<1_000).compactMap { ID("so0-2025-26-\($0)") }
    counter.count("partition", ids.count) { Int(Partitioner.partition(of: ids[$0], partitions: 64).rawValue) }
    let members = (0..<9).compactMap { ID("node-\($0)") }.map { PlacementMember(id: $0) }
    counter.count("ring", 5) { index in
        Placement.place(members: Array(members.dropFirst(index % 2)), partitions: 64, replicas: .count(2))
            .copiesOverBound
    }
}
