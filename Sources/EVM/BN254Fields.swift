import Primitives

// The fields under the pairing of `BN254.swift`: F_p in Montgomery form, F_p² = F_p[u]/(u² + 1), F_p¹² = F_p²[w]/(w⁶ − ξ); and the
// group law over the first two.

protocol CurveField: Equatable {
    static var zero: Self { get }
    static var one: Self { get }
    var isZero: Bool { get }
    var squared: Self { get }
    var inverse: Self { get }
    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
}

struct Fp: CurveField {
    /// value · 2²⁵⁶ mod p
    private var m: U256

    static let modulus = U256(0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029)

    private static let radixSquared = U256(0xf32cfc5b538afa89, 0xb5e71911d44501fb, 0x47ab1eff0a417ff6, 0x06d89f71cab8351f)

    static let zero = Fp(montgomery: .zero)
    static let one = Fp(U256.one)

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
            let k = t0 &* 0x87d2_0782_e486_6389     // −p⁻¹ mod 2⁶⁴
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

    static func + (a: Fp, b: Fp) -> Fp {
        let sum = a.m &+ b.m
        return Fp(montgomery: sum < modulus ? sum : sum &- modulus)
    }
    static func - (a: Fp, b: Fp) -> Fp { Fp(montgomery: a.m < b.m ? a.m &+ modulus &- b.m : a.m &- b.m) }
    static func * (a: Fp, b: Fp) -> Fp { Fp(montgomery: product(a.m, b.m)) }
    static prefix func - (a: Fp) -> Fp { zero - a }
    var squared: Fp { self * self }
    var halved: Fp { Fp(montgomery: (m.l0 & 1 == 1 ? m &+ Self.modulus : m).shiftedRight(1)) }

    func raised(to exponent: U256) -> Fp {
        var result = Fp.one
        for bit in (0..<exponent.bitWidth).reversed() {
            result = result * result
            if exponent.shiftedRight(UInt64(bit)).l0 & 1 == 1 { result = result * self }
        }
        return result
    }
    /// Fermat; zero stays zero.
    var inverse: Fp { raised(to: Self.modulus &- 2) }
}

struct Fp2: CurveField {
    var c0: Fp, c1: Fp

    init(_ c0: Fp, _ c1: Fp) { (self.c0, self.c1) = (c0, c1) }

    static let zero = Fp2(.zero, .zero)
    static let one = Fp2(.one, .zero)
    static let xi = Fp2(Fp(9), .one)

    var isZero: Bool { c0.isZero && c1.isZero }
    var conjugate: Fp2 { Fp2(c0, -c1) }
    var halved: Fp2 { Fp2(c0.halved, c1.halved) }
    var squared: Fp2 {
        let cross = c0 * c1
        return Fp2((c0 + c1) * (c0 - c1), cross + cross)
    }
    /// · (9 + u)
    var timesXi: Fp2 {
        let a2 = c0 + c0, a4 = a2 + a2, a8 = a4 + a4, b2 = c1 + c1, b4 = b2 + b2, b8 = b4 + b4
        return Fp2(a8 + c0 - c1, b8 + c1 + c0)
    }
    var inverse: Fp2 {
        let norm = (c0.squared + c1.squared).inverse
        return Fp2(c0 * norm, -(c1 * norm))
    }
    func raised(to exponent: U256) -> Fp2 {
        var result = Fp2.one
        for bit in (0..<exponent.bitWidth).reversed() {
            result = result.squared
            if exponent.shiftedRight(UInt64(bit)).l0 & 1 == 1 { result = result * self }
        }
        return result
    }

    static func + (a: Fp2, b: Fp2) -> Fp2 { Fp2(a.c0 + b.c0, a.c1 + b.c1) }
    static func - (a: Fp2, b: Fp2) -> Fp2 { Fp2(a.c0 - b.c0, a.c1 - b.c1) }
    static prefix func - (a: Fp2) -> Fp2 { Fp2(-a.c0, -a.c1) }
    static func * (a: Fp2, b: Fp2) -> Fp2 {
        let real = a.c0 * b.c0, imaginary = a.c1 * b.c1
        return Fp2(real - imaginary, (a.c0 + a.c1) * (b.c0 + b.c1) - real - imaginary)
    }
    static func * (a: Fp2, b: Fp) -> Fp2 { Fp2(a.c0 * b, a.c1 * b) }
}

struct Fp12: Equatable {
    /// Six coefficients, of w⁰ first.
    var c: [Fp2]

    static let one = Fp12(c: [.one, .zero, .zero, .zero, .zero, .zero])

