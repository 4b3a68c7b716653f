import Primitives

/// Keccak-256 as Ethereum uses it: rate 1,088, padding 0x01, not the 0x06 of FIPS 202.
///
/// Source: Keccak reference 3.0. The permutation is unrolled over 25 local words: about the speed of C on a scalar unit.
public struct Keccak256: ~Copyable {
    private let state: UnsafeMutablePointer<UInt64>
    private var filled = 0  // bytes absorbed of the current block
    static let rate = 136

    public init() {
        state = .allocate(capacity: 25)
        state.initialize(repeating: 0, count: 25)
    }
    deinit {
        state.update(repeating: 0, count: 25)
        state.deallocate()
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        filled = absorb(state, filled, bytes)
    }
    public mutating func update(_ bytes: some Collection<UInt8>) {
        if bytes.withContiguousStorageIfAvailable({ update(UnsafeRawBufferPointer($0)) }) == nil {
            Bytes(bytes).withUnsafeBytes { update($0) }
        }
    }

    public consuming func finish() -> Hash32 { pad(state, filled) }

    /// One shot without allocation.
    public static func hash(_ bytes: UnsafeRawBufferPointer) -> Hash32 {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 25) { buffer in
            let state = buffer.baseAddress!
            state.initialize(repeating: 0, count: 25)
            return pad(state, absorb(state, 0, bytes))
        }
    }
}

/// keccak-256 of the bytes, in one shot.
public func keccak256(_ bytes: some Collection<UInt8>) -> Hash32 {
    bytes.withContiguousStorageIfAvailable { Keccak256.hash(UnsafeRawBufferPointer($0)) }
        ?? Bytes(bytes).withUnsafeBytes { Keccak256.hash($0) }
}
public func keccak256(_ hash: Hash32) -> Hash32 { hash.withUnsafeBytes { Keccak256.hash($0) } }
public func keccak256(_ address: Address) -> Hash32 { address.withUnsafeBytes { Keccak256.hash($0) } }

private func absorb(_ state: UnsafeMutablePointer<UInt64>, _ start: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
    var filled = start, at = 0
    let raw = UnsafeMutableRawPointer(state)
    while at < bytes.count {
        if filled == 0, bytes.count - at >= Keccak256.rate {
            for lane in 0..<17 { state[lane] ^= bytes.loadUnaligned(fromByteOffset: at + 8 * lane, as: UInt64.self) }
            at += Keccak256.rate
            permute(state)
            continue
        }
        if filled & 7 == 0, bytes.count - at >= 8 {  // whole lanes
            let lanes = min(Keccak256.rate - filled, bytes.count - at) / 8
            for lane in 0..<lanes { state[filled / 8 + lane] ^= bytes.loadUnaligned(fromByteOffset: at + 8 * lane, as: UInt64.self) }
            filled += 8 * lanes
            at += 8 * lanes
            if filled == Keccak256.rate {
                permute(state)
                filled = 0
            }
            continue
        }
        let take = min(Keccak256.rate - filled, bytes.count - at)
        for i in 0..<take {
            let target = raw + filled + i
            target.storeBytes(of: target.load(as: UInt8.self) ^ bytes[at + i], as: UInt8.self)
        }
        filled += take
        at += take
        if filled == Keccak256.rate {
            permute(state)
            filled = 0
        }
    }
    return filled
}

private func pad(_ state: UnsafeMutablePointer<UInt64>, _ filled: Int) -> Hash32 {
    state[filled / 8] ^= 1 << UInt64(8 * (filled % 8))
    state[16] ^= 1 << 63
    permute(state)
    return Hash32(at: state)
}

@inline(__always) private func rotate(_ x: UInt64, _ n: UInt64) -> UInt64 { x &<< n | x &>> (64 &- n) }

private nonisolated(unsafe) let roundConstants: UnsafePointer<UInt64> = {
    let words: [UInt64] = [
        0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
        0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
        0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
        0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
    ]
    let table = UnsafeMutablePointer<UInt64>.allocate(capacity: words.count)
    table.initialize(from: words, count: words.count)
    return UnsafePointer(table)
}()

