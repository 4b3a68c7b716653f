import Ciphers
import Primitives

/// `V_h`: who is in charge of block `h`, strictly ascending, 1…100, nobody at the zero address (chain-rules §1, §7).
package struct ValidatorSet: Sendable, Hashable {
    package let addresses: [Address]
    /// Two quorums must share an honest validator. ⌈2n/3⌉ is the least such size; n − f is one too many when n = 3f + 3.
    package let quorum: Int

    package static let maximumCount = 100

    /// nil where the list is malformed.
    package init?(_ addresses: [Address]) {
        self.init(addresses, uncheckedQuorum: (2 * addresses.count + 2) / 3)
    }

    /// A set whose quorum another rule fixes: for the control of the simulator that must fail.
    package init?(_ addresses: [Address], uncheckedQuorum: Int) {
        guard (1...ValidatorSet.maximumCount).contains(addresses.count), !addresses[0].isZero,
            zip(addresses, addresses.dropFirst()).allSatisfy({ $0 < $1 })
        else { return nil }
        self.addresses = addresses
        quorum = uncheckedQuorum
    }

    package var count: Int { addresses.count }
    /// How many may be faulty in any way: f = ⌊(n−1)/3⌋.
    package var maximumFaulty: Int { (count - 1) / 3 }

    package func index(of address: Address) -> Int? {
        var low = 0, high = addresses.count
        while low < high {
            let middle = (low + high) / 2
            if addresses[middle] < address { low = middle + 1 } else { high = middle }
        }
        return low < addresses.count && addresses[low] == address ? low : nil
    }
    package func contains(_ address: Address) -> Bool { index(of: address) != nil }

    /// §5.2. `previous` built block `h − 1`; it need not be of this set (removed, or genesis).
    package func proposer(after previous: Address, round: UInt32) -> Address {
        let base = addresses.firstIndex { $0 > previous } ?? 0  // one after its position, or the first address greater than it
        return addresses[(base + Int(round)) % count]
    }

    /// `C(V)`: 30 bytes of H(RLP(list)), with which each header commits to the validators of the next block.
    package var commitment: Bytes { ValidatorSet.commitment(addresses) }
    package static func commitment(_ addresses: [Address]) -> Bytes {
        keccak256(RLP.encodeList { list in addresses.forEach { list.append($0) } }).bytes.prefix(30) + []
    }
}
