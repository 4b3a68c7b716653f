/// The machine word of the EVM: 256 bits as four limbs, least significant first. All operators wrap modulo 2²⁵⁶.
@frozen public struct U256: Sendable, Hashable {
    public var l0: UInt64, l1: UInt64, l2: UInt64, l3: UInt64

    @inlinable @inline(__always) public init(_ l0: UInt64, _ l1: UInt64, _ l2: UInt64, _ l3: UInt64) {
        (self.l0, self.l1, self.l2, self.l3) = (l0, l1, l2, l3)
    }
    @inlinable @inline(__always) public init(_ small: UInt64) { self.init(small, 0, 0, 0) }
    @inlinable public init(_ small: Int) {
        precondition(small >= 0)
        self.init(UInt64(small))
    }

    public static let zero = U256(0, 0, 0, 0)
    public static let one = U256(1, 0, 0, 0)
    public static let max = U256(.max, .max, .max, .max)

    @inlinable @inline(__always) public var isZero: Bool { l0 | l1 | l2 | l3 == 0 }
    /// Sign of the two's complement reading.
    @inlinable @inline(__always) public var isNegative: Bool { Int64(bitPattern: l3) < 0 }
    @inlinable @inline(__always) public var fitsUInt64: Bool { l1 | l2 | l3 == 0 }
    /// The value, or nil where it needs more than 64 bits.
    @inlinable @inline(__always) public var asUInt64: UInt64? { fitsUInt64 ? l0 : nil }
    @inlinable public var bitWidth: Int {
        l3 != 0
            ? 256 - l3.leadingZeroBitCount
            : l2 != 0
                ? 192 - l2.leadingZeroBitCount
                : l1 != 0 ? 128 - l1.leadingZeroBitCount : 64 - l0.leadingZeroBitCount
    }
}

extension U256: ExpressibleByIntegerLiteral {
    @inlinable public init(integerLiteral value: UInt64) { self.init(value) }
}

// MARK: bytes and text

extension U256 {
    /// 32 bytes at `pointer`, most significant first, unaligned.
    @inlinable @inline(__always) public init(bigEndianAt p: UnsafeRawPointer) {
        self.init(
            p.loadUnaligned(fromByteOffset: 24, as: UInt64.self).byteSwapped,
            p.loadUnaligned(fromByteOffset: 16, as: UInt64.self).byteSwapped,
            p.loadUnaligned(fromByteOffset: 8, as: UInt64.self).byteSwapped, p.loadUnaligned(as: UInt64.self).byteSwapped)
    }
    @inlinable @inline(__always) public func storeBigEndian(at p: UnsafeMutableRawPointer) {
        p.storeBytes(of: l3.byteSwapped, as: UInt64.self)
        p.storeBytes(of: l2.byteSwapped, toByteOffset: 8, as: UInt64.self)
        p.storeBytes(of: l1.byteSwapped, toByteOffset: 16, as: UInt64.self)
        p.storeBytes(of: l0.byteSwapped, toByteOffset: 24, as: UInt64.self)
    }
    /// At most 32 bytes, most significant first.
    public init(bigEndian bytes: some Collection<UInt8>) {
        precondition(bytes.count <= 32)
        var padded: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        self = withUnsafeMutableBytes(of: &padded) { buffer in
            UnsafeMutableRawBufferPointer(rebasing: buffer[(32 - bytes.count)...]).copyBytes(from: bytes)
            return U256(bigEndianAt: buffer.baseAddress!)
        }
    }
    @inlinable public init(_ hash: Hash32) { self = hash.withUnsafeBytes { U256(bigEndianAt: $0.baseAddress!) } }
    @inlinable @inline(__always) public init(_ address: Address) {
        let a = address.w0.byteSwapped, b = address.w1.byteSwapped, c = UInt64(address.w2.byteSwapped)
        self.init(b &<< 32 | c, a &<< 32 | b &>> 32, a &>> 32, 0)
    }

    @inlinable public var hash: Hash32 {
        Hash32(l3.byteSwapped, l2.byteSwapped, l1.byteSwapped, l0.byteSwapped)
    }
    /// 32 bytes, most significant first.
    @inlinable public var bytes: Bytes { hash.bytes }
    /// Without leading zeros; zero is no byte.
    public var minimalBytes: Bytes { Bytes(bytes.drop { $0 == 0 }) }

