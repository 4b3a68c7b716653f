import Primitives

/// ⌊x/2^f⌋ of shared x, over whatever profile. Needs −2⁶² ≤ x < 2⁶² and 0 < f ≤ 32; range analysis must prove it.
///
/// x + 2⁶² = A + B − w·2⁶⁴, where side A knows A (with the 2⁶²) and side B knows B. As x + 2⁶² < 2⁶³, the wrap w is the OR of
/// both top bits. Both sides shift their part; (1 − msb A)(1 − msb B) in ℤ/2³² takes back the wrap, since 64 − f ≥ 32.
/// Floor on one side and ceiling on the other: no bias, the result is ⌊x/2^f⌋ or one more, the latter with probability
/// frac(x/2^f). Exactly: floor on both, plus the carry out of the f low bits.
/// Source: reference/r4.md §7, also on what the rounding of an opened value shows. Dropping w would be wrong with probability
/// |x|/2⁶⁴ a value.
extension Machine {
    /// - Cost (R4): 2 rounds; 320 bits an element in all.
    package func truncated(_ x: Words, bits f: Int) async throws(SessionError) -> Words {
        precondition(f > 0 && f <= 32)
        let (shifted, calm) = try await together(
            { () throws(SessionError) in
                let (a, b) = try await sides(of: x, planes: x.planes, count: x.count, in: Z64.self) { side, v in
                    side == 0 ? Truncation.floorOfOffset(v, f) : Truncation.ceiling(v, f)
                }
                return a + b
            }, { () throws(SessionError) in try await notWrapped(x) })
        return Truncation.unwrap(shifted, calm, f)
    }

    /// - Cost (R4): 4 + ⌈log₂ ⌈f/4⌉⌉ rounds; at f = 20: 7 rounds, 920 bits an element in all.
    package func truncatedExactly(_ x: Words, bits f: Int) async throws(SessionError) -> Words {
        precondition(f > 0 && f <= 32 && x.planes == 1)
        let (shifted, (calm, carry)) = try await together(
            { () throws(SessionError) in
                let (a, b) = try await sides(of: x, planes: 1, count: x.count, in: Z64.self) { side, v in
                    side == 0 ? Truncation.floorOfOffset(v, f) : v.map { $0 >> UInt64(f) }
                }
                return a + b
            },
            { () throws(SessionError) in
                try await together(
                    { () throws(SessionError) in try await notWrapped(x) },
                    { () throws(SessionError) in try await fromBits(carryOfLowBits(x, f)) })
            })
        return Truncation.unwrap(shifted + carry, calm, f)
    }

    /// 1 − w in ℤ/2³².
    private func notWrapped(_ x: Words) async throws(SessionError) -> Shared<Z32> {
        let (a, b) = try await sides(of: x, planes: x.planes, count: x.count, in: Z32.self) { side, v in
            side == 0 ? Truncation.topBitIsClear(v.map { $0 &+ Truncation.offset }) : Truncation.topBitIsClear(v)
        }
        return try await multiply(a, b)
    }
    /// The carry out of A mod 2^f + B mod 2^f.
    private func carryOfLowBits(_ x: Words, _ f: Int) async throws(SessionError) -> Bits {
        let count = x.count, low = OneHotBlocks(width: f)
        let (a, b) = try await sides(of: x, planes: low.planes, count: count, in: Z2.self) { _, v in low.of(v, count: count) }
        let carries = try await multiply(low.completed(a), low.completed(b), low.carries(count: count))
        return try await carry(carries, blocks: low.sizes.count)
    }
}

/// Steps of truncation that a side, or every party, does for itself.
enum Truncation {
    static let offset: UInt64 = 1 << 62
    static func floorOfOffset(_ a: Column, _ f: Int) -> Column { a.map { ($0 &+ offset) >> UInt64(f) } }
    static func ceiling(_ b: Column, _ f: Int) -> Column {
        let mask: UInt64 = 1 << UInt64(f) - 1
        // (low + mask) >> f is 1 unless low is 0.
        return b.map { ($0 >> UInt64(f)) &+ (($0 & mask) &+ mask) >> UInt64(f) }
    }
    static func topBitIsClear(_ v: Column) -> Column { v.map { 1 &- $0 >> 63 } }
    /// sum − 2^(64−f)·w − 2^(62−f), with w = 1 − calm.
    static func unwrap(_ sum: Words, _ calm: Shared<Z32>, _ f: Int) -> Words {
        let shift = UInt64(64 - f)
        let lifted: Words = calm.map(planes: calm.planes, count: calm.count) { $0.map { $0 << shift } }
        return (sum + lifted).adding(0 &- (1 << shift) &- (1 << (shift - 2)))
    }
}
