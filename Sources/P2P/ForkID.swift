import Primitives

/// Which rules a node follows: a checksum of genesis and the forks passed, and the next fork it knows of (0: none). EIP-2124.
package struct ForkID: Hashable, Sendable {
    package var hash: UInt32
    package var next: UInt64

    package init(hash: UInt32, next: UInt64) {
        self.hash = hash
        self.next = next
    }
}

/// The forks of a chain in order, by block number or by time: whatever `head` counts.
package struct ForkSchedule: Equatable, Sendable {
    package let genesisHash: Hash32
    package let forks: [UInt64]
    /// Checksum after `i` forks.
    private let checksums: [UInt32]

    /// - Parameter forks: any order, repetitions and zeros (active in genesis) are left out.
    package init(genesisHash: Hash32, forks: [UInt64]) {
        self.genesisHash = genesisHash
        self.forks = Set(forks).subtracting([0]).sorted()
        var crc = CRC32()
        crc.update(genesisHash.bytes)
        var checksums = [crc.value]
        for fork in self.forks {
            crc.update((0..<8).map { UInt8(truncatingIfNeeded: fork >> (56 - 8 * UInt64($0))) })
            checksums.append(crc.value)
        }
        self.checksums = checksums
    }

    package func id(atHead head: UInt64) -> ForkID {
        let passed = forks.prefix { $0 <= head }.count
        return ForkID(hash: checksums[passed], next: passed < forks.count ? forks[passed] : 0)
    }

    /// Whether a peer can be of use, by the four rules of EIP-2124.
    package func accepts(_ peer: ForkID, atHead head: UInt64) -> Bool {
        let own = id(atHead: head), passed = forks.prefix { $0 <= head }.count
        if own.hash == peer.hash { return peer.next == 0 || head < peer.next }
        guard let theirs = checksums.firstIndex(of: peer.hash) else { return false }
        // Behind us: it must know the fork that comes next for it. Ahead of us: we have yet to sync.
        return theirs > passed || forks[theirs] == peer.next
    }
}

/// CRC-32 of IEEE 802.3, reflected.
struct CRC32 {
    private var state: UInt32 = .max
    var value: UInt32 { ~state }

    mutating func update(_ bytes: Bytes) {
        for byte in bytes {
            state ^= UInt32(byte)
            for _ in 0..<8 { state = state >> 1 ^ (state & 1 == 0 ? 0 : 0xedb8_8320) }
        }
    }
}
