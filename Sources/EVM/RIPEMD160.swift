import Primitives

/// RIPEMD-160 for the precompiled contract at 3; libcrypto may come without it.
///
/// Source: Dobbertin, Bosselaers, Preneel, "RIPEMD-160: A Strengthened Version of RIPEMD", 1996.
enum RIPEMD160 {
    private static let left: [UInt8] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8,
        3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12, 1, 9, 11, 10, 0, 8, 12, 4, 13, 3, 7, 15, 14, 5, 6, 2,
        4, 0, 5, 9, 7, 12, 2, 10, 14, 1, 3, 8, 11, 6, 15, 13,
    ]
    private static let right: [UInt8] = [
        5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8, 12, 4, 9, 1, 2,
        15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13, 8, 6, 4, 1, 3, 11, 15, 0, 5, 12, 2, 13, 9, 7, 10, 14,
        12, 15, 10, 4, 1, 5, 8, 7, 6, 2, 13, 14, 0, 3, 9, 11,
    ]
    private static let leftShift: [UInt8] = [
        11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8, 7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15, 9, 11, 7, 13, 12,
        11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5, 11, 12, 14, 15, 14, 15, 9, 8, 9, 14, 5, 6, 8, 6, 5, 12,
        9, 15, 5, 11, 6, 8, 13, 12, 5, 12, 13, 14, 11, 8, 5, 6,
    ]
    private static let rightShift: [UInt8] = [
        8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6, 9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12, 7, 6, 15, 13, 11,
        9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5, 15, 5, 8, 11, 14, 14, 6, 14, 6, 9, 12, 9, 12, 5, 15, 8,
        8, 5, 12, 9, 12, 5, 14, 6, 8, 13, 6, 5, 15, 13, 11, 11,
    ]
    private static let leftConstants: [UInt32] = [0, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e]
    private static let rightConstants: [UInt32] = [0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0]

    static func hash(_ input: UnsafeRawBufferPointer) -> Bytes {
        var state: [UInt32] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
        let whole = input.count / 64 * 64
        for start in stride(from: 0, to: whole, by: 64) { compress(&state, UnsafeRawBufferPointer(rebasing: input[start..<(start + 64)])) }
        var tail = Bytes(input[whole...]) + [0x80]
        tail += Bytes(repeating: 0, count: (120 - tail.count) % 64)
        let bits = UInt64(input.count) * 8
        for i in 0..<8 { tail.append(UInt8(truncatingIfNeeded: bits >> (8 * UInt64(i)))) }
        tail.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: 64) {
                compress(&state, UnsafeRawBufferPointer(rebasing: bytes[start..<(start + 64)]))
            }
        }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) } }
    }

    private static func mix(_ round: Int, _ x: UInt32, _ y: UInt32, _ z: UInt32) -> UInt32 {
        switch round {
        case 0: x ^ y ^ z
        case 1: x & y | ~x & z
        case 2: (x | ~y) ^ z
        case 3: x & z | y & ~z
        default: x ^ (y | ~z)
        }
    }
    private static func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { x &<< n | x &>> (32 &- n) }

    private static func line(
        _ h: [UInt32], _ block: UnsafeRawBufferPointer, _ order: [UInt8], _ shifts: [UInt8], _ constants: [UInt32],
        isRight: Bool
    ) -> (UInt32, UInt32, UInt32, UInt32, UInt32) {
        var (a, b, c, d, e) = (h[0], h[1], h[2], h[3], h[4])
        for j in 0..<80 {
            let word = UInt32(littleEndian: block.loadUnaligned(fromByteOffset: 4 * Int(order[j]), as: UInt32.self))
            let f = mix(isRight ? 4 - j / 16 : j / 16, b, c, d)
            let t = rotate(a &+ f &+ word &+ constants[j / 16], UInt32(shifts[j])) &+ e
            (a, e, d, c, b) = (e, d, rotate(c, 10), b, t)
        }
        return (a, b, c, d, e)
    }

    private static func compress(_ h: inout [UInt32], _ block: UnsafeRawBufferPointer) {
        let l = line(h, block, left, leftShift, leftConstants, isRight: false)
        let r = line(h, block, right, rightShift, rightConstants, isRight: true)
        h = [h[1] &+ l.2 &+ r.3, h[2] &+ l.3 &+ r.4, h[3] &+ l.4 &+ r.0, h[4] &+ l.0 &+ r.1, h[0] &+ l.1 &+ r.2]
    }
}
