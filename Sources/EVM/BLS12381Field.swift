import Primitives

/// The base field of BLS12-381, 381 bits, in Montgomery form: value · 2³⁸⁴ mod p.
struct Fp381: PairingField {
    private var l0: UInt64, l1: UInt64, l2: UInt64, l3: UInt64, l4: UInt64, l5: UInt64

    private static let modulus = Fp381(
        0xb9feffffffffaaab, 0x1eabfffeb153ffff, 0x6730d2a0f6b0f624, 0x64774b84f38512bf, 0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a)
    private static let radixSquared = Fp381(
        0xf4df1f341c341746, 0x0a76e6a609d104f1, 0x8de5476c4c95b6d5, 0x67eb88a9939d83c0, 0x9a793e85b519952d, 0x11988fe592cae3aa)

    static let zero = Fp381(0, 0, 0, 0, 0, 0)
    static let one = Fp381(1)

    private init(_ l0: UInt64, _ l1: UInt64, _ l2: UInt64, _ l3: UInt64, _ l4: UInt64, _ l5: UInt64) {
        (self.l0, self.l1, self.l2, self.l3, self.l4, self.l5) = (l0, l1, l2, l3, l4, l5)
    }
    init(_ small: UInt64) { self = Fp381(small, 0, 0, 0, 0, 0) * Self.radixSquared }

    /// 48 bytes, most significant first; nil from p on.
    init?(bytes: some Collection<UInt8>) {
        precondition(bytes.count == 48)
        let low = U256(bigEndian: bytes.suffix(32)), high = U256(bigEndian: bytes.prefix(16))
        let plain = Fp381(low.l0, low.l1, low.l2, low.l3, high.l0, high.l1)
        guard Self.subtract(plain, Self.modulus).borrow != 0 else { return nil }
        self = plain * Self.radixSquared
    }
    /// A constant of a specification.
    init(hex: String) { self.init(bytes: Hex.parse(String(repeating: "0", count: 96 - hex.utf8.count) + hex)!)! }

    private var plain: Fp381 { self * Fp381(1, 0, 0, 0, 0, 0) }
    /// 48 bytes.
    var bytes: Bytes {
        let v = plain
        return U256(v.l4, v.l5, 0, 0).bytes.suffix(16) + U256(v.l0, v.l1, v.l2, v.l3).bytes
    }
    var isZero: Bool { l0 | l1 | l2 | l3 | l4 | l5 == 0 }
    var isOdd: Bool { plain.l0 & 1 == 1 }
    /// The greater of y and −y: above (p − 1)/2.
    var isLarge: Bool { let v = plain; return Self.subtract(v, (-self).plain).borrow == 0 && !isZero }

