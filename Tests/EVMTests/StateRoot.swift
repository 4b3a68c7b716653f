import Ciphers
import EVM
import Primitives

/// Root of the Merkle-Patricia trie over whole contents (yellow paper, appendix D), written for these tests alone so that what
/// they compare does not lean on the room `Trie`.
enum StateRoot {
    static func of(_ state: MemoryState) -> Hash32 {
        root(
            state.entries.map { address, entry in
                let value = RLP.encodeList {
                    $0.append(entry.account.nonce)
                    $0.append(entry.account.balance)
                    $0.append(root(entry.storage.map { key, value in (keccak256(key.hash), encoded(value)) }))
                    $0.append(entry.account.codeHash)
                }
                return (keccak256(address), value)
            })
    }
    private static func encoded(_ word: U256) -> Bytes {
        var encoder = RLP.Encoder()
        encoder.append(word)
        return encoder.bytes
    }

    static func root(_ pairs: [(Hash32, Bytes)]) -> Hash32 {
        if pairs.isEmpty { return Header.emptyRoot }
        let leaves = pairs.sorted { $0.0 < $1.0 }.map { (nibbles: $0.0.bytes.flatMap { [$0 >> 4, $0 & 15] }, value: $0.1) }
        return keccak256(node(leaves[...], 0))
    }

    private static func node(_ leaves: ArraySlice<(nibbles: Bytes, value: Bytes)>, _ depth: Int) -> Bytes {
        let first = leaves.first!.nibbles, last = leaves.last!.nibbles
        if leaves.count == 1 {
            return RLP.encodeList {
                $0.append(compact(first[depth...], isLeaf: true))
                $0.append(leaves.first!.value)
            }
        }
        let shared = zip(first[depth...], last[depth...]).prefix { $0 == $1 }.count
        if shared > 0 {
            let child = node(leaves, depth + shared)
            return RLP.encodeList {
                $0.append(compact(first[depth..<(depth + shared)], isLeaf: false))
                append(child, &$0)
            }
        }
        return RLP.encodeList { list in
            var rest = leaves
            for nibble in UInt8(0)..<16 {
                let end = rest.firstIndex { $0.nibbles[depth] != nibble } ?? rest.endIndex
                if end == rest.startIndex { list.append(Bytes()) } else { append(node(rest[..<end], depth + 1), &list) }
                rest = rest[end...]
            }
            list.append(Bytes())
        }
    }
    private static func append(_ child: Bytes, _ list: inout RLP.Encoder) {
        if child.count < 32 { list.appendEncoded(child) } else { list.append(keccak256(child)) }
    }
    private static func compact(_ nibbles: ArraySlice<UInt8>, isLeaf: Bool) -> Bytes {
        let flag: UInt8 = isLeaf ? 2 : 0, isOdd = nibbles.count % 2 == 1
        let all = (isOdd ? [flag + 1] : [flag, 0]) + Array(nibbles)
        return stride(from: 0, to: all.count, by: 2).map { all[$0] << 4 | all[$0 + 1] }
    }
}
