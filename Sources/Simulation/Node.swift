import Ciphers
import Consensus
import Primitives

/// A node of the simulation: machine, disk, pool. Its disk survives `crash`, not `wipe`.
final class Node {
    let index: Int
    let key: any ConsensusSigner
    let genesis: LedgerState
    var actor: (any ByzantineActor)?
    /// This clock minus true time, in milliseconds.
    var skew: Int64

    // disk
    private(set) var chain: [SealedBlock] = []
    private(set) var head: Head
    private(set) var included: Set<UInt64> = []
    private(set) var watermark: Watermark?
    private(set) var lock: Lock?
    var pool: [UnverifiedTransaction] = []

    // process
    var machine: QBFT?
    /// Counts the processes; what an earlier one started is dead.
    private(set) var life = 0
    private(set) var wipes = 0
    var timers: [QBFT.Timer: Int] = [:]
    var timerGeneration = 0
    var linked: Set<Int> = []
    var isSyncing = false

    init(index: Int, key: any ConsensusSigner, genesis: LedgerState, actor: (any ByzantineActor)?, skew: Int64) {
        (self.index, self.key, self.genesis, self.actor, self.skew, head) = (index, key, genesis, actor, skew, genesis.head)
    }

    var status: QBFT.PeerStatus { .init(headNumber: head.number, isAmnesiac: machine?.amnesiacSince != nil) }

    /// A young process: `entente up` on this disk.
    func boot(_ world: World) {
        var settings = QBFT.Settings()
        settings.heartbeatMilliseconds = 5000
        let memory: QBFT.Memory
        switch (watermark, world.scenario.control) {
        case (nil, _): memory = .lost(isAccepted: false)
        case (_, .forgetsWatermark): memory = .kept(Watermark(height: head.number + 1, round: 0, said: []), lock)
        case (let mark?, .forgetsLock): memory = .kept(mark, nil)
        case (let mark?, _): memory = .kept(mark, lock)
        }
        machine = QBFT(settings: settings, genesis: genesis.head.hash, signer: key, recovery: world.recovery, head: head, memory: memory)
    }
    func persist(_ record: QBFT.Record, _ usesCodec: Bool) {
        switch record {
        case .watermark(let mark):
            watermark = usesCodec ? reread { () throws(MessageError) in try Watermark(decoding: mark.encoded) } : mark
        case .lock(let lock): self.lock = usesCodec ? reread { () throws(MessageError) in try Lock(decoding: lock.encoded) } : lock
        }
    }
    private func reread<T>(_ body: () throws(MessageError) -> T) -> T {
        do throws(MessageError) { return try body() } catch { preconditionFailure("a record does not read back: \(error)") }
    }
    func store(_ block: SealedBlock, _ state: LedgerState) {
        chain.append(block)
        (head, included, lock) = (state.head, state.included, nil)
        if watermark != nil { watermark = Watermark(height: head.number + 1, round: 0) }
        pool.removeAll { state.included.contains($0.payload.nonce) }
    }
    func crash() {
        machine = nil
        life += 1
        (timers, isSyncing) = ([:], false)
    }
    func wipe() {
        (chain, head, included, watermark, lock) = ([], genesis.head, [], nil, nil)
        wipes += 1
    }

    func forge(_ world: World) -> Forge? {
        guard actor != nil else { return nil }
        return Forge(key: key, genesis: genesis.head.hash, head: head, timeout: machine?.timeout(machine?.round ?? 0) ?? 1000)
    }
    func serving(_ block: SealedBlock, _ world: World) -> Block {
        guard let actor, let forge = forge(world) else { return block.block }
        return actor.serving(block, forge)
    }
}
