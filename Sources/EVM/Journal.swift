import Primitives

/// What a transaction has read and changed so far, and how to take a part of it back.
///
/// Every change first writes its undo record. A checkpoint is three counts; rolling back applies the records above it, last
/// first, and cuts logs and refunds. So a call that reverts costs what it did, not what the state holds. Law: after
/// `rollback(to:)` everything observable is as it was at `checkpoint()`; values read from the state stay cached, which no
/// contract can see, since warmth is a flag of its own and is undone.
struct Journal {
    struct Flags: OptionSet {
        var rawValue: UInt8
        static let exists = Flags(rawValue: 1)
        /// In the access list of EIP-2929.
        static let warm = Flags(rawValue: 2)
        /// EIP-161: goes away at the end if it is empty.
        static let touched = Flags(rawValue: 4)
        static let created = Flags(rawValue: 8)
        static let destroyed = Flags(rawValue: 16)
        static let existedBefore = Flags(rawValue: 32)
    }
    struct Entry {
        var nonce: UInt64
        var flags: Flags
        /// Into `codes`; −1: not loaded, or no code.
        var code: Int32
        var balance: U256
        var codeHash: Hash32
        var nonceBefore: UInt64
        var balanceBefore: U256
        var codeHashBefore: Hash32
    }
    struct Slot {
        var value: U256
        /// At the start of the transaction.
        var original: U256
        var isLoaded: Bool
        var isWarm: Bool
    }
    struct Checkpoint { var records: Int, logs: Int, refund: Int64 }

    private enum Change: UInt8 { case balance, nonce, code, flags, storage, slotWarm, transient }
    private struct Record {
        var change: Change
        var flags: Flags
        var index: UInt32
        var word: U256
    }

    let reader: any StateReader  // asked once for each account and slot of a transaction: an existential costs nothing there
    let rules: Rules
    private let beneficiary: U256
    private var addresses: WordTable
    private var slotKeys: WordTable
    private var transientKeys: WordTable
    private var entries: ContiguousArray<Entry> = []
    private var slots: ContiguousArray<Slot> = []
    private var transients: ContiguousArray<U256> = []
    private var records: ContiguousArray<Record> = []
    private var codes: ContiguousArray<Bytecode> = []
    private(set) var logs: [Log] = []
    private(set) var refund: Int64 = 0

    init(over reader: any StateReader, rules: Rules, beneficiary: U256, tables: JournalTables) {
        self.reader = reader
        self.rules = rules
        self.beneficiary = beneficiary
        (addresses, slotKeys, transientKeys) = (tables.addresses, tables.slots, tables.transients)
    }
    /// The tables, empty, for the next transaction.
    mutating func tables() -> JournalTables {
        addresses.removeAll()
        slotKeys.removeAll()
        transientKeys.removeAll()
        return JournalTables(addresses: addresses, slots: slotKeys, transients: transientKeys)
    }
}

struct JournalTables {
    var addresses = WordTable(), slots = WordTable(), transients = WordTable()

    func deallocate() {
        addresses.deallocate()
        slots.deallocate()
        transients.deallocate()
    }
}

// MARK: checkpoints

extension Journal {
    func checkpoint() -> Checkpoint { Checkpoint(records: records.count, logs: logs.count, refund: refund) }

    mutating func rollback(to checkpoint: Checkpoint) {
        while records.count > checkpoint.records {
            let record = records.removeLast(), index = Int(record.index)
            switch record.change {
            case .balance: entries[index].balance = record.word
            case .nonce: entries[index].nonce = record.word.l0
            case .code:
                entries[index].codeHash = Account.noCode
                entries[index].code = -1
            case .flags:
                // Block 2,675,119 of the main network cleared the empty account 3 although the call to it had failed: part of the rules.
                let kept = addresses.key(at: index) == 3 ? entries[index].flags.intersection(.touched) : []
                entries[index].flags = record.flags.union(kept)
            case .storage: slots[index].value = record.word
            case .slotWarm: slots[index].isWarm = false
            case .transient: transients[index] = record.word
            }
        }
        if logs.count > checkpoint.logs { logs.removeLast(logs.count - checkpoint.logs) }
        refund = checkpoint.refund
    }

    @inline(__always) private mutating func note(_ change: Change, _ index: Int, flags: Flags = [], word: U256 = .zero) {
        records.append(Record(change: change, flags: flags, index: UInt32(truncatingIfNeeded: index), word: word))
    }

