import Primitives

/// What the machine knows of an account. Where its storage lies is the reader's affair.
public struct Account: Sendable, Hashable {
    public var nonce: UInt64
    public var balance: U256
    /// keccak-256 of the code; `Account.noCode` where there is none.
    public var codeHash: Hash32

    public init(nonce: UInt64 = 0, balance: U256 = .zero, codeHash: Hash32 = Account.noCode) {
        self.nonce = nonce
        self.balance = balance
        self.codeHash = codeHash
    }

    public static let noCode = Hash32(hex: "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")!
    /// EIP-161: what must not stay in the state.
    @inlinable public var isEmpty: Bool { nonce == 0 && balance.isZero && codeHash == Account.noCode }
}

/// The state could not be read: our own disk or history is at fault, never the transaction. No verdict may rest on it.
public enum StateUnavailable: Error, Equatable, Sendable {
    case missingNode(Hash32)
    case missingCode(Hash32)
    case storage(errorNumber: Int32)
}

/// The state before a transaction. Reads only: execution gives a diff back, and only `Chain` applies it.
public protocol StateReader {
    /// nil: the account does not exist.
    func account(_ address: Address) throws(StateUnavailable) -> Account?
    /// Zero where nothing was stored.
    func storage(_ address: Address, _ slot: U256) throws(StateUnavailable) -> U256
    /// Of an account with this code hash, never `Account.noCode`.
    func code(_ hash: Hash32) throws(StateUnavailable) -> Bytes
    /// True where any slot is stored: no contract may be created there (EIP-7610). Only states older than EIP-161 hold such
    /// accounts without code or nonce, so a reader of our own networks need not answer.
    func hasStorage(_ address: Address) throws(StateUnavailable) -> Bool
}

extension StateReader {
    public func hasStorage(_ address: Address) throws(StateUnavailable) -> Bool { false }
}

/// What one transaction, or a block of them, leaves different.
public struct StateDiff: Sendable, Equatable {
    public struct Change: Sendable, Equatable {
        /// nil: the account is gone.
        public var account: Account?
        /// Code that this diff brings; nil where the code is an earlier one.
        public var code: Bytes?
        /// True: all earlier slots are gone before `storage` applies (self-destruct, creation over an old address).
        public var clearsStorage: Bool
        /// New values; zero deletes.
        public var storage: [U256: U256]

        public init(account: Account?, code: Bytes? = nil, clearsStorage: Bool = false, storage: [U256: U256] = [:]) {
            self.account = account
            self.code = code
            self.clearsStorage = clearsStorage
            self.storage = storage
        }
    }
    public var changes: [Address: Change]

    public init(changes: [Address: Change] = [:]) { self.changes = changes }
}