    /// `0x` and 1 to 64 digits.
    public init?(hex: some StringProtocol) {
        guard hex.hasPrefix("0x"), hex.utf8.count >= 3, hex.utf8.count <= 66 else { return nil }
        let digits = hex.dropFirst(2)
        guard let bytes = Hex.parse(digits.utf8.count % 2 == 0 ? String(digits) : "0" + digits) else { return nil }
        self.init(bigEndian: bytes)
    }
    /// `0x` without leading zeros: the quantity of JSON-RPC.
    public var quantity: String {
        let digits = Hex.print(minimalBytes, prefix: false).drop { $0 == "0" }
        return "0x" + (digits.isEmpty ? "0" : digits)
    }
    public init?(decimal text: some StringProtocol) {
        guard !text.isEmpty else { return nil }
        var value = U256.zero
        for digit in text.utf8 {
            guard (0x30...0x39).contains(digit) else { return nil }
            let (times, high) = value.multipliedFull(by: 10)
            let next = times &+ U256(UInt64(digit - 0x30))
            guard high.isZero, next >= times else { return nil }
            value = next
        }
        self = value
    }
    public var decimal: String {
        if isZero { return "0" }
        var digits: Bytes = [], rest = self
        while !rest.isZero {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
            digits.append(0x30 + UInt8(remainder.l0))
            rest = quotient
        }
        return String(decoding: digits.reversed(), as: UTF8.self)
    }
}

extension U256: CustomStringConvertible {
    public var description: String { decimal }
}

// MARK: order and bits

extension U256: Comparable {
    @inlinable @inline(__always) public static func < (a: U256, b: U256) -> Bool {
        var borrow: UInt64 = 0
        _ = subtractWithBorrow(a.l0, b.l0, &borrow)
        _ = subtractWithBorrow(a.l1, b.l1, &borrow)
        _ = subtractWithBorrow(a.l2, b.l2, &borrow)
        _ = subtractWithBorrow(a.l3, b.l3, &borrow)
        return borrow != 0
    }
    @inlinable @inline(__always) public static func & (a: U256, b: U256) -> U256 {
        U256(a.l0 & b.l0, a.l1 & b.l1, a.l2 & b.l2, a.l3 & b.l3)
    }
    @inlinable @inline(__always) public static func | (a: U256, b: U256) -> U256 {
        U256(a.l0 | b.l0, a.l1 | b.l1, a.l2 | b.l2, a.l3 | b.l3)
    }
    @inlinable @inline(__always) public static func ^ (a: U256, b: U256) -> U256 {
        U256(a.l0 ^ b.l0, a.l1 ^ b.l1, a.l2 ^ b.l2, a.l3 ^ b.l3)
    }
    @inlinable @inline(__always) public static prefix func ~ (a: U256) -> U256 { U256(~a.l0, ~a.l1, ~a.l2, ~a.l3) }

    /// Zero from 256 on.
    @inlinable public func shiftedLeft(_ count: UInt64) -> U256 {
        if count >= 256 { return .zero }
        let bits = count & 63
        func part(_ low: UInt64, _ high: UInt64) -> UInt64 { bits == 0 ? high : high &<< bits | low &>> (64 &- bits) }
        switch count >> 6 {
        case 0: return U256(l0 &<< bits, part(l0, l1), part(l1, l2), part(l2, l3))
        case 1: return U256(0, l0 &<< bits, part(l0, l1), part(l1, l2))
        case 2: return U256(0, 0, l0 &<< bits, part(l0, l1))
        default: return U256(0, 0, 0, l0 &<< bits)
        }
    }
    /// Zero from 256 on.
    @inlinable public func shiftedRight(_ count: UInt64) -> U256 {
        if count >= 256 { return .zero }
        let bits = count & 63
        func part(_ low: UInt64, _ high: UInt64) -> UInt64 { bits == 0 ? low : low &>> bits | high &<< (64 &- bits) }
        switch count >> 6 {
        case 0: return U256(part(l0, l1), part(l1, l2), part(l2, l3), l3 &>> bits)
        case 1: return U256(part(l1, l2), part(l2, l3), l3 &>> bits, 0)
        case 2: return U256(part(l2, l3), l3 &>> bits, 0, 0)
        default: return U256(l3 &>> bits, 0, 0, 0)
        }
    }
}

// MARK: arithmetic

/// Carry as a word: `||` and `? :` compile to branches, a bit cast and `|` to add-with-carry.
@inlinable @inline(__always) func bit(_ flag: Bool) -> UInt64 { UInt64(truncatingIfNeeded: unsafeBitCast(flag, to: UInt8.self)) }

