import Chain
import Ciphers
import Client
import Consensus
import Contracts
import Evidence
import Node
import Primitives
import RPC
import Server
import Testing

/// The chain made by hand (`World`), as a node's JSON-RPC tells it.
struct HandMadeLedger: LedgerBackend, LedgerSnapshot {
    let world: World
    var chainId: UInt64 { 1_337_000_001 }

    func snapshot() -> any LedgerSnapshot { self }
    func submit(_ encoded: Bytes) throws(RPCError) -> Hash32 { throw .refused("nothing is taken") }
    func pooled(_ hash: Hash32) -> TransactionRecord? { nil }
    func poolContent() -> [PoolSender] { [] }
    func pendingNonce(of address: Address, stateNonce: UInt64) -> UInt64 { stateNonce }
    func syncProgress() -> SyncProgress? { nil }
    func peerCount() -> Int { 0 }
    func events() -> [any AsyncSequence<LedgerEvent, Never> & Sendable] { [] }

    private func stored(_ number: UInt64) throws(RPCError) -> Header {
        do throws(RLPError) { return number == 0 ? world.genesis : try Header(RLP.decode(world.headers[Int(number) - 1])) } catch {
            throw .internalError("\(error)")
        }
    }
    /// Seals left out of the hash or not: nothing here asks for a block by hash.
    var head: (header: Header, hash: Hash32) { ((try? stored(UInt64(world.headers.count))) ?? world.genesis, .zero) }
    func number(of hash: Hash32) -> UInt64? { nil }
    func header(_ number: UInt64) throws(RPCError) -> (header: Header, hash: Hash32)? {
        number <= world.headers.count ? (try stored(number), .zero) : nil
    }
    func block(_ number: UInt64) -> BlockRecord? { nil }
    func transaction(_ hash: Hash32) -> TransactionRecord? { nil }
    func receipt(_ transaction: Hash32) -> ReceiptRecord? { nil }
    func receipts(_ number: UInt64) -> [ReceiptRecord]? {
        world.receipts[Int(number)].enumerated().map { index, receipt in
            ReceiptRecord(
                type: receipt.type, succeeded: receipt.succeeded, cumulativeGasUsed: receipt.cumulativeGasUsed, gasUsed: 0,
                effectiveGasPrice: .zero, bloom: receipt.bloom,
                logs: receipt.logs, firstLogIndex: 0, transactionHash: World.text("transaction \(number) \(index)"),
                place: .init(blockHash: .zero, blockNumber: number, blockTimestamp: 0, index: index), sender: .zero, to: nil,
                contractAddress: nil)
        }
    }
    func logs(_ query: LogQuery, from: UInt64, to: UInt64) -> [LogRecord] {
        (from...to).flatMap { receipts($0) ?? [] }.flatMap(\.logRecords).filter { query.matches($0.log) }
    }
    func balance(_ address: Address, at number: UInt64) -> U256 { .zero }
    func nonce(_ address: Address, at number: UInt64) -> UInt64 { 0 }
    func code(_ address: Address, at number: UInt64) -> Bytes { [] }
    func storage(_ address: Address, _ slot: U256, at number: UInt64) -> U256 { .zero }
    func proof(_ address: Address, slots: [U256], at number: UInt64) throws(RPCError) -> ProofRecord { throw .refused("no state") }
    /// Only `getValidators` is ever called.
    func call(_ request: CallRequest, at number: UInt64) -> CallOutcome {
        .returned(ABI.encode([.array(world.sets[Int(number)].map { .address($0.address) })]))
    }
    func estimateGas(_ request: CallRequest, at number: UInt64) -> UInt64 { 0 }

    /// A genesis file whose header is the world's: no account, so the state is empty.
    var genesisText: String {
        let h = world.genesis
        return JSON.object([
            "config": world.config, "alloc": .object([:]), "timestamp": .quantity(h.timestamp), "extraData": JSON(h.extraData),
            "gasLimit": .quantity(h.gasLimit), "difficulty": "0x1", "nonce": "0x0",
            "mixHash": JSON(h.mixHash), "coinbase": JSON(h.beneficiary), "number": "0x0", "gasUsed": "0x0",
            "parentHash": JSON(h.parentHash), "baseFeePerGas": "0x0", "blobGasUsed": "0x0",
            "excessBlobGas": "0x0",
        ]).text
    }
}

/// A node that serves this chain, while `body` runs.
func withNode(_ ledger: HandMadeLedger, _ body: @Sendable @escaping (LedgerClient) async throws -> Void) async throws {
    var configuration = RPCServer.Configuration(clientVersion: "entente/test")
    configuration.port = 0
    let text = ledger.genesisText
    let server = try await RPCServer.bind(
        configuration, ledger: ledger, methods: ["entente_genesis": Method { _ throws(RPCError) in .string(text) }])
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        let client = try LedgerClient(url: "127.0.0.1:\(server.port)", chainId: 1_337_000_001)
        try await body(client)
        await client.connection.close()
        group.cancelAll()
        try await group.waitForAll()
    }
}

@Suite(.timeLimit(.minutes(2))) struct EvidenceExportTests {
    @Test func aRecordIsExportedThroughTwoChangesOfValidators() async throws {
        let (world, file) = try World.record(), ledger = HandMadeLedger(world: world)
        guard case .record(let section) = file.subject else { Issue.record("no record"); return }
        try await withNode(ledger) { client in
            let exported = try await EvidenceExport(client).record(
                section.id, schema: section.schema, commitment: section.commitment, content: section.content, path: section.path)
            #expect(exported == file.encoded)
            #expect(try await EvidenceExport(client).changes(to: 6).map(\.header.number) == [2, 4])
            #expect(try await EvidenceExport(client).changes(to: 3).map(\.header.number) == [2])
        }
    }

    @Test func tokensComeWithTheBlocksThatTheyAreOver() async throws {
        let (world, file) = try World.record(), ledger = HandMadeLedger(world: world)
        guard case .record(let section) = file.subject else { Issue.record("no record"); return }
        let header = try Header(RLP.decode(world.headers[3])), fourth = header.hash(try ExtraData(decoding: header.extraData))
        try await withNode(ledger) { client in
            let export = EvidenceExport(client) { $0 == fourth ? [[1, 2, 3]] : [] }
            let exported = try await export.record(
                section.id, schema: section.schema, commitment: section.commitment, content: section.content, path: section.path)
            #expect(try EvidenceFile(parsing: exported).headers.map(\.tokens) == [[], [[1, 2, 3]], [], []])
        }
    }

    @Test func aNodeThatHidesAChangeIsFoundOut() async throws {
        let (world, file) = try World.record(.init(isSilent: true)), ledger = HandMadeLedger(world: world)
        guard case .record(let section) = file.subject else { Issue.record("no record"); return }
        try await withNode(ledger) { client in
            await #expect(throws: ExportError.self) {
                try await EvidenceExport(client).record(
                    section.id, schema: section.schema, commitment: section.commitment, content: section.content, path: section.path)
            }
        }
    }
}