    mutating func addRefund(_ gas: Int64) { refund += gas }
    mutating func append(_ log: Log) { logs.append(log) }
}

// MARK: accounts

extension Journal {
    /// Index of an account for all that follows, read from the state at first sight.
    mutating func account(_ address: U256) throws(StateUnavailable) -> Int {
        let (index, isNew) = addresses.insert(address)
        if isNew {
            do throws(StateUnavailable) { entries.append(try read(address)) } catch {
                entries.append(entry(nil))  // keeps indices dense; the transaction is given up anyway
                throw error
            }
        }
        return index
    }
    private func read(_ address: U256) throws(StateUnavailable) -> Entry {
        var entry = entry(try reader.account(Address(address)))
        // Warm from the start, without asking the state for accounts that nobody names.
        if Precompile(at: address, rules) != nil || rules.warmsBeneficiary && address == beneficiary { entry.flags.insert(.warm) }
        return entry
    }
    private func entry(_ account: Account?) -> Entry {
        let a = account ?? Account()
        return Entry(
            nonce: a.nonce, flags: account == nil ? [] : [.exists, .existedBefore], code: -1, balance: a.balance, codeHash: a.codeHash,
            nonceBefore: a.nonce, balanceBefore: a.balance, codeHashBefore: a.codeHash)
    }

    func address(_ index: Int) -> U256 { addresses.key(at: index) }
    func balance(_ index: Int) -> U256 { entries[index].balance }
    func nonce(_ index: Int) -> UInt64 { entries[index].nonce }
    func codeHash(_ index: Int) -> Hash32 { entries[index].codeHash }
    func hasCode(_ index: Int) -> Bool { entries[index].codeHash != Account.noCode }
    func isCreated(_ index: Int) -> Bool { entries[index].flags.contains(.created) }
    func exists(_ index: Int) -> Bool { entries[index].flags.contains(.exists) }
    /// Absent or empty (EIP-161).
    func isDead(_ index: Int) -> Bool {
        let e = entries[index]
        return !e.flags.contains(.exists) || e.nonce == 0 && e.balance.isZero && e.codeHash == Account.noCode
    }

    private mutating func setFlags(_ index: Int, _ flags: Flags) {
        let before = entries[index].flags
        if before == before.union(flags) { return }
        note(.flags, index, flags: before)
        entries[index].flags = before.union(flags)
    }

    /// True where the account was warm already.
    @inline(__always) mutating func warm(_ index: Int) -> Bool {
        if entries[index].flags.contains(.warm) { return true }
        setFlags(index, .warm)
        return false
    }
    mutating func touch(_ index: Int) { setFlags(index, rules.clearsEmptyAccounts && !exists(index) ? .touched : [.touched, .exists]) }

    mutating func setBalance(_ index: Int, _ balance: U256) {
        note(.balance, index, word: entries[index].balance)
        entries[index].balance = balance
        setFlags(index, [.touched, .exists])
    }
    /// The payer's balance suffices: the caller has looked.
    mutating func transfer(_ value: U256, from payer: Int, to payee: Int) {
        touch(payee)
        if value.isZero { return }
        setBalance(payer, balance(payer) &- value)
        setBalance(payee, balance(payee) &+ value)
    }
    mutating func setNonce(_ index: Int, _ nonce: UInt64) {
        note(.nonce, index, word: U256(entries[index].nonce))
        entries[index].nonce = nonce
        setFlags(index, [.touched, .exists])
    }
    mutating func markCreated(_ index: Int) { setFlags(index, [.created, .exists, .touched]) }
    /// True at the first time.
    mutating func destroy(_ index: Int) -> Bool {
        if entries[index].flags.contains(.destroyed) { return false }
        setFlags(index, .destroyed)
        return true
    }

    /// Code of a creation; the account had none.
    mutating func setCode(_ index: Int, _ code: Bytecode) {
        note(.code, index)
        entries[index].codeHash = code.hash
        entries[index].code = Int32(codes.count)
        codes.append(code)
    }
    /// EIP-7702: outlives every rollback of the transaction, so it leaves no record. nil: no code.
    mutating func setDelegation(_ index: Int, _ code: Bytecode?) {
        entries[index].codeHash = code?.hash ?? Account.noCode
        entries[index].code = code == nil ? -1 : Int32(codes.count)
        if let code { codes.append(code) }
    }

