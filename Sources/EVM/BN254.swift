import Primitives

/// The pairing-friendly curve of the precompiled contracts 6, 7, 8 (EIP-196, 197): y² = x³ + 3 over F_p of 254 bits, its sextic
/// twist over F_p², and the optimal ate pairing.
///
/// F_p¹² is one polynomial ring F_p²[w]/(w⁶ − ξ), ξ = 9 + u, six coefficients: slower than a tower of quadratic and cubic
/// extensions by perhaps a half, and a third of its code. Sources: line formulas of Costello, Lange, Naehrig (PKC 2010) in
/// homogeneous coordinates; final exponentiation of Devegili, Scott, Dahab (Pairing 2007); subgroup check below.
/// All inputs are public: nothing here is constant-time.
enum BN254 {
    /// 0x44e992b44a6909f1: the curve's parameter; p, r and the trace are polynomials in it.
    static let x: UInt64 = 0x44e9_92b4_4a69_09f1
    static let threeG1 = Fp(3)
    /// 3 / ξ
    static let threeTwist = Fp2(Fp(3), .zero) * Fp2.xi.inverse
    /// ξ^(i·(p−1)/6): what the p-th power does to wⁱ.
    static let frobenius: [Fp2] = {
        let root = Fp2.xi.raised(to: (Fp.modulus &- 1) / 6)
        return (0..<5).reduce(into: [Fp2.one]) { powers, _ in powers.append(powers.last! * root) }
    }()
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
        var product = Fp12.one
        for start in stride(from: 0, to: input.count, by: 192) {
            let p = try point(input, start), q = try twistPoint(input, start + 64)
            if let p, let q { product = product * millerLoop(p, q) }
        }
        return U256(finalExponentiation(product) == .one ? 1 : 0 as UInt64).bytes
    }

    private static func coordinate(_ input: UnsafeRawBufferPointer, _ start: Int) throws(HaltReason) -> Fp {
        let value = word(input, start)
        guard value < Fp.modulus else { throw .precompileFailed }
        return Fp(value)
    }
    /// nil: the point at infinity, written as two zeros.
    private static func point(_ input: UnsafeRawBufferPointer, _ start: Int) throws(HaltReason) -> Affine<Fp>? {
        let x = try coordinate(input, start), y = try coordinate(input, start + 32)
        if x.isZero, y.isZero { return nil }
        guard y * y == x * x * x + threeG1 else { throw .precompileFailed }
        return Affine(x: x, y: y)
    }
    /// Imaginary parts come first. The twist has points outside the subgroup of order r, which are refused.
    private static func twistPoint(_ input: UnsafeRawBufferPointer, _ start: Int) throws(HaltReason) -> Affine<Fp2>? {
        let x1 = try coordinate(input, start), x0 = try coordinate(input, start + 32)
        let y1 = try coordinate(input, start + 64), y0 = try coordinate(input, start + 96)
        let x = Fp2(x0, x1), y = Fp2(y0, y1)
        if x.isZero, y.isZero { return nil }
        guard y * y == x * x * x + threeTwist, isInSubgroup(Affine(x: x, y: y)) else { throw .precompileFailed }
        return Affine(x: x, y: y)
    }

    /// ψ(Q) = [6x²]Q, with ψ the p-power map on the twist. ψ² − tψ + p = 0 and 6x² = t − 1 give then [p + 1 − t]Q = [r]Q = 0.
    private static func isInSubgroup(_ q: Affine<Fp2>) -> Bool {
        let multiple = Jacobian(q).multiplied(by: U256(x) &* U256(x) &* 6)
        return multiple == Jacobian(psi(q))
    }
    static func psi(_ q: Affine<Fp2>) -> Affine<Fp2> { Affine(x: q.x.conjugate * frobenius[2], y: q.y.conjugate * frobenius[3]) }
}

// MARK: pairing

extension BN254 {
    /// A line through points of the twist, at a point of the curve: a + b·w + c·w³.
    private struct Line { var a: Fp2, b: Fp2, c: Fp2 }

    /// A point of the twist in homogeneous coordinates x = X/Z, y = Y/Z.
    private struct Runner {
        var x: Fp2, y: Fp2, z: Fp2

        /// Doubles; the tangent at `p`.
        mutating func double(at p: Affine<Fp>) -> Line {
            let a = (x * y).halved, b = y.squared, c = z.squared, e = threeTwist * (c + c + c), f = e + e + e
            let g = (b + f).halved, h = (y + z).squared - (b + c), j = x.squared, e2 = e.squared
            x = a * (b - f)
            y = g.squared - (e2 + e2 + e2)
            z = b * h
            return Line(a: -h * p.y, b: (j + j + j) * p.x, c: e - b)
        }
        /// Adds `q`; the chord at `p`.
        mutating func add(_ q: Affine<Fp2>, at p: Affine<Fp>) -> Line {
            let o = y - q.y * z, l = x - q.x * z, c = o.squared, d = l.squared, e = l * d, f = z * c, g = x * d
            let h = e + f - (g + g)
            x = l * h
            y = (g - h) * o - y * e
            z = e * z
            return Line(a: l * p.y, b: -o * p.x, c: q.x * o - l * q.y)
        }
    }

    private static func times(_ f: Fp12, _ line: Line) -> Fp12 {
        var product = [Fp2](repeating: .zero, count: 9)
        for i in 0..<6 {
            product[i] = product[i] + f.c[i] * line.a
            product[i + 1] = product[i + 1] + f.c[i] * line.b
            product[i + 3] = product[i + 3] + f.c[i] * line.c
        }
        return Fp12(reducing: product)
    }

    /// f_{6x+2, Q}(P) and the two lines of the optimal ate pairing. 6x + 2 in non-adjacent form, most significant digit first.
    private static func millerLoop(_ p: Affine<Fp>, _ q: Affine<Fp2>) -> Fp12 {
        let loop = 6 * UInt128(x) + 2, plus = 3 * loop & ~loop, minus = ~(3 * loop) & loop       // digit i is bit i + 1
        let negative = Affine(x: q.x, y: -q.y)
        var runner = Runner(x: q.x, y: q.y, z: .one), f = Fp12.one
        for bit in (1...65).reversed() {
            f = times(f * f, runner.double(at: p))
            if plus >> UInt128(bit) & 1 == 1 { f = times(f, runner.add(q, at: p)) }
            if minus >> UInt128(bit) & 1 == 1 { f = times(f, runner.add(negative, at: p)) }
        }
        let q1 = psi(q), q2 = psi(q1)
        f = times(f, runner.add(q1, at: p))
        return times(f, runner.add(Affine(x: q2.x, y: -q2.y), at: p))
    }

    /// f^((p¹² − 1)/r)
    private static func finalExponentiation(_ f: Fp12) -> Fp12 {
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
