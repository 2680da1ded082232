import Model
import Placement
import Testing

struct PartitionerTests {
    /// The values of Kafka's own `UtilsTest.testMurmur2`.
    static let golden: [(String, Int32)] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ]

    @Test(arguments: golden)
    func murmur2IsKafkas(key: String, hash: Int32) {
        let bytes = Array(key.utf8)
        #expect(Partitioner.murmur2(bytes.span) == hash)
    }

    @Test(arguments: 1...70)
    func idAndItsBytesAgree(count: Int) {
        let bytes = (0..<count).map { UInt8(0x61 + ($0 * 7 + count) % 26) }
        guard let id = ID(bytes.span) else {
            #expect(count > ID.bytesMax)
            return
        }
        for partitions in [1, 2, 12, 511, 512] {
            let expected = Int(Partitioner.murmur2(bytes.span) & 0x7fff_ffff) % partitions
            #expect(Partitioner.partition(of: id, partitions: partitions) == PartitionID(expected))
            #expect(Partitioner.partition(of: bytes.span, partitions: partitions) == PartitionID(expected))
        }
    }
}
