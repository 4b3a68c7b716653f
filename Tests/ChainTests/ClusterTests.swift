import Chain
import Ciphers
import Consensus
import Primitives
import Storage
import Testing

@Test(.timeLimit(.minutes(5))) func fourNodesAgreeLoseOneAndGetItBack() async throws {
    let world = try World(requestTimeoutMilliseconds: 60_000), hub = Hub(), clock = TestClock(World.start * 1000 + 5000)
    var members = try world.keys.map { try Member($0, MemoryStore(), world.genesis, hub, clock) }
    func height() -> UInt64 { members.map(\.ledger.view.head.number).min()! }
    func all(_ transaction: RecoveredTransaction, among members: [Member]) -> Bool {
        members.allSatisfy { (try? $0.ledger.view.place(ofTransaction: transaction.hash)) ?? nil != nil }
    }

    // A transaction given to one node is in a block of all four.
    let first = world.transaction(0, nonce: 0, to: nil, data: World.noteInitcode)
    _ = try members[1].pool.submit(first.transaction.encoded)
    guard await run(clock, "the first transaction", until: { all(first, among: members) }) else { return }
    #expect(Set(members.map(\.ledger.view.head.header.stateRoot)).count == 1)

    // A burst, spread over the nodes.
    let burst =
        (1...20).map { world.transaction(0, nonce: $0, to: world.note, data: U256(UInt64($0)).bytes) }
        + (0..<20).map { world.transaction(1, nonce: $0, to: world.note, data: U256(1).bytes) }
    for (index, tx) in burst.enumerated() { _ = try members[index % 4].pool.submit(tx.transaction.encoded) }
    guard await run(clock, "the burst", until: { burst.allSatisfy { all($0, among: members) } }) else { return }

    // The power of one goes; the others go on, through its turn too.
    let victim = members.remove(at: 2)
    await victim.kill()
    let after = (21...28).map { world.transaction(0, nonce: $0, to: world.note, data: U256(UInt64($0)).bytes) }
    for tx in after {
        _ = try members[0].pool.submit(tx.transaction.encoded)
        guard await run(clock, "a transaction without one node", until: { all(tx, among: members) }) else { return }
    }
    #expect(members[0].ledger.view.head.number >= 8)

    // It comes back with its disk, catches up and votes again: with another one gone it is needed.
    victim.store.restart()
    members.append(try Member(victim.key, victim.store, world.genesis, hub, clock))
    guard await run(clock, "catching up", until: { members[3].ledger.view.head.hash == members[0].ledger.view.head.hash }) else { return }
    #expect(members[3].facts.count { if case .synced = $0 { true } else { false } } > 0)
    await members.remove(at: 0).stop()
    let last = world.transaction(0, nonce: 29, to: world.note, data: U256(99).bytes)
    _ = try members[2].pool.submit(last.transaction.encoded)
    guard await run(clock, "a transaction that needs the returned node", until: { all(last, among: members) }) else { return }

    #expect(Set(members.map(\.ledger.view.head.hash)).count == 1)
    for member in members {
        try member.ledger.view.verify()
        #expect(member.pool.read { $0.count } == 0)
        #expect(try member.ledger.view.state.storage(world.note, 0) == 99)
        #expect(member.facts.count { if case .stopped = $0 { true } else { false } } == 0)
        await member.stop()
    }
    #expect(hub.cuts.withLock { $0 } == [])
}

/// Whoever is asked first says nothing, and no new block comes that would remind anybody: another peer is asked at once.
@Test(.timeLimit(.minutes(5))) func aSyncThatFailsGoesOnWithAnother() async throws {
    let world = try World(requestTimeoutMilliseconds: 60_000), hub = Hub(), clock = TestClock(World.start * 1000 + 5000)
    var members = try world.keys.map { try Member($0, MemoryStore(), world.genesis, hub, clock) }
    func all(_ tx: RecoveredTransaction) -> Bool {
        members.allSatisfy { ((try? $0.ledger.view.place(ofTransaction: tx.hash)) ?? nil) != nil }
    }
    let victim = members.remove(at: 2)
    await victim.kill()
    for nonce in 0..<6 as Range<UInt64> {
        let tx = world.transaction(1, nonce: nonce, to: world.users[2].address)
        _ = try members[0].pool.submit(tx.transaction.encoded)
        guard await run(clock, "history", until: { all(tx) }) else { return }
    }
    hub.silences.withLock { $0 = 2 }
    victim.store.restart()
    members.append(try Member(victim.key, victim.store, world.genesis, hub, clock))
    _ = await run(clock, "catching up", atMost: 500, until: { members[3].ledger.view.head.hash == members[0].ledger.view.head.hash })
    #expect(members[3].facts.count { if case .syncFailed(_, .timedOut) = $0 { true } else { false } } == 2)
    for member in members { await member.stop() }
}