    @inline(__always) private static func multiplyAdd(_ t: UInt64, _ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 {
        let p = UInt128(a) &* UInt128(b) &+ UInt128(t) &+ UInt128(carry)
        carry = UInt64(truncatingIfNeeded: p >> 64)
        return UInt64(truncatingIfNeeded: p)
    }
    @inline(__always) private static func subtract(_ a: Fp381, _ b: Fp381) -> (difference: Fp381, borrow: UInt64) {
        var borrow: UInt64 = 0
        @inline(__always) func limb(_ x: UInt64, _ y: UInt64) -> UInt64 {
            let d = UInt128(x) &- UInt128(y) &- UInt128(borrow)
            borrow = UInt64(truncatingIfNeeded: d >> 64) & 1
            return UInt64(truncatingIfNeeded: d)
        }
        let r = Fp381(limb(a.l0, b.l0), limb(a.l1, b.l1), limb(a.l2, b.l2), limb(a.l3, b.l3), limb(a.l4, b.l4), limb(a.l5, b.l5))
        return (r, borrow)
    }
    @inline(__always) private static func sum(_ a: Fp381, _ b: Fp381) -> Fp381 {
        var carry: UInt64 = 0
        @inline(__always) func limb(_ x: UInt64, _ y: UInt64) -> UInt64 {
            let s = UInt128(x) &+ UInt128(y) &+ UInt128(carry)
            carry = UInt64(truncatingIfNeeded: s >> 64)
            return UInt64(truncatingIfNeeded: s)
        }
        return Fp381(limb(a.l0, b.l0), limb(a.l1, b.l1), limb(a.l2, b.l2), limb(a.l3, b.l3), limb(a.l4, b.l4), limb(a.l5, b.l5))
    }
    @inline(__always) private var reduced: Fp381 {
        let (difference, borrow) = Self.subtract(
            self,
            Fp381(0xb9feffffffffaaab, 0x1eabfffeb153ffff, 0x6730d2a0f6b0f624, 0x64774b84f38512bf, 0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a))
        return borrow == 0 ? difference : self
    }

    static func + (a: Fp381, b: Fp381) -> Fp381 { sum(a, b).reduced }
    static func - (a: Fp381, b: Fp381) -> Fp381 {
        let (difference, borrow) = subtract(a, b)
        return borrow == 0 ? difference : sum(difference, modulus)
    }
    /// Montgomery's product, operand scanning; three bits are free above p, so no word beyond the seventh is needed.
    static func * (a: Fp381, b: Fp381) -> Fp381 {
        var t0: UInt64 = 0, t1: UInt64 = 0, t2: UInt64 = 0, t3: UInt64 = 0, t4: UInt64 = 0, t5: UInt64 = 0, t6: UInt64 = 0
        @inline(__always) func step(_ x: UInt64) {
            var c: UInt64 = 0
            t0 = multiplyAdd(t0, x, b.l0, &c)
            t1 = multiplyAdd(t1, x, b.l1, &c)
            t2 = multiplyAdd(t2, x, b.l2, &c)
            t3 = multiplyAdd(t3, x, b.l3, &c)
            t4 = multiplyAdd(t4, x, b.l4, &c)
            t5 = multiplyAdd(t5, x, b.l5, &c)
            t6 = c
            let k = t0 &* 0x89f3_fffc_fffc_fffd  // −p⁻¹ mod 2⁶⁴
            c = 0
            _ = multiplyAdd(t0, k, 0xb9feffffffffaaab, &c)
            t0 = multiplyAdd(t1, k, 0x1eabfffeb153ffff, &c)
            t1 = multiplyAdd(t2, k, 0x6730d2a0f6b0f624, &c)
            t2 = multiplyAdd(t3, k, 0x64774b84f38512bf, &c)
            t3 = multiplyAdd(t4, k, 0x4b1ba7b6434bacd7, &c)
            t4 = multiplyAdd(t5, k, 0x1a0111ea397fe69a, &c)
            t5 = t6 &+ c
        }
        step(a.l0)
        step(a.l1)
        step(a.l2)
        step(a.l3)
        step(a.l4)
        step(a.l5)
        return Fp381(t0, t1, t2, t3, t4, t5).reduced
    }
    var squared: Fp381 { self * self }
    var halved: Fp381 {
        let v = l0 & 1 == 1 ? Self.sum(self, Self.modulus) : self
        return Fp381(
            v.l0 >> 1 | v.l1 << 63, v.l1 >> 1 | v.l2 << 63, v.l2 >> 1 | v.l3 << 63, v.l3 >> 1 | v.l4 << 63, v.l4 >> 1 | v.l5 << 63,
            v.l5 >> 1)
    }
    /// Fermat; zero stays zero.
    var inverse: Fp381 {
        raised(to: [0xb9feffffffffaaa9, 0x1eabfffeb153ffff, 0x6730d2a0f6b0f624, 0x64774b84f38512bf, 0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a])
    }
    /// nil: not a square. p = 3 mod 4.
    var squareRoot: Fp381? {
        let root = raised(to: [
            0xee7fbfffffffeaab, 0x07aaffffac54ffff, 0xd9cc34a83dac3d89, 0xd91dd2e13ce144af, 0x92c6e9ed90d2eb35, 0x0680447a8e5ff9a6,
        ])
        return root.squared == self ? root : nil
    }

    /// · (1 + u)
    static func timesXi(_ a: Fp2<Fp381>) -> Fp2<Fp381> { Fp2(a.c0 - a.c1, a.c0 + a.c1) }
    static let twistB = Fp2(Fp381(4), Fp381(4))
    static let frobenius = powersOfXi([
        0x49aa7ffffffff1c7, 0x051caaaa72e35555, 0xe688231ad3c82906, 0xe613e1eb7deb831f, 0x0c849bf3b5e1f223, 0x045582fc5eeaa66f,
    ])
    static let linePlaces = (y: 3, x: 2, constant: 0)
}

/// A field that hash-to-curve maps from.
protocol MappedField: CurveField {
    var squareRoot: Self? { get }
    /// sgn0 of RFC 9380 §4.1.
    var sign: Bool { get }
}

extension Fp381: MappedField { var sign: Bool { isOdd } }

extension Fp2<Fp381>: MappedField {
    var sign: Bool { c0.isOdd || c0.isZero && c1.isOdd }
    /// From the norm: √(a + bu) = x + (b/2x)u with x² = (a ± √(a² + b²))/2.
    var squareRoot: Fp2? {
        if c1.isZero {
            if let root = c0.squareRoot { return Fp2(root, .zero) }
            return (-c0).squareRoot.map { Fp2(.zero, $0) }
        }
        guard let norm = (c0.squared + c1.squared).squareRoot else { return nil }
        guard let x = (c0 + norm).halved.squareRoot ?? (c0 - norm).halved.squareRoot else { return nil }
        return Fp2(x, c1.halved * x.inverse)
    }
}
