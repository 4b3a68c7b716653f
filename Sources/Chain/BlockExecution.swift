import Ciphers
import Consensus
import EVM
import Primitives
import Trie

/// Why a block is refused: the fault of who made it.
package enum BlockError: Error, Equatable, Sendable {
    case header(HeaderError)
    case tooLarge(bytes: Int)
    case signature(index: Int, SignatureError)
    case transaction(index: Int, TransactionError)
    case transactionsRoot(expected: Hash32, found: Hash32)
    case receiptsRoot(expected: Hash32, found: Hash32)
    case stateRoot(expected: Hash32, found: Hash32)
    case logsBloom
    case gasUsed(expected: UInt64, found: UInt64)
}

package enum BlockFailure: Error, Equatable, Sendable {
    case invalid(BlockError)
    /// Our own disk or history: never a verdict on the block.
    case unavailable(StateUnavailable)
    /// A fork is active that this program does not know: 0 is Osaka, 1 Amsterdam, …
    case forkUnknown(Int)
}

/// A block that was run on its parent's state: all that a decision has to write down.
package struct ExecutedBlock: Sendable {
    package let unsealed: UnsealedBlock
    package let senders: [Address]
    package let hashes: [Hash32]
    package let receipts: [Receipt]
    package let update: StateUpdate
    /// The chain after this block: `V_{h+1}` and gas target of the post-state.
    package let head: Head

    package var hash: Hash32 { unsealed.hash }
}

/// Runs blocks on one parent. Pure: state in, difference out.
struct BlockExecution {
    let parent: Head
    let base: ChainState
    let chainId: UInt64
    /// Hashes of the last blocks up to the parent, oldest first.
    let recentHashes: [Hash32]

    private struct Progress {
        var state: OverlayState<ChainState>
        var context: BlockContext
        var transactions: [UnverifiedTransaction] = []
        var senders: [Address] = []
        var hashes: [Hash32] = []
        var receipts: [Receipt] = []
        var gasUsed: UInt64 = 0
        var bloom = Bloom()
        var bytes = 0

        mutating func include(_ tx: RecoveredTransaction, encodedCount: Int, _ result: ExecutionResult, _ diff: StateDiff) {
            state.merge(diff)
            gasUsed += result.gasUsed
            let bloom = Bloom(of: result.logs)
            self.bloom.formUnion(bloom)
            receipts.append(
                Receipt(
                    type: tx.payload.kind.rawValue, succeeded: result.isSuccess, cumulativeGasUsed: gasUsed,
                    bloom: bloom, logs: result.logs))
            transactions.append(tx.transaction)
            senders.append(tx.sender)
            hashes.append(tx.hash)
            bytes += encodedCount
        }
    }

    /// Runs a block that somebody made and compares everything its header claims.
    ///
    /// - Parameter known: a transaction whose signature was checked before, so that it is not recovered again (45 µs each).
    func execute(
        _ unsealed: UnsealedBlock,
        known: (Hash32) -> RecoveredTransaction? = { _ in nil }
    ) throws(BlockFailure) -> ExecutedBlock {
        let block = unsealed.block, header = block.header
        do throws(HeaderError) {
            try HeaderRules.check(header, unsealed.extra, isEmpty: block.transactions.isEmpty, after: parent)
        } catch {
            throw .invalid(.header(error))
        }
        let encoded = block.transactions.map(\.encoded), size = encoded.reduce(header.encoded.count) { $0 + $1.count + 9 }
        guard size <= Block.maximumEncodedBytes else { throw .invalid(.tooLarge(bytes: size)) }
        let transactionsRoot = Trie.indexedRoot(encoded)
        guard transactionsRoot == header.transactionsRoot else {
            throw .invalid(.transactionsRoot(expected: transactionsRoot, found: header.transactionsRoot))
        }
        var run = try begin(timestamp: header.timestamp, beneficiary: header.beneficiary, gasLimit: header.gasLimit)
        for (index, transaction) in block.transactions.enumerated() {
            let recovered: RecoveredTransaction
            if let seen = known(keccak256(encoded[index])) {
                recovered = seen
            } else {
                do throws(SignatureError) {
                    recovered = try RecoveredTransaction(transaction)
                } catch {
                    throw .invalid(.signature(index: index, error))
                }
            }
            let left = header.gasLimit - run.gasUsed
            guard transaction.payload.gasLimit <= left else {
                throw .invalid(.transaction(index: index, .gasLimitAboveBlock(limit: left, found: transaction.payload.gasLimit)))
            }
            do throws(ExecutionError) {
                let (result, diff) = try EVM.execute(recovered, in: run.context, over: run.state)
                run.include(recovered, encodedCount: encoded[index].count, result, diff)
            } catch {
                switch error {
                case .invalid(let fault): throw .invalid(.transaction(index: index, fault))
                case .unavailable(let reason): throw .unavailable(reason)
                }
            }
        }
        guard run.gasUsed == header.gasUsed else { throw .invalid(.gasUsed(expected: run.gasUsed, found: header.gasUsed)) }
        let receiptsRoot = Trie.indexedRoot(run.receipts.map(\.encoded))
        guard receiptsRoot == header.receiptsRoot else {
            throw .invalid(.receiptsRoot(expected: receiptsRoot, found: header.receiptsRoot))
        }
        guard run.bloom == header.logsBloom else { throw .invalid(.logsBloom) }
        let (update, next, gasTarget) = try finish(run)
        guard update.root == header.stateRoot else { throw .invalid(.stateRoot(expected: update.root, found: header.stateRoot)) }
        do throws(HeaderError) {
            try HeaderRules.checkNext(unsealed.extra, next: next)
            return ExecutedBlock(
                unsealed: unsealed, senders: run.senders, hashes: run.hashes, receipts: run.receipts,
                update: update,
                head: try Head(header: header, hash: unsealed.hash, validators: next, gasTarget: gasTarget))
        } catch { throw .invalid(.header(error)) }
    }

