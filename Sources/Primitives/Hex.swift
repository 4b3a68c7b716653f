/// Bytes as every codec of the house takes and gives them.
public typealias Bytes = [UInt8]

/// Hexadecimal text, lower case out, either case in.
public enum Hex {
    public static func print(_ bytes: some Collection<UInt8>, prefix: Bool = true) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = prefix ? [0x30, 0x78] : []
        text.reserveCapacity(text.count + 2 * bytes.count)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Whole bytes, with or without `0x`; nil on an odd count or a foreign character.
    public static func parse(_ text: some StringProtocol) -> Bytes? {
        var digits = Substring(text)[...]
        if digits.hasPrefix("0x") { digits = digits.dropFirst(2) }
        let utf8 = Array(digits.utf8)
        guard utf8.count % 2 == 0 else { return nil }
        var bytes: Bytes = []
        bytes.reserveCapacity(utf8.count / 2)
        for i in stride(from: 0, to: utf8.count, by: 2) {
            guard let high = value(utf8[i]), let low = value(utf8[i + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x37
        case 0x61...0x66: digit - 0x57
        default: nil
        }
    }
}
