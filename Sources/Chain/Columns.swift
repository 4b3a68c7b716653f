import Primitives
import Storage

// The ledger's columns. Numbers are 8 bytes, big-endian, so that ranges are in order. Raising `formatVersion` needs a migration.

extension Column {
    /// address → RLP [nonce, balance, storage root, code hash]: the head's state, for reads of one step.
    static let accounts = Column(0x01)
    /// address ‖ slot → value without leading zeros: the head's state.
    static let slots = Column(0x02)
    /// code hash → code
    static let codes = Column(0x03)
    /// node hash → trie node: of every block's state. Nothing is pruned: every node is an archive.
    static let nodes = Column(0x04)
    /// number → block hash ‖ RLP(sealed header)
    static let headers = Column(0x05)
    /// number → RLP [transaction…]
    static let bodies = Column(0x06)
    /// number → RLP [receipt…], each as a string
    static let receipts = Column(0x07)
    /// number → 20 bytes a transaction: who sent it, so that reading recovers no signature
    static let senders = Column(0x08)
    /// block hash → number
    static let numbers = Column(0x09)
    /// transaction hash → number ‖ u32 index
    static let transactions = Column(0x0a)
    /// transaction hash → u64 arrival ‖ generation ‖ transaction: the pool's journal
    static let pool = Column(0x0b)
    /// head, genesis, format; watermark and lock of consensus
    static let facts = Column(0x0c)
}

enum Fact {
    static let format = Bytes("format".utf8), head = Bytes("head".utf8), genesis = Bytes("genesis".utf8)
    static let watermark = Bytes("watermark".utf8), lock = Bytes("lock".utf8), journal = Bytes("journal".utf8)
}

let formatVersion: UInt64 = 1

func bigEndian(_ number: UInt64) -> Bytes { (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * UInt64($0))) } }
func bigEndian(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
