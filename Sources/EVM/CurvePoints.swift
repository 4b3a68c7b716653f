import Primitives

// The group law of short Weierstrass curves, for the precompiled contracts. Inputs are public: nothing is constant-time.

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
    static prefix func - (p: Jacobian) -> Jacobian { Jacobian(x: p.x, y: -p.y, z: p.z) }
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
