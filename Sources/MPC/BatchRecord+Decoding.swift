import Primitives

extension BatchRecord {
    /// What `encoded` gives: thirteen words, numbers below 2⁶⁴. Nil for anything else.
    package init?(encoded bytes: Bytes) {
        guard bytes.count == 13 * 32 else { return nil }
        let words = (0..<13).map { U256(bigEndian: bytes[32 * $0..<32 * $0 + 32]) }
        let numbers = ([0] + Array(7..<13)).map { words[$0].asUInt64 }
        guard !numbers.contains(nil) else { return nil }
        self.init(
            lastStep: numbers[0]!, sent: words[1..<4].map(\.hash), accepted: words[4..<7].map(\.hash),
            bytesOut: numbers[1..<4].map { $0! }, bytesIn: numbers[4..<7].map { $0! })
    }
}
