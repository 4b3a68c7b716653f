import Ciphers
import Consensus
import EVM
import Primitives
import Storage
import Trie

/// The chain as it was after one import: a snapshot that later imports do not move. Cheap to copy, safe to read from any thread.
package struct LedgerView: Sendable {
    package struct Network: Sendable {
        package let chainId: UInt64
        package let genesisHash: Hash32
        package let genesis: Header
        package let configuration: GenesisConfiguration
        /// The file itself, as `GenesisFile.text` prints it.
        package let file: String
    }
    package let network: Network
    package let head: Head
    let reader: any KeyValueReader
    let cache: StateCache
    /// Of the last 256 blocks, the head's last.
    let recentHashes: [Hash32]

    package static let recentCount = 256

    init(opening reader: any KeyValueReader, cache: StateCache) throws(LedgerError) {
        (self.reader, self.cache) = (reader, cache)
        func fact(_ key: Bytes, _ name: String) throws(LedgerError) -> Bytes {
            guard let value = try storing({ () throws(StorageError) in try reader.get(.facts, key) }) else {
                throw .damaged(record: name)
            }
            return value
        }
        func stored(_ number: UInt64) throws(LedgerError) -> (header: Header, hash: Hash32) {
            guard let found = try storing({ () throws(StorageError) in try LedgerView.header(reader, number) }) else {
                throw .damaged(record: "header \(number)")
            }
            return found
        }
        let format = bigEndian(try fact(Fact.format, "format")), text = try fact(Fact.genesis, "genesis")
        guard format == formatVersion else { throw .formatUnknown(found: format, known: formatVersion) }
        do throws(GenesisFileError) {
            let file = try GenesisFile(parsing: text), network = try file.check()
            self.network = Network(
                chainId: network.configuration.chainId, genesisHash: network.hash, genesis: file.header,
                configuration: network.configuration,
                file: String(decoding: text, as: UTF8.self))
        } catch { throw .genesis(error) }
        let (header, hash) = try stored(bigEndian(try fact(Fact.head, "head")))
        head = try LedgerView.head(header, hash, ChainState(root: header.stateRoot, reader: reader, cache: cache, isFlat: true))
        var hashes: [Hash32] = []
        for number in (header.number - min(header.number, UInt64(LedgerView.recentCount - 1)))...header.number {
            hashes.append(try stored(number).hash)
        }
        recentHashes = hashes
    }

    /// A stored block as parent of the next: validators and gas target are read from its state.
    static func head(_ header: Header, _ hash: Hash32, _ state: ChainState) throws(LedgerError) -> Head {
        do {
            guard let sealers = ValidatorSet(try ExtraData(decoding: header.extraData).validators) else {
                throw LedgerError.damaged(record: "header \(header.number)")
            }
            return try Head(
                header: header, hash: hash,
                validators: HeaderRules.nextValidators(after: sealers, consortium: try Consortium.validators(state)),
                gasTarget: try Consortium.gasTarget(state))
        } catch { throw .damaged(record: "state of block \(header.number)") }
    }

    private init(_ before: LedgerView, _ head: Head, _ reader: any KeyValueReader) {
        (network, cache, self.head, self.reader) = (before.network, before.cache, head, reader)
        recentHashes = before.recentHashes.suffix(LedgerView.recentCount - 1) + [head.hash]
    }
    func following(_ head: Head, _ reader: any KeyValueReader) -> LedgerView { LedgerView(self, head, reader) }

    /// The state after the head.
    package var state: ChainState { ChainState(root: head.header.stateRoot, reader: reader, cache: cache, isFlat: true) }

    /// Runs blocks that follow the head.
    var execution: BlockExecution {
        BlockExecution(
            parent: head, base: state, chainId: network.chainId,
            recentHashes: recentHashes)
    }

    /// Judges a block that follows the head.
    package func execute(
        _ block: UnsealedBlock,
        known: (Hash32) -> RecoveredTransaction? = { _ in nil }
    ) throws(BlockFailure) -> ExecutedBlock {
        try execution.execute(block, known: known)
    }
    package func build(
        _ request: BuildRequest, from selection: inout PoolSelection,
        isOutOfTime: () -> Bool
    ) throws(BlockFailure) -> ExecutedBlock? {
        try execution.build(request, from: &selection, isOutOfTime: isOutOfTime)
    }
}

// MARK: blocks

/// A transaction in its block.
package struct LocatedTransaction: Sendable, Equatable {
    package let transaction: UnverifiedTransaction
    package let hash: Hash32
    package let sender: Address
    package let blockNumber: UInt64
    package let blockHash: Hash32
    package let index: Int
}

package struct LocatedReceipt: Sendable, Equatable {
    package let transaction: LocatedTransaction
    package let receipt: Receipt
    /// Of this transaction alone.
    package let gasUsed: UInt64
    package let contractAddress: Address?
    /// Index in the block of its first log.
    package let firstLogIndex: Int
}

package struct StoredBlock: Sendable {
    /// With its seals.
    package let header: Header
    package let hash: Hash32
    package let transactions: [LocatedTransaction]
    /// RLP of the block as stored, seals included.
    package var encoded: Bytes { Block(header: header, transactions: transactions.map(\.transaction)).encoded }
}

