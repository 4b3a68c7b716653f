import Ciphers
import Primitives

/// One message's four parties: s sends it, v can compute the same bytes and vouches for them, r receives, o is the outsider.
package struct Row: Sendable, Hashable {
    package let s: Int, v: Int, r: Int, o: Int
    package init(_ s: Int, _ v: Int, _ r: Int, _ o: Int) { (self.s, self.v, self.r, self.o) = (s, v, r, o) }

    /// Rank of (sender, receiver, witness) among the 24 ordered triples of four seats, in lexicographic order.
    package var triple: Int {
        let second = r - (r > s ? 1 : 0), third = v - (v > s ? 1 : 0) - (v > r ? 1 : 0)
        return 6 * s + 2 * second + third
    }
    package init?(triple: Int) {
        guard (0..<24).contains(triple) else { return nil }
        var left = [0, 1, 2, 3]
        let s = left.remove(at: triple / 6), r = left.remove(at: triple / 2 % 3), v = left.remove(at: triple % 2)
        self.init(s, v, r, left[0])
    }
}

/// The place of one message in a session: what a MESSAGE claim is about.
package struct MessageSlot: Sendable, Hashable {
    package let step: UInt64
    package let row: UInt32
    package let parties: Row

    package init(step: UInt64, row: UInt32, parties: Row) { (self.step, self.row, self.parties) = (step, row, parties) }
    /// The claim's index of job-protocol.md §4: step·2⁴⁸ + row·2¹⁶ + triple·2⁸ + role; role 0 sender, 1 witness, 2 receiver.
    package func index(role: Int) -> U256 {
        U256(step << 48 | UInt64(row) << 16 | UInt64(parties.triple) << 8 | UInt64(role), step >> 16, 0, 0)
    }
    /// The role of a party in this message; nil for the outsider.
    package func role(of party: Int) -> Int? { [parties.s, parties.v, parties.r].firstIndex(of: party) }
}

/// What a receiver says when payload and MAC of a message do not fit: the place, and the digest of what it got (nil: no
/// payload came). Sender and witness answer with their claims on the same place (`Session.claim`).
package struct Objection: Sendable, Hashable {
    package let slot: MessageSlot
    package let received: Hash32?
}

/// The verdict on one disputed message, from the claims of sender, witness and objecting receiver (nil: "none"). The party
/// that deviated, if there is one, is in the pair whatever it claimed.
///
/// Source: reference/r4.md §12.
package func judge(_ row: Row, sender: Hash32?, witness: Hash32?, receiver: Hash32?) -> (Int, Int) {
    guard let sender else { return (row.s, row.r) }
    guard let witness else { return (row.v, row.r) }
    if sender != witness { return (row.s, row.v) }
    return receiver != sender ? (row.s, row.r) : (row.v, row.r)
}

/// Content of a KEY claim: the digest of κ that `from` sent to `to` for K_component, as one of the two states it.
package struct KeyContribution: Sendable, Hashable {
    package let component: Int, from: Int, to: Int
    /// 0: as sent, 1: as received.
    package let side: Int
    package let digest: Hash32
    /// The claim's index: ((component·4 + from)·4 + to)·2 + side.
    package var index: Int { ((component * 4 + from) * 4 + to) * 2 + side }
}
