import Ciphers
import Primitives

/// The precompiled contracts of BLS12-381 (EIP-2537, 0x0b to 0x11) and the proof check of EIP-4844 (0x0a).
///
/// y² = x³ + 4 over F_p, twist y² = x³ + 4(1 + u), parameter x = −0xd201000000010000. Ate pairing; the final exponentiation gives
/// the cube of the usual one (Hayashida, Hayasaka, Teruya, eprint 2020/875), which is one for the same inputs. Subgroup checks:
/// [r]P = 0 on the curve, ψ(Q) = [x]Q on the twist (Scott, eprint 2021/1130). Nothing is constant-time: all inputs are public.
enum BLS12381 {
    typealias F2 = Fp2<Fp381>
    static let minusX: UInt64 = 0xd201_0000_0001_0000
    static let order = U256(0xffffffff00000001, 0x53bda402fffe5bfe, 0x3339d80809a1d805, 0x73eda753299d7d48)

    // The p-th power seen from the twist: (x, y) ↦ (x̄/ξ^((p−1)/3), ȳ/ξ^((p−1)/2)).
    private static let psiX = Fp381.frobenius[2].inverse
    private static let psiY = Fp381.frobenius[3].inverse

    static func psi(_ q: Affine<F2>) -> Affine<F2> { Affine(x: q.x.conjugate * psiX, y: q.y.conjugate * psiY) }
    static func psi(_ q: Jacobian<F2>) -> Jacobian<F2> { Jacobian(q.affine.map { psi($0) }) }

    static func isInSubgroup(_ p: Affine<Fp381>) -> Bool { Jacobian(p).multiplied(by: order) == .infinity }
    static func isInSubgroup(_ q: Affine<F2>) -> Bool { Jacobian(psi(q)) == -Jacobian(q).multiplied(by: U256(minusX)) }
}

// MARK: pairing

extension BLS12381 {
    /// Whether the product of the pairings is one.
    static func isProductOne(_ pairs: [(Affine<Fp381>, Affine<F2>)]) -> Bool {
        var product = Fp12<Fp381>.one
        for (p, q) in pairs { product = product * millerLoop(p, q) }
        return finalExponentiation(product) == .one
    }
    private static func millerLoop(_ p: Affine<Fp381>, _ q: Affine<F2>) -> Fp12<Fp381> {
        var runner = Runner(q), f = Fp12<Fp381>.one
        for bit in (0..<63).reversed() {
            f = f * f * runner.double(at: p)
            if minusX >> UInt64(bit) & 1 == 1 { f = f * runner.add(q, at: p) }
        }
        return f.conjugate  // x is negative
    }
    /// f^(3·(p¹² − 1)/r): (x − 1)²(x + p)(x² + p² − 1) + 3 for the hard part.
    private static func finalExponentiation(_ f: Fp12<Fp381>) -> Fp12<Fp381> {
        func raisedToX(_ g: Fp12<Fp381>) -> Fp12<Fp381> { g.raised(to: minusX).conjugate }
        let easy = f.conjugate * f.inverse, g = easy.frobenius.frobenius * easy
        let a = raisedToX(g) * g.conjugate, b = raisedToX(a) * a.conjugate
        let c = raisedToX(b) * b.frobenius
        let d = raisedToX(raisedToX(c)) * c.frobenius.frobenius * c.conjugate
        return d * g * g * g
    }
}

// MARK: contracts

