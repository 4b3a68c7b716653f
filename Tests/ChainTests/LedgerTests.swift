import Chain
import Ciphers
import Consensus
import EVM
import Foundation
import Primitives
import Storage
import Testing
import Trie

@Test func blocksHaveReceiptsProofsAndPlaces() async throws {
    let world = try World(), ledger = try Ledger(store: MemoryStore(), genesis: world.genesis)
    try await world.story(ledger)
    let view = ledger.view
    #expect(view.head.number == 4)
    let receipts = try #require(try view.receipts(2)), header = try #require(try view.header(2)).header
    #expect(receipts.count == 7)
    #expect(receipts.count { !$0.receipt.succeeded } == 1)
    #expect(receipts.reduce(0) { $0 + $1.gasUsed } == header.gasUsed)
    #expect(receipts.last!.firstLogIndex == 4)
    let creation = try #require(try view.receipts(1)?.first)
    #expect(creation.contractAddress == world.note && creation.receipt.succeeded)
    for receipt in receipts {
        #expect(try view.transaction(receipt.transaction.hash) == receipt.transaction)
        #expect(try view.receipt(receipt.transaction.hash) == receipt)
        let proof = try #require(try view.receiptProof(2, index: receipt.transaction.index))
        #expect(
            try Proof.verify(proof, root: header.receiptsRoot, key: Trie.indexKey(receipt.transaction.index)) == receipt.receipt.encoded)
    }
    // All are guests and share one turn: sender after sender.
    #expect(receipts.prefix(2).map(\.transaction.sender) == [world.users[0].address, world.users[1].address])
    #expect(try view.number(of: view.header(3)!.hash) == 3)
    #expect(try view.block(5) == nil)
    #expect(try Block(encoded: view.block(2)!.encoded).header == header)
}

@Test func logsAreFoundByAddressTopicAndRange() async throws {
    let world = try World(), ledger = try Ledger(store: MemoryStore(), genesis: world.genesis)
    try await world.story(ledger)
    let view = ledger.view
    #expect(try view.logs(LogFilter(from: 0, to: 100)).count == 6)
    let two = try view.logs(LogFilter(from: 0, to: 100, addresses: [world.note], topics: [[U256(9).hash, U256(8).hash]]))
    #expect(two.map(\.log.topics) == [[U256(8).hash], [U256(9).hash]])
    #expect(two.map(\.index) == [1, 2])
    #expect(try view.logs(LogFilter(from: 3, to: 4, topics: [[]])).map(\.log.topics) == [[.zero]])
    #expect(try view.logs(LogFilter(from: 0, to: 4, addresses: [.zero])) == [])
    #expect(try view.logs(LogFilter(from: 0, to: 4, topics: [[], []])) == [])
    #expect(try view.logs(LogFilter(from: 5, to: 9)) == [])
}

@Test func callsSeeTheStateOfTheirBlock() async throws {
    let world = try World(), ledger = try Ledger(store: MemoryStore(), genesis: world.genesis)
    try await world.story(ledger)
    let view = ledger.view
    for (number, value, nonce) in [(1, 0, 1), (2, 11, 6), (3, 11, 6), (4, 0, 7)] as [(UInt64, Int, UInt64)] {
        #expect(try view.state(at: number).storage(world.note, 0) == U256(value))
        #expect(try view.state(at: number).account(world.users[0].address)?.nonce == nonce)
    }
    #expect(throws: QuestionError.blockUnknown(9)) { try view.state(at: 9) }
    // EIP-2935: whoever sends a number is answered with that block's hash.
    let history = Address(hex: "0x0000f90827f1c53a10cb7a02335b175320002935")!
    let answer = try view.call(
        TransactionPayload(chainId: nil, nonce: 0, gasLimit: 0, to: history, data: U256(2).bytes), from: .zero, at: 4)
    #expect(Hash32(answer.output) == (try view.header(2))?.hash)
    // BLOCKHASH in calls at the head and at an older block: PUSH1 n BLOCKHASH PUSH0 MSTORE PUSH1 32 PUSH0 RETURN, as creation code.
    for (at, asked, known) in [(4, 3, true), (3, 2, true), (3, 0, true), (3, 3, false), (4, 4, false)] as [(UInt64, UInt8, Bool)] {
        let code: Bytes = [0x60, asked] + Hex.parse("405f5260205ff3")!
        let result = try view.call(TransactionPayload(chainId: nil, nonce: 0, gasLimit: 0, to: nil, data: code), from: .zero, at: at)
        #expect(Hash32(result.output) == (known ? try view.header(UInt64(asked))!.hash : .zero))
    }
    let payload = TransactionPayload(chainId: nil, nonce: 0, gasLimit: 0, to: world.note, data: U256(1).bytes)
    let limit = try #require(try view.estimateGas(payload, from: world.users[3].address, at: 4).gasLimit)
    var exact = payload
    exact.gasLimit = limit
    #expect(try view.call(exact, from: world.users[3].address, at: 4).isSuccess)
    exact.gasLimit = limit - 1
    #expect(try !view.call(exact, from: world.users[3].address, at: 4).isSuccess)
}

