import Primitives

// What the pairings of BN254 and BLS12-381 share: F_p² = F_p[u]/(u² + 1), F_p¹² = F_p²[w]/(w⁶ − ξ), and the Miller loop's steps.
//
// F_p¹² is one polynomial ring of six coefficients: slower than a tower of quadratic and cubic extensions by perhaps a half, and a
// third of its code. Source of the line formulas: Costello, Lange, Naehrig (PKC 2010), homogeneous coordinates.

protocol CurveField: Equatable, Sendable {
    static var zero: Self { get }
    static var one: Self { get }
    var isZero: Bool { get }
    var squared: Self { get }
    var inverse: Self { get }
    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
}

extension CurveField {
    static prefix func - (a: Self) -> Self { zero - a }
    /// Exponent in limbs, least significant first.
    func raised(to exponent: [UInt64]) -> Self {
        var result = Self.one
        for limb in exponent.reversed() {
            for bit in (0..<64).reversed() {
                result = result.squared
                if limb &>> UInt64(bit) & 1 == 1 { result = result * self }
            }
        }
        return result
    }
}

/// A prime field with what its curve builds on it.
protocol PairingField: CurveField {
    var halved: Self { get }
    static func timesXi(_ a: Fp2<Self>) -> Fp2<Self>
    /// The twist is y² = x³ + twistB.
    static var twistB: Fp2<Self> { get }
    /// ξ^(i·(p−1)/6) for i in 0..<6: what the p-th power does to wⁱ.
    static var frobenius: [Fp2<Self>] { get }
    /// Powers of w of a line's y, x and constant term: they depend on whether the twist divides or multiplies by ξ.
    static var linePlaces: (y: Int, x: Int, constant: Int) { get }
}

extension PairingField {
    static func powersOfXi(_ exponent: [UInt64]) -> [Fp2<Self>] {
        let root = timesXi(.one).raised(to: exponent)
        return (0..<5).reduce(into: [.one]) { powers, _ in powers.append(powers.last! * root) }
    }
}

struct Fp2<F: PairingField>: CurveField {
    var c0: F, c1: F

    init(_ c0: F, _ c1: F) { (self.c0, self.c1) = (c0, c1) }

    static var zero: Fp2 { Fp2(.zero, .zero) }
    static var one: Fp2 { Fp2(.one, .zero) }

    var isZero: Bool { c0.isZero && c1.isZero }
    var conjugate: Fp2 { Fp2(c0, -c1) }
    var halved: Fp2 { Fp2(c0.halved, c1.halved) }
    var squared: Fp2 {
        let cross = c0 * c1
        return Fp2((c0 + c1) * (c0 - c1), cross + cross)
    }
    var timesXi: Fp2 { F.timesXi(self) }
    var inverse: Fp2 {
        let norm = (c0.squared + c1.squared).inverse
        return Fp2(c0 * norm, -(c1 * norm))
    }
    static func + (a: Fp2, b: Fp2) -> Fp2 { Fp2(a.c0 + b.c0, a.c1 + b.c1) }
    static func - (a: Fp2, b: Fp2) -> Fp2 { Fp2(a.c0 - b.c0, a.c1 - b.c1) }
    static func * (a: Fp2, b: Fp2) -> Fp2 {
        let real = a.c0 * b.c0, imaginary = a.c1 * b.c1
        return Fp2(real - imaginary, (a.c0 + a.c1) * (b.c0 + b.c1) - real - imaginary)
    }
    static func * (a: Fp2, b: F) -> Fp2 { Fp2(a.c0 * b, a.c1 * b) }
}

struct Fp12<F: PairingField>: Equatable, Sendable {
    /// Six coefficients, of w⁰ first.
    var c: [Fp2<F>]

    static var one: Fp12 { Fp12(c: [.one, .zero, .zero, .zero, .zero, .zero]) }

    init(c: [Fp2<F>]) { self.c = c }
    /// A polynomial of up to 11 coefficients modulo w⁶ − ξ.
    init(reducing polynomial: [Fp2<F>]) {
        c = Array(polynomial[0..<6])
        for i in 6..<polynomial.count { c[i - 6] = c[i - 6] + polynomial[i].timesXi }
    }

    static func * (a: Fp12, b: Fp12) -> Fp12 {
        var product = [Fp2<F>](repeating: .zero, count: 11)
        for i in 0..<6 { for j in 0..<6 { product[i + j] = product[i + j] + a.c[i] * b.c[j] } }
        return Fp12(reducing: product)
    }
    /// The p⁶-th power: w turns into −w.
    var conjugate: Fp12 { Fp12(c: [c[0], -c[1], c[2], -c[3], c[4], -c[5]]) }
    /// The p-th power.
    var frobenius: Fp12 { Fp12(c: (0..<6).map { c[$0].conjugate * F.frobenius[$0] }) }

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

/// A line through points of the twist, at a point of the curve.
struct Line<F: PairingField> {
    var y: Fp2<F>, x: Fp2<F>, constant: Fp2<F>
}

/// A point of the twist on its way through the Miller loop, in homogeneous coordinates x = X/Z, y = Y/Z.
struct Runner<F: PairingField> {
    private var x: Fp2<F>, y: Fp2<F>, z: Fp2<F>

    init(_ q: Affine<Fp2<F>>) { (x, y, z) = (q.x, q.y, .one) }

    /// Doubles; the tangent at `p`.
    mutating func double(at p: Affine<F>) -> Line<F> {
        let a = (x * y).halved, b = y.squared, c = z.squared, e = F.twistB * (c + c + c), f = e + e + e
        let g = (b + f).halved, h = (y + z).squared - (b + c), j = x.squared, e2 = e.squared
        x = a * (b - f)
        y = g.squared - (e2 + e2 + e2)
        z = b * h
        return Line(y: -h * p.y, x: (j + j + j) * p.x, constant: e - b)
    }
    /// Adds `q`; the chord at `p`.
    mutating func add(_ q: Affine<Fp2<F>>, at p: Affine<F>) -> Line<F> {
        let o = y - q.y * z, l = x - q.x * z, c = o.squared, d = l.squared, e = l * d, f = z * c, g = x * d
        let h = e + f - (g + g)
        x = l * h
        y = (g - h) * o - y * e
        z = e * z
        return Line(y: l * p.y, x: -o * p.x, constant: q.x * o - l * q.y)
    }
}

extension Fp12 {
    static func * (f: Fp12, line: Line<F>) -> Fp12 {
        var product = [Fp2<F>](repeating: .zero, count: 9)
        let places = F.linePlaces
        for i in 0..<6 {
            product[i + places.y] = product[i + places.y] + f.c[i] * line.y
            product[i + places.x] = product[i + places.x] + f.c[i] * line.x
            product[i + places.constant] = product[i + places.constant] + f.c[i] * line.constant
        }
        return Fp12(reducing: product)
    }
}