    /// Makes a block of what `selection` offers.
    ///
    /// - Parameter isOutOfTime: asked before each transaction but the first.
    /// - Returns: nil: nothing could be included and the request allows no empty block.
    func build(
        _ request: BuildRequest, from selection: inout PoolSelection,
        isOutOfTime: () -> Bool
    ) throws(BlockFailure) -> ExecutedBlock? {
        precondition(request.head == parent, "a block is built on the state of its parent")
        let gasLimit = parent.nextGasLimit
        var run = try begin(timestamp: request.timeMilliseconds / 1000, beneficiary: request.beneficiary, gasLimit: gasLimit)
        while run.transactions.isEmpty || !isOutOfTime(), let tx = selection.next(gasLeft: gasLimit - run.gasUsed) {
            let count = tx.transaction.encoded.count
            guard run.bytes + count + 16 * (run.transactions.count + 1) <= BlockExecution.maximumBodyBytes else { break }
            do throws(ExecutionError) {
                let (result, diff) = try EVM.execute(tx, in: run.context, over: run.state)
                run.include(tx, encodedCount: count, result, diff)
                selection.include(gasUsed: result.gasUsed)
            } catch {
                guard case .invalid = error else {
                    guard case .unavailable(let reason) = error else { preconditionFailure("an execution error is one of two") }
                    throw .unavailable(reason)
                }
                selection.refuse()
            }
        }
        if run.transactions.isEmpty, !request.allowsEmpty { return nil }
        let (update, next, gasTarget) = try finish(run)
        let unsealed = request.block(
            transactions: run.transactions, stateRoot: update.root,
            transactionsRoot: Trie.indexedRoot(run.transactions.map(\.encoded)),
            receiptsRoot: Trie.indexedRoot(run.receipts.map(\.encoded)), logsBloom: run.bloom,
            gasUsed: run.gasUsed, next: next)
        do throws(HeaderError) {
            return ExecutedBlock(
                unsealed: unsealed, senders: run.senders, hashes: run.hashes, receipts: run.receipts,
                update: update,
                head: try Head(
                    header: unsealed.header, hash: unsealed.hash, validators: next,
                    gasTarget: gasTarget))
        } catch { preconditionFailure("we made this header: \(error)") }
    }

    /// A block has room for its header, its ROUND-CHANGEs and PREPAREs in the same frame.
    static let maximumBodyBytes = Block.maximumEncodedBytes - Block.maximumHeaderBytes - 64

    /// The context, and EIP-2935's call before the first transaction.
    private func begin(timestamp: UInt64, beneficiary: Address, gasLimit: UInt64) throws(BlockFailure) -> Progress {
        let number = parent.number + 1, hashes = recentHashes
        let context = BlockContext(
            number: number, timestamp: timestamp, beneficiary: beneficiary, gasLimit: gasLimit,
            prevRandao: HeaderRules.mixHash,
            chainId: U256(chainId), rules: .alliance,
            blockHash: { asked in
                let back = Int(number - asked)
                return back <= hashes.count ? hashes[hashes.count - back] : nil
            })
        let fork: Int?
        do throws(StateUnavailable) {
            fork = try Consortium.activeFork(base, timestamp: timestamp)
        } catch {
            throw .unavailable(error)
        }
        if let fork { throw .forkUnknown(fork) }
        var run = Progress(state: OverlayState(base: base), context: context)
        do throws(StateUnavailable) {
            run.state.merge(try systemCall(SystemCall.blockHashes, data: parent.hash.bytes, in: context, over: run.state).1)
        } catch {
            throw .unavailable(error)
        }
        return run
    }

    private func finish(_ run: Progress) throws(BlockFailure) -> (StateUpdate, ValidatorSet, gasTarget: UInt64) {
        do throws(StateUnavailable) {
            return (
                try StateUpdate(run.state.diff, on: base),
                HeaderRules.nextValidators(after: parent.validators, consortium: try Consortium.validators(run.state)),
                try Consortium.gasTarget(run.state)
            )
        } catch { throw .unavailable(error) }
    }
}