    /// nil: no code.
    mutating func code(_ index: Int) throws(StateUnavailable) -> Bytecode? {
        let at = entries[index].code
        if at >= 0 { return codes[Int(at)] }
        let hash = entries[index].codeHash
        if hash == Account.noCode { return nil }
        let code: Bytecode
        if let cached = CodeCache.shared.load(hash) {
            code = cached
        } else {
            code = Bytecode.copying(try reader.code(hash), hash: hash)
            CodeCache.shared.store(code)
        }
        entries[index].code = Int32(codes.count)
        codes.append(code)
        return code
    }

    func hasStorage(_ index: Int) throws(StateUnavailable) -> Bool {
        entries[index].flags.contains(.existedBefore) ? try reader.hasStorage(Address(address(index))) : false
    }
}

// MARK: storage

extension Journal {
    /// Index of a slot; not yet read.
    @inline(__always) private mutating func slot(_ account: Int, _ key: U256) -> Int {
        let (index, isNew) = slotKeys.insert(key, tag: account)
        if isNew { slots.append(Slot(value: .zero, original: .zero, isLoaded: false, isWarm: false)) }
        return index
    }
    @inline(never) private mutating func read(_ index: Int, of account: Int) throws(StateUnavailable) {
        let flags = entries[account].flags
        if flags.contains(.existedBefore), !flags.contains(.created) {
            let value = try reader.storage(Address(address(account)), slotKeys.key(at: index))
            slots[index].value = value
            slots[index].original = value
        }
        slots[index].isLoaded = true
    }

    mutating func warmSlot(_ account: Int, _ key: U256) {
        let index = slot(account, key)
        if slots[index].isWarm { return }
        slots[index].isWarm = true
        note(.slotWarm, index)
    }

    /// The value, and whether the slot was warm before.
    mutating func load(_ account: Int, _ key: U256) throws(StateUnavailable) -> (value: U256, wasWarm: Bool) {
        let index = slot(account, key), wasWarm = slots[index].isWarm
        if !slots[index].isLoaded { try read(index, of: account) }
        if !wasWarm {
            slots[index].isWarm = true
            note(.slotWarm, index)
        }
        return (slots[index].value, wasWarm)
    }
    /// For SSTORE: the slot's index, what it held at the start and holds now, and whether it was warm before.
    mutating func open(_ account: Int, _ key: U256) throws(StateUnavailable) -> (index: Int, original: U256, current: U256, wasWarm: Bool) {
        let (current, wasWarm) = try load(account, key)
        let index = slot(account, key)
        return (index, slots[index].original, current, wasWarm)
    }
    mutating func store(_ index: Int, _ value: U256) {
        note(.storage, index, word: slots[index].value)
        slots[index].value = value
    }

    mutating func loadTransient(_ account: Int, _ key: U256) -> U256 {
        let (index, isNew) = transientKeys.insert(key, tag: account)
        if isNew { transients.append(.zero) }
        return transients[index]
    }
    mutating func storeTransient(_ account: Int, _ key: U256, _ value: U256) {
        let (index, isNew) = transientKeys.insert(key, tag: account)
        if isNew { transients.append(.zero) }
        note(.transient, index, word: transients[index])
        transients[index] = value
    }
}

// MARK: outcome

extension Journal {
    /// The difference to the state before, with EIP-161 and self-destruction applied.
    func diff() -> StateDiff {
        var diff = StateDiff()
        var stored: [Int: [U256: U256]] = [:]
        for (index, slot) in slots.enumerated() where slot.value != slot.original {
            stored[slotKeys.tag(at: index), default: [:]][slotKeys.key(at: index)] = slot.value
        }
        for (index, e) in entries.enumerated() {
            let existed = e.flags.contains(.existedBefore)
            let isGone =
                e.flags.contains(.destroyed) || !e.flags.contains(.exists)
                || rules.clearsEmptyAccounts && e.flags.contains(.touched) && isDead(index)
            let address = Address(address(index))
            if isGone {
                if existed { diff.changes[address] = StateDiff.Change(account: nil, clearsStorage: true) }
                continue
            }
            let account = Account(nonce: e.nonce, balance: e.balance, codeHash: e.codeHash)
            let storage = stored[index] ?? [:]
            let isSame = existed && e.nonce == e.nonceBefore && e.balance == e.balanceBefore && e.codeHash == e.codeHashBefore
            if isSame, storage.isEmpty { continue }
            let code = e.codeHash != e.codeHashBefore && e.code >= 0 ? codes[Int(e.code)].bytes : nil
            diff.changes[address] = StateDiff.Change(account: account, code: code, storage: storage)
        }
        return diff
    }
}
