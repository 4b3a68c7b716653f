import Ciphers
import Consensus
import Primitives
import Synchronization

/// What the driver has to tell an operator.
package enum ConsensusFact: Sendable {
    case decided(Head, round: UInt32, transactions: Int, participants: [Address])
    case synced(Head, from: Address)
    case syncFailed(from: Address, SyncError)
    case blockRefused(Hash32, BlockFailure)
    case misbehaved(Address, QBFT.Misbehaviour)
    case frameRefused(UInt16, from: Address, reason: String)
    case equivocation(Equivocation)
    case transactionRefused(by: Address, Hash32, code: UInt64)
    case stopped(QBFT.StopReason)
}

/// Drives the machine of `Consensus` in one node: carries its effects out one after the other, in their order, so that no message
/// leaves before the record it rests on is on disk.
///
/// Everything that happens (a frame, a timer, a transaction, a synced block) enters one queue and is handled to its end before the
/// next. A failing disk ends `run()`, and with it the node.
package actor ConsensusDriver {
    package nonisolated var unownedExecutor: UnownedSerialExecutor { ledger.executor.asUnownedSerialExecutor() }

    enum Work: Sendable {
        case news(PeerNews, done: CheckedContinuation<Void, Never>)
        case timer(QBFT.Timer, token: UInt64)
        case transactions
        case synced(Header, [UnverifiedTransaction], from: Address, done: CheckedContinuation<SyncError?, Never>)
        case syncEnded(Address, SyncError?)
    }

    nonisolated let ledger: Ledger
    nonisolated let pool: PoolDriver
    nonisolated let transport: any ConsensusTransport
    nonisolated let source: any SyncSource
    private let signer: PrivateKey
    private let clock: any DriverClock
    private let settings: QBFT.Settings
    private let acceptsAmnesia: Bool
    nonisolated let log: @Sendable (ConsensusFact) -> Void

    private var machine: QBFT
    private var executed: [Hash32: ExecutedBlock] = [:]
    private var timers: [QBFT.Timer: UInt64] = [:]
    private var lastToken: UInt64 = 0
    private var links: [Address: (status: QBFT.PeerStatus, roundTrip: UInt64)] = [:]
    private var isSyncing = false
    nonisolated let inbox = AsyncStream.makeStream(of: Work.self)
    nonisolated let syncRequests = AsyncStream.makeStream(
        of: (peer: Address, head: UInt64).self,
        bufferingPolicy: .bufferingNewest(1))

    /// - Parameters:
    ///   - signer: this node's key; a node that is no validator follows and is silent.
    ///   - settings: nil: those of the genesis file.
    ///   - acceptsAmnesia: `--accept-amnesia`.
    package init(
        ledger: Ledger, pool: PoolDriver, signer: PrivateKey, transport: any ConsensusTransport, source: any SyncSource,
        clock: any DriverClock = SystemClock(),
        settings: QBFT.Settings? = nil, acceptsAmnesia: Bool = false,
        log: @escaping @Sendable (ConsensusFact) -> Void = { _ in }
    ) throws(LedgerError) {
        (self.ledger, self.pool, self.signer, self.transport, self.source, self.clock) = (
            ledger, pool, signer, transport, source,
            clock
        )
        (self.acceptsAmnesia, self.log) = (acceptsAmnesia, log)
        self.settings = settings ?? QBFT.Settings(ledger.view.network.configuration)
        let stored = try ledger.consensusMemory()
        var memory = QBFT.Memory.lost(isAccepted: acceptsAmnesia)
        if let watermark = stored.watermark {
            do throws(MessageError) {
                memory = .kept(try Watermark(decoding: watermark), try stored.lock.map(Lock.init(decoding:)))
            } catch {
                throw .damaged(record: "watermark or lock")
            }
        }
        machine = QBFT(
            settings: self.settings, genesis: ledger.view.network.genesisHash, signer: signer, head: ledger.view.head,
            memory: memory)
    }

    /// Until cancelled: then the exact place is stored, and the next start skips nothing.
    package nonisolated func run() async throws(LedgerError) {
        let result = await withTaskGroup(of: Result<Void, LedgerError>.self) { group in
            group.addTask {
                await self.pump(); return .success(())
            }
            group.addTask {
                await self.relay(); return .success(())
            }
            group.addTask {
                await self.watchPool(); return .success(())
            }
            group.addTask {
                await self.runSync(); return .success(())
            }
            group.addTask { await self.work() }
            // The first to end, by cancellation or failure, ends the others.
            let first = await group.next()!
            group.cancelAll()
            var outcome = first
            for await other in group { if case .failure = other { outcome = other } }
            return outcome
        }
        try result.get()
    }

    package struct Standing: Sendable {
        package let height: UInt64
        package let round: UInt32
        package let maySign: Bool
        /// For the flags of Hello.
        package let isAmnesiac: Bool
        package let stopped: QBFT.StopReason?
    }
    package var standing: Standing {
        Standing(
            height: machine.height, round: machine.round, maySign: machine.maySign, isAmnesiac: machine.amnesiacSince != nil,
            stopped: machine.stopped)
    }

    // MARK: what comes in

    private nonisolated func pump() async {
        for await news in transport.news {
            switch news {
            case .frame(ChainFrame.transactions, let payload, let peer): receive(payload, from: peer)
            case .frame(ChainFrame.refused, let payload, let peer):
                do throws(RLPError) {
                    for (hash, code) in try RefusedFrame(decoding: payload).refusals {
                        log(.transactionRefused(by: peer, hash, code: code))
                    }
                } catch { log(.frameRefused(ChainFrame.refused, from: peer, reason: "\(error)")) }
            default:
                await withCheckedContinuation {
                    if case .terminated = inbox.continuation.yield(.news(news, done: $0)) { $0.resume() }
                }
            }
        }
    }

    private nonisolated func receive(_ payload: Bytes, from peer: Address) {
        let transactions: [PooledTransaction]
        do throws(RLPError) { transactions = try PooledTransaction.decode(payload) } catch {
            log(.frameRefused(ChainFrame.transactions, from: peer, reason: "\(error)"))
            return transport.cut(peer)
        }
        var refusals: [(hash: Hash32, code: UInt64)] = []
        for transaction in transactions {
            do throws(PoolError) { try pool.receive(transaction) } catch {
                if error != .alreadyKnown { refusals.append((keccak256(transaction.encoded), error.code)) }
            }
        }
        if !refusals.isEmpty { transport.send(ChainFrame.refused, RefusedFrame(refusals).encoded, to: [peer]) }
    }

    private nonisolated func relay() async {
        for await _ in pool.relayable {
            let peers = await Array(links.keys)
            var batch = pool.takeOutgoing()[...]
            while !batch.isEmpty {
                // A frame holds at most 1 MiB.
                var part: [PooledTransaction] = [], size = 0
                while let next = batch.first, part.isEmpty || size + next.encoded.count < 900_000,
                    part.count < PooledTransaction.maximumPerFrame
                {
                    part.append(next)
                    size += next.encoded.count + 16
                    batch.removeFirst()
                }
                transport.send(ChainFrame.transactions, PooledTransaction.encode(part), to: peers)
            }
        }
    }

    private nonisolated func watchPool() async {
        for await _ in pool.executable { inbox.continuation.yield(.transactions) }
    }

    // MARK: the one queue

    private func work() async -> Result<Void, LedgerError> {
        do throws(LedgerError) {
            try await start()
            for await work in inbox.stream {
                switch work {
                case .news(let news, let done):
                    defer { done.resume() }
                    try await handle(news)
                case .timer(let timer, let token):
                    guard timers[timer] == token else { continue }
                    timers[timer] = nil
                    try await feed(.timer(timer))
                case .transactions: try await feed(.transactionsWaiting(pool.hasExecutable))
                case .synced(let header, let body, let peer, let done):
                    var problem: SyncError?
                    defer { done.resume(returning: problem) }
                    problem = try await importSynced(header, body, from: peer)
                case .syncEnded(let peer, let error):
                    isSyncing = false
                    if let error {
                        log(.syncFailed(from: peer, error))
                        discredit(peer, error)
                    }
                    if machine.amnesiacSince != nil, machine.head != ledger.view.head { try await restartMachine() }
                    catchUp(after: error == nil ? nil : peer)
                }
            }
            if let place = machine.cleanStop() { try await ledger.persist(watermark: place.encoded) }
            await drain()
            return .success(())
        } catch {
            await drain()
            return .failure(error)
        }
    }

    /// Who waits for an answer gets one.
    private func drain() async {
        inbox.continuation.finish()
        for await work in inbox.stream {
            switch work {
            case .news(_, let done): done.resume()
            case .synced(_, _, _, let done): done.resume(returning: .peerLost)
            case .timer, .transactions, .syncEnded: break
            }
        }
    }

    private func start() async throws(LedgerError) {
        try await feed(.start(transactionsWaiting: pool.hasExecutable))
    }

    private func handle(_ news: PeerNews) async throws(LedgerError) {
        switch news {
        case .up(let peer, let status, let roundTrip):
            links[peer] = (status, roundTrip)
            let waiting = pool.everything(maximum: 1024)
            if !waiting.isEmpty { transport.send(ChainFrame.transactions, PooledTransaction.encode(waiting), to: [peer]) }
            sendStatus(to: [peer])
            try await feed(.linkUp(peer, status, roundTripMilliseconds: roundTrip))
        case .down(let peer):
            links[peer] = nil
            try await feed(.linkDown(peer))
        case .frame(let id, let payload, let peer):
            guard links[peer] != nil else { return }
            switch Arrival(id, payload) {
            case .status(let status):
                links[peer]!.status = status.peerStatus
                try await feed(.peerStatus(peer, status.peerStatus))
            case .sealedHeader(let header):
                links[peer]!.status.headNumber = max(header.number, links[peer]!.status.headNumber)
                if header.number > machine.head.number { requestSync(peer, header.number) }
            case .message(let message): try await feed(.message(message, from: peer))
            case .refused(let reason):
                log(.frameRefused(id, from: peer, reason: reason))
                transport.cut(peer)
            }
        }
    }

    /// What a frame turned out to be.
    private enum Arrival {
        case status(StatusFrame), sealedHeader(Header), message(Message)
        case refused(reason: String)

        init(_ id: UInt16, _ payload: Bytes) {
            do {
                switch id {
                case ChainFrame.status: self = .status(try StatusFrame(decoding: payload))
                case ChainFrame.sealedHeader: self = .sealedHeader(try Header(try RLP.decode(payload)))
                case _ where ChainFrame.consensus.contains(id): self = .message(try Message(code: UInt8(id), payload))
                default: self = .refused(reason: "not a frame of consensus")
                }
            } catch { self = .refused(reason: "\(error)") }
        }
    }

    // MARK: effects

    /// One input, its effects in order, and the inputs that come of them.
    private func feed(_ input: QBFT.Input) async throws(LedgerError) {
        var inputs = [input]
        while !inputs.isEmpty {
            for effect in machine.on(inputs.removeFirst(), now: clock.nowMilliseconds) { inputs += try await carryOut(effect) }
        }
    }

    private func carryOut(_ effect: QBFT.Effect) async throws(LedgerError) -> [QBFT.Input] {
        switch effect {
        case .persist(.watermark(let watermark)): try await ledger.persist(watermark: watermark.encoded)
        case .persist(.lock(let lock)): try await ledger.persist(lock: lock.encoded)
        case .broadcast(let message):
            let peers = machine.validators.addresses.filter { $0 != signer.address && links[$0] != nil }
            transport.send(UInt16(message.code.rawValue), message.encoded, to: peers)
        case .send(let message, let peer): transport.send(UInt16(message.code.rawValue), message.encoded, to: [peer])
        case .startTimer(let timer, let milliseconds): startTimer(timer, milliseconds)
        case .cancelTimer(let timer): timers[timer] = nil
        case .build(let request): return build(request)
        case .validate(let block): return [.validated(block.hash, validate(block))]
        case .decide(let sealed, let participants): return [try await decide(sealed, participants)]
        case .sync(let peer, let head): requestSync(peer, head)
        case .help(let peer, let height): help(peer, height)
        case .misbehaved(let peer, let how):
            log(.misbehaved(peer, how))
            transport.cut(peer)
        case .equivocation(let evidence): log(.equivocation(evidence))
        case .stop(let reason): log(.stopped(reason))
        }
        return []
    }

    private func startTimer(_ timer: QBFT.Timer, _ milliseconds: UInt64) {
        lastToken += 1
        timers[timer] = lastToken
        let token = lastToken, inbox = inbox.continuation
        clock.schedule(milliseconds: milliseconds) { inbox.yield(.timer(timer, token: token)) }
    }

    private func build(_ request: BuildRequest) -> [QBFT.Input] {
        var selection = pool.selection()
        let clock = clock, deadline = clock.nowMilliseconds + settings.requestTimeoutMilliseconds / 4
        do throws(BlockFailure) {
            let block = try ledger.view.build(request, from: &selection) { clock.nowMilliseconds > deadline }
            pool.discard(selection.refused)
            if let block { executed[block.hash] = block }
            return [.built(request, block?.unsealed), .transactionsWaiting(pool.hasExecutable)]
        } catch {
            log(.blockRefused(request.head.hash, error))
            return [.built(request, nil)]
        }
    }

    private func validate(_ block: UnsealedBlock) -> QBFT.Verdict {
        if executed[block.hash] != nil { return .valid }
        do throws(BlockFailure) {
            executed[block.hash] = try ledger.view.execute(block, known: pool.recovered)
            return .valid
        } catch {
            log(.blockRefused(block.hash, error))
            if case .invalid = error { return .invalid }
            return .unable
        }
    }

    private func decide(_ sealed: SealedBlock, _ participants: [Address]) async throws(LedgerError) -> QBFT.Input {
        let block: ExecutedBlock
        // After a restart the lock's block was never executed by this process.
        if let known = executed[sealed.hash] {
            block = known
        } else {
            do throws(BlockFailure) {
                block = try ledger.view.execute(sealed.unsealed, known: pool.recovered)
            } catch {
                throw .block(error)
            }
        }
        let head = try await apply(block, sealed, watermark: true)
        log(.decided(head, round: sealed.round, transactions: sealed.transactions.count, participants: participants))
        return .imported(head, transactionsWaiting: pool.hasExecutable)
    }

    private func apply(_ block: ExecutedBlock, _ sealed: SealedBlock, watermark: Bool) async throws(LedgerError) -> Head {
        let place = Watermark(height: sealed.header.number + 1, round: 0).encoded
        let head = try await ledger.importBlock(block, sealed: sealed, watermark: watermark ? place : nil).head
        (executed, timers) = ([:], [:])  // what waits is of a height that is over
        pool.advance(past: block)
        sendStatus(to: Array(links.keys))
        return head
    }

    private func sendStatus(to peers: [Address]) {
        let head = ledger.view.head
        transport.send(
            ChainFrame.status,
            StatusFrame(number: head.number, hash: head.hash, isAmnesiac: machine.amnesiacSince != nil).encoded, to: peers)
    }

    private func help(_ peer: Address, _ height: UInt64) {
        if let found = try? ledger.view.header(height) { transport.send(ChainFrame.sealedHeader, found.header.encoded, to: [peer]) }
    }

    // MARK: sync

    private func requestSync(_ peer: Address, _ head: UInt64) {
        if isSyncing { return }
        isSyncing = true
        syncRequests.continuation.yield((peer, head))
    }

    /// What peers said while a sync was under way is acted on when it ends: from whoever has most, if we have less; from the one with
    /// whom it just failed only if there is no other.
    private func catchUp(after failed: Address?) {
        let ahead = links.filter { $0.value.status.headNumber > ledger.view.head.number }
        let others = ahead.filter { $0.key != failed }
        if let best = (others.isEmpty ? ahead : others).max(by: { $0.value.status.headNumber < $1.value.status.headNumber }) {
            requestSync(best.key, best.value.status.headNumber)
        }
    }

    /// A peer that was slow keeps its word: its silence cost us ten seconds, and another comes first. Of one that had not what it said,
    /// or sent what does not hold, nothing is believed before it says something new.
    private func discredit(_ peer: Address, _ error: SyncError) {
        switch error {
        case .peerLost, .timedOut: break
        case .malformed, .header, .seal: transport.cut(peer)
        case .nothingThere, .block: links[peer]?.status.headNumber = 0
        }
    }

    /// Checks seals against the validators of our own head, executes, imports: nothing is taken on the peer's word.
    /// - Returns: what is wrong with the peer's block; nil: it is in, or was already.
    private func importSynced(
        _ header: Header, _ body: [UnverifiedTransaction],
        from peer: Address
    ) async throws(LedgerError) -> SyncError? {
        let view = ledger.view, number = header.number
        guard number == view.head.number + 1 else { return number <= view.head.number ? nil : .malformed }
        let extra: ExtraData, sealed: SealedBlock, block: ExecutedBlock
        do throws(ExtraDataError) {
            extra = try ExtraData(decoding: header.extraData)
        } catch {
            return .header(number, .extraData(error))
        }
        do throws(SealError) {
            sealed = SealedBlock(try SealedHeader(header, extra, by: view.head.validators, Secp256k1Recovery()), body: body)
        } catch {
            return .seal(number, error)
        }
        do throws(BlockFailure) {
            block = try view.execute(sealed.unsealed, known: pool.recovered)
        } catch {
            return .block(number, error)
        }
        // While memory is lost, what we import proves nothing about what we signed: the machine begins anew at the end of the sync.
        let remembers = machine.amnesiacSince == nil
        let head = try await apply(block, sealed, watermark: remembers)
        log(.synced(head, from: peer))
        if remembers { try await feed(.imported(head, transactionsWaiting: pool.hasExecutable)) }
        return nil
    }

    private func restartMachine() async throws(LedgerError) {
        timers = [:]
        machine = QBFT(
            settings: settings, genesis: ledger.view.network.genesisHash, signer: signer, head: ledger.view.head,
            memory: .lost(isAccepted: acceptsAmnesia))
        try await start()
        for (peer, link) in links { try await feed(.linkUp(peer, link.status, roundTripMilliseconds: link.roundTrip)) }
    }

    private nonisolated func runSync() async {
        for await (peer, head) in syncRequests.stream {
            var problem: SyncError?
            do throws(SyncError) { try await sync(from: peer, to: head) } catch { problem = error }
            inbox.continuation.yield(.syncEnded(peer, problem))
        }
    }

    private nonisolated func sync(from peer: Address, to claimed: UInt64) async throws(SyncError) {
        while ledger.view.head.number < claimed {
            let next = ledger.view.head.number + 1
            let headers = try await source.headers(
                from: next, count: Int(min(claimed - next + 1, UInt64(SyncLimits.headers))),
                of: peer)
            guard let first = headers.first else { throw .nothingThere }
            guard first.number == next, zip(headers, headers.dropFirst()).allSatisfy({ $1.number == $0.number + 1 }) else {
                throw .malformed
            }
            var rest = headers[...]
            while let header = rest.first {
                let bodies = try await source.bodies(from: header.number, count: min(rest.count, SyncLimits.bodies), of: peer)
                guard !bodies.isEmpty, bodies.count <= rest.count else { throw .nothingThere }
                for body in bodies {
                    let header = rest.removeFirst()
                    let problem = await withCheckedContinuation { done in
                        if case .terminated = inbox.continuation.yield(.synced(header, body, from: peer, done: done)) {
                            done.resume(returning: .peerLost)
                        }
                    }
                    if let problem { throw problem }
                }
            }
        }
    }
}
