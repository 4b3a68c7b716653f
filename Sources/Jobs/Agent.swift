import Catalog
import Ciphers
import Compute
import Contracts
import MPC
import P2P
import Primitives
import Synchronization

/// A member's agent: follows the market, decides what its member joins, brings the inputs, sits in committees, settles.
///
/// One watcher reads the chain in order and feeds each job's lifecycle; what a lifecycle asks for runs beside it in child tasks and
/// comes back as input. Cancelling `run` stops everything; an unfinished job then ends by its deadline, and this member leaves.
package actor Agent {
    package typealias Misconduct = @Sendable (any SeatLink, SessionRun.Committee, PrivateKey) -> any SeatLink
    package struct Settings: Sendable {
        /// This member's node key address, and its account.
        package var nodeKey: Address
        package var log: @Sendable (String, [String: JSON]) -> Void
        package var nowMilliseconds: @Sendable () -> UInt64
        package var randomBytes: @Sendable (Int) -> Bytes
        package var cohorts: CohortLog
        /// Only the demonstration's chain has one: wraps the channel of a seat that misbehaves on purpose.
        package var misconduct: Misconduct?
        var answers = true

        package init(
            nodeKey: Address, log: @escaping @Sendable (String, [String: JSON]) -> Void, nowMilliseconds: @escaping @Sendable () -> UInt64,
            randomBytes: @escaping @Sendable (Int) -> Bytes, cohorts: CohortLog
        ) {
            (self.nodeKey, self.log, self.nowMilliseconds, self.randomBytes, self.cohorts) = (
                nodeKey, log, nowMilliseconds, randomBytes, cohorts
            )
        }
    }
    /// Whom answered questions reached: this owner's secret, and a durable map.
    package struct CohortLog: Sendable {
        let secret: Bytes
        let load: @Sendable (String) -> Bytes?
        /// False: it is not on disk.
        let store: @Sendable (String, Bytes) -> Bool
        package init(secret: Bytes, load: @escaping @Sendable (String) -> Bytes?, store: @escaping @Sendable (String, Bytes) -> Bool) {
            (self.secret, self.load, self.store) = (secret, load, store)
        }
    }

    nonisolated let ledger: any Ledger
    nonisolated let network: PeerNetwork
    nonisolated let domain: MarketDomain
    let tables: @Sendable () throws(LocalTablesError) -> LocalTables
    var settings: Settings
    private(set) var catalogue = Catalogue()
    var jobs: [U256: ActiveJob] = [:]
    private var nextBlock: UInt64 = 0
    private var isReading = false, held: [(U256, JobLifecycle.Effect)] = []
    nonisolated let work = AsyncStream.makeStream(of: (@Sendable () async -> Void).self)
    nonisolated let progressBoard = Mutex<[U256: JobProgress]>([:])
    nonisolated let blameEvents: PeerStream
    nonisolated let blame = BlameBoard()

    /// Before `run` of the network.
    package init(
        ledger: any Ledger, network: PeerNetwork, settings: Settings, tables: @escaping @Sendable () throws(LocalTablesError) -> LocalTables
    ) {
        (self.ledger, self.network, self.settings, self.tables) = (ledger, network, settings, tables)
        domain = MarketDomain(chainId: ledger.chainId)
        blameEvents = network.stream(BlameBoard.frames)
    }

    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.watch() }
            group.addTask { await self.hearBlame() }
            for await task in work.stream { group.addTask { await task() } }
            group.cancelAll()
        }
    }

    package nonisolated var progress: [JobProgress] { progressBoard.withLock { $0.values.sorted { $0.job < $1.job } } }
    package func setMisconduct(_ misconduct: Misconduct?, answers: Bool) { (settings.misconduct, settings.answers) = (misconduct, answers) }

    func record(_ job: U256, _ what: String) {
        let now = settings.nowMilliseconds()
        progressBoard.withLock { $0[job, default: JobProgress(job: job)].note(what, at: now) }
        settings.log("job", ["job": .string(job.decimal), "what": .string(what)])
    }

    // MARK: the chain

    private func watch() async {
        for await head in ledger.heads() {
            do throws(LedgerError) { try await read(to: head) } catch { settings.log("agent", ["problem": .string("\(error)")]) }
            let now = max(head.timestamp, settings.nowMilliseconds() / 1_000)
            for id in Array(jobs.keys) where jobs[id]?.lifecycle.isOver == false {
                if let (seat, round) = observe(id) { await feed(id, .held(by: seat, round: round, now)) }
                await feed(id, .moment(now))
            }
        }
        work.continuation.finish()
    }

    /// A batch of blocks is read to its end before anything is done: after a restart most of what the past calls for is over.
    private func read(to head: Head) async throws(LedgerError) {
        guard head.number >= nextBlock else { return }
        let market = try await ledger.events(.market, [], from: nextBlock, to: head.number),
            referee = try await ledger.events(.referee, [], from: nextBlock, to: head.number)
        isReading = true
        defer { isReading = false }
        for event in (market + referee).sorted(by: { ($0.block, $0.index) < ($1.block, $1.index) }) { try await onEvent(event) }
        nextBlock = head.number + 1
        let read = held
        held = []
        isReading = false
        for (id, effect) in read where jobs[id]?.lifecycle.isOver == false { perform(effect, id) }
    }

    private func onEvent(_ event: PlacedEvent) async throws(LedgerError) {
        switch event.name {
        case "Listed", "Delisted":
            let input = try await ledger.input(of: event.transaction)
            do throws(CatalogueError) { try catalogue.apply(event, input: input) } catch {
                settings.log("catalogue", ["problem": .string("\(error)")])
            }
        case "Opened": try await onOpened(event)
        case "Joined": await onJoined(event)
        case "Ready":
            jobs[event["job"].asWord]?.session = event["session"].asHash
            await feed(event["job"].asWord, .ready(attempt: UInt8(event["attempt"].asUInt64), session: event["session"].asHash))
        case "Complained": await onComplained(event)
        case "Answered": try await onAnswered(event)
        case "AttemptEnded": try await onAttemptEnded(event)
        case "Settled": await feed(event["job"].asWord, .settled)
        case "Refunded": await feed(event["job"].asWord, .refunded)
        default: break
        }
    }

    private func onOpened(_ event: PlacedEvent) async throws(LedgerError) {
        let id = event["job"].asWord, order = Order(abi: event["order"])
        guard jobs[id] == nil else { return }  // read again after a failure on the way
        let input = try await ledger.input(of: event.transaction)
        guard let (_, rest) = try? Contract.market.abi.decodeCall("open", input), let program = ProgramDocument(rest) else {
            return settings.log("job", ["job": .string(id.decimal), "what": "its program is not on chain: not joined"])
        }
        let owners = order.uses.compactMap { catalogue.listing($0.listing, terms: $0.terms)?.owner }
        guard owners.contains(ledger.account) else { return }
        var members: [JobFacts.Member] = []
        for owner in owners where !members.contains(where: { $0.account == owner }) {
            let seat = try await ledger.call(.market, "memberOf", [.word(id), .address(owner)])[0][3].asInt
            let nodeKey = try await ledger.call(.consortium, "member", [.address(owner)])[0][1].asAddress
            members.append(JobFacts.Member(account: owner, nodeKey: nodeKey, seat: seat == 0 ? nil : seat - 1))
        }
        let facts = JobFacts(job: id, order: order, program: program, fee: event["fee"].asWord, openedAt: event.block, members: members)
        let position = UInt64(facts.members.firstIndex { $0.account == ledger.account } ?? 0)
        let times = JobWords(try await ledger.call(.market, "job", [.word(id)])[0])
        // Past jobs are read too, after a restart: their end follows in the same stream of events.
        let (lifecycle, effects) = JobLifecycle.open(job: id, until: times.until, deadline: times.deadline, patience: position)
        jobs[id] = ActiveJob(facts: facts, lifecycle: lifecycle)
        progressBoard.withLock { $0[id] = JobProgress(job: id) }
        record(id, "opened")
        for effect in effects { perform(effect, id) }
    }

    private func onJoined(_ event: PlacedEvent) async {
        let id = event["job"].asWord
        guard let index = jobs[id]?.facts.members.firstIndex(where: { $0.account == event["member"].asAddress }) else { return }
        let join = Join(event)
        jobs[id]!.joins[index] = join
        if event["member"].asAddress == ledger.account { await feed(id, .bound(attempt: UInt8(event["attempt"].asUInt64), key: join.key)) }
    }

    private func onComplained(_ event: PlacedEvent) async {
        let id = event["job"].asWord
        guard jobs[id] != nil, let kind = Claim.Kind(rawValue: UInt8(truncatingIfNeeded: event["kind"].asUInt64)) else { return }
        let complaint = Complaint(
            attempt: UInt8(event["attempt"].asUInt64), accuser: event["accuser"].asAddress, accused: event["accused"].asAddress, kind: kind,
            index: event["index"].asWord, until: event["until"].asUInt64, transaction: event.transaction)
        record(id, "\(complaint.accuser) complains of \(complaint.accused): \(kind)")
        await feed(id, .complained(complaint, ofUs: complaint.accused == ledger.account))
    }

    private func onAttemptEnded(_ event: PlacedEvent) async throws(LedgerError) {
        let id = event["job"].asWord
        guard jobs[id] != nil, let next = JobState(rawValue: event["next"].asUInt64) else { return }
        let times = JobWords(try await ledger.call(.market, "job", [.word(id)])[0])
        jobs[id]!.joins = [:]
        record(id, "attempt ended")
        await feed(
            id,
            .attemptEnded(
                next: next, attempt: UInt8(truncatingIfNeeded: event["attempt"].asUInt64 + 1), until: min(times.until, times.deadline)))
    }

    // MARK: one job

    func feed(_ id: U256, _ input: JobLifecycle.Input) async {
        guard var job = jobs[id] else { return }
        let before = job.lifecycle.phase
        let effects = job.lifecycle.on(input)
        jobs[id] = job
        if job.lifecycle.phase != before {
            let phase = job.lifecycle.phase.name
            progressBoard.withLock { $0[id, default: JobProgress(job: id)].phase = phase }
            record(id, phase)
        }
        for effect in effects { perform(effect, id) }
        if job.lifecycle.isOver {
            job.link?.close()
            jobs[id]?.link = nil
        }
    }

    /// Starts what the lifecycle asks for; its result comes back through `feed`.
    private func perform(_ effect: JobLifecycle.Effect, _ id: U256) {
        if case .stop = effect {
            jobs[id]?.link?.close()
            return
        }
        if isReading { return held.append((id, effect)) }
        work.continuation.yield { [weak self] in
            guard let self else { return }
            switch effect {
            case .evaluate: await self.evaluate(id)
            case .decline: await self.decline(id)
            case .prepare(let attempt): await self.prepare(id, attempt: attempt)
            case .join(let attempt): await self.join(id, attempt: attempt)
            case .compute(let session): await self.compute(id, session)
            case .settle: await self.settle(id)
            case .accuse: await self.accuse(id)
            case .complain(let seat): await self.complain(id, of: seat)
            case .answer(let complaint): await self.answer(id, complaint)
            case .leave(let attempt): await self.submit(id, "leave", [.word(id), .uint(UInt64(attempt))])
            case .advance: await self.submit(id, "advance", [.word(id)], gasLimit: 3_000_000)
            case .stop: break
            }
        }
    }

    /// A call whose refusal tells only that somebody was faster.
    func submit(
        _ id: U256, _ function: String, _ arguments: [ABI.Value], contract: Contract = .market, document: Bytes = [],
        gasLimit: UInt64? = nil
    ) async {
        do throws(LedgerError) {
            _ = try await ledger.send(contract, function, arguments, document: document, gasLimit: gasLimit)
            record(id, "sent \(function)")
        } catch { settings.log("job", ["job": .string(id.decimal), "what": .string("\(function): \(error)")]) }
    }
}

