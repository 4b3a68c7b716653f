import Ciphers
import Consensus
import Primitives

/// One run: nodes, clock, network and disks from one seed, Byzantine actors, faults aimed at the moments that hurt, and judges that
/// know nothing of the machine's inside.
///
/// The network is links of authenticated peers. A lost message is a reset link: both ends see it go and come back, what was under way
/// is gone. Messages of one link may overtake each other and come twice. A black hole swallows one direction until it heals.
package final class World {
    package enum Control: String, Sendable, CaseIterable { case none, forgetsLock, forgetsWatermark, weakQuorum }

    struct Event {
        enum Kind {
            case deliver(to: Int, from: Int, epoch: Int, Message)
            case status(to: Int, from: Int, epoch: Int, QBFT.PeerStatus)
            case timer(Int, life: Int, generation: Int, QBFT.Timer)
            indirect case built(Int, life: Int, BuildRequest)
            case validated(Int, life: Int, UnsealedBlock)
            indirect case decided(Int, life: Int, SealedBlock)
            case synced(Int, life: Int, from: Int, epoch: Int)
            case reconnect(Int, Int)
            case lost(Int, Int)
            case restart(Int)
            case submit
            case fault
            case calm
            case cut
            case noteRounds
            case powerLoss(Int, life: Int)
        }
        let time: UInt64
        let order: Int
        let kind: Kind
    }

    /// Many times what a run needs: beyond it something answers itself for ever.
    static let maximumEvents = 300_000

    package let seed: UInt64
    let scenario: Scenario
    var random: SeededGenerator
    var now: UInt64
    var ledger: Ledger
    var nodes: [Node] = []
    var indices: [Address: Int] = [:]
    let recovery: any SignatureRecovery
    private var queue: [Event] = []
    private var order = 0
    /// Count of resets of each link; odd: the link is down.
    private var epochs: [[Int]]
    /// Silent loss of one direction.
    private var blackHoles: [[Bool]]
    var judge: Judge
    var isCalm = false
    private var nextTransaction: UInt64 = 1
    private(set) var isCut = false
    private var hasCutPower = false
    private var notedRounds: [UInt32] = []
    package private(set) var highestRound: UInt32 = 0
    package private(set) var crashes = 0
    private var deliveries = 0
    /// Gets a line for each input of a node.
    package var trace: ((String) -> Void)?
    package var violations: [Violation] { judge.violations }

    package init(seed: UInt64, control: Control = .none) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        scenario = Scenario(&random, seed: seed, control: control)
        now = 1000 * Ledger.genesisTime + 5000
        let count = scenario.nodeCount, isReal = scenario.usesSecp256k1
        recovery = isReal ? Secp256k1Recovery() : SimulatedRecovery()
        var keys: [any ConsensusSigner] = (0..<count).map { World.key(seed << 8 &+ UInt64($0), isReal: isReal) }
        keys.sort { $0.address < $1.address }
        let founders = scenario.spare.map { spare in keys.indices.filter { $0 != spare } } ?? Array(keys.indices)
        ledger = Ledger(validators: founders.map { keys[$0].address }, weakQuorum: control == .weakQuorum)
        epochs = Array(repeating: Array(repeating: 0, count: count), count: count)
        blackHoles = Array(repeating: Array(repeating: false, count: count), count: count)
        judge = Judge(nodeCount: count)
        for (index, key) in keys.enumerated() {
            indices[key.address] = index
            nodes.append(Node(index: index, key: key, genesis: ledger.genesis, actor: scenario.actors[index], skew: scenario.skews[index]))
        }
    }
    private static func key(_ number: UInt64, isReal: Bool) -> any ConsensusSigner {
        if !isReal { return SimulatedKey(number) }
        do throws(SignatureError) { return try PrivateKey(keccak256(withUnsafeBytes(of: number) { Bytes($0) }).bytes) } catch {
            preconditionFailure("\(error)")
        }
    }

    func isHonest(_ index: Int) -> Bool { nodes[index].actor == nil }
    var honest: [Int] { nodes.indices.filter(isHonest) }

    // MARK: running

    /// Runs through the faults, then in calm until all honest nodes have decided two more blocks, or the bound is over.
    package func run() {
        for index in nodes.indices { start(index) }
        for a in nodes.indices { for b in nodes.indices where a < b { linkUp(a, b) } }
        schedule(0, .submit)
        if scenario.faultEvery > 0 { schedule(UInt64(scenario.faultEvery), .fault) }
        schedule(UInt64(scenario.faultMilliseconds), .calm)
        if scenario.halves {
            schedule(scenario.cutMilliseconds, .cut)
            schedule(scenario.notedMilliseconds, .noteRounds)
        }
        var target: UInt64?, deadline = UInt64.max, events = 0
        while let event = pop() {
            now = event.time
            events += 1
            if events > World.maximumEvents {
                judge.report(.runaway(events: events))
                break
            }
            if now > deadline {
                judge.report(.notLive(milliseconds: scenario.livenessBound(self), heights: nodes.map(\.head.number)))
                break
            }
            handle(event.kind)
            if isCalm, target == nil {
                target = nodes.map(\.head.number).max()! + 2
                deadline = now + scenario.livenessBound(self)
                judge.calmSince = now
            }
            if let target, honest.allSatisfy({ nodes[$0].machine != nil && nodes[$0].head.number >= target }) {
                judge.calmTook = now - judge.calmSince
                break
            }
            if scenario.control == .none ? judge.violations.count > 3 : judge.violations.contains(where: \.isFork) { break }
        }
        judge.finish(self)
    }

    func schedule(_ delay: UInt64, _ kind: Event.Kind) {
        order += 1
        queue.append(Event(time: now + delay, order: order, kind: kind))
        var child = queue.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            queue.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }
    private func isBefore(_ a: Int, _ b: Int) -> Bool { (queue[a].time, queue[a].order) < (queue[b].time, queue[b].order) }
    private func pop() -> Event? {
        guard let first = queue.first else { return nil }
        let last = queue.removeLast()
        if !queue.isEmpty {
            queue[0] = last
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2] where child < queue.count && isBefore(child, least) { least = child }
                if least == parent { break }
                queue.swapAt(parent, least)
                parent = least
            }
        }
        return first
    }

    private func handle(_ kind: Event.Kind) {
        switch kind {
        case .deliver(let to, let from, let epoch, let message):
            guard epochs[to][from] == epoch else { return }
            deliveries += 1
            if isHonest(from), let forge = nodes[to].forge(self), var actor = nodes[to].actor {
                let made = actor.incoming(message, forge, &random)
                nodes[to].actor = actor
                for message in made { for peer in nodes.indices where peer != to { transmit(message, from: to, to: peer, delay: 0) } }
            }
            feed(to, .message(message, from: nodes[from].key.address))
        case .status(let to, let from, let epoch, let status):
            if epochs[to][from] == epoch { feed(to, .peerStatus(nodes[from].key.address, status)) }
        case .timer(let index, let life, let generation, let timer):
            guard nodes[index].life == life, nodes[index].timers[timer] == generation else { return }
            nodes[index].timers[timer] = nil
            feed(index, .timer(timer))
        case .built(let index, let life, let request): if nodes[index].life == life { built(index, request) }
        case .validated(let index, let life, let block):
            if nodes[index].life == life { feed(index, .validated(block.hash, ledger.execute(block) == nil ? .invalid : .valid)) }
        case .decided(let index, let life, let block): if nodes[index].life == life { imported(index, block, decidedHere: true) }
        case .synced(let index, let life, let from, let epoch):
            nodes[index].isSyncing = false
            if nodes[index].life == life, epochs[index][from] == epoch { sync(index, from: from) }
        case .reconnect(let a, let b): linkUp(a, b)
        case .lost(let a, let b): resetLink(a, b, after: UInt64(random.within(5...800)))
        case .restart(let index): if nodes[index].machine == nil { start(index) }
        case .submit: submit()
        case .fault: scenario.fault(self)
        case .calm: calm()
        case .powerLoss(let index, let life): if nodes[index].life == life, !isCalm { crash(index, writing: nil) }
        case .cut: cut()
        case .noteRounds: notedRounds = nodes.map { $0.machine?.round ?? 0 }
        }
    }

    func feed(_ index: Int, _ input: QBFT.Input) {
        guard nodes[index].machine != nil else { return }
        let effects = nodes[index].machine!.on(input, now: clock(index))
        trace(index, input, effects)
        carryOut(index, effects)
    }
    private func clock(_ index: Int) -> UInt64 { UInt64(Int64(now) + nodes[index].skew) }

    // MARK: the driver

    private func carryOut(_ index: Int, _ effects: [QBFT.Effect]) {
        let life = nodes[index].life
        for effect in effects where nodes[index].life == life {
            if scenario.crashes(index, before: effect, self) { return crash(index, writing: effect) }
            switch effect {
            case .persist(let record): nodes[index].persist(record, scenario.usesCodec)
            case .broadcast(let message):
                judge.said(message, by: index, self)
                for peer in nodes.indices where peer != index && nodes[index].head.validators.contains(nodes[peer].key.address) {
                    send(message, from: index, to: peer)
                }
            case .send(let message, let to):
                judge.said(message, by: index, self)
                send(message, from: index, to: indices[to]!)
            case .startTimer(let timer, let milliseconds):
                nodes[index].timerGeneration += 1
                nodes[index].timers[timer] = nodes[index].timerGeneration
                schedule(milliseconds, .timer(index, life: life, generation: nodes[index].timerGeneration, timer))
            case .cancelTimer(let timer): nodes[index].timers[timer] = nil
            case .build(let request):
                if isHonest(index), request.allowsEmpty, !nodes[index].pool.isEmpty {
                    judge.report(.emptyDespitePool(node: index, height: request.head.number + 1))
                }
                schedule(UInt64(random.within(0...3)), .built(index, life: life, request))
            case .validate(let block): schedule(UInt64(random.within(0...3)), .validated(index, life: life, block))
            case .decide(let block, _): schedule(UInt64(random.within(0...3)), .decided(index, life: life, block))
            case .sync(let from, _): requestSync(index, from: indices[from]!)
            case .help(let peer, _): announceHead(of: index, to: indices[peer]!)
            case .misbehaved(let peer, let what):
                if isHonest(index), isHonest(indices[peer]!) { judge.report(.honestAccused(by: index, of: indices[peer]!, "\(what)")) }
            case .equivocation(let evidence):
                judge.equivocations += 1
                if let author = indices[evidence.author], isHonest(author), nodes[author].wipes == 0 {
                    judge.report(.honestEquivocation(author))
                }
            case .stop(let reason): if isHonest(index) { judge.report(.stopped(node: index, "\(reason)")) }
            }
            if scenario.crashes(index, after: effect, self) { return crash(index, writing: nil) }
        }
    }

    private func built(_ index: Int, _ request: BuildRequest) {
        let pool = nodes[index].pool.prefix(20)
        if pool.isEmpty, !request.allowsEmpty { return feed(index, .built(request, nil)) }
        feed(index, .built(request, ledger.build(request, Array(pool))))
    }

    /// One durable batch: block, watermark of the next height, lock cleared; then published.
    private func imported(_ index: Int, _ block: SealedBlock, decidedHere: Bool) {
        guard block.header.parentHash == nodes[index].head.hash else { return }
        guard let state = ledger.execute(block.unsealed) else { return judge.report(.stopped(node: index, "decided an invalid block")) }
        if decidedHere, scenario.crashes(index, before: .decide(block, participants: []), self) { return crash(index, writing: nil) }
        nodes[index].store(block, state)
        if isHonest(index) { highestRound = max(highestRound, block.round) }
        judge.decided(block, by: index, self)
        feed(index, .imported(state.head, transactionsWaiting: !nodes[index].pool.isEmpty))
        for peer in nodes.indices where peer != index { announceHead(of: index, to: peer) }
        if decidedHere { scenario.onDecision(index, self) }
    }

    private func announceHead(of index: Int, to peer: Int) {
        guard isUp(index, peer), !blackHoles[index][peer] else { return }
        schedule(latency(), .status(to: peer, from: index, epoch: epochs[peer][index], nodes[index].status))
    }
    private func requestSync(_ index: Int, from peer: Int) {
        guard !nodes[index].isSyncing, isUp(index, peer) else { return }
        nodes[index].isSyncing = true
        schedule(2 * latency(), .synced(index, life: nodes[index].life, from: peer, epoch: epochs[index][peer]))
    }
    private func sync(_ index: Int, from peer: Int) {
        guard nodes[peer].machine != nil, !blackHoles[peer][index] else { return }
        for block in nodes[peer].chain.dropFirst(Int(nodes[index].head.number)).prefix(64) {
            guard nodes[index].machine != nil, let checked = verified(nodes[peer].serving(block, self), on: nodes[index].head) else {
                return
            }
            imported(index, checked, decidedHere: false)
        }
    }
    /// What sync accepts: canonical seals of the list that the own head names.
    private func verified(_ block: Block, on head: Head) -> SealedBlock? {
        guard let extra = try? ExtraData(decoding: block.header.extraData), extra.validators == head.validators.addresses,
            let sealed = try? SealedHeader(block.header, extra, by: head.validators, recovery)
        else { return nil }
        return SealedBlock(sealed, body: block.transactions)
    }

    // MARK: nodes

    private func start(_ index: Int) {
        let peers = nodes.indices.filter { $0 != index && epochs[index][$0] % 2 == 0 && nodes[$0].machine != nil }
        // A store without memory syncs first, and writes no watermark while it does.
        if nodes[index].watermark == nil { for peer in peers { catchUp(index, from: peer) } }
        nodes[index].boot(self)
        feed(index, .start(transactionsWaiting: !nodes[index].pool.isEmpty))
    }
    private func catchUp(_ index: Int, from peer: Int) {
        for block in nodes[peer].chain.dropFirst(Int(nodes[index].head.number)) {
            guard let checked = verified(nodes[peer].serving(block, self), on: nodes[index].head),
                let state = ledger.execute(checked.unsealed)
            else { return }
            nodes[index].store(checked, state)
        }
    }
    func crash(_ index: Int, writing effect: QBFT.Effect?) {
        // A torn write: the record is there entirely or, by its checksum, not at all.
        if case .persist(let record) = effect, random.chance(50) { nodes[index].persist(record, scenario.usesCodec) }
        nodes[index].crash()
        crashes += 1
        for peer in nodes.indices where peer != index { linkDown(index, peer) }
        if !isCalm { schedule(UInt64(scenario.restartDelay(&random)), .restart(index)) } else { schedule(50, .restart(index)) }
        for peer in nodes.indices where peer != index { schedule(UInt64(scenario.restartDelay(&random)) + 20, .reconnect(index, peer)) }
    }
    func stopCleanly(_ index: Int) {
        guard let machine = nodes[index].machine, !machine.isDeciding else { return }
        if let mark = machine.cleanStop() { nodes[index].persist(.watermark(mark), scenario.usesCodec) }
        crash(index, writing: nil)
    }

    // MARK: network

    func isUp(_ a: Int, _ b: Int) -> Bool {
        epochs[a][b] % 2 == 0 && nodes[a].machine != nil && nodes[b].machine != nil && nodes[a].linked.contains(b)
    }
    private func linkUp(_ a: Int, _ b: Int) {
        guard nodes[a].machine != nil, nodes[b].machine != nil else { return schedule(100, .reconnect(a, b)) }
        if scenario.isCut(a, b, self) { return schedule(100, .reconnect(a, b)) }
        guard !nodes[a].linked.contains(b) else { return }
        if epochs[a][b] % 2 == 1 { (epochs[a][b], epochs[b][a]) = (epochs[a][b] + 1, epochs[b][a] + 1) }
        (blackHoles[a][b], blackHoles[b][a]) = (false, false)
        nodes[a].linked.insert(b)
        nodes[b].linked.insert(a)
        let (statusA, statusB) = (nodes[a].status, nodes[b].status)
        feed(a, .linkUp(nodes[b].key.address, statusB, roundTripMilliseconds: 10))
        feed(b, .linkUp(nodes[a].key.address, statusA, roundTripMilliseconds: 10))
    }
    func linkDown(_ a: Int, _ b: Int) {
        guard nodes[a].linked.contains(b) || nodes[b].linked.contains(a) else { return }
        nodes[a].linked.remove(b)
        nodes[b].linked.remove(a)
        if epochs[a][b] % 2 == 0 { (epochs[a][b], epochs[b][a]) = (epochs[a][b] + 1, epochs[b][a] + 1) }
        feed(a, .linkDown(nodes[b].key.address))
        feed(b, .linkDown(nodes[a].key.address))
    }
    func resetLink(_ a: Int, _ b: Int, after delay: UInt64) {
        linkDown(a, b)
        schedule(delay, .reconnect(a, b))
    }
    func openBlackHole(_ a: Int, _ b: Int) { blackHoles[a][b] = true }

    private func latency() -> UInt64 { UInt64(isCalm ? random.within(1...15) : scenario.latency(&random)) }

    private func send(_ message: Message, from: Int, to: Int) {
        guard let forge = nodes[from].forge(self), var actor = nodes[from].actor else {
            return transmit(message, from: from, to: to, delay: 0)
        }
        let made = actor.outgoing(message, to: to, epoch: epochs[from][to] / 2, forge)
        nodes[from].actor = actor
        for (message, delay) in made { transmit(message, from: from, to: to, delay: delay) }
    }
    private func transmit(_ message: Message, from: Int, to: Int, delay: UInt64) {
        guard isUp(from, to), !blackHoles[from][to] else { return }
        if !isCalm, scenario.losesMessage(&random) { return schedule(0, .lost(from, to)) }
        var message = message
        if scenario.usesCodec {
            do throws(MessageError) { message = try Message(code: message.code.rawValue, message.encoded) } catch {
                if isHonest(from) { judge.report(.codec("\(error)")) }
                return
            }
        }
        schedule(delay + latency(), .deliver(to: to, from: from, epoch: epochs[to][from], message))
        if !isCalm, scenario.duplicates, random.chance(10) {
            schedule(delay + 3 * latency(), .deliver(to: to, from: from, epoch: epochs[to][from], message))
        }
    }

    // MARK: life outside

    private func submit() {
        var transaction = Ledger.transaction(nextTransaction)
        if let spare = scenario.spare, nextTransaction == 2 { transaction = Ledger.adding(nodes[spare].key.address, 2) }
        if let leaver = scenario.leaver, nextTransaction == 4 { transaction = Ledger.removing(nodes[leaver].key.address, 4) }
        nextTransaction += 1
        for index in nodes.indices where isCalm || random.chance(85) { offer(transaction, to: index) }
        schedule(UInt64(isCalm ? 300 : random.within(1...scenario.transactionEvery)), .submit)
    }
    private func offer(_ transaction: UnverifiedTransaction, to index: Int) {
        guard !nodes[index].included.contains(transaction.payload.nonce) else { return }
        nodes[index].pool.append(transaction)
        if nodes[index].pool.count == 1 { feed(index, .transactionsWaiting(true)) }
    }

    private func cut() {
        isCut = true
        for a in nodes.indices {
            for b in nodes.indices where a < b && scenario.isCut(a, b, self) { resetLink(a, b, after: 100) }
        }
    }
    private func calm() {
        for (index, before) in notedRounds.enumerated() where isHonest(index) && !scenario.hasQuorumInAPart {
            let round = nodes[index].machine?.round ?? 0
            if round > before { judge.report(.roundsGrew(node: index, from: before, to: round)) }
        }
        isCalm = true
        trace?("calm \(scenario)")
        let liars = nodes.count - honest.count, amnesiacs = honest.count { nodes[$0].watermark == nil }
        let bound = liars > 0 ? scenario.maximumFaulty - liars : ledger.genesis.head.validators.quorum - 1
        if amnesiacs > bound, nodes.contains(where: { $0.head.number > 0 }) { judge.report(.unfair(liars: liars, amnesiacs: amnesiacs)) }
        for index in nodes.indices {
            nodes[index].skew = isHonest(index) ? nodes[index].skew % 800 : nodes[index].skew
            if nodes[index].machine == nil { start(index) }
        }
        for a in nodes.indices {
            for b in nodes.indices where a < b {
                if blackHoles[a][b] || blackHoles[b][a] { linkDown(a, b) }
                linkUp(a, b)
            }
        }
    }

    /// All nodes lose power in one moment; `survivor` keeps running but is alone for a while.
    func cutPower(except survivor: Int?) {
        for index in nodes.indices where index != survivor && nodes[index].machine != nil { crash(index, writing: nil) }
        if let survivor { scenario.isolate(survivor, self) }
    }
    /// Once a run.
    func takeFirstPowerCut() -> Bool {
        defer { hasCutPower = true }
        return !hasCutPower
    }
    package var summary: Summary {
        Summary(
            heights: honest.map { nodes[$0].head.number }.max() ?? 0, highestRound: highestRound, crashes: crashes,
            equivocations: judge.equivocations,
            wipes: nodes.reduce(0) { $0 + $1.wipes }, liars: nodes.count - honest.count, deliveries: deliveries,
            calmMilliseconds: judge.calmTook, failed: !violations.isEmpty)
    }
    package struct Summary: Sendable {
        package let heights: UInt64, highestRound: UInt32, crashes: Int, equivocations: Int, wipes: Int, liars: Int, deliveries: Int
        /// Two heights after healing.
        package let calmMilliseconds: UInt64?, failed: Bool
    }
}
