import Ciphers
import Primitives
import RPC
import Synchronization

/// Answers Ethereum's calls from a ledger.
package struct EthereumService: Sendable {
    let ledger: any LedgerBackend
    let clientVersion: String
    let filters: FilterTable

    package init(ledger: any LedgerBackend, clientVersion: String) {
        self.ledger = ledger
        self.clientVersion = clientVersion
        filters = FilterTable()
    }

    package func answer(_ call: EthereumCall) async throws(RPCError) -> JSON {
        switch call {
        case .clientVersion: return .string(clientVersion)
        case .netVersion: return .string(String(ledger.chainId))
        case .netListening: return true
        case .peerCount: return .quantity(UInt64(await ledger.peerCount()))
        case .chainId: return .quantity(ledger.chainId)
        case .syncing: return await syncing()
        case .accounts: return []  // keys never live behind RPC
        case .maxPriorityFeePerGas, .blobBaseFee: return "0x0"
        case .sha3(let bytes): return JSON(keccak256(bytes))
        case .sendRawTransaction(let bytes): return JSON(try await ledger.submit(bytes))
        case .poolStatus, .poolContent, .poolContentFrom: return await pool(call)
        case .newFilter(let query): return .string(filters.add(.logs(query, next: await ledger.snapshot().head.header.number + 1)))
        case .newBlockFilter: return .string(filters.add(.blocks(next: await ledger.snapshot().head.header.number + 1)))
        case .newPendingTransactionFilter: return .string(filters.add(.pending([])))
        case .uninstallFilter(let id): return .bool(filters.remove(id))
        case .filterChanges(let id): return try filters.changes(id, await ledger.snapshot())
        case .filterLogs(let id): return try logs(filters.query(id), await ledger.snapshot())
        default: return try await answer(call, await ledger.snapshot())
        }
    }

    /// Calls about blocks, transactions and states, all of one snapshot.
    private func answer(_ call: EthereumCall, _ view: any LedgerSnapshot) async throws(RPCError) -> JSON {
        let head = view.head.header
        switch call {
        case .blockNumber: return .quantity(head.number)
        case .gasPrice: return .quantity(head.baseFeePerGas ?? .zero)
        case .feeHistory(let blocks, let newest, let percentiles):
            return try FeeHistory(blocks: blocks, newest: try existing(newest, view), percentiles: percentiles, view).json
        case .block(let reference, let full): return try block(reference, view)?.json(full: full) ?? .null
        case .transactionCountOfBlock(let reference):
            return try block(reference, view).map { .quantity(UInt64($0.transactions.count)) } ?? .null
        case .uncleCount(let reference): return try block(reference, view).map { _ in "0x0" } ?? .null
        case .blockReceipts(let reference):
            guard let number = try number(reference, view), let receipts = try view.receipts(number) else { return .null }
            return .array(receipts.map(\.json))
        case .rawHeader(let reference):
            guard let found = try view.header(try existing(reference, view)) else { throw .notFound("header") }
            return JSON(found.header.encoded)
        case .rawBlock(let reference):
            guard let found = try block(reference, view) else { throw .notFound("block") }
            return JSON(Block(header: found.header, transactions: found.transactions.map(\.transaction)).encoded)
        case .rawReceipts(let reference):
            guard let receipts = try view.receipts(try existing(reference, view)) else { throw .notFound("receipts") }
            return .array(
                receipts.map {
                    JSON(
                        Receipt(
                            type: $0.type, succeeded: $0.succeeded, cumulativeGasUsed: $0.cumulativeGasUsed, bloom: $0.bloom,
                            logs: $0.logs
                        ).encoded)
                })
        case .transaction(let hash):
            if let mined = try view.transaction(hash) { return mined.json }
            return await ledger.pooled(hash)?.json ?? .null
        case .rawTransaction(let hash):
            if let mined = try view.transaction(hash) { return JSON(mined.transaction.encoded) }
            return await ledger.pooled(hash).map { JSON($0.transaction.encoded) } ?? .null
        case .transactionInBlock(let reference, let index):
            guard let found = try block(reference, view), index < UInt64(found.transactions.count) else { return .null }
            return found.transactions[Int(index)].json
        case .receipt(let hash): return try view.receipt(hash)?.json ?? .null
        case .balance(let address, let reference): return .quantity(try view.balance(address, at: try existing(reference, view)))
        case .code(let address, let reference): return JSON(try view.code(address, at: try existing(reference, view)))
        case .nonce(let address, let reference):
            let nonce = try view.nonce(address, at: try existing(reference, view))
            return .quantity(reference == .pending ? await ledger.pendingNonce(of: address, stateNonce: nonce) : nonce)
        case .storage(let address, let slot, let reference):
            return JSON(try view.storage(address, slot, at: try existing(reference, view)).hash)
        case .proof(let address, let keys, let reference): return try proof(address, keys, try existing(reference, view), view)
        case .call(let request, let reference):
            switch try view.call(request, at: try existing(reference, view)) {
            case .returned(let bytes): return JSON(bytes)
            case .reverted(let bytes): throw .reverted(bytes)
            case .halted(let why): throw .refused(why)
            }
        case .estimateGas(let request, let reference):
            return .quantity(try view.estimateGas(request, at: try existing(reference, view)))
        case .logs(let query): return try logs(query, view)
        default: throw .internalError("call without an answer")
        }
    }

    // MARK: parts

    /// Blocks are final: latest, safe and finalized are one; what waits in the pool belongs to no block yet.
    private func number(_ reference: BlockReference, _ view: any LedgerSnapshot) throws(RPCError) -> UInt64? {
        switch reference {
        case .latest, .pending, .safe, .finalized: return view.head.header.number
        case .earliest: return 0
        case .number(let number): return number <= view.head.header.number ? number : nil
        case .hash(let hash): return try view.number(of: hash)
        }
    }
    private func existing(_ reference: BlockReference, _ view: any LedgerSnapshot) throws(RPCError) -> UInt64 {
        guard let number = try number(reference, view) else { throw .notFound("block") }
        return number
    }
    private func block(_ reference: BlockReference, _ view: any LedgerSnapshot) throws(RPCError) -> BlockRecord? {
        guard let number = try number(reference, view) else { return nil }
        return try view.block(number)
    }

    func logs(_ query: LogQuery, _ view: any LedgerSnapshot) throws(RPCError) -> JSON {
        let from: UInt64, to: UInt64, head = view.head.header.number
        switch query.range {
        case .block(let hash):
            guard let number = try view.number(of: hash) else { throw .notFound("block") }
            (from, to) = (number, number)
        case .blocks(let first, let last):
            func place(_ reference: BlockReference?) throws(RPCError) -> UInt64 {
                if case .number(let number)? = reference { return number }
                return try existing(reference ?? .latest, view)
            }
            (from, to) = (try place(first), try place(last))
            guard to <= head else { throw .invalidParameters("block range extends beyond current head block") }
        }
        guard from <= to else { throw .invalidParameters("invalid block range params") }
        return .array(try view.logs(query, from: from, to: to).map(\.json))
    }

    private func proof(_ address: Address, _ keys: [String], _ number: UInt64, _ view: any LedgerSnapshot) throws(RPCError) -> JSON {
        var proof = try view.proof(address, slots: keys.map { U256(hex: $0) ?? .zero }, at: number)
        for index in proof.slots.indices { proof.slots[index].key = keys[index] }
        return proof.json
    }

    private func syncing() async -> JSON {
        guard let progress = await ledger.syncProgress() else { return false }
        return [
            "startingBlock": .quantity(progress.startingBlock), "currentBlock": .quantity(progress.currentBlock),
            "highestBlock": .quantity(progress.highestBlock),
        ]
    }

    private func pool(_ call: EthereumCall) async -> JSON {
        let content = await ledger.poolContent()
        func byNonce(_ records: [TransactionRecord]) -> JSON {
            .object(Dictionary(records.map { (String($0.transaction.payload.nonce), $0.json) }, uniquingKeysWith: { $1 }))
        }
        func table(_ part: (PoolSender) -> [TransactionRecord]) -> JSON {
            .object(
                Dictionary(
                    content.compactMap { part($0).isEmpty ? nil : ($0.sender.description, byNonce(part($0))) },
                    uniquingKeysWith: { $1 }))
        }
        switch call {
        case .poolStatus:
            return [
                "pending": .quantity(UInt64(content.reduce(0) { $0 + $1.executable.count })),
                "queued": .quantity(UInt64(content.reduce(0) { $0 + $1.queued.count })),
            ]
        case .poolContentFrom(let address):
            let own = content.first { $0.sender == address }
            return ["pending": byNonce(own?.executable ?? []), "queued": byNonce(own?.queued ?? [])]
        default: return ["pending": table(\.executable), "queued": table(\.queued)]
        }
    }
}

