import Ciphers
import EVM
import Primitives
import Storage
import Synchronization
import Trie

/// The state after one block. At the head accounts and slots are read from flat columns in one step; at older blocks by walking
/// the trie. Sound because `reader` is a snapshot: later imports do not move it.
package struct ChainState: StateReader, NodeReader, Sendable {
    package let root: Hash32
    let reader: any KeyValueReader
    let cache: StateCache
    /// The flat columns of `reader` hold exactly this state.
    let isFlat: Bool

    package func account(_ address: Address) throws(StateUnavailable) -> Account? {
        try trieAccount(address).map { Account(nonce: $0.nonce, balance: $0.balance, codeHash: $0.codeHash) }
    }

    func trieAccount(_ address: Address) throws(StateUnavailable) -> TrieAccount? {
        guard let bytes = isFlat ? try read(.accounts, address.bytes) : try trieValue(root, keccak256(address)) else { return nil }
        do throws(RLPError) { return try TrieAccount(encoded: bytes) } catch { throw .storage(errorNumber: damaged) }
    }

    package func storage(_ address: Address, _ slot: U256) throws(StateUnavailable) -> U256 {
        if isFlat { return try read(.slots, address.bytes + slot.bytes).map { U256(bigEndian: $0) } ?? .zero }
        guard let account = try trieAccount(address), let bytes = try trieValue(account.storageRoot, keccak256(slot.hash)) else {
            return .zero
        }
        do throws(RLPError) { return try RLP.decode(bytes).asU256 } catch { throw .storage(errorNumber: damaged) }
    }

    package func code(_ hash: Hash32) throws(StateUnavailable) -> Bytes {
        if let code = cache.codes.withLock({ $0[hash] }) { return code }
        guard let code = try read(.codes, hash.bytes) else { throw .missingCode(hash) }
        cache.codes.withLock { $0[hash] = code }
        return code
    }

    package func node(_ hash: Hash32) throws(TrieError) -> Bytes? {
        if let node = cache.nodes.withLock({ $0[hash] }) { return node }
        let node: Bytes?
        do throws(StorageError) { node = try reader.get(.nodes, hash.bytes) } catch { throw .unavailable(errorNumber: inputOutput) }
        if let node { cache.nodes.withLock { $0[hash] = node } }
        return node
    }

    private func trieValue(_ root: Hash32, _ key: Hash32) throws(StateUnavailable) -> Bytes? {
        var trie = Trie(root: root)
        do throws(TrieError) { return try trie.get(key.bytes, from: self) } catch { throw StateUnavailable(error) }
    }

    private func read(_ column: Column, _ key: Bytes) throws(StateUnavailable) -> Bytes? {
        do throws(StorageError) { return try reader.get(column, key) } catch { throw .storage(errorNumber: inputOutput) }
    }
}

// EIO, and EBADMSG for bytes that are not what we wrote.
let inputOutput: Int32 = 5, damaged: Int32 = 74

extension StateUnavailable {
    init(_ error: TrieError) {
        self =
            switch error {
            case .missingNode(let hash): .missingNode(hash)
            case .malformedNode: .storage(errorNumber: damaged)
            case .unavailable(let number): .storage(errorNumber: number)
            }
    }
}

/// Immutable things by their hash, shared by all views: trie nodes and code.
final class StateCache: Sendable {
    let nodes = Mutex(Generations<Bytes>(limit: 65_536))
    let codes = Mutex(Generations<Bytes>(limit: 256))

    /// Two halves: when the young one is full it becomes the old one, and what was not asked for since is forgotten.
    struct Generations<Value: Sendable>: Sendable {
        let limit: Int
        private var young: [Hash32: Value] = [:], old: [Hash32: Value] = [:]

        init(limit: Int) { self.limit = limit }
        subscript(_ key: Hash32) -> Value? {
            mutating get {
                if let value = young[key] { return value }
                guard let value = old[key] else { return nil }
                self[key] = value
                return value
            }
            set {
                if young.count >= limit / 2 { (old, young) = (young, [:]) }
                young[key] = newValue
            }
        }
    }
}

