import Chain
import Ciphers
import Consensus
import Primitives
import Storage
import Synchronization
import Testing

/// Time that moves only when the test says so.
final class TestClock: DriverClock {
    private struct State {
        var now: UInt64
        var actions: [(due: UInt64, order: Int, run: @Sendable () -> Void)] = []
        var count = 0
    }
    private let state: Mutex<State>
    init(_ now: UInt64) { state = Mutex(State(now: now)) }

    var nowMilliseconds: UInt64 { state.withLock { $0.now } }
    func schedule(milliseconds: UInt64, _ action: @escaping @Sendable () -> Void) {
        state.withLock {
            $0.count += 1
            $0.actions.append(($0.now + milliseconds, $0.count, action))
        }
    }
    func advance(_ milliseconds: UInt64) {
        let due = state.withLock { state in
            state.now += milliseconds
            let now = state.now, due = state.actions.filter { $0.due <= now }.sorted { ($0.due, $0.order) < ($1.due, $1.order) }
            state.actions.removeAll { $0.due <= now }
            return due
        }
        for action in due { action.run() }
    }
}

/// Links between nodes in memory: ordered, lossless while both ends are there.
final class Hub: Sendable {
    private struct Member {
        var news: AsyncStream<PeerNews>.Continuation
        var ledger: Ledger
    }
    private let members = Mutex<[Address: Member]>([:])
    let cuts = Mutex<[Address]>([])
    /// So many of the next questions about history get no answer in time.
    let silences = Mutex(0)

    func attach(_ address: Address, _ ledger: Ledger) -> Port {
        let (stream, news) = AsyncStream.makeStream(of: PeerNews.self)
        members.withLock { members in
            for (other, member) in members {
                member.news.yield(.up(address, status(ledger), roundTripMilliseconds: 1))
                news.yield(.up(other, status(member.ledger), roundTripMilliseconds: 1))
            }
            members[address] = Member(news: news, ledger: ledger)
        }
        return Port(hub: self, address: address, stream: stream)
    }
    func detach(_ address: Address) {
        members.withLock { members in
            members[address] = nil
            for member in members.values { member.news.yield(.down(address)) }
        }
    }
    private func status(_ ledger: Ledger) -> QBFT.PeerStatus {
        QBFT.PeerStatus(headNumber: ledger.view.head.number, isAmnesiac: (try? ledger.consensusMemory().watermark) == nil)
    }
    fileprivate func send(_ frame: UInt16, _ payload: Bytes, from: Address, to: Address) {
        members.withLock { if $0[from] != nil { $0[to]?.news.yield(.frame(frame, payload, from: from)) } }
    }
    fileprivate func ledger(_ address: Address) -> Ledger? { members.withLock { $0[address]?.ledger } }
}

struct Port: ConsensusTransport, SyncSource {
    let hub: Hub
    let address: Address
    let stream: AsyncStream<PeerNews>

    var news: any AsyncSequence<PeerNews, Never> & Sendable { stream }
    func send(_ frame: UInt16, _ payload: Bytes, to peers: [Address]) {
        for peer in peers { hub.send(frame, payload, from: address, to: peer) }
    }
    func cut(_ peer: Address) { hub.cuts.withLock { $0.append(peer) } }

    func headers(from number: UInt64, count: Int, of peer: Address) async throws(SyncError) -> [Header] {
        if hub.silences.withLock({
            $0 -= 1; return $0 >= 0
        }) {
            throw .timedOut
        }
        guard let view = hub.ledger(peer)?.view, let headers = try? view.sealedHeaders(from: number, count: count) else { throw .peerLost }
        return headers
    }
    func bodies(from number: UInt64, count: Int, of peer: Address) async throws(SyncError) -> [[UnverifiedTransaction]] {
        guard let view = hub.ledger(peer)?.view, let bodies = try? view.bodies(from: number, count: count) else { throw .peerLost }
        var decoded: [[UnverifiedTransaction]] = []
        for body in bodies { decoded.append(try LedgerView.decodeBody(body)) }
        return decoded
    }
}

/// One organisation: a store, and what runs on it until it is killed.
final class Member {
    let key: PrivateKey
    let store: MemoryStore
    let ledger: Ledger
    let pool: PoolDriver
    let facts: Facts
    private let hub: Hub
    private let tasks: [Task<Void, Never>]

    final class Facts: Sendable {
        let all = Mutex<[ConsensusFact]>([])
        func count(_ matches: (ConsensusFact) -> Bool) -> Int { all.withLock { $0.count(where: matches) } }
    }

    init(_ key: PrivateKey, _ store: MemoryStore, _ genesis: GenesisFile, _ hub: Hub, _ clock: TestClock) throws {
        (self.key, self.store, self.hub) = (key, store, hub)
        let ledger = try Ledger(store: store, genesis: genesis), pool = try PoolDriver(ledger: ledger, store: store, clock: clock)
        let facts = Facts(), port = hub.attach(key.address, ledger)
        let driver = try ConsensusDriver(
            ledger: ledger, pool: pool, signer: key, transport: port, source: port, clock: clock,
            log: { fact in facts.all.withLock { $0.append(fact) } })
        (self.ledger, self.pool, self.facts) = (ledger, pool, facts)
        tasks = [
            Task { do throws(LedgerError) { try await driver.run() } catch { print("node ends: \(error)") } },
            Task { do throws(LedgerError) { try await pool.run() } catch { print("journal ends: \(error)") } },
        ]
    }

    /// Power off first: nothing is said or written any more.
    func kill() async {
        store.cutPower(at: .init(write: 0, survives: false))
        await stop()
    }
    func stop() async {
        hub.detach(key.address)
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }
}

/// Moves time by a millisecond at a go until the condition holds.
func run(_ clock: TestClock, _ what: String, atMost milliseconds: Int = 200_000, until holds: () -> Bool) async -> Bool {
    for _ in 0..<milliseconds {
        if holds() { return true }
        clock.advance(1)
        for _ in 0..<40 { await Task.yield() }
    }
    Issue.record("not in time: \(what)")
    return false
}
