import Chain
import Ciphers
import EVM
import Primitives
import Storage
import Testing

private func drain(_ pool: inout TransactionPool, gasLeft: UInt64 = .max, gasUsed: UInt64 = 21_000) -> [RecoveredTransaction] {
    var selection = pool.selection(), given: [RecoveredTransaction] = []
    while let tx = selection.next(gasLeft: gasLeft) {
        given.append(tx)
        selection.include(gasUsed: gasUsed)
    }
    return given
}

private let world = Result { try World() }
private func tx(_ user: Int, _ nonce: UInt64, tip: U256 = 0, data: Int = 0) throws -> RecoveredTransaction {
    let world = try world.get()
    return world.transaction(user, nonce: nonce, to: world.users[3].address, data: Bytes(repeating: 1, count: data), tip: tip)
}
private func user(_ index: Int) throws -> Address { try world.get().users[index].address }

@Test func aGapHoldsBackWhatFollowsIt() throws {
    var pool = TransactionPool()
    #expect(try pool.add(tx(0, 1), generation: nil, stateNonce: 0, member: nil).isExecutable == false)
    #expect(!pool.hasExecutable)
    #expect(try pool.add(tx(0, 0), generation: nil, stateNonce: 0, member: nil).isExecutable)
    #expect(pool.nextNonce(of: try user(0), stateNonce: 0) == 2)
    #expect(drain(&pool).map(\.payload.nonce) == [0, 1])
    #expect(pool.advance(to: [try user(0): 1]) == [try tx(0, 0).hash])
    #expect(drain(&pool).map(\.payload.nonce) == [1])
    #expect(throws: PoolError.invalid(.nonceTooLow(expected: 1, found: 0))) {
        try pool.add(tx(0, 0), generation: nil, stateNonce: 1, member: nil)
    }
    #expect(throws: PoolError.alreadyKnown) { try pool.add(tx(0, 1), generation: nil, stateNonce: 1, member: nil) }
}

@Test func boundsNameWhatIsMissing() throws {
    var limits = TransactionPool.Limits()
    limits.beyondGap = 3
    var pool = TransactionPool(limits: limits)
    #expect(throws: PoolError.nonceTooFar(maximum: 4096, missing: 5)) {
        try pool.add(tx(0, 4101), generation: nil, stateNonce: 5, member: nil)
    }
    for nonce in 7...9 as ClosedRange<UInt64> { _ = try pool.add(tx(0, nonce), generation: nil, stateNonce: 5, member: nil) }
    #expect(throws: PoolError.gapTooLong(maximum: 3, missing: 5)) { try pool.add(tx(0, 10), generation: nil, stateNonce: 5, member: nil) }
    _ = try pool.add(tx(0, 5), generation: nil, stateNonce: 5, member: nil)
    #expect(throws: PoolError.gapTooLong(maximum: 3, missing: 6)) { try pool.add(tx(0, 10), generation: nil, stateNonce: 5, member: nil) }
    _ = try pool.add(tx(0, 6), generation: nil, stateNonce: 5, member: nil)
    _ = try pool.add(tx(0, 10), generation: nil, stateNonce: 5, member: nil)
    #expect(drain(&pool).map(\.payload.nonce) == [5, 6, 7, 8, 9, 10])
    let large = try tx(0, 11, data: 140_000)
    #expect(throws: PoolError.tooLarge(bytes: large.transaction.encoded.count, maximum: 131_072)) {
        try pool.add(large, generation: nil, stateNonce: 5, member: nil)
    }
}

/// Gossip may bring rivals in any order: all pools end with the same one.
@Test func rivalsSettleTheSameWayInAnyOrder() throws {
    let rivals: [(RecoveredTransaction, UInt8)] = [
        (try tx(0, 0), 0), (try tx(0, 0, data: 1), 1), (try tx(0, 0, data: 2), 1), (try tx(0, 0, data: 3), 0),
    ]
    var winners: Set<Hash32> = []
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        var pool = TransactionPool()
        for index in order {
            do throws(PoolError) { _ = try pool.add(rivals[index].0, generation: rivals[index].1, stateNonce: 0, member: nil) } catch {
                #expect(error.code == 7)
            }
        }
        #expect(pool.count == 1)
        winners.insert(drain(&pool)[0].hash)
    }
    #expect(winners == [min(rivals[1].0.hash, rivals[2].0.hash)])
    // A user here replaces at equal price; a tip 10 % higher beats any generation.
    var pool = TransactionPool()
    let first = try tx(0, 0, tip: 100)
    _ = try pool.add(first, generation: 9, stateNonce: 0, member: nil)
    #expect(throws: PoolError.replacementRefused(by: first.hash)) {
        try pool.add(tx(0, 0, tip: 90), generation: 15, stateNonce: 0, member: nil)
    }
    let replaced = try pool.add(tx(0, 0, tip: 105, data: 4), generation: nil, stateNonce: 0, member: nil)
    #expect(replaced.entry.generation == 10 && replaced.removed == [first.hash])
    #expect(try pool.add(tx(0, 0, tip: 116), generation: 0, stateNonce: 0, member: nil).entry.generation == 0)
    #expect(pool.count == 1)
}

