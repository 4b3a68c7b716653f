import Ciphers
import Consensus
import EVM
import Primitives
import Storage
import Trie

// What RPC asks of the chain beyond its records: states, proofs, calls, logs.

package enum QuestionError: Error, Equatable, Sendable {
    case blockUnknown(UInt64)
    case storage(StorageError)
    case unavailable(StateUnavailable)
    case invalid(TransactionError)
    case rangeTooLong(blocks: UInt64, maximum: UInt64)
    /// More logs match than one answer may hold.
    case tooManyLogs(maximum: Int)
    case tooManySlots(maximum: Int)
}

/// EIP-1186.
package struct AccountProof: Sendable, Equatable {
    package struct Slot: Sendable, Equatable {
        package let slot: U256
        package let value: U256
        package let nodes: [Bytes]
    }
    package let address: Address
    package let account: TrieAccount
    package let nodes: [Bytes]
    package let slots: [Slot]
}

package struct LogFilter: Sendable {
    package var from: UInt64
    package var to: UInt64
    /// Empty: any.
    package var addresses: [Address]
    /// One entry a position; an empty one: any.
    package var topics: [[Hash32]]

    package init(from: UInt64, to: UInt64, addresses: [Address] = [], topics: [[Hash32]] = []) {
        (self.from, self.to, self.addresses, self.topics) = (from, to, addresses, topics)
    }

    package func matches(_ log: Log) -> Bool {
        (addresses.isEmpty || addresses.contains(log.address)) && topics.count <= log.topics.count
            && zip(topics, log.topics).allSatisfy { $0.isEmpty || $0.contains($1) }
    }
    func mayMatch(_ bloom: Bloom) -> Bool {
        (addresses.isEmpty || addresses.contains { bloom.mayContain(hash: keccak256($0)) })
            && topics.allSatisfy { $0.isEmpty || $0.contains { bloom.mayContain(hash: keccak256($0)) } }
    }
}

package struct LocatedLog: Sendable, Equatable {
    package let log: Log
    package let blockNumber: UInt64
    package let blockHash: Hash32
    package let transactionHash: Hash32
    package let transactionIndex: Int
    /// In the block.
    package let index: Int
}

extension LedgerView {
    /// The state after a block; every block's is kept.
    package func state(at number: UInt64) throws(QuestionError) -> ChainState {
        if number == head.number { return state }
        return ChainState(root: try known(number).header.stateRoot, reader: reader, cache: cache, isFlat: false)
    }

    private func known(_ number: UInt64) throws(QuestionError) -> (header: Header, hash: Hash32) {
        guard number <= head.number else { throw .blockUnknown(number) }
        do throws(StorageError) {
            guard let found = try header(number) else { throw .corrupt(path: "header \(number)", detail: "absent") }
            return found
        } catch { throw .storage(error) }
    }

    package static let maximumProofSlots = 1024

    package func proof(of address: Address, slots: [U256], at number: UInt64) throws(QuestionError) -> AccountProof {
        guard slots.count <= LedgerView.maximumProofSlots else { throw .tooManySlots(maximum: LedgerView.maximumProofSlots) }
        let state = ChainState(root: try known(number).header.stateRoot, reader: reader, cache: cache, isFlat: false)
        do throws(TrieError) {
            let nodes = try Trie.prove(keccak256(address).bytes, root: state.root, from: state)
            let account: TrieAccount
            do throws(StateUnavailable) {
                account =
                    try state.trieAccount(address)
                    ?? TrieAccount(
                        nonce: 0, balance: .zero, storageRoot: Header.emptyRoot,
                        codeHash: Account.noCode)
            } catch { throw TrieError.unavailable(errorNumber: error.errorNumber) }
            var proofs: [AccountProof.Slot] = []
            for slot in slots {
                let path = try Trie.prove(keccak256(slot.hash).bytes, root: account.storageRoot, from: state)
                var trie = Trie(root: account.storageRoot), value = U256.zero
                if let leaf = try trie.get(keccak256(slot.hash).bytes, from: state) {
                    do throws(RLPError) {
                        value = try RLP.decode(leaf).asU256
                    } catch {
                        throw TrieError.unavailable(errorNumber: damaged)
                    }
                }
                proofs.append(.init(slot: slot, value: value, nodes: path))
            }
            return AccountProof(address: address, account: account, nodes: nodes, slots: proofs)
        } catch { throw .unavailable(StateUnavailable(error)) }
    }

