import Chain
import Ciphers
import EVM
import Primitives
import RPC
import Storage

/// `Chain` as the server asks it: names and errors of one room in those of the other, nothing more.
package struct ChainBackend: LedgerBackend {
    private let ledger: Ledger
    private let pool: PoolDriver
    private let peers: @Sendable () -> Int
    private let progress: @Sendable () -> SyncProgress?

    package init(
        ledger: Ledger, pool: PoolDriver, peerCount: @escaping @Sendable () -> Int,
        syncProgress: @escaping @Sendable () -> SyncProgress? = { nil }
    ) {
        self.ledger = ledger
        self.pool = pool
        peers = peerCount
        progress = syncProgress
    }

    package var chainId: UInt64 { ledger.view.network.chainId }
    package func snapshot() -> any LedgerSnapshot { ChainSnapshot(view: ledger.view) }
    package func syncProgress() -> SyncProgress? { progress() }
    package func peerCount() -> Int { peers() }

    /// - Throws: what is wrong with it, in the words that wallets look for.
    package func submit(_ encoded: Bytes) throws(RPCError) -> Hash32 {
        do throws(PoolError) { return try pool.submit(encoded) } catch { throw RPCError(error) }
    }
    package func pooled(_ hash: Hash32) -> TransactionRecord? { pool.recovered(hash).map { TransactionRecord($0) } }
    package func poolContent() -> [PoolSender] {
        pool.read { pool in
            pool.content.map { sender in
                PoolSender(
                    sender: sender.sender, executable: sender.executable.map { TransactionRecord($0.transaction) },
                    queued: sender.queued.map { TransactionRecord($0.transaction) })
            }
        }
    }
    package func pendingNonce(of address: Address, stateNonce: UInt64) -> UInt64 {
        pool.read { $0.nextNonce(of: address, stateNonce: stateNonce) }
    }

    /// Heads, and the transactions that the pool took in.
    package func events() -> [any AsyncSequence<LedgerEvent, Never> & Sendable] {
        let heads = ledger.imports().map { block -> LedgerEvent in
            let timestamp = block.head.header.timestamp
            return .head(
                block.head.header, hash: block.head.hash,
                logs: block.locatedReceipts.flatMap { ReceiptRecord($0, timestamp: timestamp, baseFee: .zero).logRecords })
        }
        // One that a block took at once is no longer pending when we hear of it.
        return [heads, pool.arrivals.compactMap { [pool] hash in pool.recovered(hash).map { LedgerEvent.pending(TransactionRecord($0)) } }]
    }
}

/// One view of the chain, in the server's words.
struct ChainSnapshot: LedgerSnapshot {
    let view: LedgerView

    var head: (header: Header, hash: Hash32) { (view.head.header, view.head.hash) }

    func number(of hash: Hash32) throws(RPCError) -> UInt64? {
        try storing { () throws(StorageError) in try view.number(of: hash) }
    }
    func header(_ number: UInt64) throws(RPCError) -> (header: Header, hash: Hash32)? {
        try storing { () throws(StorageError) in try view.header(number) }
    }

    func block(_ number: UInt64) throws(RPCError) -> BlockRecord? {
        guard let block = try storing({ () throws(StorageError) in try view.block(number) }) else { return nil }
        return BlockRecord(
            header: block.header, hash: block.hash,
            transactions: block.transactions.map { TransactionRecord($0, in: block.header) }, size: block.encoded.count)
    }
    func transaction(_ hash: Hash32) throws(RPCError) -> TransactionRecord? {
        guard let found = try storing({ () throws(StorageError) in try view.transaction(hash) }),
            let header = try header(found.blockNumber)?.header
        else { return nil }
        return TransactionRecord(found, in: header)
    }
    func receipt(_ transaction: Hash32) throws(RPCError) -> ReceiptRecord? {
        guard let found = try storing({ () throws(StorageError) in try view.receipt(transaction) }),
            let header = try header(found.transaction.blockNumber)?.header
        else { return nil }
        return ReceiptRecord(found, timestamp: header.timestamp, baseFee: header.baseFeePerGas ?? .zero)
    }
    func receipts(_ number: UInt64) throws(RPCError) -> [ReceiptRecord]? {
        guard let found = try storing({ () throws(StorageError) in try view.receipts(number) }),
            let header = try header(number)?.header
        else { return nil }
        return found.map { ReceiptRecord($0, timestamp: header.timestamp, baseFee: header.baseFeePerGas ?? .zero) }
    }
    func logs(_ query: LogQuery, from: UInt64, to: UInt64) throws(RPCError) -> [LogRecord] {
        let found = try asking { () throws(QuestionError) in
            try view.logs(LogFilter(from: from, to: to, addresses: query.addresses, topics: query.topics))
        }
        var timestamp: (number: UInt64, value: UInt64)?
        var records: [LogRecord] = []
        for log in found {
            if timestamp?.number != log.blockNumber {
                timestamp = (log.blockNumber, try header(log.blockNumber)?.header.timestamp ?? 0)
            }
            let place = Place(
                blockHash: log.blockHash, blockNumber: log.blockNumber, blockTimestamp: timestamp?.value ?? 0,
                index: log.transactionIndex)
            records.append(LogRecord(log: log.log, place: place, transactionHash: log.transactionHash, index: log.index))
        }
        return records
    }

