import Ciphers
import Primitives

extension StateDiff {
    /// As if `later` had been applied after this one.
    public mutating func merge(_ later: StateDiff) {
        for (address, change) in later.changes {
            guard var known = changes[address] else {
                changes[address] = change
                continue
            }
            if change.clearsStorage || change.account == nil {
                known.storage = change.storage
                known.clearsStorage = true
            } else {
                known.storage.merge(change.storage) { $1 }
            }
            if let code = change.code { known.code = code }
            if change.account?.codeHash == Account.noCode || change.account == nil { known.code = nil }
            known.account = change.account
            changes[address] = known
        }
    }
}

/// A state and what has happened on it since: to run the transactions of a block one after the other.
public struct OverlayState<Base: StateReader>: StateReader {
    public let base: Base
    public private(set) var diff: StateDiff
    private var codes: [Hash32: Bytes] = [:]

    public init(base: Base, diff: StateDiff = StateDiff()) {
        self.base = base
        self.diff = StateDiff()
        merge(diff)
    }

    public mutating func merge(_ later: StateDiff) {
        for case (_, let change) in later.changes {
            if let code = change.code, let hash = change.account?.codeHash { codes[hash] = code }
        }
        diff.merge(later)
    }

    public func account(_ address: Address) throws(StateUnavailable) -> Account? {
        if let change = diff.changes[address] { return change.account }
        return try base.account(address)
    }
    public func storage(_ address: Address, _ slot: U256) throws(StateUnavailable) -> U256 {
        if let change = diff.changes[address] {
            if let value = change.storage[slot] { return value }
            if change.clearsStorage || change.account == nil { return .zero }
        }
        return try base.storage(address, slot)
    }
    public func code(_ hash: Hash32) throws(StateUnavailable) -> Bytes {
        if let code = codes[hash] { return code }
        return try base.code(hash)
    }
    public func hasStorage(_ address: Address) throws(StateUnavailable) -> Bool {
        if let change = diff.changes[address] {
            if change.storage.values.contains(where: { !$0.isZero }) { return true }
            if change.clearsStorage || change.account == nil { return false }
        }
        return try base.hasStorage(address)
    }
}

/// A whole state in memory: genesis, tests, calls without a chain.
public struct MemoryState: StateReader, Equatable {
    public struct Entry: Sendable, Equatable {
        public var account: Account
        /// Without zeros.
        public var storage: [U256: U256]

        public init(account: Account, storage: [U256: U256] = [:]) {
            self.account = account
            self.storage = storage.filter { !$0.value.isZero }
        }
    }
    public private(set) var entries: [Address: Entry] = [:]
    public private(set) var codes: [Hash32: Bytes] = [:]

    public init() {}

    /// Puts an account in place, whatever was there.
    public mutating func set(_ address: Address, nonce: UInt64 = 0, balance: U256 = .zero, code: Bytes = [], storage: [U256: U256] = [:]) {
        let hash = code.isEmpty ? Account.noCode : keccak256(code)
        if !code.isEmpty { codes[hash] = code }
        entries[address] = Entry(account: Account(nonce: nonce, balance: balance, codeHash: hash), storage: storage)
    }

    public mutating func apply(_ diff: StateDiff) {
        for (address, change) in diff.changes {
            guard let account = change.account else {
                entries[address] = nil
                continue
            }
            if let code = change.code { codes[account.codeHash] = code }
            var storage = change.clearsStorage ? [:] : entries[address]?.storage ?? [:]
            storage.merge(change.storage) { $1 }
            entries[address] = Entry(account: account, storage: storage)
        }
    }

    public func account(_ address: Address) throws(StateUnavailable) -> Account? { entries[address]?.account }
    public func storage(_ address: Address, _ slot: U256) throws(StateUnavailable) -> U256 { entries[address]?.storage[slot] ?? .zero }
    public func code(_ hash: Hash32) throws(StateUnavailable) -> Bytes {
        guard let code = codes[hash] else { throw .missingCode(hash) }
        return code
    }
    public func hasStorage(_ address: Address) throws(StateUnavailable) -> Bool { !(entries[address]?.storage.isEmpty ?? true) }
}