extension BLS12381 {
    static func addG1(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        guard input.count == 256 else { throw .precompileFailed }
        return encoded(Jacobian(try g1(input, 0)) + Jacobian(try g1(input, 128)))
    }
    static func addG2(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        guard input.count == 512 else { throw .precompileFailed }
        return encoded(Jacobian(try g2(input, 0)) + Jacobian(try g2(input, 256)))
    }
    static func sumG1(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        var sum = Jacobian<Fp381>.infinity
        for start in stride(from: 0, to: input.count, by: 160) {
            if let point = try g1(input, start, checked: true) { sum = sum + Jacobian(point).multiplied(by: word(input, start + 128)) }
        }
        return encoded(sum)
    }
    static func sumG2(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        var sum = Jacobian<F2>.infinity
        for start in stride(from: 0, to: input.count, by: 288) {
            if let point = try g2(input, start, checked: true) { sum = sum + Jacobian(point).multiplied(by: word(input, start + 256)) }
        }
        return encoded(sum)
    }
    static func pairing(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        var pairs: [(Affine<Fp381>, Affine<F2>)] = []
        for start in stride(from: 0, to: input.count, by: 384) {
            let p = try g1(input, start, checked: true), q = try g2(input, start + 128, checked: true)
            if let p, let q { pairs.append((p, q)) }
        }
        return U256(isProductOne(pairs) ? 1 : 0 as UInt64).bytes
    }
    static func mapToG1(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        guard input.count == 64 else { throw .precompileFailed }
        let point = HashToCurve.g1.map(try element(input, 0))
        return encoded(point.multiplied(by: U256(minusX + 1)))  // clears the cofactor: h_eff = 1 − x
    }
    static func mapToG2(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        guard input.count == 128 else { throw .precompileFailed }
        return encoded(clearedCofactor(HashToCurve.g2.map(try pair(input, 0))))
    }
    /// [x² − x − 1]P + [x − 1]ψ(P) + ψ²([2]P): Budroni, Pintore, eprint 2017/419.
    private static func clearedCofactor(_ p: Jacobian<F2>) -> Jacobian<F2> {
        func timesX(_ q: Jacobian<F2>) -> Jacobian<F2> { -q.multiplied(by: U256(minusX)) }
        let xp = timesX(p), psiP = psi(p)
        return timesX(xp) + (-xp) + (-p) + timesX(psiP) + (-psiP) + psi(psi(p.doubled))
    }

    static func element(_ input: UnsafeRawBufferPointer, _ start: Int) throws(HaltReason) -> Fp381 {
        let bytes = input[start..<(start + 64)]
        guard bytes.prefix(16).allSatisfy({ $0 == 0 }), let value = Fp381(bytes: bytes.suffix(48)) else { throw .precompileFailed }
        return value
    }
    private static func pair(_ input: UnsafeRawBufferPointer, _ start: Int) throws(HaltReason) -> F2 {
        F2(try element(input, start), try element(input, start + 64))
    }
    /// nil: infinity, written as zeros. `checked`: in the subgroup.
    private static func g1(_ input: UnsafeRawBufferPointer, _ start: Int, checked: Bool = false) throws(HaltReason) -> Affine<Fp381>? {
        let point = Affine(x: try element(input, start), y: try element(input, start + 64))
        if point.x.isZero, point.y.isZero { return nil }
        guard point.y.squared == point.x.squared * point.x + Fp381(4), !checked || isInSubgroup(point) else { throw .precompileFailed }
        return point
    }
    private static func g2(_ input: UnsafeRawBufferPointer, _ start: Int, checked: Bool = false) throws(HaltReason) -> Affine<F2>? {
        let point = Affine(x: try pair(input, start), y: try pair(input, start + 128))
        if point.x.isZero, point.y.isZero { return nil }
        guard point.y.squared == point.x.squared * point.x + Fp381.twistB, !checked || isInSubgroup(point) else { throw .precompileFailed }
        return point
    }
    private static func encoded(_ value: Fp381) -> Bytes { Bytes(repeating: 0, count: 16) + value.bytes }
    private static func encoded(_ p: Jacobian<Fp381>) -> Bytes {
        p.affine.map { encoded($0.x) + encoded($0.y) } ?? Bytes(repeating: 0, count: 128)
    }
    private static func encoded(_ q: Jacobian<F2>) -> Bytes {
        q.affine.map { encoded($0.x.c0) + encoded($0.x.c1) + encoded($0.y.c0) + encoded($0.y.c1) } ?? Bytes(repeating: 0, count: 256)
    }
}

// MARK: prices