@Test func proofsHoldAgainstEveryHeader() async throws {
    let world = try World(), ledger = try Ledger(store: MemoryStore(), genesis: world.genesis)
    try await world.story(ledger)
    for number in 0...4 as ClosedRange<UInt64> {
        let root = try #require(try ledger.view.header(number)).header.stateRoot
        for address in [world.note, Consortium.address, world.users[0].address, Address(Bytes(repeating: 7, count: 20))!] {
            let proof = try ledger.view.proof(of: address, slots: [0, 101, 5000], at: number)
            let account = try TrieAccount.verify(proof.nodes, stateRoot: root, address: address)
            #expect(account?.nonce ?? 0 == proof.account.nonce)
            for slot in proof.slots {
                #expect(try (account ?? proof.account).verifySlot(slot.slot, slot.nodes) == slot.value)
                #expect(try ledger.view.state(at: number).storage(address, slot.slot) == slot.value)
            }
        }
    }
}

@Test func aBlockWithAnyFieldChangedIsRefused() async throws {
    let world = try World(), ledger = try Ledger(store: MemoryStore(), genesis: world.genesis)
    try await world.grow(ledger, [world.transaction(0, nonce: 0, to: nil, data: World.noteInitcode)])
    let good = try world.build(ledger.view, [world.transaction(0, nonce: 1, to: world.note, data: U256(3).bytes)]), view = ledger.view
    #expect(try view.execute(good.unsealed).update.root == good.update.root)
    func verdict(_ change: (inout Block) -> Void) throws -> BlockFailure? {
        var block = good.unsealed.block
        change(&block)
        let unsealed = try UnsealedBlock(block)
        do throws(BlockFailure) {
            _ = try view.execute(unsealed)
            return nil
        } catch { return error }
    }
    let changes: [(inout Block) -> Void] = [
        { $0.header.stateRoot = .zero }, { $0.header.receiptsRoot = .zero }, { $0.header.transactionsRoot = .zero },
        { $0.header.gasUsed += 1 },
        { $0.header.logsBloom.insert(hash: .zero) }, { $0.header.gasLimit += 1 }, { $0.header.number += 1 },
        { $0.header.parentHash = .zero },
        { $0.header.timestamp -= 2 }, { $0.header.beneficiary = .zero }, { $0.header.nonce = 1 }, { $0.transactions = [] },
        { $0.transactions.append($0.transactions[0]) },
        { $0.header.extraData = ExtraData(vanity: .zero, validators: world.keys.map(\.address)).encoded },
    ]
    for (index, change) in changes.enumerated() {
        if case .invalid? = try verdict(change) { continue }
        Issue.record("change \(index) passed")
    }
    // A transaction that cannot be in this block, under a root that says it is.
    func with(_ tx: RecoveredTransaction) throws -> BlockFailure? {
        try verdict {
            $0.transactions = [tx.transaction]
            $0.header.transactionsRoot = Trie.indexedRoot([tx.transaction.encoded])
        }
    }
    #expect(
        try with(world.transaction(0, nonce: 9, to: world.note)) == .invalid(.transaction(index: 0, .nonceTooHigh(expected: 1, found: 9))))
    #expect(
        try with(world.transaction(0, nonce: 1, to: world.note, gasLimit: 40_000_000))
            == .invalid(.transaction(index: 0, .gasLimitAboveBlock(limit: 30_000_000, found: 40_000_000))))
    var legacy = world.transaction(0, nonce: 1, to: world.note).payload
    (legacy.kind, legacy.chainId) = (.legacy, nil)
    #expect(try with(RecoveredTransaction(legacy, signedBy: world.users[0])) == .invalid(.transaction(index: 0, .replayable)))
}