extension LedgerView {
    static func header(_ reader: any KeyValueReader, _ number: UInt64) throws(StorageError) -> (header: Header, hash: Hash32)? {
        guard let bytes = try reader.get(.headers, bigEndian(number)) else { return nil }
        do throws(RLPError) {
            guard bytes.count > 32, let hash = Hash32(bytes[..<32]) else { throw .truncated(at: 0) }
            return (try Header(RLP.decode(bytes[32...])), hash)
        } catch { throw .corrupt(path: "header \(number)", detail: "\(error)") }
    }

    /// With seals. nil: above the head.
    package func header(_ number: UInt64) throws(StorageError) -> (header: Header, hash: Hash32)? {
        try LedgerView.header(reader, number)
    }
    package func number(of hash: Hash32) throws(StorageError) -> UInt64? {
        try reader.get(.numbers, hash.bytes).map { bigEndian($0) }
    }

    package func body(_ number: UInt64) throws(StorageError) -> [UnverifiedTransaction]? {
        guard let bytes = try reader.get(.bodies, bigEndian(number)) else { return nil }
        do { return try RLP.decode(bytes).asList.map { try UnverifiedTransaction(inBody: $0) } } catch {
            throw .corrupt(path: "body \(number)", detail: "\(error)")
        }
    }

    package func block(_ number: UInt64) throws(StorageError) -> StoredBlock? {
        guard let (header, hash) = try header(number), let body = try body(number),
            let senders = try reader.get(.senders, bigEndian(number))
        else {
            return nil
        }
        guard senders.count == 20 * body.count else { throw .corrupt(path: "senders \(number)", detail: "\(senders.count) bytes") }
        return StoredBlock(
            header: header, hash: hash,
            transactions: body.enumerated().map { index, transaction in
                LocatedTransaction(
                    transaction: transaction, hash: keccak256(transaction.encoded),
                    sender: Address(senders[(20 * index)..<(20 * index + 20)])!,
                    blockNumber: number, blockHash: hash, index: index)
            })
    }

    /// Block number and index of an included transaction.
    package func place(ofTransaction hash: Hash32) throws(StorageError) -> (number: UInt64, index: Int)? {
        guard let bytes = try reader.get(.transactions, hash.bytes) else { return nil }
        return (bigEndian(bytes.prefix(8)), Int(bigEndian(bytes.dropFirst(8))))
    }
    package func transaction(_ hash: Hash32) throws(StorageError) -> LocatedTransaction? {
        guard let (number, index) = try place(ofTransaction: hash) else { return nil }
        return try block(number)?.transactions[index]
    }

    /// Raw receipts of a block, as its root commits to them.
    package func rawReceipts(_ number: UInt64) throws(StorageError) -> [Receipt]? {
        guard let bytes = try reader.get(.receipts, bigEndian(number)) else { return nil }
        do throws(RLPError) {
            var receipts: [Receipt] = []
            for item in try RLP.decode(bytes).asList { receipts.append(try Receipt(encoded: try item.asBytes)) }
            return receipts
        } catch { throw .corrupt(path: "receipts \(number)", detail: "\(error)") }
    }
    package func receipts(_ number: UInt64) throws(StorageError) -> [LocatedReceipt]? {
        guard let block = try block(number), let receipts = try rawReceipts(number) else { return nil }
        guard receipts.count == block.transactions.count else {
            throw .corrupt(path: "receipts \(number)", detail: "\(receipts.count) of them")
        }
        return locate(receipts, block.transactions)
    }
    package func receipt(_ transaction: Hash32) throws(StorageError) -> LocatedReceipt? {
        guard let (number, index) = try place(ofTransaction: transaction) else { return nil }
        return try receipts(number)?[index]
    }

    /// The nodes that prove receipt `index` under the block's receiptsRoot (key RLP(index)).
    package func receiptProof(_ number: UInt64, index: Int) throws(StorageError) -> [Bytes]? {
        guard let receipts = try rawReceipts(number), receipts.indices.contains(index) else { return nil }
        var table = NodeTable()
        let root = Trie.indexedRoot(receipts.map(\.encoded), into: &table)
        do throws(TrieError) {
            return try Trie.prove(Trie.indexKey(index), root: root, from: table)
        } catch {
            preconditionFailure("the trie is in memory: \(error)")
        }
    }
}

func locate(_ receipts: [Receipt], _ transactions: [LocatedTransaction]) -> [LocatedReceipt] {
    var gas: UInt64 = 0, logs = 0
    return zip(receipts, transactions).map { receipt, transaction in
        defer { (gas, logs) = (receipt.cumulativeGasUsed, logs + receipt.logs.count) }
        let payload = transaction.transaction.payload
        let created =
            payload.to == nil
            ? Address(
                last20: keccak256(
                    RLP.encodeList {
                        $0.append(transaction.sender); $0.append(payload.nonce)
                    })) : nil
        return LocatedReceipt(
            transaction: transaction, receipt: receipt, gasUsed: receipt.cumulativeGasUsed - gas,
            contractAddress: created, firstLogIndex: logs)
    }
}
