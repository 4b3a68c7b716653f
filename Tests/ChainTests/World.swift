import Chain
import Ciphers
import Consensus
import EVM
import Foundation
import Primitives
import Storage
import Testing

/// Keys, a genesis with a small stand-in for Consortium, and blocks sealed by hand: a chain without a network.
struct World {
    /// Of the validators, ascending by address.
    let keys: [PrivateKey]
    let users: [PrivateKey]
    let genesis: GenesisFile
    let chainId: U256
    static let start: UInt64 = 1_700_000_000

    init(validators: Int = 4, heartbeatSeconds: UInt64 = 60, requestTimeoutMilliseconds: UInt64 = 1000) throws {
        keys = try (1...validators).map { try PrivateKey(Bytes(repeating: UInt8($0), count: 32)) }.sorted { $0.address < $1.address }
        users = try (101...104).map { try PrivateKey(Bytes(repeating: UInt8($0), count: 32)) }
        genesis = try Genesis.make(
            name: "north-south", validators: keys.map(\.address).reversed(), timestamp: World.start,
            contracts: [World.consortium(keys.map(\.address))], requestTimeoutMilliseconds: requestTimeoutMilliseconds,
            heartbeatSeconds: heartbeatSeconds)
        chainId = U256(try genesis.check().configuration.chainId)
    }

    /// Writes the list into slots 0…n and the gas target into 101; its code stores calldata[32…64] in slot calldata[0…32].
    static func consortium(_ validators: [Address], gasTarget: UInt64 = 30_000_000) -> Genesis.Predeployment {
        var slots: [(UInt16, Hash32)] = [(0, U256(validators.count).hash), (101, U256(gasTarget).hash)]
        for (index, address) in validators.enumerated() { slots.append((UInt16(index + 1), address.word)) }
        let stores = slots.flatMap { [0x7f] + $1.bytes + [0x61, UInt8($0 >> 8), UInt8($0 & 255), 0x55] }
        return .init(name: "Consortium", address: Consortium.address, initcode: stores + Hex.parse("675f356020359055005f5260086018f3")!)
    }
    static func setSlot(_ slot: U256, _ value: Hash32) -> Bytes { slot.bytes + value.bytes }

    /// Stores its calldata word in slot 0 and logs it as topic.
    static let noteInitcode = Hex.parse("685f35805f555f5fa1005f5260096017f3")!
    /// Where user 0's first transaction creates it.
    var note: Address {
        Address(
            last20: keccak256(
                RLP.encodeList {
                    $0.append(users[0].address); $0.append(UInt64(0))
                }))
    }

    func transaction(
        _ user: Int, nonce: UInt64, to: Address?, data: Bytes = [], gasLimit: UInt64 = 200_000, tip: U256 = 0
    ) -> RecoveredTransaction {
        RecoveredTransaction(
            TransactionPayload(
                chainId: chainId, nonce: nonce, maxPriorityFeePerGas: tip, maxFeePerGas: tip, gasLimit: gasLimit, to: to, data: data),
            signedBy: users[user])
    }

    /// A block on the head of what a pool of these transactions offers.
    func build(_ view: LedgerView, _ transactions: [RecoveredTransaction], after milliseconds: UInt64 = 1000) throws -> ExecutedBlock {
        var pool = TransactionPool()
        for tx in transactions {
            _ = try pool.add(tx, generation: nil, stateNonce: try view.state.account(tx.sender)?.nonce ?? 0, member: nil)
        }
        var selection = pool.selection()
        let head = view.head,
            request = BuildRequest(
                head: head, round: 0, beneficiary: head.validators.proposer(after: head.header.beneficiary, round: 0),
                timeMilliseconds: head.timeMilliseconds + milliseconds, allowsEmpty: true)
        return try #require(try view.build(request, from: &selection) { false })
    }

    func seal(_ block: UnsealedBlock, with others: [PrivateKey] = []) throws -> SealedBlock {
        let set = try #require(ValidatorSet(block.extra.validators)), digest = block.sealDigest(round: 0)
        var extra = block.extra, header = block.header
        extra.seals = (keys + others).sorted { $0.address < $1.address }.filter { set.contains($0.address) }.prefix(set.quorum).map {
            $0.sign(digest).bytes
        }
        header.extraData = extra.encoded
        return SealedBlock(try SealedHeader(header, extra, by: set, Secp256k1Recovery()), body: block.block.transactions)
    }

    func grow(_ ledger: Ledger, _ transactions: [RecoveredTransaction], after milliseconds: UInt64 = 1000) async throws {
        let block = try build(ledger.view, transactions, after: milliseconds)
        try await ledger.importBlock(block, sealed: try seal(block.unsealed), watermark: [1])
    }

    /// Four blocks: a contract, calls that log (one fails), nothing, a call.
    func story(_ ledger: Ledger) async throws {
        try await grow(ledger, [transaction(0, nonce: 0, to: nil, data: World.noteInitcode)])
        try await grow(
            ledger,
            (0..<5).map { transaction(0, nonce: UInt64($0 + 1), to: note, data: U256($0 + 7).bytes) }
                + [transaction(1, nonce: 0, to: users[2].address), transaction(1, nonce: 1, to: note, data: [], gasLimit: 22_000)], after: 1
        )
        try await grow(ledger, [], after: 2500)
        try await grow(ledger, [transaction(0, nonce: 6, to: note, data: U256(0).bytes)], after: 3)
    }
}

/// `ENTENTE_VECTORS`, else `shared/vectors` beside the checkout; nil, said loudly, where neither is.
func vectors(_ name: String, _ file: String = #filePath) -> URL? {
    var folder = URL(fileURLWithPath: file).deletingLastPathComponent()
    var candidates = ProcessInfo.processInfo.environment["ENTENTE_VECTORS"].map { [URL(fileURLWithPath: $0)] } ?? []
    while folder.path != "/" {
        candidates.append(folder.appendingPathComponent("shared/vectors"))
        folder.deleteLastPathComponent()
    }
    guard let found = candidates.first(where: { FileManager.default.fileExists(atPath: $0.path) }) else {
        print("SKIPPED: no vectors beside the checkout and ENTENTE_VECTORS unset: \(name)")
        return nil
    }
    return found.appendingPathComponent(name)
}

/// One member of an archive.
func unpack(_ archive: String, _ member: String) throws -> Bytes? {
    guard let url = vectors(archive) else { return nil }
    let tar = Process(), pipe = Pipe()
    tar.executableURL = URL(fileURLWithPath: "/bin/tar")
    tar.arguments = ["xJOf", url.path, member]
    tar.standardOutput = pipe
    try tar.run()
    let bytes = Bytes(pipe.fileHandleForReading.readDataToEndOfFile())
    tar.waitUntilExit()
    #expect(tar.terminationStatus == 0, "\(member) is not in \(archive)")
    return bytes
}
