import Ciphers
import Primitives

/// The contracts that the protocol itself provides, at fixed low addresses.
enum Precompile: UInt8 {
    case recover = 1, sha256, ripemd160, identity, modularPower, curveAdd, curveMultiply, curvePairing, blake2
    case pointEvaluation, addG1, sumG1, addG2, sumG2, pairing381, mapToG1, mapToG2
    case verifyP256

    @inline(__always) init?(at address: U256, _ rules: Rules) {
        guard address.fitsUInt64, address.l0 <= 0x100, address.l0 > 0 else { return nil }
        guard address.l0 <= rules.lastPrecompile || address.l0 == 0x100 && rules.hasP256Verify else { return nil }
        self = address.l0 <= 0x11 ? Precompile(rawValue: UInt8(address.l0))! : .verifyP256
    }

    /// - Throws: `outOfGas`, or `precompileFailed` where the input is refused.
    func run(_ input: UnsafeRawBufferPointer, gas: Int64, _ rules: Rules) throws(HaltReason) -> (output: Bytes, cost: Int64) {
        let words = Int64((input.count + 31) / 32)
        switch self {
        case .recover:
            try afford(3000, gas)
            return (recoverSigner(input), 3000)
        case .sha256:
            try afford(60 + 12 * words, gas)
            var hash = SHA256()
            hash.update(input)
            return (hash.finish().bytes, 60 + 12 * words)
        case .ripemd160:
            try afford(600 + 120 * words, gas)
            return (Bytes(repeating: 0, count: 12) + RIPEMD160.hash(input), 600 + 120 * words)
        case .identity:
            try afford(15 + 3 * words, gas)
            return (Bytes(input), 15 + 3 * words)
        case .modularPower: return try ModularPowerCall.run(input, gas: gas, rules)
        case .curveAdd:
            let cost: Int64 = rules.cheapPairing ? 150 : 500
            try afford(cost, gas)
            return (try BN254.add(input), cost)
        case .curveMultiply:
            let cost: Int64 = rules.cheapPairing ? 6000 : 40000
            try afford(cost, gas)
            return (try BN254.multiply(input), cost)
        case .curvePairing:
            let pairs = Int64(input.count / 192), cost = rules.cheapPairing ? 45000 + 34000 * pairs : 100_000 + 80000 * pairs
            try afford(cost, gas)
            return (try BN254.pairing(input), cost)
        case .blake2:
            guard input.count == 213, input[212] <= 1 else { throw .precompileFailed }
            let rounds = Int64(UInt32(bigEndian: input.loadUnaligned(as: UInt32.self)))
            try afford(rounds, gas)
            return (Blake2.compress(input), rounds)
        case .verifyP256:
            try afford(6900, gas)
            return (checkSignatureP256(input), 6900)
        default: return try run381(input, gas: gas)
        }
    }

    /// 0x0a to 0x11: over BLS12-381.
    private func run381(_ input: UnsafeRawBufferPointer, gas: Int64) throws(HaltReason) -> (output: Bytes, cost: Int64) {
        func priced(
            _ cost: Int64, _ contract: (UnsafeRawBufferPointer) throws(HaltReason) -> Bytes
        ) throws(HaltReason) -> (output: Bytes, cost: Int64) {
            try afford(cost, gas)
            return (try contract(input), cost)
        }
        func count(_ size: Int) throws(HaltReason) -> Int {
            guard input.count > 0, input.count % size == 0 else { throw .precompileFailed }
            return input.count / size
        }
        switch self {
        case .pointEvaluation: return try priced(50000, BLS12381.evaluatePoint)
        case .addG1: return try priced(375, BLS12381.addG1)
        case .sumG1:
            return try priced(BLS12381.price(ofSum: try count(160), single: 12000, discounts: BLS12381.discountsG1), BLS12381.sumG1)
        case .addG2: return try priced(600, BLS12381.addG2)
        case .sumG2:
            return try priced(BLS12381.price(ofSum: try count(288), single: 22500, discounts: BLS12381.discountsG2), BLS12381.sumG2)
        case .pairing381: return try priced(37700 + 32600 * Int64(try count(384)), BLS12381.pairing)
        case .mapToG1: return try priced(5500, BLS12381.mapToG1)
        default: return try priced(23800, BLS12381.mapToG2)
        }
    }
}