@inlinable @inline(__always) func addWithCarry(_ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 {
    let (s, o1) = a.addingReportingOverflow(b)
    let (t, o2) = s.addingReportingOverflow(carry)
    carry = bit(o1) | bit(o2)
    return t
}
@inlinable @inline(__always) func subtractWithBorrow(_ a: UInt64, _ b: UInt64, _ borrow: inout UInt64) -> UInt64 {
    let (s, o1) = a.subtractingReportingOverflow(b)
    let (t, o2) = s.subtractingReportingOverflow(borrow)
    borrow = bit(o1) | bit(o2)
    return t
}
/// accumulator + a·b + carry, high half into carry: one `mulq`.
@inlinable @inline(__always) func multiplyAdd(_ accumulator: UInt64, _ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 {
    let p = UInt128(a) &* UInt128(b) &+ UInt128(accumulator) &+ UInt128(carry)
    carry = UInt64(truncatingIfNeeded: p >> 64)
    return UInt64(truncatingIfNeeded: p)
}

extension U256 {
    @inlinable @inline(__always) public static func &+ (a: U256, b: U256) -> U256 {
        var c: UInt64 = 0
        let r0 = addWithCarry(a.l0, b.l0, &c), r1 = addWithCarry(a.l1, b.l1, &c), r2 = addWithCarry(a.l2, b.l2, &c)
        return U256(r0, r1, r2, addWithCarry(a.l3, b.l3, &c))
    }
    @inlinable @inline(__always) public static func &- (a: U256, b: U256) -> U256 {
        var c: UInt64 = 0
        let r0 = subtractWithBorrow(a.l0, b.l0, &c), r1 = subtractWithBorrow(a.l1, b.l1, &c), r2 = subtractWithBorrow(a.l2, b.l2, &c)
        return U256(r0, r1, r2, subtractWithBorrow(a.l3, b.l3, &c))
    }
    @inlinable @inline(__always) public var negated: U256 { U256.zero &- self }

    @inlinable public func addingReportingOverflow(_ b: U256) -> (partialValue: U256, overflow: Bool) {
        let sum = self &+ b
        return (sum, sum < b)
    }

    @inlinable public static func &* (a: U256, b: U256) -> U256 {
        var c: UInt64 = 0
        let r0 = multiplyAdd(0, a.l0, b.l0, &c)
        var r1 = multiplyAdd(0, a.l0, b.l1, &c), r2 = multiplyAdd(0, a.l0, b.l2, &c)
        var r3 = a.l0 &* b.l3 &+ c
        c = 0
        r1 = multiplyAdd(r1, a.l1, b.l0, &c)
        r2 = multiplyAdd(r2, a.l1, b.l1, &c)
        r3 = r3 &+ a.l1 &* b.l2 &+ c
        c = 0
        r2 = multiplyAdd(r2, a.l2, b.l0, &c)
        r3 = r3 &+ a.l2 &* b.l1 &+ c &+ a.l3 &* b.l0
        return U256(r0, r1, r2, r3)
    }

    /// The whole product: 512 bits in two words.
    @inlinable public func multipliedFull(by b: U256) -> (low: U256, high: U256) {
        var r = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
        var c: UInt64 = 0
        r.0 = multiplyAdd(0, l0, b.l0, &c); r.1 = multiplyAdd(0, l0, b.l1, &c); r.2 = multiplyAdd(0, l0, b.l2, &c);
        r.3 = multiplyAdd(0, l0, b.l3, &c)
        r.4 = c; c = 0
        r.1 = multiplyAdd(r.1, l1, b.l0, &c); r.2 = multiplyAdd(r.2, l1, b.l1, &c); r.3 = multiplyAdd(r.3, l1, b.l2, &c);
        r.4 = multiplyAdd(r.4, l1, b.l3, &c)
        r.5 = c; c = 0
        r.2 = multiplyAdd(r.2, l2, b.l0, &c); r.3 = multiplyAdd(r.3, l2, b.l1, &c); r.4 = multiplyAdd(r.4, l2, b.l2, &c);
        r.5 = multiplyAdd(r.5, l2, b.l3, &c)
        r.6 = c; c = 0
        r.3 = multiplyAdd(r.3, l3, b.l0, &c); r.4 = multiplyAdd(r.4, l3, b.l1, &c); r.5 = multiplyAdd(r.5, l3, b.l2, &c);
        r.6 = multiplyAdd(r.6, l3, b.l3, &c)
        r.7 = c
        return (U256(r.0, r.1, r.2, r.3), U256(r.4, r.5, r.6, r.7))
    }

    @inlinable public static func / (a: U256, b: U256) -> U256 { a.quotientAndRemainder(dividingBy: b).quotient }
    @inlinable public static func % (a: U256, b: U256) -> U256 { a.quotientAndRemainder(dividingBy: b).remainder }

    /// Unsigned division; a divisor of 0 is the caller's fault.
    public func quotientAndRemainder(dividingBy divisor: U256) -> (quotient: U256, remainder: U256) {
        precondition(!divisor.isZero)
        if self < divisor { return (.zero, self) }
        if fitsUInt64 { return (U256(l0 / divisor.l0), U256(l0 % divisor.l0)) }
        var quotient = U256.zero
        let remainder = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 16) { scratch in
            let numerator = scratch.baseAddress!, q = numerator + 8
            (numerator[0], numerator[1], numerator[2], numerator[3]) = (l0, l1, l2, l3)
            q.update(repeating: 0, count: 8)
            let remainder = divideLimbs(numerator, 4, by: divisor, quotient: q)
            quotient = U256(q[0], q[1], q[2], q[3])
            return remainder
        }
        return (quotient, remainder)
    }

    /// (a + b) mod m; 0 for m = 0, as ADDMOD.
    public static func addModulo(_ a: U256, _ b: U256, _ m: U256) -> U256 {
        if m.isZero { return .zero }
        let (sum, carry) = a.addingReportingOverflow(b)
        return reduce512(sum, U256(bit(carry)), m)
    }
    /// a·b mod m; 0 for m = 0, as MULMOD.
    public static func multiplyModulo(_ a: U256, _ b: U256, _ m: U256) -> U256 {
        if m.isZero { return .zero }
        let (low, high) = a.multipliedFull(by: b)
        return reduce512(low, high, m)
    }

    private static func reduce512(_ low: U256, _ high: U256, _ m: U256) -> U256 {
        if high.isZero, low < m { return low }
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 18) { scratch in
            let n = scratch.baseAddress!
            (n[0], n[1], n[2], n[3]) = (low.l0, low.l1, low.l2, low.l3)
            (n[4], n[5], n[6], n[7]) = (high.l0, high.l1, high.l2, high.l3)
            return divideLimbs(n, 8, by: m, quotient: n + 9)
        }
    }
}