@Test func aFullPoolTakesFromWhoHoldsMost() throws {
    var limits = TransactionPool.Limits()
    limits.transactions = 6
    var pool = TransactionPool(limits: limits)
    let north = Address(Bytes(repeating: 1, count: 20))!, south = Address(Bytes(repeating: 2, count: 20))!
    for nonce in 0..<5 { _ = try pool.add(tx(0, UInt64(nonce)), generation: nil, stateNonce: 0, member: north) }
    _ = try pool.add(tx(1, 0), generation: nil, stateNonce: 0, member: south)
    #expect(throws: PoolError.full(member: north)) { try pool.add(tx(0, 5), generation: nil, stateNonce: 0, member: north) }
    #expect(try pool.add(tx(1, 1), generation: nil, stateNonce: 0, member: south).removed == [try tx(0, 4).hash])
    #expect(try pool.add(tx(2, 0), generation: nil, stateNonce: 0, member: nil).removed == [try tx(0, 3).hash])
    #expect(pool.count == 6)
}

@Test func membersAreServedInTurnByGas() throws {
    var pool = TransactionPool()
    let north = Address(Bytes(repeating: 1, count: 20))!
    for sender in 0..<3 {
        for nonce in 0..<4 { _ = try pool.add(tx(sender, UInt64(nonce)), generation: nil, stateNonce: 0, member: sender < 2 ? north : nil) }
    }
    // Two senders of one member get together what the guest gets alone.
    let third = try user(2)
    #expect(drain(&pool).prefix(8).count { $0.sender == third } == 4)
    #expect(drain(&pool, gasLeft: 100_000).isEmpty)
    #expect(pool.discard([try tx(1, 2).hash]).count == 2)
    #expect(drain(&pool).count == 10)
}

@Test func whatTurnsOutInvalidIsPassedOverWithAllThatFollows() throws {
    var pool = TransactionPool()
    for nonce in 0..<3 { _ = try pool.add(tx(0, UInt64(nonce)), generation: nil, stateNonce: 0, member: nil) }
    _ = try pool.add(tx(1, 0), generation: nil, stateNonce: 0, member: nil)
    var selection = pool.selection()
    #expect(selection.next(gasLeft: .max) == (try tx(0, 0)))
    selection.refuse()
    #expect(selection.next(gasLeft: .max) == (try tx(1, 0)))
    selection.include(gasUsed: 21_000)
    #expect(selection.next(gasLeft: .max) == nil)
    #expect(selection.refused == [try tx(0, 0).hash])
}

@Test func theJournalSurvivesARestartAndForgetsWhatWasIncluded() async throws {
    let world = try world.get(), store = MemoryStore(), ledger = try Ledger(store: store, genesis: world.genesis)
    let pool = try PoolDriver(ledger: ledger, store: store)
    for nonce in 0..<3 { #expect(try pool.submit(tx(0, UInt64(nonce)).transaction.encoded) == tx(0, UInt64(nonce)).hash) }
    #expect(throws: PoolError.alreadyKnown) { try pool.submit(tx(0, 0).transaction.encoded) }
    #expect(throws: PoolError.decoding(.rlp(.countMismatch(expected: 12, found: 0)))) { try pool.submit([0x02, 0xc0]) }
    var foreign = try tx(1, 0).payload
    foreign.chainId = 1
    #expect(throws: PoolError.invalid(.chainIdMismatch(expected: world.chainId, found: 1))) {
        try pool.submit(RecoveredTransaction(foreign, signedBy: world.users[1]).transaction.encoded)
    }
    #expect(throws: PoolError.invalid(.insufficientBalance(needed: 200_000, found: 0))) {
        try pool.submit(tx(1, 0, tip: 1).transaction.encoded)
    }
    #expect(try PoolDriver(ledger: ledger, store: store).read { $0.count } == 3)
    try await world.grow(ledger, [tx(0, 0)])
    let again = try PoolDriver(ledger: ledger, store: store)
    #expect(again.read { $0.count } == 2)
    #expect(try again.recovered(tx(0, 1).hash) != nil)
    #expect(try again.recovered(tx(0, 0).hash) == nil)
    // Unsynced journal entries may go with the power, included blocks do not.
    store.restart()
    #expect(try Ledger(store: store, genesis: nil).view.head.number == 1)
}

@Test func poolFramesRoundTripAndAreBounded() throws {
    let transactions = [PooledTransaction(encoded: try tx(0, 0).transaction.encoded, generation: 3)]
    #expect(try PooledTransaction.decode(PooledTransaction.encode(transactions)) == transactions)
    #expect(throws: RLPError.integer(maximumBytes: 1)) {
        try PooledTransaction.decode(PooledTransaction.encode([PooledTransaction(encoded: [1], generation: 16)]))
    }
    #expect(throws: RLPError.countMismatch(expected: 4096, found: 4097)) {
        try PooledTransaction.decode(PooledTransaction.encode((0..<4097).map { _ in PooledTransaction(encoded: [1], generation: 0) }))
    }
}
