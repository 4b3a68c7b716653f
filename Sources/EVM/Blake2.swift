import Primitives

/// The compression function F of BLAKE2b (RFC 7693 §3.2), with the number of rounds free, as EIP-152 gives it to contracts.
enum Blake2 {
    private static let order: [[Int]] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ]
    private static let start: [UInt64] = [
        0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
        0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
    ]
    private static let lines: [(Int, Int, Int, Int)] = [
        (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
    ]

    /// - Parameter input: rounds (4, big-endian), h (64), m (128), t (16), final (1).
    static func compress(_ input: UnsafeRawBufferPointer) -> Bytes {
        func word(_ offset: Int) -> UInt64 { UInt64(littleEndian: input.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
        let rounds = UInt32(bigEndian: input.loadUnaligned(as: UInt32.self))
        let h = (0..<8).map { word(4 + 8 * $0) }, message = (0..<16).map { word(68 + 8 * $0) }
        var v = h + start
        v[12] ^= word(196)
        v[13] ^= word(204)
        if input[212] == 1 { v[14] = ~v[14] }
        func rotate(_ x: UInt64, _ n: UInt64) -> UInt64 { x &>> n | x &<< (64 &- n) }
        v.withUnsafeMutableBufferPointer { v in
            for round in 0..<Int(rounds) {
                let s = order[round % 10]
                for (i, (a, b, c, d)) in lines.enumerated() {
                    v[a] = v[a] &+ v[b] &+ message[s[2 * i]]
                    v[d] = rotate(v[d] ^ v[a], 32)
                    v[c] = v[c] &+ v[d]
                    v[b] = rotate(v[b] ^ v[c], 24)
                    v[a] = v[a] &+ v[b] &+ message[s[2 * i + 1]]
                    v[d] = rotate(v[d] ^ v[a], 16)
                    v[c] = v[c] &+ v[d]
                    v[b] = rotate(v[b] ^ v[c], 63)
                }
            }
        }
        return (0..<8).flatMap { i in
            let word = h[i] ^ v[i] ^ v[i + 8]
            return (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
        }
    }
}