/// Knuth's algorithm D (TAOCP 2, 4.3.1) on 64-bit limbs. `numerator` has room for one limb more than `count`.
///
/// Digits are guessed by multiplication with the reciprocal of the divisor's two highest limbs (Möller, Granlund, "Improved
/// division by invariant integers", 2011): the guess is wrong so rarely that one correction is enough, and the only hardware
/// division is the one that makes the reciprocal.
private func divideLimbs(
    _ numerator: UnsafeMutablePointer<UInt64>, _ count: Int, by divisor: U256, quotient: UnsafeMutablePointer<UInt64>
) -> U256 {
    let width = (divisor.bitWidth &+ 63) / 64, shift = UInt64(64 &* width &- divisor.bitWidth), d = divisor.shiftedLeft(shift)
    numerator[count] = 0
    if shift > 0 {
        for i in (1...count).reversed() { numerator[i] = numerator[i] &<< shift | numerator[i - 1] &>> (64 &- shift) }
        numerator[0] = numerator[0] &<< shift
    }
    if width == 1 {
        let v = reciprocal(of: d.l0)
        var remainder = numerator[count]
        for i in (0..<count).reversed() { (quotient[i], remainder) = divide(remainder, numerator[i], by: d.l0, v) }
        return U256(remainder &>> shift)
    }
    let limbs = (d.l0, d.l1, d.l2, d.l3)
    withUnsafePointer(to: limbs) { tuple in
        tuple.withMemoryRebound(to: UInt64.self, capacity: 4) { divideNormalised(numerator, count, by: $0, width, quotient: quotient) }
    }
    var remainder = U256(numerator[0], numerator[1], 0, 0)
    if width > 2 { remainder.l2 = numerator[2] }
    if width > 3 { remainder.l3 = numerator[3] }
    return remainder.shiftedRight(shift)
}

