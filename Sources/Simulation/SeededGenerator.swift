/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, the same everywhere. For simulation, never for secrets.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64
    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e3779b97f4a7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58476d1ce4e5b9
        z = (z ^ z >> 27) &* 0x94d049bb133111eb
        return z ^ z >> 31
    }
    package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    package mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
    /// True in `percent` of a hundred.
    package mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    package mutating func pick<T>(_ items: [T]) -> T { items[below(items.count)] }
}