@Test(.timeLimit(.minutes(5))) func aQuietChainBeatsAndACleanStopSkipsNothing() async throws {
    let world = try World(heartbeatSeconds: 2, requestTimeoutMilliseconds: 60_000), hub = Hub(),
        clock = TestClock(World.start * 1000 + 5000)
    var members = try world.keys.map { try Member($0, MemoryStore(), world.genesis, hub, clock) }
    guard await run(clock, "three heartbeats", until: { members.allSatisfy { $0.ledger.view.head.number >= 3 } }) else { return }
    #expect(try members[0].ledger.view.block(2)?.transactions.isEmpty == true)
    for member in members { await member.stop() }
    let heights = members.map(\.ledger.view.head.number)
    members = try members.map { try Member($0.key, $0.store, world.genesis, hub, clock) }
    #expect(members.map(\.ledger.view.head.number) == heights)
    guard
        await run(
            clock, "a heartbeat after the restart", until: { members.allSatisfy { $0.ledger.view.head.number >= heights.max()! + 2 } })
    else { return }
    for member in members { await member.stop() }
}

/// Private mode is the same with n = 1.
@Test(.timeLimit(.minutes(5))) func oneNodeSealsAlone() async throws {
    let world = try World(validators: 1), hub = Hub(), clock = TestClock(World.start * 1000 + 5000)
    let member = try Member(world.keys[0], MemoryStore(), world.genesis, hub, clock),
        tx = world.transaction(0, nonce: 0, to: world.users[1].address)
    _ = try member.pool.submit(tx.transaction.encoded)
    guard await run(clock, "a block", until: { member.ledger.view.head.number == 1 }) else { return }
    #expect(try member.ledger.view.receipt(tx.hash)?.receipt.succeeded == true)
    await member.stop()
}

/// A fifth node follows, is voted in, and is then needed for the quorum.
@Test(.timeLimit(.minutes(5))) func aNewcomerSyncsAndThenValidates() async throws {
    let world = try World(requestTimeoutMilliseconds: 60_000), hub = Hub(), clock = TestClock(World.start * 1000 + 5000)
    var members = try world.keys.map { try Member($0, MemoryStore(), world.genesis, hub, clock) }
    func all(_ tx: RecoveredTransaction) -> Bool {
        members.allSatisfy { ((try? $0.ledger.view.place(ofTransaction: tx.hash)) ?? nil) != nil }
    }
    for nonce in 0..<6 as Range<UInt64> {
        let tx = world.transaction(1, nonce: nonce, to: world.users[2].address)
        _ = try members[0].pool.submit(tx.transaction.encoded)
        guard await run(clock, "history", until: { all(tx) }) else { return }
    }
    let fifth = try PrivateKey(Bytes(repeating: 99, count: 32))
    members.append(try Member(fifth, MemoryStore(), world.genesis, hub, clock))
    guard await run(clock, "the newcomer's sync", until: { members[4].ledger.view.head.hash == members[0].ledger.view.head.hash }) else {
        return
    }

    let five = (world.keys.map(\.address) + [fifth.address]).sorted()
    let slots: [(U256, Hash32)] = five.enumerated().map { (U256($0 + 1), $1.word) } + [(U256.zero, U256(5).hash)]
    let votes = slots.enumerated().map { nonce, slot in
        world.transaction(0, nonce: UInt64(nonce), to: Consortium.address, data: World.setSlot(slot.0, slot.1))
    }
    for vote in votes { _ = try members[1].pool.submit(vote.transaction.encoded) }
    guard await run(clock, "the vote", until: { members.allSatisfy { $0.ledger.view.head.validators.addresses == five } }) else { return }
    // One height without it cures its amnesia; then quorum 4 of 5 with one gone rests on it.
    let next = world.transaction(1, nonce: 6, to: world.users[2].address)
    _ = try members[0].pool.submit(next.transaction.encoded)
    guard await run(clock, "a height without the newcomer's voice", until: { all(next) }) else { return }
    await members.remove(at: 0).stop()
    let last = world.transaction(1, nonce: 7, to: world.users[2].address)
    _ = try members[0].pool.submit(last.transaction.encoded)
    guard await run(clock, "a block that needs the newcomer", until: { all(last) }) else { return }
    #expect(Set(members.map(\.ledger.view.head.hash)).count == 1)
    for member in members {
        try member.ledger.view.verify()
        await member.stop()
    }
}
