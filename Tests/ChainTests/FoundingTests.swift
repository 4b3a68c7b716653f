import Chain
import Ciphers
import Consensus
import Contracts
import EVM
import Foundation
import Primitives
import Storage
import Testing

/// The real contracts, constructed into a genesis by our own machine.
private struct Alliance {
    let nodes: [PrivateKey], accounts: [PrivateKey]
    let genesis: GenesisFile

    init() throws {
        nodes = try (1...4).map { try PrivateKey(Bytes(repeating: UInt8($0), count: 32)) }.sorted { $0.address < $1.address }
        accounts = try (51...54).map { try PrivateKey(Bytes(repeating: UInt8($0), count: 32)) }
        let names: ABI.Value = .array(["north", "south", "laboratory", "insurer"].map { .fixedBytes(Bytes($0.utf8)) })
        let arguments: [ABI.Value] = [
            names, .array(accounts.map { .address($0.address) }), .array(nodes.map { .address($0.address) }),
            .array(nodes.map { _ in .uint(63) }), .array(nodes.map { _ in .string("") }), .array([]), .array([]),
        ]
        let contracts = Contract.all.map { contract in
            Genesis.Predeployment(
                name: contract.name, address: contract.address,
                initcode: contract.initCode + (contract.address == ContractAddress.consortium ? ABI.encode(arguments) : []))
        }
        genesis = try Genesis.make(name: "north-south", validators: nodes.map(\.address), timestamp: World.start, contracts: contracts)
        #expect(try genesis.unshipped(comparedWith: contracts) == [])
    }
}

@Test func genesisWithTheRealContractsStartsAndReadsAsTheyDo() async throws {
    let alliance = try Alliance(), store = MemoryStore(),
        ledger = try Ledger(store: store, genesis: try GenesisFile(parsing: Bytes(alliance.genesis.text.utf8)))
    #expect(Consortium.address == ContractAddress.consortium)
    #expect(ledger.view.head.validators.addresses == alliance.nodes.map(\.address))
    func ask(_ function: String, _ arguments: [ABI.Value] = []) throws -> ABI.Value {
        let call = TransactionPayload(
            chainId: nil, nonce: 0, gasLimit: 0, to: Consortium.address, data: Contract.consortium.abi.encodeCall(function, arguments))
        let result = try ledger.view.call(call, from: .zero, at: ledger.view.head.number)
        #expect(result.isSuccess)
        return try Contract.consortium.abi.decodeResult(function, inputs: arguments.count, result.output)[0]
    }
    #expect(try ask("getValidators").asList.map(\.asAddress) == alliance.nodes.map(\.address))
    // A member enrols an account: from then on it pays for it.
    let device = Address(Bytes(repeating: 0xdd, count: 20))!,
        enrolment = RecoveredTransaction(
            TransactionPayload(
                chainId: U256(ledger.view.network.chainId), nonce: 0, gasLimit: 500_000, to: Consortium.address,
                data: Contract.consortium.abi.encodeCall("enrol", [.address(device)])), signedBy: alliance.accounts[2])
    #expect(try Consortium.member(of: device, ledger.view.state) == nil)
    let world = try World(), block = try world.build(ledger.view, [enrolment])
    try await ledger.importBlock(block, sealed: try world.seal(block.unsealed), watermark: nil)
    #expect(try ledger.view.receipt(enrolment.hash)?.receipt.succeeded == true)
    for account in alliance.nodes.map(\.address) + alliance.accounts.map(\.address) + [
        device, .zero, Address(Bytes(repeating: 3, count: 20))!,
    ] {
        #expect(try Consortium.member(of: account, ledger.view.state) ?? .zero == ask("memberOf", [.address(account)]).asAddress)
    }
    try ledger.view.verify()
}

/// Figures on this machine's disk; what is asserted is that all are in.
@Test func manyTransfersOnDisk() async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("entente-figures-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let world = try World(), ledger = try Ledger(store: try RocksDBStore(path: path), genesis: world.genesis), clock = ContinuousClock()
    var build = Duration.zero, execute = Duration.zero, importing: [Duration] = []
    let blocks = 20, each = 200
    for height in 0..<blocks {
        let transactions = (0..<each).map { index in
            world.transaction(
                index % 2, nonce: UInt64(height * each / 2 + index / 2),
                to: Address(Bytes(repeating: UInt8(height), count: 16) + [0, 0, UInt8(index), 1])!, data: [])
        }
        let known = Dictionary(uniqueKeysWithValues: transactions.map { ($0.hash, $0) })
        var block: ExecutedBlock?
        build += try clock.measure { block = try world.build(ledger.view, transactions, after: 5) }
        let made = try #require(block), sealed = try world.seal(made.unsealed)
        execute += try clock.measure { _ = try ledger.view.execute(made.unsealed, known: { known[$0] }) }
        let start = clock.now
        try await ledger.importBlock(made, sealed: sealed, watermark: [1])
        importing.append(clock.now - start)
    }
    importing.sort()
    print(
        "figures: \(each) calls a block: build \(build / blocks), execute \(execute / blocks), durable import p50 \(importing[blocks / 2]), p95 \(importing[blocks * 95 / 100])"
    )
    #expect(ledger.view.head.number == UInt64(blocks))
    #expect(try ledger.view.state.account(world.users[0].address)?.nonce == UInt64(blocks * each / 2))
}