    init(c: [Fp2]) { self.c = c }
    /// A polynomial of up to 11 coefficients modulo w⁶ − ξ.
    init(reducing polynomial: [Fp2]) {
        c = Array(polynomial[0..<6])
        for i in 6..<polynomial.count { c[i - 6] = c[i - 6] + polynomial[i].timesXi }
    }

    static func * (a: Fp12, b: Fp12) -> Fp12 {
        var product = [Fp2](repeating: .zero, count: 11)
        for i in 0..<6 { for j in 0..<6 { product[i + j] = product[i + j] + a.c[i] * b.c[j] } }
        return Fp12(reducing: product)
    }
    /// The p⁶-th power: w turns into −w.
    var conjugate: Fp12 { Fp12(c: [c[0], -c[1], c[2], -c[3], c[4], -c[5]]) }
    /// The p-th power.
    var frobenius: Fp12 { Fp12(c: (0..<6).map { c[$0].conjugate * BN254.frobenius[$0] }) }

    /// f̄ / (f·f̄): the divisor has even powers of w only, so it lies in F_p²[v]/(v³ − ξ), v = w².
    var inverse: Fp12 {
        let norm = self * conjugate, (a, b, d) = (norm.c[0], norm.c[2], norm.c[4])
        let x = a.squared - (b * d).timesXi, y = d.squared.timesXi - a * b, z = b.squared - a * d
        let scale = (a * x + (d * y + b * z).timesXi).inverse
        return conjugate * Fp12(c: [x * scale, .zero, y * scale, .zero, z * scale, .zero])
    }
    func raised(to exponent: UInt64) -> Fp12 {
        var result = self
        for bit in (0..<(63 - exponent.leadingZeroBitCount)).reversed() {
            result = result * result
            if exponent >> UInt64(bit) & 1 == 1 { result = result * self }
        }
        return result
    }
}

struct Affine<F: CurveField> { var x: F, y: F }

/// A point x = X/Z², y = Y/Z³ of a curve y² = x³ + b; Z = 0 at infinity. The formulas do not depend on b.
struct Jacobian<F: CurveField>: Equatable {
    var x: F, y: F, z: F

    static var infinity: Jacobian { Jacobian(x: .one, y: .one, z: .zero) }

    private init(x: F, y: F, z: F) { (self.x, self.y, self.z) = (x, y, z) }
    init(_ point: Affine<F>?) { self = point.map { Jacobian(x: $0.x, y: $0.y, z: .one) } ?? .infinity }

    var affine: Affine<F>? {
        if z.isZero { return nil }
        let i = z.inverse, i2 = i.squared
        return Affine(x: x * i2, y: y * i2 * i)
    }

    static func == (p: Jacobian, q: Jacobian) -> Bool {
        if p.z.isZero || q.z.isZero { return p.z.isZero && q.z.isZero }
        let pz = p.z.squared, qz = q.z.squared
        return p.x * qz == q.x * pz && p.y * qz * q.z == q.y * pz * p.z
    }

    var doubled: Jacobian {
        if z.isZero || y.isZero { return .infinity }
        let a = x.squared, b = y.squared, c = b.squared, d0 = (x + b).squared - a - c, d = d0 + d0, e = a + a + a
        let c2 = c + c, c4 = c2 + c2, x3 = e.squared - d - d, yz = y * z
        return Jacobian(x: x3, y: e * (d - x3) - (c4 + c4), z: yz + yz)
    }
    static func + (p: Jacobian, q: Jacobian) -> Jacobian {
        if p.z.isZero { return q }
        if q.z.isZero { return p }
        let pz = p.z.squared, qz = q.z.squared, u = p.x * qz, s = p.y * qz * q.z
        let h = q.x * pz - u, r = q.y * pz * p.z - s
        if h.isZero { return r.isZero ? p.doubled : .infinity }
        let h2 = h.squared, h3 = h2 * h, v = u * h2, x3 = r.squared - h3 - v - v
        return Jacobian(x: x3, y: r * (v - x3) - s * h3, z: p.z * q.z * h)
    }
    func multiplied(by scalar: U256) -> Jacobian {
        var result = Jacobian.infinity
        for bit in (0..<scalar.bitWidth).reversed() {
            result = result.doubled
            if scalar.shiftedRight(UInt64(bit)).l0 & 1 == 1 { result = result + self }
        }
        return result
    }
}

extension Jacobian<Fp> {
    /// x ‖ y, zeros at infinity.
    var encoded: Bytes { affine.map { $0.x.value.bytes + $0.y.value.bytes } ?? Bytes(repeating: 0, count: 64) }
}
