// Random numbers that depend on the seed alone, the same on every machine: SplitMix64 (Steele, Lea, Flood: Fast
// splittable pseudorandom number generators, 2014). The draws are written out here, because the standard library may
// change how it draws from a generator, and generated offers must stay the same byte for byte.

struct Random {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// 0 or more, below `bound`, which is above 0. The bias of the multiplication is below 2^-32 for our bounds.
    mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

    mutating func chance(_ part: Int, in whole: Int) -> Bool { below(whole) < part }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
}
