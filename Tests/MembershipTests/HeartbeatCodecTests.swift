import Model
import Placement
import TestSupport
import Testing

@testable import Membership

struct HeartbeatCodecTests {
    static func random(_ random: inout SeededGenerator) -> Heartbeat {
        func address() -> MemberAddress? {
            Bool.random(using: &random)
                ? MemberAddress(host: "host-\(random.next())", port: UInt16.random(in: 0...UInt16.max, using: &random))
                : nil
        }
        let partitions = Int.random(in: 1...Limits.partitionsMax, using: &random)
        return Heartbeat(
            kind: MemberKind.allCases.randomElement(using: &random) ?? .node, id: makeID("m\(random.next())"),
            incarnation: Incarnation(startedMs: Int64.random(in: 0...(1 << 50), using: &random), number: random.next()),
            state: MemberState.allCases.randomElement(using: &random) ?? .joining,
            configuration: ClusterConfiguration(
                partitions: partitions,
                replicas: Bool.random(using: &random) ? .all : .count(Int.random(in: 1...9, using: &random)),
                topics: random.next()),
            link: address(), management: address(), http: address(),
            weight: Int.random(in: 1...PlacementMember.weightMax, using: &random),
            zone: Bool.random(using: &random) ? makeID("zone-1") : nil,
            servingLoad: Bool.random(using: &random) ? Int.random(in: 0...1000, using: &random) : nil,
            generationSeen: Generation(Int64.random(in: -1...(1 << 40), using: &random)),
            positionSeen: Offset(Int64.random(in: 0...(1 << 40), using: &random)),
            clockMs: Int64.random(in: 0...(1 << 50), using: &random),
            holdings: (0..<partitions).filter { _ in Bool.random(using: &random) }.map {
                Holding(
                    partition: PartitionID($0), isReady: Bool.random(using: &random),
                    applied: Offset(Int64(bitPattern: random.next()) / 8), lag: Int64(bitPattern: random.next()) / 8)
            })
    }

    @Test func roundTrips() throws {
        var random = SeededGenerator.forTest()
        for _ in 0..<300 {
            let heartbeat = Self.random(&random)
            #expect(try Heartbeat.decode(heartbeat.encode()) == heartbeat, "seed \(random.seed)")
        }
    }

    @Test func everyTruncationAndEveryAdditionIsRefused() {
        var random = SeededGenerator.forTest()
        for _ in 0..<5 {
            let bytes = Self.random(&random).encode()
            for count in bytes.indices {
                #expect(throws: HeartbeatError.self, "seed \(random.seed) at \(count)") {
                    try Heartbeat.decode(Array(bytes[..<count]))
                }
            }
            #expect(throws: HeartbeatError.malformed(field: "length")) { try Heartbeat.decode(bytes + [0]) }
        }
    }

    /// A flipped bit may give another heartbeat, but then one with a single spelling.
    @Test func everyBitFlipIsRefusedOrReadExactly() {
        var random = SeededGenerator.forTest()
        for _ in 0..<3 {
            let bytes = Self.random(&random).encode()
            for bit in 0..<min(bytes.count, 400) * 8 {
                var flipped = bytes
                flipped[bit >> 3] ^= 1 << UInt8(bit & 7)
                guard let heartbeat = try? Heartbeat.decode(flipped) else { continue }
                #expect(heartbeat.encode() == flipped, "seed \(random.seed) bit \(bit)")
            }
        }
    }

    @Test func noiseNeverTraps() {
        var random = SeededGenerator.forTest()
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...80, using: &random)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            if !bytes.isEmpty { bytes[0] = Heartbeat.version }
            guard let heartbeat = try? Heartbeat.decode(bytes) else { continue }
            #expect(heartbeat.encode() == bytes, "seed \(random.seed)")
        }
    }

    /// Whoever adds a position and a lag, both of which another machine wrote, must not overflow.
    @Test(arguments: [Int64.max, .min]) func positionsThatCannotBeAddedAreRefused(number: Int64) {
        for holding in [
            Holding(partition: PartitionID(0), isReady: true, applied: Offset(number), lag: 0),
            Holding(partition: PartitionID(0), isReady: true, applied: Offset(0), lag: number),
        ] {
            var heartbeat = makeNode("a")
            heartbeat.holdings = [holding]
            #expect(throws: HeartbeatError.self) { try Heartbeat.decode(heartbeat.encode()) }
        }
    }

    @Test func aNewerVersionIsNamed() {
        var bytes = makeNode("a").encode()
        bytes[0] = 9
        #expect(throws: HeartbeatError.unknownVersion(9)) { try Heartbeat.decode(bytes) }
    }

    @Test func sizesStayInBounds() {
        var heartbeat = makeNode("a")
        heartbeat.configuration.partitions = 512
        heartbeat.holdings = (0..<512).map {
            Holding(partition: PartitionID($0), isReady: true, applied: Offset(5_000_000_000), lag: 100)
        }
        #expect(heartbeat.encode().count < 10 << 10)
        heartbeat.holdings = (0..<512).map {
            Holding(partition: PartitionID($0), isReady: true, applied: Offset(.max / 8), lag: .max / 8)
        }
        #expect(heartbeat.encode().count <= Heartbeat.bytesMax)
    }

    @Test(arguments: ["", "two words", "ünï", String(repeating: "h", count: 256)])
    func aBadHostIsNoAddress(host: String) {
        #expect(MemberAddress(host: host, port: 1) == nil)
    }
}