@Test func nextValidatorsAndGasTargetComeFromConsortiumsSlots() async throws {
    let world = try World(), ledger = try Ledger(store: MemoryStore(), genesis: world.genesis),
        fifth = try PrivateKey(Bytes(repeating: 99, count: 32))
    let four = world.keys.map(\.address), five = (four + [fifth.address]).sorted()
    func set(_ nonce: UInt64, _ slot: U256, _ value: Hash32) -> RecoveredTransaction {
        world.transaction(0, nonce: nonce, to: Consortium.address, data: World.setSlot(slot, value))
    }
    // Half a change is a malformed list: nothing happens.
    try await world.grow(ledger, [set(0, 0, U256(5).hash)])
    #expect(ledger.view.head.validators.addresses == four)
    try await world.grow(
        ledger, five.enumerated().map { set(UInt64($0 + 1), U256($0 + 1), $1.word) } + [set(6, 101, U256(60_000_000).hash)], after: 2)
    #expect(ledger.view.head.validators.addresses == five)
    let block = try world.build(ledger.view, [])
    #expect(block.unsealed.extra.validators == five)
    #expect(block.unsealed.header.gasLimit == 30_000_000 + 30_000_000 / 1024 - 1)
    try await ledger.importBlock(block, sealed: try world.seal(block.unsealed, with: [fifth]), watermark: nil)
    // A fork that this program does not know stops it, with no verdict on anybody's block.
    let vote = try world.build(ledger.view, [set(7, 103, U256(World.start).hash)])
    try await ledger.importBlock(vote, sealed: try world.seal(vote.unsealed, with: [fifth]), watermark: nil)
    #expect(throws: BlockFailure.forkUnknown(1)) { try world.build(ledger.view, []) }
}

// MARK: durability

@Test func aReopenedLedgerHasTheSameHeadAndVerifies() async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("entente-ledger-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let world = try World()
    var head: Head?
    do {
        let ledger = try Ledger(store: try RocksDBStore(path: path), genesis: world.genesis)
        try await world.story(ledger)
        head = ledger.view.head
    }
    let ledger = try Ledger(store: try RocksDBStore(path: path), genesis: nil)
    #expect(ledger.view.head == head)
    #expect(try ledger.consensusMemory().watermark == [1])
    var seen: [UInt64] = []
    try ledger.view.verify { seen.append($0) }
    #expect(seen == [0, 1, 2, 3, 4])
    #expect(throws: LedgerError.genesisAbsent) { try Ledger(store: MemoryStore(), genesis: nil) }
}

@Test func aStoreOfAnotherNetworkIsRefused() throws {
    let world = try World(), other = try World(validators: 5), store = MemoryStore()
    _ = try Ledger(store: store, genesis: world.genesis)
    let (stored, given) = (try world.genesis.check().hash, try other.genesis.check().hash)
    #expect(throws: LedgerError.genesisMismatch(stored: stored, given: given)) { try Ledger(store: store, genesis: other.genesis) }
}

/// Power goes at every write of a short life, with the batch lost and with the batch kept: what comes back is a whole block.
@Test(arguments: [false, true]) func aPowerCutLeavesAWholeBlock(_ survives: Bool) async throws {
    let world = try World()
    for write in 0..<5 {
        let store = MemoryStore()
        store.cutPower(at: .init(write: write, survives: survives))
        do {
            let ledger = try Ledger(store: store, genesis: world.genesis)
            try await world.story(ledger)
            Issue.record("power was to go at write \(write)")
        } catch { #expect(error as? LedgerError == .storage(.powerLost)) }
        store.restart()
        let ledger = try Ledger(store: store, genesis: world.genesis)
        #expect(ledger.view.head.number == UInt64(max(0, write - 1 + (survives ? 1 : 0))))
        try ledger.view.verify()
        try await world.grow(ledger, [], after: 5000)
    }
}

@Test func verificationNamesTheDamage() async throws {
    let world = try World(), store = MemoryStore(), ledger = try Ledger(store: store, genesis: world.genesis)
    try await world.story(ledger)
    func damage(_ column: UInt8, _ key: Bytes, _ value: Bytes) throws -> VerificationError? {
        let before = try store.get(Column(column), key)
        var batch = WriteBatch(), back = WriteBatch()
        batch.put(Column(column), key, value)
        try store.write(batch, durable: true)
        defer {
            if let before { back.put(Column(column), key, before) } else { back.delete(Column(column), key) }
            #expect(throws: Never.self) { try store.write(back, durable: true) }
        }
        let view = try Ledger(store: store, genesis: nil).view
        do throws(VerificationError) {
            try view.verify()
            return nil
        } catch { return error }
    }
    let two = Bytes(repeating: 0, count: 7) + [2]
    // A slot, a receipt list and a body that are silently other ones.
    #expect(try damage(2, Consortium.address.bytes + U256(101).bytes, [1]) == .flatState(found: .zero))
    if case .block(number: 2, .invalid(.receiptsRoot))? = try damage(7, two, [0xc0]) {} else { Issue.record("receipts") }
    if case .block(number: 2, .invalid)? = try damage(6, two, [0xc0]) {} else { Issue.record("body") }
    #expect(
        try damage(
            1, Bytes(repeating: 3, count: 20),
            TrieAccount(nonce: 1, balance: 0, storageRoot: Header.emptyRoot, codeHash: Account.noCode).encoded) != nil)
    try Ledger(store: store, genesis: nil).view.verify()
}
