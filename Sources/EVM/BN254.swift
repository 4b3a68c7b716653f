import Primitives

/// The pairing-friendly curve of the precompiled contracts 6, 7, 8 (EIP-196, 197): y² = x³ + 3 over F_p of 254 bits, its sextic
/// twist over F_p², and the optimal ate pairing.
///
/// ξ = 9 + u. Final exponentiation of Devegili, Scott, Dahab (Pairing 2007); subgroup check below. Nothing is constant-time.
enum BN254 {
    /// 0x44e992b44a6909f1: the curve's parameter; p, r and the trace are polynomials in it.
    static let x: UInt64 = 0x44e9_92b4_4a69_09f1
}

// MARK: contracts

extension BN254 {
    static func add(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        (Jacobian(try point(input, 0)) + Jacobian(try point(input, 64))).encoded
    }
    static func multiply(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        Jacobian(try point(input, 0)).multiplied(by: word(input, 64)).encoded
    }
    /// Whether the product of the pairings is one.
    static func pairing(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        guard input.count % 192 == 0 else { throw .precompileFailed }
        var product = Fp12<Fp254>.one
        for start in stride(from: 0, to: input.count, by: 192) {
            let p = try point(input, start), q = try twistPoint(input, start + 64)
            if let p, let q { product = product * millerLoop(p, q) }
        }
        return U256(finalExponentiation(product) == .one ? 1 : 0 as UInt64).bytes
    }

    private static func coordinate(_ input: UnsafeRawBufferPointer, _ start: Int) throws(HaltReason) -> Fp254 {
        let value = word(input, start)
        guard value < Fp254.modulus else { throw .precompileFailed }
        return Fp254(value)
    }
    /// nil: the point at infinity, written as two zeros.
    private static func point(_ input: UnsafeRawBufferPointer, _ start: Int) throws(HaltReason) -> Affine<Fp254>? {
        let x = try coordinate(input, start), y = try coordinate(input, start + 32)
        if x.isZero, y.isZero { return nil }
        guard y * y == x * x * x + Fp254(3) else { throw .precompileFailed }
        return Affine(x: x, y: y)
    }
    /// Imaginary parts come first. The twist has points outside the subgroup of order r, which are refused.
    private static func twistPoint(_ input: UnsafeRawBufferPointer, _ start: Int) throws(HaltReason) -> Affine<Fp2<Fp254>>? {
        let x1 = try coordinate(input, start), x0 = try coordinate(input, start + 32)
        let y1 = try coordinate(input, start + 64), y0 = try coordinate(input, start + 96)
        let x = Fp2(x0, x1), y = Fp2(y0, y1)
        if x.isZero, y.isZero { return nil }
        guard y * y == x * x * x + Fp254.twistB, isInSubgroup(Affine(x: x, y: y)) else { throw .precompileFailed }
        return Affine(x: x, y: y)
    }

    /// ψ(Q) = [6x²]Q, with ψ the p-power map on the twist. ψ² − tψ + p = 0 and 6x² = t − 1 give then [p + 1 − t]Q = [r]Q = 0.
    private static func isInSubgroup(_ q: Affine<Fp2<Fp254>>) -> Bool {
        let multiple = Jacobian(q).multiplied(by: U256(x) &* U256(x) &* 6)
        return multiple == Jacobian(psi(q))
    }
    static func psi(_ q: Affine<Fp2<Fp254>>) -> Affine<Fp2<Fp254>> {
        Affine(x: q.x.conjugate * Fp254.frobenius[2], y: q.y.conjugate * Fp254.frobenius[3])
    }
}

// MARK: pairing

extension BN254 {
    /// f_{6x+2, Q}(P) and the two lines of the optimal ate pairing. 6x + 2 in non-adjacent form, most significant digit first.
    private static func millerLoop(_ p: Affine<Fp254>, _ q: Affine<Fp2<Fp254>>) -> Fp12<Fp254> {
        let loop = 6 * UInt128(x) + 2, plus = 3 * loop & ~loop, minus = ~(3 * loop) & loop  // digit i is bit i + 1
        let negative = Affine(x: q.x, y: -q.y)
        var runner = Runner(q), f = Fp12<Fp254>.one
        for bit in (1...65).reversed() {
            f = f * f * runner.double(at: p)
            if plus >> UInt128(bit) & 1 == 1 { f = f * runner.add(q, at: p) }
            if minus >> UInt128(bit) & 1 == 1 { f = f * runner.add(negative, at: p) }
        }
        let q1 = psi(q), q2 = psi(q1)
        f = f * runner.add(q1, at: p)
        return f * runner.add(Affine(x: q2.x, y: -q2.y), at: p)
    }