    // MARK: state

    private func account(_ address: Address, at number: UInt64) throws(RPCError) -> Account? {
        let state = try asking { () throws(QuestionError) in try view.state(at: number) }
        return try reading { () throws(StateUnavailable) in try state.account(address) }
    }
    func balance(_ address: Address, at number: UInt64) throws(RPCError) -> U256 {
        try account(address, at: number)?.balance ?? .zero
    }
    func nonce(_ address: Address, at number: UInt64) throws(RPCError) -> UInt64 { try account(address, at: number)?.nonce ?? 0 }
    func code(_ address: Address, at number: UInt64) throws(RPCError) -> Bytes {
        guard let hash = try account(address, at: number)?.codeHash, hash != Account.noCode else { return [] }
        let state = try asking { () throws(QuestionError) in try view.state(at: number) }
        return try reading { () throws(StateUnavailable) in try state.code(hash) }
    }
    func storage(_ address: Address, _ slot: U256, at number: UInt64) throws(RPCError) -> U256 {
        let state = try asking { () throws(QuestionError) in try view.state(at: number) }
        return try reading { () throws(StateUnavailable) in try state.storage(address, slot) }
    }
    func proof(_ address: Address, slots: [U256], at number: UInt64) throws(RPCError) -> ProofRecord {
        let proof = try asking { () throws(QuestionError) in try view.proof(of: address, slots: slots, at: number) }
        return ProofRecord(
            address: address, nonce: proof.account.nonce, balance: proof.account.balance, codeHash: proof.account.codeHash,
            storageHash: proof.account.storageRoot, nodes: proof.nodes,
            slots: proof.slots.map { .init(key: $0.slot.quantity, value: $0.value, nodes: $0.nodes) })
    }

    // MARK: calls

    func call(_ request: CallRequest, at number: UInt64) throws(RPCError) -> CallOutcome {
        CallOutcome(
            try asking { () throws(QuestionError) in try view.call(request.payload, from: request.sender, at: number) }.outcome)
    }
    func estimateGas(_ request: CallRequest, at number: UInt64) throws(RPCError) -> UInt64 {
        let (limit, result) = try asking { () throws(QuestionError) in
            try view.estimateGas(request.payload, from: request.sender, at: number)
        }
        if let limit { return limit }
        switch CallOutcome(result.outcome) {
        case .reverted(let output): throw .reverted(output)
        case .halted(let why): throw .refused(why)
        case .returned: throw .internalError("no gas limit suffices for a call that succeeds")
        }
    }

    // MARK: errors