extension FeeHistory {
    /// - Throws: where the history is not kept.
    init(blocks: UInt64, newest: UInt64, percentiles: [Double], _ view: any LedgerSnapshot) throws(RPCError) {
        let count = min(blocks, newest + 1), first = newest + 1 - count
        var fees: [U256] = [], ratios: [Double] = [], rewards: [[U256]] = []
        for number in first..<(first + count) {
            guard let header = try view.header(number)?.header else { throw .notFound("block") }
            fees.append(header.baseFeePerGas ?? .zero)
            ratios.append(header.gasLimit == 0 ? 0 : Double(header.gasUsed) / Double(header.gasLimit))
            if !percentiles.isEmpty { rewards.append(try FeeHistory.rewards(percentiles, number, header, view)) }
        }
        // Where gas costs nothing the base fee does not move.
        fees.append(fees.last ?? view.head.header.baseFeePerGas ?? .zero)
        self.init(oldestBlock: first, baseFeePerGas: fees, gasUsedRatio: ratios, reward: rewards)
    }

    /// Tips at these percentiles of the block's gas.
    private static func rewards(
        _ percentiles: [Double], _ number: UInt64, _ header: Header, _ view: any LedgerSnapshot
    ) throws(RPCError) -> [U256] {
        let base = header.baseFeePerGas ?? .zero
        let tips = (try view.receipts(number) ?? []).map {
            (tip: $0.effectiveGasPrice >= base ? $0.effectiveGasPrice &- base : .zero, gas: $0.gasUsed)
        }.sorted { $0.tip < $1.tip }
        return percentiles.map { percentile in
            let threshold = Double(header.gasUsed) * percentile / 100
            var sum: UInt64 = 0
            for (tip, gas) in tips {
                sum += gas
                if Double(sum) >= threshold { return tip }
            }
            return tips.last?.tip ?? .zero
        }
    }
}
