import Primitives
import Testing

/// A reference that shares nothing with the code under test: bit by bit.
private func divideSlowly(_ a: U256, _ b: U256) -> (U256, U256) {
    var quotient = U256.zero, rest = U256.zero
    for i in (0..<256).reversed() {
        let carried = rest.isNegative
        rest = rest.shiftedLeft(1) | (a.shiftedRight(UInt64(i)) & .one)
        if carried || rest >= b {
            rest = rest &- b
            quotient = quotient | U256.one.shiftedLeft(UInt64(i))
        }
    }
    return (quotient, rest)
}

private struct Sequence64 {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6364136223846793005 &+ 1442695040888963407
        var x = state ^ state >> 33
        x = x &* 0xff51afd7ed558ccd
        return x ^ x >> 33
    }
    /// Words of every width, with runs of ones: the carries that uniform words never meet.
    mutating func word() -> U256 {
        func limb(_ kind: UInt64, _ value: UInt64) -> UInt64 { kind == 0 ? 0 : kind == 1 ? .max : kind == 2 ? 1 << 63 : value }
        let kinds = next()
        return U256(limb(kinds & 7, next()), limb(kinds >> 3 & 7, next()), limb(kinds >> 6 & 7, next()), limb(kinds >> 9 & 7, next()))
            .shiftedRight(kinds >> 12 & 255)
    }
}

@Test func divisionAgreesWithTheSchoolMethod() {
    var random = Sequence64(state: 1)
    for _ in 0..<20_000 {
        let a = random.word(), b = random.word()
        if b.isZero { continue }
        let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
        let (q, r) = divideSlowly(a, b)
        #expect(quotient == q && remainder == r, "\(a) / \(b)")
    }
}

@Test func modularProductAgreesWithDoublingAndAdding() {
    var random = Sequence64(state: 2)
    for _ in 0..<500 {
        let a = random.word(), b = random.word(), m = random.word()
        if m.isZero { continue }
        var expected = U256.zero, power = a % m
        for i in 0..<256 {
            if !(b.shiftedRight(UInt64(i)) & .one).isZero { expected = U256.addModulo(expected, power, m) }
            power = U256.addModulo(power, power, m)
        }
        #expect(U256.multiplyModulo(a, b, m) == expected, "\(a) * \(b) % \(m)")
    }
}

@Test func sumsModuloAgreeWithSubtractionFromTheModulus() {
    var random = Sequence64(state: 3)
    for _ in 0..<2_000 {
        let m = random.word()
        if m.isZero { continue }
        let a = random.word() % m, b = random.word() % m
        let gap = m &- b
        #expect(U256.addModulo(a, b, m) == (a >= gap ? a &- gap : a &+ b))
    }
}

@Test func decimalAndHexRoundTrip() {
    var random = Sequence64(state: 4)
    for _ in 0..<500 {
        let a = random.word()
        #expect(U256(decimal: a.decimal) == a)
        #expect(U256(hex: a.quantity) == a)
        #expect(U256(a.hash) == a)
    }
    #expect(U256(decimal: "115792089237316195423570985008687907853269984665640564039457584007913129639936") == nil)
    #expect(U256.max.decimal == "115792089237316195423570985008687907853269984665640564039457584007913129639935")
}