    /// f^((p¹² − 1)/r)
    private static func finalExponentiation(_ f: Fp12<Fp254>) -> Fp12<Fp254> {
        let easy = f.conjugate * f.inverse
        let g = easy.frobenius.frobenius * easy
        let gx = g.raised(to: x), gx2 = gx.raised(to: x), gx3 = gx2.raised(to: x)
        let g1 = g.frobenius, g2 = g1.frobenius, g3 = g2.frobenius, gx2p = gx2.frobenius
        // Inverses are conjugates from here on.
        let y0 = g1 * g2 * g3, y1 = g.conjugate, y2 = gx2p.frobenius, y3 = gx.frobenius.conjugate, y4 = (gx * gx2p).conjugate
        let y5 = gx2.conjugate, y6 = (gx3 * gx3.frobenius).conjugate
        let t0 = y6 * y6 * y4 * y5, t1 = y3 * y5 * t0, t2 = t0 * y2
        let t3 = t1 * t1 * t2, t4 = t3 * t3, t5 = t4 * y1
        return t5 * t5 * (t4 * y0)
    }
}

/// The base field, in Montgomery form.
struct Fp254: PairingField {
    /// value · 2²⁵⁶ mod p
    private var m: U256

    static let modulus = U256(0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029)

    private static let radixSquared = U256(0xf32cfc5b538afa89, 0xb5e71911d44501fb, 0x47ab1eff0a417ff6, 0x06d89f71cab8351f)

    static let zero = Fp254(montgomery: .zero)
    static let one = Fp254(U256.one)

    private init(montgomery: U256) { m = montgomery }
    /// `value` < p
    init(_ value: U256) { m = Self.product(value, Self.radixSquared) }

    var value: U256 { Self.product(m, .one) }
    var isZero: Bool { m.isZero }

    @inline(__always) private static func multiplyAdd(_ t: UInt64, _ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 {
        let p = UInt128(a) &* UInt128(b) &+ UInt128(t) &+ UInt128(carry)
        carry = UInt64(truncatingIfNeeded: p >> 64)
        return UInt64(truncatingIfNeeded: p)
    }
    /// Montgomery's product, operand scanning (CIOS); p < 2²⁵⁴, so no word beyond the fifth is needed.
    private static func product(_ a: U256, _ b: U256) -> U256 {
        let p = U256(0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029)
        var t0: UInt64 = 0, t1: UInt64 = 0, t2: UInt64 = 0, t3: UInt64 = 0, t4: UInt64 = 0
        @inline(__always) func step(_ x: UInt64) {
            var c: UInt64 = 0
            t0 = multiplyAdd(t0, x, b.l0, &c)
            t1 = multiplyAdd(t1, x, b.l1, &c)
            t2 = multiplyAdd(t2, x, b.l2, &c)
            t3 = multiplyAdd(t3, x, b.l3, &c)
            t4 = t4 &+ c
            let k = t0 &* 0x87d2_0782_e486_6389  // −p⁻¹ mod 2⁶⁴
            c = 0
            _ = multiplyAdd(t0, k, p.l0, &c)
            t0 = multiplyAdd(t1, k, p.l1, &c)
            t1 = multiplyAdd(t2, k, p.l2, &c)
            t2 = multiplyAdd(t3, k, p.l3, &c)
            t3 = t4 &+ c
            t4 = t3 < c ? 1 : 0
        }
        step(a.l0)
        step(a.l1)
        step(a.l2)
        step(a.l3)
        let r = U256(t0, t1, t2, t3)
        return r < p ? r : r &- p
    }

    static func + (a: Fp254, b: Fp254) -> Fp254 {
        let sum = a.m &+ b.m
        return Fp254(montgomery: sum < modulus ? sum : sum &- modulus)
    }
    static func - (a: Fp254, b: Fp254) -> Fp254 { Fp254(montgomery: a.m < b.m ? a.m &+ modulus &- b.m : a.m &- b.m) }
    static func * (a: Fp254, b: Fp254) -> Fp254 { Fp254(montgomery: product(a.m, b.m)) }
    var squared: Fp254 { self * self }
    var halved: Fp254 { Fp254(montgomery: (m.l0 & 1 == 1 ? m &+ Self.modulus : m).shiftedRight(1)) }

    /// Fermat; zero stays zero.
    var inverse: Fp254 { raised(to: [0x3c208c16d87cfd45, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029]) }

    /// · (9 + u)
    static func timesXi(_ a: Fp2<Fp254>) -> Fp2<Fp254> {
        let a2 = a + a, a4 = a2 + a2, a9 = a4 + a4 + a
        return Fp2(a9.c0 - a.c1, a9.c1 + a.c0)
    }
    static let twistB = Fp2(Fp254(3), .zero) * Fp2(Fp254(9), .one).inverse
    static let frobenius = powersOfXi([0x34b017592414d4e1, 0xee9591c2e6bda1c2, 0xf40d60f3c0403964, 0x0810b7bdd032f006])
    static let linePlaces = (y: 0, x: 1, constant: 3)
}

extension Jacobian<Fp254> {
    /// x ‖ y, zeros at infinity.
    var encoded: Bytes { affine.map { $0.x.value.bytes + $0.y.value.bytes } ?? Bytes(repeating: 0, count: 64) }
}
