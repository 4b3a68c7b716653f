import Ciphers
import Primitives

/// Merkle proofs: the nodes from the root to a key, or to where the key would be. A proof is judged by looking the key up in a
/// trie that can read nothing but the proof, so there is one walk and one decoder for database and hostile bytes.
package enum ProofError: Error, Equatable, Sendable {
    /// The path leads to a node that the proof does not hold.
    case incomplete(Hash32)
    case malformedNode(Hash32)
    /// Nodes that the path does not lead through.
    case surplus(nodes: Int)
    case tooLarge(bytes: Int)
    /// The leaf is not an account or a storage word.
    case malformedValue
}

package enum Proof {
    /// All nodes of one proof together: a receipt may carry megabytes of logs.
    package static let maximumBytes = 16 << 20
    package static let maximumNodes = 65

    /// The value that `root` holds under `key`, nil where the proof shows that there is none.
    package static func verify(_ nodes: [Bytes], root: Hash32, key: some Collection<UInt8>) throws(ProofError) -> Bytes? {
        let size = nodes.reduce(0) { $0 + $1.count }
        guard size <= maximumBytes else { throw .tooLarge(bytes: size) }
        guard nodes.count <= maximumNodes else { throw .surplus(nodes: nodes.count - maximumNodes) }
        let reader = Reader(nodes)
        var trie = Trie(root: root)
        let value: Bytes?
        do throws(TrieError) { value = try trie.get(key, from: reader) } catch {
            switch error {
            case .missingNode(let hash): throw .incomplete(hash)
            case .malformedNode(let hash): throw .malformedNode(hash)
            case .unavailable: preconditionFailure("a proof is in memory")
            }
        }
        let read = trie.nodes.count { $0.kind != .hashed && $0.referenceCount == 32 }
        guard read == nodes.count else { throw .surplus(nodes: nodes.count - read) }
        return value
    }

    private struct Reader: NodeReader {
        var nodes: [Hash32: Bytes] = [:]
        init(_ proof: [Bytes]) { for node in proof { nodes[keccak256(node)] = node } }
        func node(_ hash: Hash32) throws(TrieError) -> Bytes? { nodes[hash] }
    }
}

extension Trie {
    /// The nodes from the root towards `key`, outermost first: of the value if it is there, of its absence if not.
    /// Needs a committed trie: every node is read through `reader`.
    package static func prove(
        _ key: some Collection<UInt8>, root: Hash32,
        from reader: borrowing some NodeReader
    ) throws(TrieError) -> [Bytes] {
        var trie = Trie(root: root), proof: [Bytes] = []
        _ = try trie.get(key, from: reader)
        // `get` resolves parents before children, and nothing beside the path.
        for node in trie.nodes where node.kind != .hashed && node.referenceCount == 32 {
            guard let bytes = try reader.node(node.reference) else { throw .missingNode(node.reference) }
            proof.append(bytes)
        }
        return proof
    }

    /// Root of the trie of `items` under the keys RLP(0), RLP(1), …: of transactions, of receipts.
    package static func indexedRoot(_ items: [Bytes]) -> Hash32 {
        var table = NodeTable()
        return indexedRoot(items, into: &table)
    }
    /// The same, keeping the nodes for proofs.
    package static func indexedRoot(_ items: [Bytes], into table: inout NodeTable) -> Hash32 {
        var trie = Trie()
        for (index, item) in items.enumerated() { trie.insertInMemory(indexKey(index), item) }
        return trie.commit(into: &table)
    }
    /// RLP(index).
    package static func indexKey(_ index: Int) -> Bytes {
        var key = RLP.Encoder()
        key.append(UInt64(index))
        return key.bytes
    }

    /// Root of the secure trie of these pairs: keys are hashed first.
    package static func secureRoot(_ pairs: some Sequence<(key: Bytes, value: Bytes)>) -> Hash32 {
        var trie = Trie(), table = NodeTable()
        for pair in pairs { trie.insertInMemory(keccak256(pair.key).bytes, pair.value) }
        return trie.commit(into: &table)
    }

    /// A trie built here has no node that is known by hash only.
    private mutating func insertInMemory(_ key: Bytes, _ value: Bytes) {
        do throws(TrieError) { try set(key, to: value, from: NodeTable()) } catch { preconditionFailure("\(error)") }
    }
}

/// An account as the state trie holds it: RLP [nonce, balance, storage root, code hash] under the hash of its address.
package struct TrieAccount: Sendable, Equatable {
    package var nonce: UInt64
    package var balance: U256
    package var storageRoot: Hash32
    package var codeHash: Hash32

    package init(nonce: UInt64, balance: U256, storageRoot: Hash32, codeHash: Hash32) {
        (self.nonce, self.balance, self.storageRoot, self.codeHash) = (nonce, balance, storageRoot, codeHash)
    }
    package var encoded: Bytes {
        RLP.encodeList {
            $0.append(nonce)
            $0.append(balance)
            $0.append(storageRoot)
            $0.append(codeHash)
        }
    }
    package init(encoded: Bytes) throws(RLPError) {
        let f = try RLP.decode(encoded).asList(count: 4)
        self.init(nonce: try f[0].asUInt64, balance: try f[1].asU256, storageRoot: try f[2].asHash, codeHash: try f[3].asHash)
    }

    /// What `stateRoot` holds for an account (EIP-1186); nil: proven absent.
    package static func verify(_ proof: [Bytes], stateRoot: Hash32, address: Address) throws(ProofError) -> TrieAccount? {
        guard let leaf = try Proof.verify(proof, root: stateRoot, key: keccak256(address).bytes) else { return nil }
        do throws(RLPError) { return try TrieAccount(encoded: leaf) } catch { throw .malformedValue }
    }
    /// What a slot of this account holds; zero: proven absent.
    package func verifySlot(_ slot: U256, _ proof: [Bytes]) throws(ProofError) -> U256 {
        if storageRoot == Header.emptyRoot, proof.isEmpty { return .zero }
        guard let leaf = try Proof.verify(proof, root: storageRoot, key: keccak256(slot.hash).bytes) else { return .zero }
        do throws(RLPError) { return try RLP.decode(leaf).asU256 } catch { throw .malformedValue }
    }
}
