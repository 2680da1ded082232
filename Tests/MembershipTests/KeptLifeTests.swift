import Model
import Testing

@testable import Membership

struct KeptLifeTests {
    static let life = Incarnation(startedMs: 1_772_000_000_123, number: .max)
    static let kept = KeptLife(lock: "boot 1 2", cluster: "topic at a:1,b:2", id: makeID("node-1"), incarnation: life)

    @Test func comesBack() throws {
        let over = try KeptLife.over(
            in: Self.kept.encode(), lock: "boot 1 2", cluster: "topic at a:1,b:2", id: makeID("node-1"))
        #expect(over == Self.life)
    }

    struct Other: Sendable {
        var lock = "boot 1 2"
        var cluster = "topic at a:1,b:2"
        var id = "node-1"
        var refusal: KeptLifeRefusal
    }

    @Test(arguments: [
        Other(lock: "boot 1 3", refusal: .otherLock), Other(lock: "boot2 1 2", refusal: .otherLock),
        Other(cluster: "topic at a:1", refusal: .otherMember), Other(id: "node-2", refusal: .otherMember),
    ])
    func ofAnotherLockOrMemberItTellsNothing(_ other: Other) {
        #expect(throws: other.refusal) {
            try KeptLife.over(
                in: Self.kept.encode(), lock: other.lock, cluster: other.cluster, id: makeID(other.id))
        }
    }

    private static let head = "favorites life 1\nboot 1 2\ntopic at a:1,b:2\n"

    @Test(arguments: [
        "", "\n", "\n\n\n\n\n", "favorites life 1", "favorites life 2\nboot 1 2\ntopic at a:1,b:2\nnode-1\n1 2\n",
        head + "node-1\n1 2", head + "\n1 2\n", head + "node-1\n1\n", head + "node-1\n-1 2\n", head + "node-1\n+1 2\n",
        head + "node-1\n1 -2\n", head + "node-1\n1 99999999999999999999\n", head + "node-1\n1 2\nmore\n",
    ])
    func whatIsNotExactlyWhatWasWrittenTellsNothing(_ text: String) {
        #expect(throws: KeptLifeRefusal.damaged) {
            try KeptLife.over(in: Array(text.utf8), lock: "boot 1 2", cluster: "topic at a:1,b:2", id: makeID("node-1"))
        }
    }

    /// Each byte changed, each length cut: never the life that was kept, unless its digits were not touched.
    @Test func damageIsNeverTakenForTheLife() {
        let bytes = Self.kept.encode()
        for index in bytes.indices {
            for damaged in [Array(bytes[..<index]), bytes[..<index] + [bytes[index] ^ 0x15] + bytes[(index + 1)...]] {
                let over = try? KeptLife.over(
                    in: damaged, lock: "boot 1 2", cluster: "topic at a:1,b:2", id: makeID("node-1"))
                #expect(over != Self.life, "byte \(index)")
            }
        }
    }
}