    // MARK: calls

    private func context(at number: UInt64) throws(QuestionError) -> BlockContext {
        let header = number == head.number ? head.header : try known(number).header
        var hashes = recentHashes
        if number != head.number {
            hashes = []
            for back in stride(from: min(number, UInt64(LedgerView.recentCount)), through: 1, by: -1) {
                hashes.append(try known(number - back).hash)
            }
        } else {
            hashes.removeLast()  // code at block h sees the hashes before h
        }
        return BlockContext(
            number: header.number, timestamp: header.timestamp, beneficiary: header.beneficiary,
            gasLimit: header.gasLimit,
            prevRandao: header.mixHash, chainId: U256(network.chainId), rules: .alliance,
            blockHash: { [hashes] asked in
                let back = Int(header.number - asked)
                return back >= 1 && back <= hashes.count ? hashes[hashes.count - back] : nil
            })
    }

    /// `eth_call`: what the call would answer on the state after block `number`. A gas limit of 0 or above the block's is the
    /// block's.
    package func call(
        _ payload: TransactionPayload, from sender: Address,
        at number: UInt64
    ) throws(QuestionError) -> ExecutionResult {
        var payload = payload
        let context = try context(at: number), state = try state(at: number)
        if payload.gasLimit == 0 || payload.gasLimit > context.gasLimit { payload.gasLimit = context.gasLimit }
        do throws(ExecutionError) {
            return try EVM.execute(RecoveredTransaction(unsigned: payload, sender: sender), in: context, over: state, mode: .call).0
        } catch { throw QuestionError(error) }
    }

    /// - Returns: nil gas limit: it fails with all the gas too, as the result says.
    package func estimateGas(
        _ payload: TransactionPayload, from sender: Address,
        at number: UInt64
    ) throws(QuestionError) -> (gasLimit: UInt64?, result: ExecutionResult) {
        let context = try context(at: number), state = try state(at: number)
        do throws(ExecutionError) {
            let (limit, result) = try EVM.estimateGas(payload, from: sender, in: context, over: state)
            return (limit, result)
        } catch { throw QuestionError(error) }
    }

    // MARK: logs

    package static let maximumLogBlocks: UInt64 = 100_000, maximumLogs = 10_000

    /// Matching logs in order. Cost: one header a block, receipts where the header's bloom says "perhaps".
    package func logs(_ filter: LogFilter) throws(QuestionError) -> [LocatedLog] {
        let last = min(filter.to, head.number)
        guard filter.from <= last else { return [] }
        guard last - filter.from < LedgerView.maximumLogBlocks else {
            throw .rangeTooLong(blocks: last - filter.from + 1, maximum: LedgerView.maximumLogBlocks)
        }
        var found: [LocatedLog] = []
        for number in filter.from...last {
            guard filter.mayMatch(try known(number).header.logsBloom) else { continue }
            do throws(StorageError) {
                found += LedgerView.logs(of: try receipts(number) ?? [], matching: filter)
            } catch {
                throw .storage(error)
            }
            guard found.count <= LedgerView.maximumLogs else { throw .tooManyLogs(maximum: LedgerView.maximumLogs) }
        }
        return found
    }

    package static func logs(of receipts: [LocatedReceipt], matching filter: LogFilter) -> [LocatedLog] {
        receipts.flatMap { receipt in
            receipt.receipt.logs.enumerated().compactMap { index, log in
                guard filter.matches(log) else { return nil }
                let tx = receipt.transaction
                return LocatedLog(
                    log: log, blockNumber: tx.blockNumber, blockHash: tx.blockHash, transactionHash: tx.hash,
                    transactionIndex: tx.index,
                    index: receipt.firstLogIndex + index)
            }
        }
    }
}

extension QuestionError {
    init(_ error: ExecutionError) {
        self =
            switch error {
            case .invalid(let fault): .invalid(fault)
            case .unavailable(let reason): .unavailable(reason)
            }
    }
}

extension ImportedBlock {
    /// As `LedgerView.receipts` gives them, without reading.
    package var locatedReceipts: [LocatedReceipt] {
        locate(
            receipts,
            transactions.indices.map { index in
                LocatedTransaction(
                    transaction: transactions[index], hash: hashes[index], sender: senders[index],
                    blockNumber: head.number, blockHash: head.hash, index: index)
            })
    }
}
