import Primitives

/// Every method of Ethereum's that a node of ours answers, with its parameters read: past this type no parameter is JSON any more.
package enum EthereumCall: Equatable, Sendable {
    // the node
    case clientVersion, netVersion, netListening, peerCount, chainId, syncing, accounts, gasPrice, maxPriorityFeePerGas, blobBaseFee
    case sha3(Bytes)
    case feeHistory(blocks: UInt64, newest: BlockReference, percentiles: [Double])
    // blocks
    case blockNumber
    case block(BlockReference, full: Bool)
    case transactionCountOfBlock(BlockReference)
    case uncleCount(BlockReference)
    case blockReceipts(BlockReference)
    case rawHeader(BlockReference), rawBlock(BlockReference), rawReceipts(BlockReference)
    // transactions
    case transaction(Hash32)
    case transactionInBlock(BlockReference, index: UInt64)
    case rawTransaction(Hash32)
    case receipt(Hash32)
    case sendRawTransaction(Bytes)
    // state
    case balance(Address, BlockReference), code(Address, BlockReference), nonce(Address, BlockReference)
    case storage(Address, U256, BlockReference)
    /// Keys as they were written: the answer repeats them so.
    case proof(Address, keys: [String], BlockReference)
    case call(CallRequest, BlockReference), estimateGas(CallRequest, BlockReference)
    // logs and filters
    case logs(LogQuery)
    case newFilter(LogQuery), newBlockFilter, newPendingTransactionFilter
    case filterChanges(String), filterLogs(String), uninstallFilter(String)
    // pool
    case poolStatus, poolContent, poolContentFrom(Address)

    /// nil: no such method here.
    package init?(_ request: Request) throws(RPCError) {
        var p = Parameters(request.parameters, of: request.method)
        switch request.method {
        case "web3_clientVersion": self = .clientVersion
        case "web3_sha3": self = .sha3(try p.data())
        case "net_version": self = .netVersion
        case "net_listening": self = .netListening
        case "net_peerCount": self = .peerCount
        case "eth_chainId": self = .chainId
        case "eth_syncing": self = .syncing
        case "eth_accounts": self = .accounts
        case "eth_gasPrice": self = .gasPrice
        case "eth_maxPriorityFeePerGas": self = .maxPriorityFeePerGas
        case "eth_blobBaseFee": self = .blobBaseFee
        case "eth_feeHistory": self = try .feeHistory(&p)
        case "eth_blockNumber": self = .blockNumber
        case "eth_getBlockByNumber": self = .block(try p.block(default: nil), full: try p.flag("full"))
        case "eth_getBlockByHash": self = .block(.hash(try p.hash()), full: try p.flag("full"))
        case "eth_getBlockTransactionCountByNumber": self = .transactionCountOfBlock(try p.block(default: nil))
        case "eth_getBlockTransactionCountByHash": self = .transactionCountOfBlock(.hash(try p.hash()))
        case "eth_getUncleCountByBlockNumber": self = .uncleCount(try p.block(default: nil))
        case "eth_getUncleCountByBlockHash": self = .uncleCount(.hash(try p.hash()))
        case "eth_getBlockReceipts": self = .blockReceipts(try p.block(default: nil))
        case "debug_getRawHeader": self = .rawHeader(try p.block(default: nil))
        case "debug_getRawBlock": self = .rawBlock(try p.block(default: nil))
        case "debug_getRawReceipts": self = .rawReceipts(try p.block(default: nil))
        case "debug_getRawTransaction", "eth_getRawTransactionByHash": self = .rawTransaction(try p.hash())
        case "eth_getTransactionByHash": self = .transaction(try p.hash())
        case "eth_getTransactionByBlockHashAndIndex": self = .transactionInBlock(.hash(try p.hash()), index: try p.number("index"))
        case "eth_getTransactionByBlockNumberAndIndex":
            self = .transactionInBlock(try p.block(default: nil), index: try p.number("index"))
        case "eth_getTransactionReceipt": self = .receipt(try p.hash())
        case "eth_sendRawTransaction": self = .sendRawTransaction(try p.data("transaction"))
        case "eth_getBalance": self = .balance(try p.address(), try p.block())
        case "eth_getCode": self = .code(try p.address(), try p.block())
        case "eth_getTransactionCount": self = .nonce(try p.address(), try p.block())
        case "eth_getStorageAt": self = .storage(try p.address(), try p.word("slot"), try p.block())
        case "eth_getProof": self = try .proof(&p)
        case "eth_call": self = .call(try CallRequest(try p.required("transaction")), try p.block())
        case "eth_estimateGas": self = .estimateGas(try CallRequest(try p.required("transaction")), try p.block())
        case "eth_getLogs": self = .logs(try LogQuery(try p.required("filter")))
        case "eth_newFilter": self = .newFilter(try LogQuery(try p.required("filter")))
        case "eth_newBlockFilter": self = .newBlockFilter
        case "eth_newPendingTransactionFilter": self = .newPendingTransactionFilter
        case "eth_getFilterChanges": self = .filterChanges(try p.text("filter"))
        case "eth_getFilterLogs": self = .filterLogs(try p.text("filter"))
        case "eth_uninstallFilter": self = .uninstallFilter(try p.text("filter"))
        case "txpool_status": self = .poolStatus
        case "txpool_content": self = .poolContent
        case "txpool_contentFrom": self = .poolContentFrom(try p.address())
        default: return nil
        }
        // State overrides of eth_call would be silently ignored otherwise.
        try p.end()
    }

    package static let maximumFeeHistory: UInt64 = 1_024
    package static let maximumProofKeys = 1_024

    private static func feeHistory(_ p: inout Parameters) throws(RPCError) -> EthereumCall {
        let count = try p.required("blockCount")
        // Some clients send a plain number here.
        let blocks: UInt64
        if let plain = count.asInt { blocks = UInt64(clamping: plain) } else { blocks = try Field.number(count, "blockCount") }
        let newest = try p.block(default: nil)
        var percentiles: [Double] = []
        for value in try Field.list(p.optional() ?? [], "percentiles") {
            guard let percentile = value.asDouble, percentile >= percentiles.last ?? 0, percentile <= 100, percentiles.count < 100
            else {
                throw .invalidParameters("percentiles: at most 100 rising numbers from 0 to 100 expected")
            }
            percentiles.append(percentile)
        }
        return .feeHistory(blocks: min(blocks, maximumFeeHistory), newest: newest, percentiles: percentiles)
    }

    private static func proof(_ p: inout Parameters) throws(RPCError) -> EthereumCall {
        let address = try p.address(), list = try Field.list(try p.required("storageKeys"), "storageKeys")
        guard list.count <= maximumProofKeys else { throw .limitExceeded("more than \(maximumProofKeys) storage keys") }
        var keys: [String] = []
        for key in list {
            _ = try Field.word(key, "storageKeys")
            keys.append(key.asString ?? "")
        }
        return .proof(address, keys: keys, try p.block())
    }
}

/// What a WebSocket client subscribes to.
package enum Subscription: Equatable, Sendable {
    case newHeads, syncing
    case logs(LogQuery)
    case newPendingTransactions(full: Bool)

    package init(_ parameters: [JSON]) throws(RPCError) {
        var p = Parameters(parameters, of: "eth_subscribe")
        switch try p.text("subscription") {
        case "newHeads": self = .newHeads
        case "syncing": self = .syncing
        case "logs":
            self = .logs(try LogQuery(p.optional() ?? [:]))
        case "newPendingTransactions": self = .newPendingTransactions(full: try p.flag("full"))
        case let other: throw .invalidParameters("no subscription \"\(other)\"")
        }
        try p.end()
    }
}