/// A difference turned into what the disk will hold: the new root, the trie nodes that came, the flat accounts.
package struct StateUpdate: Sendable {
    package let root: Hash32
    let nodes: NodeTable
    let accounts: [Address: TrieAccount?]
    let diff: StateDiff

    /// - Cost: about 5 µs for each changed account and slot on a small state; reads the trie nodes on their paths.
    init(_ diff: StateDiff, on base: ChainState) throws(StateUnavailable) {
        var state = Trie(root: base.root), nodes = NodeTable(), accounts: [Address: TrieAccount?] = [:]
        do throws(TrieError) {
            for (address, change) in diff.changes {
                let key = keccak256(address).bytes
                guard let account = change.account else {
                    accounts[address] = .some(nil)
                    try state.set(key, to: [], from: base)
                    continue
                }
                var storageRoot = Header.emptyRoot
                if !change.clearsStorage {
                    let known: TrieAccount?
                    do throws(StateUnavailable) {
                        known = try base.trieAccount(address)
                    } catch {
                        throw TrieError.unavailable(errorNumber: error.errorNumber)
                    }
                    storageRoot = known?.storageRoot ?? Header.emptyRoot
                }
                if !change.storage.isEmpty {
                    var storage = Trie(root: storageRoot)
                    for (slot, value) in change.storage {
                        var encoded = RLP.Encoder()
                        if !value.isZero { encoded.append(value) }
                        try storage.set(keccak256(slot.hash).bytes, to: encoded.bytes, from: base)
                    }
                    storageRoot = storage.commit(into: &nodes)
                }
                let entry = TrieAccount(
                    nonce: account.nonce, balance: account.balance, storageRoot: storageRoot,
                    codeHash: account.codeHash)
                accounts[address] = .some(entry)
                try state.set(key, to: entry.encoded, from: base)
            }
        } catch { throw StateUnavailable(error) }
        root = state.commit(into: &nodes)
        (self.nodes, self.accounts, self.diff) = (nodes, accounts, diff)
    }

    /// - Parameter reader: the store as it is before the batch, to find the slots of accounts that lose them all.
    func write(into batch: inout WriteBatch, over reader: any KeyValueReader) throws(StorageError) {
        for (hash, node) in nodes.nodes { batch.put(.nodes, hash.bytes, node) }
        for (address, change) in diff.changes {
            let prefix = address.bytes
            if change.account == nil || change.clearsStorage {
                try reader.scan(.slots, prefix: prefix) { key, _ in
                    batch.delete(.slots, key)
                    return true
                }
            }
            if let entry = accounts[address]! {
                batch.put(.accounts, prefix, entry.encoded)
            } else {
                batch.delete(.accounts, prefix)
                continue
            }
            if let code = change.code, let hash = change.account?.codeHash { batch.put(.codes, hash.bytes, code) }
            for (slot, value) in change.storage {
                if value.isZero {
                    batch.delete(.slots, prefix + slot.bytes)
                } else {
                    batch.put(
                        .slots, prefix + slot.bytes,
                        value.minimalBytes)
                }
            }
        }
    }

    func warm(_ cache: StateCache) {
        cache.nodes.withLock { cached in for (hash, node) in nodes.nodes { cached[hash] = node } }
    }
}

extension StateUnavailable {
    var errorNumber: Int32 { if case .storage(let number) = self { number } else { damaged } }
}

/// The slots of Consortium that consensus reads (chain-rules §1): no gas, no revert, provable. Code is never called.
package enum Consortium {
    package static let address = Address(hex: "0xe47e47e000000000000000000000000000000001")!
    static let gasTargetSlot: U256 = 101
    static let forkTimesSlot = 102, forkCount = 16
    /// Mappings by account: `members` (a name first), `byNodeKey`, `enrolled`. Policy only, consensus does not read them; a test
    /// compares with the contract's own `memberOf`.
    private static let membersSlot: U256 = 118, byNodeKeySlot: U256 = 377, enrolledSlot: U256 = 380

    /// `validator_list`; empty where it is no list of addresses.
    static func validators(_ state: some StateReader) throws(StateUnavailable) -> [Address] {
        guard let count = try state.storage(address, 0).asUInt64, count <= 100 else { return [] }
        var list: [Address] = []
        for slot in 0..<count {
            let word = try state.storage(address, U256(slot + 1))
            guard word.bitWidth <= 160 else { return [] }
            list.append(Address(last20: word.hash))
        }
        return list
    }
    static func gasTarget(_ state: some StateReader) throws(StateUnavailable) -> UInt64 {
        try state.storage(address, gasTargetSlot).asUInt64 ?? .max
    }

    /// The latest fork that is active in a block of this time on this parent's state; nil: none beyond Prague.
    static func activeFork(_ state: some StateReader, timestamp: UInt64) throws(StateUnavailable) -> Int? {
        var active: Int?
        for fork in 0..<forkCount {
            let time = try state.storage(address, U256(forkTimesSlot + fork))
            if !time.isZero, time <= U256(timestamp) { active = fork }
        }
        return active
    }

    /// Who pays for this account's transactions with its quota: the member itself, that of a node key, or who enrolled the account;
    /// nil: a guest.
    package static func member(of account: Address, _ state: some StateReader) throws(StateUnavailable) -> Address? {
        func entry(_ mapping: U256, _ key: Address) throws(StateUnavailable) -> U256 {
            try state.storage(address, U256(keccak256(mapping.bytes + key.word.bytes)))
        }
        if try !entry(membersSlot, account).isZero { return account }
        let member = try entry(byNodeKeySlot, account)
        if !member.isZero { return Address(last20: member.hash) }
        let enroller = Address(last20: try entry(enrolledSlot, account).hash)
        return try entry(membersSlot, enroller).isZero ? nil : enroller
    }
}
