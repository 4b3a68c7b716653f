import Ciphers
import Primitives

/// Rows to bins, in clear at each owner (reference/private-sql.md §6, "Bins"). The owners share K, so equal keys get equal bins; nobody
/// else ever sees a bin of a key. One HMAC a key gives its fingerprint and one bin in each third.
struct BinHash {
    /// The key itself less its lower bound where that is narrower, else the first planes of the keyed hash.
    var fingerprint: UInt64
    var bins: (Int, Int, Int)

    init(_ value: Value, key: Hash32, bins count: Int, planes: Int, exactLow: Int128?, form: KeyForm?) {
        let mac = HMAC.sha256(key: key.bytes, Bytes("entente/compute/key/v1".utf8) + value.canonicalKey)
        let third = UInt64(count / 3)
        func word(_ k: Int) -> UInt64 { (0..<8).reduce(0) { $0 << 8 | UInt64(mac[8 * k + $1]) } }
        bins = (Int(word(1) % third), Int(third + word(2) % third), Int(2 * third + word(3) % third))
        if let exactLow {
            fingerprint = value.exactKey(form, low: exactLow)
        } else {
            fingerprint = planes == 64 ? word(0) : word(0) >> UInt64(64 - planes)
        }
    }
}

extension Value {
    /// The stored bytes by which keys are equal.
    var canonicalKey: Bytes {
        switch self {
        case .text(let text): Bytes(text.utf8)
        case .number(let number): Bytes(number.description.utf8)
        default: Bytes(printed.utf8)
        }
    }
    func exactKey(_ form: KeyForm?, low: Int128) -> UInt64 {
        switch (self, form) {
        case (.text(let text), .hex?): UInt64(text, radix: 16) ?? 0
        case (.text(let text), _): UInt64(text) ?? 0
        case (.number(let number), _): UInt64(truncatingIfNeeded: number.unscaled - low)
        case (.date(let n), _), (.timestamp(let n), _): UInt64(truncatingIfNeeded: Int128(n) - low)
        case (.boolean(let flag), _): flag ? 1 : 0
        case (.null, _): 0
        }
    }
}

/// RFC 2104 over SHA-256.
enum HMAC {
    static func sha256(key: Bytes, _ message: Bytes) -> Hash32 {
        precondition(key.count <= 64)
        let padded = key + Bytes(repeating: 0, count: 64 - key.count)
        let inner = Ciphers.sha256(padded.map { $0 ^ 0x36 } + message)
        return Ciphers.sha256(padded.map { $0 ^ 0x5c } + inner.bytes)
    }
}

enum Cuckoo {
    static let maximumEvictions = 10_000

    /// The row in each bin, −1 where none; nil where no placement was found.
    static func place(_ rows: [BinHash], bins: Int, _ random: inout some RandomNumberGenerator) -> [Int]? {
        var spot = [Int](repeating: -1, count: bins)
        for start in rows.indices {
            var row = start, moves = 0
            while row >= 0 {
                moves += 1
                guard moves <= maximumEvictions else { return nil }
                let at = [rows[row].bins.0, rows[row].bins.1, rows[row].bins.2]
                let bin = at.first { spot[$0] < 0 } ?? at[Int(random.next() % 3)]
                swap(&row, &spot[bin])
            }
        }
        return spot
    }
    /// Every row in its three bins: place s·bins + b holds slot s of bin b; nil where a bin overflows.
    static func spread(_ rows: [BinHash], bins: Int, per: Int) -> [Int]? {
        var out = [Int](repeating: -1, count: bins * per), used = [Int](repeating: 0, count: bins)
        for (row, hash) in rows.enumerated() {
            for bin in [hash.bins.0, hash.bins.1, hash.bins.2] {
                guard used[bin] < per else { return nil }
                out[used[bin] * bins + bin] = row
                used[bin] += 1
            }
        }
        return out
    }
}