extension BLS12381 {
    /// EIP-2537: k multiplications at once, in thousandths of k times the price of one.
    static func price(ofSum count: Int, single: Int64, discounts: [Int64]) -> Int64 {
        count == 0 ? 0 : Int64(count) * single * discounts[min(count, discounts.count) - 1] / 1000
    }
    static let discountsG1: [Int64] = [
        1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673, 669, 665, 661,
        658, 654, 651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621, 619, 617, 615, 613, 611,
        609, 608, 606, 604, 603, 601, 599, 598, 596, 595, 593, 592, 591, 589, 588, 586, 585, 584, 582, 581,
        580, 579, 577, 576, 575, 574, 573, 572, 570, 569, 568, 567, 566, 565, 564, 563, 562, 561, 560, 559,
        558, 557, 556, 555, 554, 553, 552, 551, 550, 549, 548, 547, 547, 546, 545, 544, 543, 542, 541, 540,
        540, 539, 538, 537, 536, 536, 535, 534, 533, 532, 532, 531, 530, 529, 528, 528, 527, 526, 525, 525,
        524, 523, 522, 522, 521, 520, 520, 519,
    ]
    static let discountsG2: [Int64] = [
        1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711, 704, 699, 693,
        688, 683, 679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637, 634, 632, 629, 627, 624,
        622, 620, 618, 615, 613, 611, 609, 607, 606, 604, 602, 600, 598, 597, 595, 593, 592, 590, 589, 587,
        586, 584, 583, 582, 580, 579, 578, 576, 575, 574, 573, 571, 570, 569, 568, 567, 566, 565, 563, 562,
        561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 552, 551, 550, 549, 548, 547, 546, 545, 545, 544,
        543, 542, 541, 541, 540, 539, 538, 537, 537, 536, 535, 535, 534, 533, 532, 532, 531, 530, 530, 529,
        528, 528, 527, 526, 526, 525, 524, 524,
    ]
}

// MARK: point evaluation

extension BLS12381 {
    private static let generatorG1 = Affine(
        x: Fp381(hex: "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"),
        y: Fp381(hex: "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"))
    private static let generatorG2 = Affine(
        x: F2(
            Fp381(hex: "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"),
            Fp381(hex: "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e")),
        y: F2(
            Fp381(hex: "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"),
            Fp381(hex: "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be")))
    /// [τ] of the generator, from Ethereum's ceremony (EIP-4844, KZG_SETUP_G2_MONOMIAL[1]).
    private static let setupG2: Affine<F2> = {
        let x = F2(
            Fp381(hex: "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"),
            Fp381(hex: "15bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72"))
        let y = (x.squared * x + Fp381.twistB).squareRoot!
        // Compressed with the sign bit set: the greater root, by the imaginary part first.
        return Affine(x: x, y: (y.c1.isZero ? y.c0.isLarge : y.c1.isLarge) ? y : -y)
    }()

    /// versioned hash (32), z (32), y (32), commitment (48), proof (48): that the committed polynomial is y at z.
    static func evaluatePoint(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes {
        guard input.count == 192 else { throw .precompileFailed }
        let commitment = UnsafeRawBufferPointer(rebasing: input[96..<144]), z = word(input, 32), y = word(input, 64)
        let hash = [0x01] + sha256(commitment).bytes.dropFirst()
        guard hash.elementsEqual(input[0..<32]), z < order, y < order else { throw .precompileFailed }
        let c = try compressed(commitment), proof = try compressed(UnsafeRawBufferPointer(rebasing: input[144..<192]))
        // e(C − [y], −[1]₂) · e(π, [τ]₂ − [z]₂) = 1
        let shifted = Jacobian(c) + (-Jacobian(generatorG1).multiplied(by: y))
        let divisor = Jacobian(setupG2) + (-Jacobian(generatorG2).multiplied(by: z))
        var pairs: [(Affine<Fp381>, Affine<F2>)] = []
        if let p = shifted.affine { pairs.append((p, Affine(x: generatorG2.x, y: -generatorG2.y))) }
        if let proof, let q = divisor.affine { pairs.append((proof, q)) }
        guard isProductOne(pairs) else { throw .precompileFailed }
        return U256(4096).bytes + order.bytes
    }
    /// 48 bytes with three flag bits: compressed, infinity, greater root. nil: infinity.
    private static func compressed(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Affine<Fp381>? {
        let flags = input[0] >> 5
        var bytes = Bytes(input)
        bytes[0] &= 0x1f
        guard flags & 4 != 0 else { throw .precompileFailed }
        if flags & 2 != 0 {
            guard flags & 1 == 0, bytes.allSatisfy({ $0 == 0 }) else { throw .precompileFailed }
            return nil
        }
        guard let x = Fp381(bytes: bytes), let y = (x.squared * x + Fp381(4)).squareRoot else { throw .precompileFailed }
        let point = Affine(x: x, y: y.isLarge == (flags & 1 != 0) ? y : -y)
        guard isInSubgroup(point) else { throw .precompileFailed }
        return point
    }
}
