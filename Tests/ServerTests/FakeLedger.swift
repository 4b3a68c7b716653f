import Ciphers
import Primitives
import RPC
import Server
import Synchronization

/// A ledger of two blocks and one account: enough to see every answer's way through the server. Executes nothing.
final class FakeLedger: LedgerBackend {
    let chainId: UInt64 = 1_337
    let key = try! PrivateKey(Bytes(repeating: 3, count: 32))
    let view: FakeView
    let taken = Mutex<[RecoveredTransaction]>([])
    let isSyncing = Mutex(false)
    let stream = AsyncStream.makeStream(of: LedgerEvent.self)

    init() {
        let key = key
        let transaction = RecoveredTransaction(
            TransactionPayload(chainId: 1_337, nonce: 0, gasLimit: 21_000, to: .zero, data: [1, 2]), signedBy: key)
        view = FakeView(transaction: transaction)
    }

    func snapshot() -> any LedgerSnapshot { view }
    func submit(_ encoded: Bytes) throws(RPCError) -> Hash32 {
        guard let decoded = try? UnverifiedTransaction(encoded: encoded), let transaction = try? RecoveredTransaction(decoded)
        else { throw .refused("transaction malformed") }
        guard transaction.payload.nonce > 0 else { throw .refused("nonce too low: next nonce 1, tx nonce 0") }
        taken.withLock { $0.append(transaction) }
        stream.continuation.yield(.pending(TransactionRecord(transaction)))
        return transaction.hash
    }
    func pooled(_ hash: Hash32) -> TransactionRecord? {
        taken.withLock { $0.first { $0.hash == hash }.map { TransactionRecord($0) } }
    }
    func poolContent() -> [PoolSender] {
        taken.withLock {
            $0.isEmpty ? [] : [PoolSender(sender: key.address, executable: $0.map { TransactionRecord($0) }, queued: [])]
        }
    }
    func pendingNonce(of address: Address, stateNonce: UInt64) -> UInt64 { stateNonce + UInt64(taken.withLock { $0.count }) }
    func syncProgress() -> SyncProgress? {
        isSyncing.withLock { $0 ? SyncProgress(startingBlock: 0, currentBlock: 1, highestBlock: 9) : nil }
    }
    func peerCount() -> Int { 3 }
    func events() -> [any AsyncSequence<LedgerEvent, Never> & Sendable] { [stream.stream] }
}

struct FakeView: LedgerSnapshot {
    let blocks: [BlockRecord]
    let receiptRecord: ReceiptRecord
    let account: Address

    init(transaction: RecoveredTransaction) {
        account = transaction.sender
        func header(_ number: UInt64, parent: Hash32) -> Header {
            Header(
                parentHash: parent, beneficiary: .zero, stateRoot: .zero, transactionsRoot: Header.emptyRoot,
                receiptsRoot: Header.emptyRoot, logsBloom: Bloom(),
                difficulty: 1, number: number, gasLimit: 30_000_000, gasUsed: number * 21_000, timestamp: 1_700_000_000 + number,
                extraData: Bytes(repeating: 0xee, count: 97), mixHash: .zero, nonce: 0, baseFeePerGas: .zero)
        }
        let genesis = header(0, parent: .zero), first = header(1, parent: keccak256(genesis.encoded)),
            hash = keccak256(first.encoded)
        let place = Place(blockHash: hash, blockNumber: 1, blockTimestamp: first.timestamp, index: 0)
        blocks = [
            BlockRecord(header: genesis, hash: keccak256(genesis.encoded), transactions: [], size: genesis.encoded.count),
            BlockRecord(header: first, hash: hash, transactions: [TransactionRecord(transaction, place: place)], size: 700),
        ]
        let log = Log(address: account, topics: [keccak256(Bytes("Moved".utf8))], data: [7])
        receiptRecord = ReceiptRecord(
            type: 2, succeeded: true, cumulativeGasUsed: 21_000, gasUsed: 21_000, effectiveGasPrice: .zero, bloom: Bloom(of: [log]),
            logs: [log],
            firstLogIndex: 0, transactionHash: transaction.hash, place: place, sender: account, to: .zero, contractAddress: nil)
    }

    var head: (header: Header, hash: Hash32) { (blocks[1].header, blocks[1].hash) }
    func number(of hash: Hash32) -> UInt64? { blocks.firstIndex { $0.hash == hash }.map { UInt64($0) } }
    func header(_ number: UInt64) -> (header: Header, hash: Hash32)? {
        number < 2 ? (blocks[Int(number)].header, blocks[Int(number)].hash) : nil
    }
    func block(_ number: UInt64) -> BlockRecord? { number < 2 ? blocks[Int(number)] : nil }
    func transaction(_ hash: Hash32) -> TransactionRecord? { blocks[1].transactions.first { $0.hash == hash } }
    func receipt(_ transaction: Hash32) -> ReceiptRecord? { receiptRecord.transactionHash == transaction ? receiptRecord : nil }
    func receipts(_ number: UInt64) -> [ReceiptRecord]? { number == 0 ? [] : number == 1 ? [receiptRecord] : nil }
    func logs(_ query: LogQuery, from: UInt64, to: UInt64) -> [LogRecord] {
        from <= 1 && to >= 1 ? receiptRecord.logRecords.filter { query.matches($0.log) } : []
    }
    func balance(_ address: Address, at number: UInt64) -> U256 { address == account ? 5_000 : .zero }
    func nonce(_ address: Address, at number: UInt64) -> UInt64 { address == account ? number : 0 }
    func code(_ address: Address, at number: UInt64) -> Bytes { [] }
    func storage(_ address: Address, _ slot: U256, at number: UInt64) -> U256 { slot &+ 1 }
    func proof(_ address: Address, slots: [U256], at number: UInt64) -> ProofRecord {
        ProofRecord(
            address: address, nonce: 1, balance: 5_000, codeHash: .zero, storageHash: .zero, nodes: [[0xc0]],
            slots: slots.map { .init(key: "", value: $0, nodes: []) })
    }
    func call(_ request: CallRequest, at number: UInt64) -> CallOutcome {
        request.payload.data == [0xff]
            ? .reverted([1]) : request.payload.data == [0xfe] ? .halted("out of gas") : .returned(request.payload.data)
    }
    func estimateGas(_ request: CallRequest, at number: UInt64) -> UInt64 { 21_000 }
}