    private func storing<T>(_ body: () throws(StorageError) -> T) throws(RPCError) -> T {
        do throws(StorageError) { return try body() } catch { throw .internalError("\(error)") }
    }
    private func reading<T>(_ body: () throws(StateUnavailable) -> T) throws(RPCError) -> T {
        do throws(StateUnavailable) { return try body() } catch { throw .internalError("\(error)") }
    }
    private func asking<T>(_ body: () throws(QuestionError) -> T) throws(RPCError) -> T {
        do throws(QuestionError) { return try body() } catch {
            switch error {
            case .blockUnknown: throw .notFound("block")
            case .storage(let reason): throw .internalError("\(reason)")
            case .unavailable(let reason): throw .internalError("\(reason)")
            case .invalid(let fault): throw RPCError(fault)
            case .rangeTooLong(let blocks, let maximum): throw .limitExceeded("block range of \(blocks) exceeds \(maximum)")
            case .tooManyLogs(let maximum): throw .limitExceeded("query returned more than \(maximum) results")
            case .tooManySlots(let maximum): throw .limitExceeded("more than \(maximum) storage keys")
            }
        }
    }
}

extension CallOutcome {
    init(_ outcome: ExecutionResult.Outcome) {
        switch outcome {
        case .success(let output): self = .returned(output)
        case .revert(let output): self = .reverted(output)
        case .halt(let reason): self = .halted("\(reason)")
        }
    }
}

extension TransactionRecord {
    init(_ located: LocatedTransaction, in header: Header) {
        let place = Place(
            blockHash: located.blockHash, blockNumber: located.blockNumber, blockTimestamp: header.timestamp, index: located.index)
        self.init(
            transaction: located.transaction, hash: located.hash, sender: located.sender, place: place,
            baseFeePerGas: header.baseFeePerGas ?? .zero)
    }
}

extension ReceiptRecord {
    init(_ located: LocatedReceipt, timestamp: UInt64, baseFee: U256) {
        let tx = located.transaction, payload = tx.transaction.payload
        self.init(
            type: located.receipt.type, succeeded: located.receipt.succeeded, cumulativeGasUsed: located.receipt.cumulativeGasUsed,
            gasUsed: located.gasUsed,
            effectiveGasPrice: payload.effectiveGasPrice(baseFeePerGas: baseFee), bloom: located.receipt.bloom,
            logs: located.receipt.logs,
            firstLogIndex: located.firstLogIndex, transactionHash: tx.hash,
            place: Place(blockHash: tx.blockHash, blockNumber: tx.blockNumber, blockTimestamp: timestamp, index: tx.index),
            sender: tx.sender, to: payload.to,
            contractAddress: located.contractAddress)
    }
}

extension RPCError {
    /// In go-ethereum's words: libraries look for them.
    init(_ error: PoolError) {
        self =
            switch error {
            case .decoding(let why): .refused("transaction malformed: \(why)")
            case .signature(let why): .refused("invalid sender: \(why)")
            case .invalid(let why): RPCError(why)
            case .alreadyKnown: .refused("already known")
            case .tooLarge(let bytes, let maximum): .refused("oversized data: \(bytes) bytes, maximum \(maximum)")
            case .nonceTooFar(_, let missing): .refused("nonce too high: nonce \(missing) is missing")
            case .gapTooLong(_, let missing): .refused("too many transactions beyond a gap: nonce \(missing) is missing")
            case .replacementRefused(let by): .refused("replacement transaction underpriced: \(by) stays")
            case .full(let member): .refused("txpool is full" + (member.map { ", most of it of member \($0)" } ?? ""))
            case .unavailable(let why): .internalError("\(why)")
            }
    }
    init(_ error: TransactionError) {
        self =
            switch error {
            case .nonceTooLow(let expected, let found): .refused("nonce too low: next nonce \(expected), tx nonce \(found)")
            case .nonceTooHigh(let expected, let found): .refused("nonce too high: next nonce \(expected), tx nonce \(found)")
            case .insufficientBalance(let needed, let found):
                .refused("insufficient funds for gas * price + value: balance \(found)" + (needed.map { ", tx cost \($0)" } ?? ""))
            case .gasLimitTooLow(let needed, let found): .refused("intrinsic gas too low: gas \(found), minimum needed \(needed)")
            case .gasLimitAboveBlock(let limit, let found): .refused("exceeds block gas limit: gas \(found), limit \(limit)")
            case .chainIdMismatch(let expected, let found): .refused("invalid chain id for signer: have \(found) want \(expected)")
            case .replayable: .refused("only replay-protected (EIP-155) transactions allowed over RPC")
            case .typeNotSupported(let type): .refused("transaction type not supported: \(type)")
            default: .refused("invalid transaction: \(error)")
            }
    }
}
