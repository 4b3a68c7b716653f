import Ciphers
import Primitives

// What a chain knows, as its answers show it. Names and shapes are those of Ethereum's execution-apis.

/// Where a transaction lies; nil fields of a record: it waits in the pool.
package struct Place: Equatable, Sendable {
    package var blockHash: Hash32
    package var blockNumber: UInt64
    package var blockTimestamp: UInt64
    package var index: Int

    package init(blockHash: Hash32, blockNumber: UInt64, blockTimestamp: UInt64, index: Int) {
        self.blockHash = blockHash
        self.blockNumber = blockNumber
        self.blockTimestamp = blockTimestamp
        self.index = index
    }
}

package struct TransactionRecord: Equatable, Sendable {
    package var transaction: UnverifiedTransaction
    package var hash: Hash32
    package var sender: Address
    package var place: Place?
    /// Of its block: what decides the price paid.
    package var baseFeePerGas: U256

    package init(transaction: UnverifiedTransaction, hash: Hash32, sender: Address, place: Place?, baseFeePerGas: U256) {
        self.transaction = transaction
        self.hash = hash
        self.sender = sender
        self.place = place
        self.baseFeePerGas = baseFeePerGas
    }
    package init(_ recovered: RecoveredTransaction, place: Place? = nil, baseFeePerGas: U256 = .zero) {
        self.init(
            transaction: recovered.transaction, hash: recovered.hash, sender: recovered.sender, place: place,
            baseFeePerGas: baseFeePerGas)
    }
}

extension TransactionPayload {
    /// What is paid for a unit of gas at this base fee (EIP-1559).
    package func effectiveGasPrice(baseFeePerGas: U256) -> U256 {
        let (sum, overflow) = maxPriorityFeePerGas.addingReportingOverflow(baseFeePerGas)
        return overflow ? maxFeePerGas : min(maxFeePerGas, sum)
    }
}

package struct LogRecord: Equatable, Sendable {
    package var log: Log
    package var place: Place
    package var transactionHash: Hash32
    /// In the block.
    package var index: Int

    package init(log: Log, place: Place, transactionHash: Hash32, index: Int) {
        self.log = log
        self.place = place
        self.transactionHash = transactionHash
        self.index = index
    }
}

package struct ReceiptRecord: Equatable, Sendable {
    package var type: UInt8
    package var succeeded: Bool
    package var cumulativeGasUsed: UInt64
    package var gasUsed: UInt64
    package var effectiveGasPrice: U256
    package var bloom: Bloom
    package var logs: [Log]
    /// Index in the block of the first of them.
    package var firstLogIndex: Int
    package var transactionHash: Hash32
    package var place: Place
    package var sender: Address
    package var to: Address?
    package var contractAddress: Address?

    package init(
        type: UInt8, succeeded: Bool, cumulativeGasUsed: UInt64, gasUsed: UInt64, effectiveGasPrice: U256, bloom: Bloom,
        logs: [Log], firstLogIndex: Int,
        transactionHash: Hash32, place: Place, sender: Address, to: Address?, contractAddress: Address?
    ) {
        self.type = type
        self.succeeded = succeeded
        self.cumulativeGasUsed = cumulativeGasUsed
        self.gasUsed = gasUsed
        self.effectiveGasPrice = effectiveGasPrice
        self.bloom = bloom
        self.logs = logs
        self.firstLogIndex = firstLogIndex
        self.transactionHash = transactionHash
        self.place = place
        self.sender = sender
        self.to = to
        self.contractAddress = contractAddress
    }

    package var logRecords: [LogRecord] {
        logs.enumerated().map { LogRecord(log: $1, place: place, transactionHash: transactionHash, index: firstLogIndex + $0) }
    }
}

package struct BlockRecord: Equatable, Sendable {
    package var header: Header
    package var hash: Hash32
    package var transactions: [TransactionRecord]
    /// Bytes of the RLP of the whole block.
    package var size: Int

    package init(header: Header, hash: Hash32, transactions: [TransactionRecord], size: Int) {
        self.header = header
        self.hash = hash
        self.transactions = transactions
        self.size = size
    }
}

/// EIP-1186.
package struct ProofRecord: Equatable, Sendable {
    package struct Slot: Equatable, Sendable {
        /// As it was asked.
        package var key: String
        package var value: U256
        package var nodes: [Bytes]
        package init(key: String, value: U256, nodes: [Bytes]) {
            self.key = key
            self.value = value
            self.nodes = nodes
        }
    }
    package var address: Address
    package var nonce: UInt64
    package var balance: U256
    package var codeHash: Hash32
    package var storageHash: Hash32
    package var nodes: [Bytes]
    package var slots: [Slot]

    package init(
        address: Address, nonce: UInt64, balance: U256, codeHash: Hash32, storageHash: Hash32, nodes: [Bytes], slots: [Slot]
    ) {
        self.address = address
        self.nonce = nonce
        self.balance = balance
        self.codeHash = codeHash
        self.storageHash = storageHash
        self.nodes = nodes
        self.slots = slots
    }
}

package struct FeeHistory: Equatable, Sendable {
    package var oldestBlock: UInt64
    /// One more than blocks: the last is of the block to come.
    package var baseFeePerGas: [U256]
    package var gasUsedRatio: [Double]
    /// One row a block; empty unless percentiles were asked.
    package var reward: [[U256]]

    package init(oldestBlock: UInt64, baseFeePerGas: [U256], gasUsedRatio: [Double], reward: [[U256]]) {
        self.oldestBlock = oldestBlock
        self.baseFeePerGas = baseFeePerGas
        self.gasUsedRatio = gasUsedRatio
        self.reward = reward
    }
}