func afford(_ cost: Int64, _ gas: Int64) throws(HaltReason) {
    if gas < cost { throw .outOfGas }
}

/// `count` bytes from `start`, with zeros behind the end of the input.
func padded(_ input: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Bytes {
    let from = min(start, input.count), to = min(input.count, from + count)
    return Bytes(input[from..<to]) + Bytes(repeating: 0, count: count - (to - from))
}

/// The word whose bytes are the `count` ≤ 32 from `start`, with zeros behind the end of the input.
func word(_ input: UnsafeRawBufferPointer, _ start: Int, count: Int = 32) -> U256 {
    var bytes = Hash32.zero
    withUnsafeMutableBytes(of: &bytes) { target in
        let present = max(0, min(count, input.count - start))
        if present > 0 {
            UnsafeMutableRawBufferPointer(rebasing: target[(32 - count)..<(32 - count + present)])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: input[start..<(start + present)]))
        }
    }
    return U256(bytes)
}

/// No output where no key signed.
private func recoverSigner(_ input: UnsafeRawBufferPointer) -> Bytes {
    let v = word(input, 32)
    guard v == 27 || v == 28 else { return [] }
    do throws(SignatureError) {
        let key = try Secp256k1.recover(word(input, 0).hash, r: word(input, 64), s: word(input, 96), yParity: UInt8(v.l0 - 27))
        return key.address.word.bytes
    } catch { return [] }
}

/// EIP-7951: digest, r, s, x, y. One where the signature holds, else nothing.
private func checkSignatureP256(_ input: UnsafeRawBufferPointer) -> Bytes {
    guard input.count == 160 else { return [] }
    let holds = P256.verifies(word(input, 0).hash, r: word(input, 32), s: word(input, 64), x: word(input, 96), y: word(input, 128))
    return holds ? U256.one.bytes : []
}

/// EIP-198 with the prices of 2565 and 7883 and the bounds of 7823.
enum ModularPowerCall {
    static func run(_ input: UnsafeRawBufferPointer, gas: Int64, _ rules: Rules) throws(HaltReason) -> (output: Bytes, cost: Int64) {
        let counts = (word(input, 0), word(input, 32), word(input, 64))
        if rules.modexpPricing == .eip7883, max(counts.0, counts.1, counts.2) > 1024 { throw .precompileFailed }
        // Longer ones cost more than 2⁵⁰ gas, but for an exponent of any length between empty numbers.
        guard max(counts.0, counts.2) <= U256(1 << 32 as UInt64) else { throw .outOfGas }
        let baseCount = Int(counts.0.l0), modulusCount = Int(counts.2.l0)
        let exponentCount = counts.1.fitsUInt64 ? Int(min(counts.1.l0, 1 << 40)) : 1 << 40
        let head32 = word(input, 96 + baseCount, count: min(32, exponentCount))
        let cost = price(UInt128(max(baseCount, modulusCount)), exponentCount, head32, rules.modexpPricing)
        guard cost <= UInt128(gas) else { throw .outOfGas }
        if modulusCount == 0 { return ([], Int64(cost)) }
        guard exponentCount < 1 << 40 else { throw .outOfGas }
        let output = modularPower(
            variableTime: padded(input, 96, baseCount), exponent: padded(input, 96 + baseCount, exponentCount),
            modulus: padded(input, 96 + baseCount + exponentCount, modulusCount))
        return (output, Int64(cost))
    }

    private static func price(_ count: UInt128, _ exponentCount: Int, _ head: U256, _ pricing: Rules.ModexpPricing) -> UInt128 {
        let words = (count + 7) / 8
        let headBits = UInt128(max(0, head.bitWidth - 1))
        let factor: UInt128 = pricing == .eip7883 ? 16 : 8
        let iterations = max(1, (exponentCount > 32 ? factor * UInt128(exponentCount - 32) : 0) + headBits)
        switch pricing {
        case .eip198:
            let x = count * count
            let complexity = count <= 64 ? x : count <= 1024 ? x / 4 + 96 * count - 3072 : x / 16 + 480 * count - 199_680
            return complexity * iterations / 20
        case .eip2565: return max(200, words * words * iterations / 3)
        case .eip7883: return max(500, (count <= 32 ? 16 : 2 * words * words) * iterations)
        }
    }
}
