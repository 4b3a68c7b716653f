import Ciphers
import Primitives
import RPC
import Testing

/// The blocks of the vectors' chain, as much as can be known without executing them.
private struct Chain {
    var blocks: [UInt64: (record: BlockRecord, raw: Bytes)] = [:]
    var head: UInt64 = 0

    init() throws {
        let file = try Vectors.chain()
        var at = 0
        while at < file.count {
            let start = at
            let (item, end) = try RLP.decodeFirst(file, from: at)
            at = end
            let fields = try item.asList, header = try Header(fields[0]), hash = keccak256(header.encoded)
            var transactions: [TransactionRecord] = []
            for (index, body) in try fields[1].asList.enumerated() {
                let recovered = try RecoveredTransaction(UnverifiedTransaction(inBody: body))
                let place = Place(blockHash: hash, blockNumber: header.number, blockTimestamp: header.timestamp, index: index)
                transactions.append(TransactionRecord(recovered, place: place, baseFeePerGas: header.baseFeePerGas ?? .zero))
            }
            blocks[header.number] = (
                BlockRecord(header: header, hash: hash, transactions: transactions, size: end - start), Bytes(file[start..<end])
            )
            head = max(head, header.number)
        }
    }

    func block(_ reference: BlockReference) -> (record: BlockRecord, raw: Bytes)? {
        switch reference {
        case .latest, .pending, .safe, .finalized: blocks[head]
        case .earliest: blocks[0]
        case .number(let number): blocks[number]
        case .hash(let hash): blocks.values.first { $0.record.hash == hash }
        }
    }

    /// nil: needs execution or the genesis block, which the file does not hold.
    func answer(_ call: EthereumCall) -> JSON? {
        switch call {
        case .blockNumber: .quantity(head)
        case .block(.earliest, _), .block(.number(0), _), .rawHeader(.number(0)), .rawBlock(.number(0)): nil
        case .block(let reference, let full): block(reference).map { $0.record.json(full: full) } ?? .null
        case .rawHeader(let reference): block(reference).map { JSON($0.record.header.encoded) }
        case .rawBlock(let reference): block(reference).map { JSON($0.raw) }
        case .transactionCountOfBlock(let reference): block(reference).map { .quantity(UInt64($0.record.transactions.count)) }
        case .transaction(let hash): blocks.values.lazy.flatMap(\.record.transactions).first { $0.hash == hash }?.json ?? .null
        case .rawTransaction(let hash):
            blocks.values.lazy.flatMap(\.record.transactions).first { $0.hash == hash }.map { JSON($0.transaction.encoded) }
        default: nil
        }
    }
}

/// Methods of the vectors that we do not offer; whoever adds one takes it from here.
private let absent: Set<String> = [
    "debug_traceBlockByNumber", "debug_traceTransaction", "eth_baseFee", "eth_config", "eth_createAccessList",
    "eth_getStorageValues",
    "eth_simulateV1", "testing_buildBlockV1",
]

@Test func everyRequestOfTheVectorsIsReadOrKnownToBeAbsent() throws {
    for exchange in try Vectors.exchanges() {
        guard case .single(.success(let request)) = Incoming(parsing: exchange.request) else {
            Issue.record("\(exchange.name): no request")
            continue
        }
        let call = try EthereumCall(request)
        #expect((call == nil) == absent.contains(request.method), "\(exchange.name)")
    }
}

@Test func blocksAndTransactionsAreShownAsTheVectorsShowThem() throws {
    let chain = try Chain()
    var compared: Set<String> = []
    for exchange in try Vectors.exchanges() {
        guard case .single(.success(let request)) = Incoming(parsing: exchange.request), let call = try EthereumCall(request),
            let ours = chain.answer(call)
        else { continue }
        // Blocks of ours have no withdrawals (chain-rules.md §2); one of the vectors' has, and is compared without them.
        #expect(ours.withoutWithdrawals == exchange.answer["result"]?.withoutWithdrawals, "\(exchange.name)")
        compared.insert(request.method)
    }
    if Vectors.folder != nil {
        #expect(
            compared == [
                "debug_getRawBlock", "debug_getRawHeader", "debug_getRawTransaction", "eth_blockNumber", "eth_getBlockByHash",
                "eth_getBlockByNumber",
                "eth_getBlockTransactionCountByHash", "eth_getTransactionByHash",
            ])
    }
}

@Test func receiptsAndLogsReadFromAnAnswerPrintTheSame() throws {
    var receipts = 0, logs = 0
    for exchange in try Vectors.exchanges(["eth_getTransactionReceipt", "eth_getBlockReceipts", "eth_getLogs"]) {
        guard let result = exchange.answer["result"], result != .null else { continue }
        for item in result.asArray ?? [result] {
            if item["logIndex"] != nil {
                #expect(try LogRecord(item).json == item)
                logs += 1
            } else if item["root"] == nil, item["blobGasUsed"] == nil {  // before Byzantium; blobs, which our networks refuse
                let again = try ReceiptRecord(item).json
                #expect(again == item, "\(exchange.name)")
                receipts += 1
            }
        }
    }
    if Vectors.folder != nil { #expect(receipts > 0 && logs > 3) }
}

@Test func headersReadFromAnAnswerHashToTheirHash() throws {
    var count = 0
    for exchange in try Vectors.exchanges(["eth_getBlockByNumber"]) {
        guard let result = exchange.answer["result"], result != .null else { continue }
        let (header, hash) = try Header.read(result)
        #expect(keccak256(header.encoded) == hash)
        count += 1
    }
    if Vectors.folder != nil { #expect(count > 4) }
}

extension JSON {
    fileprivate var withoutWithdrawals: JSON {
        guard case .object(var members) = self else { return self }
        members["withdrawals"] = nil
        return .object(members)
    }
}