private func permute(_ s: UnsafeMutablePointer<UInt64>) {
    let constants = roundConstants
    var a00 = s[0], a01 = s[1], a02 = s[2], a03 = s[3], a04 = s[4], a05 = s[5], a06 = s[6], a07 = s[7], a08 = s[8], a09 = s[9]
    var a10 = s[10], a11 = s[11], a12 = s[12], a13 = s[13], a14 = s[14], a15 = s[15], a16 = s[16], a17 = s[17], a18 = s[18], a19 = s[19]
    var a20 = s[20], a21 = s[21], a22 = s[22], a23 = s[23], a24 = s[24]
    for round in 0..<24 {
        let c0 = a00 ^ a05 ^ a10 ^ a15 ^ a20, c1 = a01 ^ a06 ^ a11 ^ a16 ^ a21, c2 = a02 ^ a07 ^ a12 ^ a17 ^ a22
        let c3 = a03 ^ a08 ^ a13 ^ a18 ^ a23, c4 = a04 ^ a09 ^ a14 ^ a19 ^ a24
        let d0 = c4 ^ rotate(c1, 1), d1 = c0 ^ rotate(c2, 1), d2 = c1 ^ rotate(c3, 1), d3 = c2 ^ rotate(c4, 1), d4 = c3 ^ rotate(c0, 1)
        let b00 = a00 ^ d0, b10 = rotate(a01 ^ d1, 1), b20 = rotate(a02 ^ d2, 62), b05 = rotate(a03 ^ d3, 28), b15 = rotate(a04 ^ d4, 27)
        let b16 = rotate(a05 ^ d0, 36), b01 = rotate(a06 ^ d1, 44), b11 = rotate(a07 ^ d2, 6), b21 = rotate(a08 ^ d3, 55),
            b06 = rotate(a09 ^ d4, 20)
        let b07 = rotate(a10 ^ d0, 3), b17 = rotate(a11 ^ d1, 10), b02 = rotate(a12 ^ d2, 43), b12 = rotate(a13 ^ d3, 25),
            b22 = rotate(a14 ^ d4, 39)
        let b23 = rotate(a15 ^ d0, 41), b08 = rotate(a16 ^ d1, 45), b18 = rotate(a17 ^ d2, 15), b03 = rotate(a18 ^ d3, 21),
            b13 = rotate(a19 ^ d4, 8)
        let b14 = rotate(a20 ^ d0, 18), b24 = rotate(a21 ^ d1, 2), b09 = rotate(a22 ^ d2, 61), b19 = rotate(a23 ^ d3, 56),
            b04 = rotate(a24 ^ d4, 14)
        a00 = b00 ^ (~b01 & b02) ^ constants[round]; a01 = b01 ^ (~b02 & b03); a02 = b02 ^ (~b03 & b04); a03 = b03 ^ (~b04 & b00);
        a04 = b04 ^ (~b00 & b01)
        a05 = b05 ^ (~b06 & b07); a06 = b06 ^ (~b07 & b08); a07 = b07 ^ (~b08 & b09); a08 = b08 ^ (~b09 & b05); a09 = b09 ^ (~b05 & b06)
        a10 = b10 ^ (~b11 & b12); a11 = b11 ^ (~b12 & b13); a12 = b12 ^ (~b13 & b14); a13 = b13 ^ (~b14 & b10); a14 = b14 ^ (~b10 & b11)
        a15 = b15 ^ (~b16 & b17); a16 = b16 ^ (~b17 & b18); a17 = b17 ^ (~b18 & b19); a18 = b18 ^ (~b19 & b15); a19 = b19 ^ (~b15 & b16)
        a20 = b20 ^ (~b21 & b22); a21 = b21 ^ (~b22 & b23); a22 = b22 ^ (~b23 & b24); a23 = b23 ^ (~b24 & b20); a24 = b24 ^ (~b20 & b21)
    }
    (s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]) = (a00, a01, a02, a03, a04, a05, a06, a07, a08, a09)
    (s[10], s[11], s[12], s[13], s[14], s[15], s[16], s[17], s[18], s[19]) = (a10, a11, a12, a13, a14, a15, a16, a17, a18, a19)
    (s[20], s[21], s[22], s[23], s[24]) = (a20, a21, a22, a23, a24)
}
