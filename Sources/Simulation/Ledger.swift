import Ciphers
import Consensus
import Primitives

/// A chain of real headers whose transactions do almost nothing: each has a number that may occur once, some change the validators.
struct LedgerState: Sendable {
    let head: Head
    let included: Set<UInt64>
}

/// Executes for all nodes of a world; execution is deterministic, so one result a block hash serves all.
struct Ledger {
    private(set) var states: [Hash32: LedgerState] = [:]
    private var refused: Set<Hash32> = []
    let genesis: LedgerState
    /// The control "quorum 2f+1".
    let weakQuorum: Bool

    static let genesisTime: UInt64 = 1_700_000_000

    init(validators: [Address], weakQuorum: Bool) {
        self.weakQuorum = weakQuorum
        let set = Ledger.set(validators, weakQuorum)!
        let extra = ExtraData(vanity: keccak256(Bytes("simulation".utf8)), validators: set.addresses)
        let header = Header(
            parentHash: .zero, beneficiary: .zero, stateRoot: Header.emptyRoot, transactionsRoot: Header.emptyRoot,
            receiptsRoot: Header.emptyRoot, logsBloom: Bloom(), difficulty: 1, number: 0, gasLimit: 30_000_000, gasUsed: 0,
            timestamp: Ledger.genesisTime, extraData: extra.encoded, mixHash: HeaderRules.mixHash, nonce: 0, baseFeePerGas: .zero,
            withdrawalsRoot: Header.emptyRoot, blobGasUsed: 0, excessBlobGas: 0, parentBeaconBlockRoot: .zero,
            requestsHash: Header.noRequests)
        genesis = LedgerState(head: Ledger.head(header, header.hash(extra), set), included: [])
        states[genesis.head.hash] = genesis
    }

    private static func head(_ header: Header, _ hash: Hash32, _ next: ValidatorSet) -> Head {
        do throws(HeaderError) { return try Head(header: header, hash: hash, validators: next, gasTarget: 30_000_000) } catch {
            preconditionFailure("\(error)")
        }
    }
    private static func set(_ list: [Address], _ weakQuorum: Bool) -> ValidatorSet? {
        guard let set = ValidatorSet(list), weakQuorum else { return ValidatorSet(list) }
        return ValidatorSet(list, uncheckedQuorum: 2 * set.maximumFaulty + 1)
    }

    static func transaction(_ number: UInt64, _ data: Bytes = []) -> UnverifiedTransaction {
        UnverifiedTransaction(
            payload: TransactionPayload(kind: .legacy, chainId: 1, nonce: number, gasLimit: 21_000, to: .zero, data: data),
            signature: TransactionSignature(r: 1, s: 1, yParity: 0))
    }
    static func adding(_ address: Address, _ number: UInt64) -> UnverifiedTransaction { transaction(number, [1] + address.bytes) }
    static func removing(_ address: Address, _ number: UInt64) -> UnverifiedTransaction { transaction(number, [2] + address.bytes) }
    /// Makes its block invalid.
    static let poison: UInt64 = 1 << 40

    private func outcome(
        _ transactions: [UnverifiedTransaction], on parent: LedgerState
    ) -> (included: Set<UInt64>, next: ValidatorSet, root: Hash32, body: Hash32)? {
        var included = parent.included, list = parent.head.validators.addresses, numbers: Bytes = []
        for transaction in transactions {
            let number = transaction.payload.nonce
            guard number < Ledger.poison, included.insert(number).inserted else { return nil }
            withUnsafeBytes(of: number) { numbers.append(contentsOf: $0) }
            if let address = Address(transaction.payload.data.dropFirst()) {
                if transaction.payload.data[0] == 1 { list = (list.filter { $0 != address } + [address]).sorted() }
                if transaction.payload.data[0] == 2 { list.removeAll { $0 == address } }
            }
        }
        let next = Ledger.set(list, weakQuorum) ?? parent.head.validators
        return (
            included, next, keccak256(parent.head.header.stateRoot.bytes + numbers + next.commitment),
            numbers.isEmpty ? Header.emptyRoot : keccak256(numbers)
        )
    }

    func build(_ request: BuildRequest, _ transactions: [UnverifiedTransaction]) -> UnsealedBlock {
        guard let parent = states[request.head.hash], let made = outcome(transactions, on: parent) else {
            preconditionFailure("a pool holds what fits")
        }
        return request.block(
            transactions: transactions, stateRoot: made.root, transactionsRoot: made.body, receiptsRoot: Header.emptyRoot,
            logsBloom: Bloom(),
            gasUsed: 0, next: made.next)
    }

    /// nil: the block is invalid.
    mutating func execute(_ block: UnsealedBlock) -> LedgerState? {
        if let known = states[block.hash] { return known }
        if refused.contains(block.hash) { return nil }
        guard let parent = states[block.header.parentHash], let made = outcome(block.block.transactions, on: parent),
            made.root == block.header.stateRoot, made.body == block.header.transactionsRoot,
            block.extra.nextCommitment == made.next.commitment
        else {
            refused.insert(block.hash)
            return nil
        }
        let state = LedgerState(head: Ledger.head(block.header, block.hash, made.next), included: made.included)
        states[block.hash] = state
        return state
    }
}
