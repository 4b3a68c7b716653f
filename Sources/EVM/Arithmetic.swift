import Primitives

// The word operations that only the machine needs: two's complement, EXP, BYTE.

extension U256 {
    /// size bytes from here end within the first `count` bytes.
    @inline(__always) func isWithin(_ count: Int, size: Int) -> Bool {
        fitsUInt64 && l0 < 1 << 62 && Int(truncatingIfNeeded: l0) &+ size <= count
    }
    @inline(__always) func isSame(as b: U256) -> Bool { (l0 ^ b.l0) | (l1 ^ b.l1) | (l2 ^ b.l2) | (l3 ^ b.l3) == 0 }

    @inline(__always) func isLessSigned(than b: U256) -> Bool {
        let flip = UInt64(1) << 63
        return U256(l0, l1, l2, l3 ^ flip) < U256(b.l0, b.l1, b.l2, b.l3 ^ flip)
    }
    private var magnitude: U256 { isNegative ? negated : self }

    /// Rounded towards zero; 0 for a divisor of 0; −2²⁵⁵ / −1 wraps.
    func signedQuotient(by b: U256) -> U256 {
        if b.isZero { return .zero }
        let quotient = magnitude / b.magnitude
        return isNegative != b.isNegative ? quotient.negated : quotient
    }
    /// With the sign of the dividend.
    func signedRemainder(by b: U256) -> U256 {
        if b.isZero { return .zero }
        let remainder = magnitude % b.magnitude
        return isNegative ? remainder.negated : remainder
    }
    /// Square and multiply from the top bit; time depends on the exponent, as its gas does.
    func raised(to exponent: U256) -> U256 {
        var result = U256.one, bit = exponent.bitWidth
        if self == 2 { return exponent.fitsUInt64 ? U256.one.shiftedLeft(exponent.l0) : .zero }
        let limbs = (exponent.l0, exponent.l1, exponent.l2, exponent.l3)
        while bit > 0 {
            bit &-= 1
            result = result &* result
            let limb = bit < 64 ? limbs.0 : bit < 128 ? limbs.1 : bit < 192 ? limbs.2 : limbs.3
            if limb &>> UInt64(bit & 63) & 1 == 1 { result = result &* self }
        }
        return result
    }
    func signExtended(fromByte index: U256) -> U256 {
        guard index.fitsUInt64, index.l0 < 31 else { return self }
        let unused = 248 &- 8 &* index.l0
        return shiftedLeft(unused).shiftedRightSigned(U256(unused))
    }
    /// Most significant first.
    @inline(__always) func byte(at index: U256) -> U256 {
        guard index.fitsUInt64, index.l0 < 32 else { return .zero }
        return U256(shiftedRight(248 &- 8 &* index.l0).l0 & 0xff)
    }
    func shiftedRightSigned(_ count: U256) -> U256 {
        if !isNegative { return count.fitsUInt64 ? shiftedRight(count.l0) : .zero }
        return count.fitsUInt64 ? ~(~self).shiftedRight(count.l0) : .max
    }
}
