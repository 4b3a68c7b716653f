import Ciphers
import Primitives

/// Everything that the demonstration draws by lot, from one number: the keys of its parties, the order of the rows in their tables,
/// where the insurer's wrong message strikes. The same seed shows the same demonstration.
///
/// What keeps values private is never drawn from it: shares, salts, coins and readers' keys are the nodes' own randomness.
struct DemoLots {
    let seed: UInt32

    private func word(_ what: String) -> Hash32 { keccak256(Bytes("entente/demo/\(seed)/\(what)".utf8)) }

    func key(_ owner: String) -> PrivateKey {
        var attempt = 0
        while true {
            if let key = try? PrivateKey(word("key/\(owner)/\(attempt)").bytes) { return key }  // refused with probability 2⁻¹²⁸
            attempt += 1
        }
    }
    /// Below `bound`; the bias is 2⁻⁵⁰ at the sizes of a demonstration.
    func number(_ what: String, below bound: Int) -> Int { Int(U256(word(what)).l0 % UInt64(bound)) }

    func shuffled<Row>(_ rows: some Sequence<Row>, _ what: String) -> [Row] {
        rows.enumerated().map { (word("\(what)/\($0)").bytes, $1) }.sorted { $0.0.lexicographicallyPrecedes($1.0) }.map(\.1)
    }
}
