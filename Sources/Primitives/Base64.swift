/// Base64 of RFC 4648 §4, padded; one text for given bytes, every other one refused.
public enum Base64 {
    private static let alphabet = Bytes("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    public static func print(_ bytes: some Collection<UInt8>) -> String {
        var out: Bytes = [], rest: UInt32 = 0, bits: UInt32 = 0
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        for byte in bytes {
            (rest, bits) = (rest << 8 | UInt32(byte), bits + 8)
            while bits >= 6 {
                bits -= 6
                out.append(alphabet[Int(rest >> bits & 63)])
            }
        }
        if bits > 0 { out.append(alphabet[Int(rest << (6 - bits) & 63)]) }
        while out.count % 4 > 0 { out.append(UInt8(ascii: "=")) }
        return String(decoding: out, as: UTF8.self)
    }

    /// nil: no text that `print` writes.
    public static func parse(_ text: String) -> Bytes? {
        let padding = text.utf8.reversed().prefix(2).prefix { $0 == UInt8(ascii: "=") }.count
        var out: Bytes = [], rest: UInt32 = 0, bits: UInt32 = 0
        guard text.utf8.count % 4 == 0 else { return nil }
        out.reserveCapacity(text.utf8.count / 4 * 3)
        for letter in text.utf8.dropLast(padding) {
            guard let value = value(letter) else { return nil }
            (rest, bits) = (rest << 6 | value, bits + 6)
            if bits >= 8 {
                bits -= 8
                out.append(UInt8(truncatingIfNeeded: rest >> bits))
            }
        }
        // 2 or 4 bits are left over beside 1 or 2 signs of padding, and they are zero.
        guard bits == 2 * UInt32(padding), rest & (1 << bits - 1) == 0 else { return nil }
        return out
    }

    private static func value(_ letter: UInt8) -> UInt32? {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter) - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter) - 71
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter) + 4
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