@inline(__always) private func divideNormalised(
    _ numerator: UnsafeMutablePointer<UInt64>, _ count: Int, by d: UnsafePointer<UInt64>, _ width: Int,
    quotient: UnsafeMutablePointer<UInt64>
) {
    let top = UInt128(d[width - 1]) << 64 | UInt128(d[width - 2])
    let v = reciprocal(of: top)
    for j in (0...(count &- width)).reversed() {
        let u = numerator + j
        let high = UInt128(u[width]) << 64 | UInt128(u[width - 1])
        var guess: UInt64, borrow: UInt64 = 0, carry: UInt64 = 0
        if _slowPath(high == top) {
            guess = .max
            for i in 0..<width { u[i] = subtractWithBorrow(u[i], multiplyAdd(0, guess, d[i], &carry), &borrow) }
            u[width] = subtractWithBorrow(u[width], carry, &borrow)
        } else {
            let rest: UInt128
            (guess, rest) = divide(high, u[width - 2], by: top, v)
            for i in 0..<(width &- 2) { u[i] = subtractWithBorrow(u[i], multiplyAdd(0, guess, d[i], &carry), &borrow) }
            u[width - 2] = subtractWithBorrow(UInt64(truncatingIfNeeded: rest), carry, &borrow)
            u[width - 1] = subtractWithBorrow(UInt64(truncatingIfNeeded: rest >> 64), 0, &borrow)
            u[width] = 0
        }
        if _slowPath(borrow != 0) {
            guess &-= 1
            var c: UInt64 = 0
            for i in 0..<width { u[i] = addWithCarry(u[i], d[i], &c) }
            u[width] = 0
        }
        quotient[j] = guess
    }
}

/// ⌊(2¹²⁸ − 1)/d⌋ − 2⁶⁴ for d with its top bit set.
@inline(__always) private func reciprocal(of d: UInt64) -> UInt64 { d.dividingFullWidth((~d, .max)).quotient }

/// ⌊(2¹⁹² − 1)/d⌋ − 2⁶⁴ for d with its top bit set.
@inline(__always) private func reciprocal(of d: UInt128) -> UInt64 {
    let d1 = UInt64(truncatingIfNeeded: d >> 64), d0 = UInt64(truncatingIfNeeded: d)
    var v = reciprocal(of: d1), p = d1 &* v &+ d0
    if p < d0 {
        v &-= 1
        if p >= d1 {
            v &-= 1
            p &-= d1
        }
        p &-= d1
    }
    let t = UInt128(v) &* UInt128(d0), t1 = UInt64(truncatingIfNeeded: t >> 64)
    p &+= t1
    if p < t1 {
        v &-= 1
        if UInt128(p) << 64 | UInt128(UInt64(truncatingIfNeeded: t)) >= d { v &-= 1 }
    }
    return v
}

/// Two limbs by one, with high < d.
@inline(__always) private func divide(_ high: UInt64, _ low: UInt64, by d: UInt64, _ v: UInt64) -> (quotient: UInt64, remainder: UInt64) {
    let q = UInt128(v) &* UInt128(high) &+ (UInt128(high) << 64 | UInt128(low))
    var q1 = UInt64(truncatingIfNeeded: q >> 64) &+ 1, r = low &- q1 &* d
    if r > UInt64(truncatingIfNeeded: q) {
        q1 &-= 1
        r &+= d
    }
    if _slowPath(r >= d) {
        q1 &+= 1
        r &-= d
    }
    return (q1, r)
}

/// Three limbs by two, with high < d.
@inline(__always) private func divide(_ high: UInt128, _ low: UInt64, by d: UInt128, _ v: UInt64) -> (quotient: UInt64, remainder: UInt128)
{
    let q = UInt128(v) &* (high >> 64) &+ high
    var q1 = UInt64(truncatingIfNeeded: q >> 64)
    let r1 = UInt64(truncatingIfNeeded: high) &- q1 &* UInt64(truncatingIfNeeded: d >> 64)
    var r = (UInt128(r1) << 64 | UInt128(low)) &- UInt128(UInt64(truncatingIfNeeded: d)) &* UInt128(q1) &- d
    q1 &+= 1
    if UInt64(truncatingIfNeeded: r >> 64) >= UInt64(truncatingIfNeeded: q) {
        q1 &-= 1
        r &+= d
    }
    if _slowPath(r >= d) {
        q1 &+= 1
        r &-= d
    }
    return (q1, r)
}