/// A job while it lives here.
struct ActiveJob: Sendable {
    let facts: JobFacts
    var lifecycle: JobLifecycle
    var plan: Plan?
    var attempt: Attempt?
    /// By position among the members: what each bound on chain.
    var joins: [Int: Join] = [:]
    var session: Hash32?
    var link: SeatChannel?
    var testimony = Testimony()
    var refusal: JobRefusal?
    /// Whom it reaches, and the rows as judged until they are dealt; by use.
    var cohorts: [Int: Cohort] = [:], rows: [Int: [[RawValue]]] = [:]
    var settlement: SessionRun.Settlement?
    var failure: SessionFailure?

    /// What this member brings to one attempt: keys and randomness are new in each.
    struct Attempt: Sendable {
        let number: UInt8
        let signer: SessionSigner
        let key: PrivateKey
        /// By use.
        let dealt: [Int: (commitment: Hash32, packages: [InputPackage])]
    }
}

/// `Joined` of one member.
struct Join: Sendable {
    let key: Address
    let commitments: [Hash32]
    let seat: Int?

    init(_ event: PlacedEvent) {
        key = event["key"].asAddress
        commitments = event["inputs"].asList.map { $0[0].asHash }
        seat = event["seat"].asInt == 0 ? nil : event["seat"].asInt - 1
    }
}
