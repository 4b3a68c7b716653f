import Consensus
import Primitives

/// What one seed stages: how many nodes, which of them lie and how, which faults strike and when.
struct Scenario {
    let control: World.Control
    let nodeCount: Int
    /// Validates only after transaction 2.
    let spare: Int?
    /// Validates until transaction 4.
    let leaver: Int?
    /// f of the smallest list of validators that the run sees.
    let maximumFaulty: Int
    let actors: [(any ByzantineActor)?]
    let skews: [Int64]
    let usesSecp256k1: Bool
    let usesCodec: Bool
    let faultMilliseconds: Int
    /// Mean distance of drawn faults; 0: none.
    let faultEvery: Int
    let transactionEvery: Int
    let lossPerMille: Int
    let longDelayPerMille: Int
    let duplicates: Bool
    /// Per mille, at each write and message.
    let crashPerMille: Int
    /// May lose their disks at a crash.
    let wipable: [Int]
    /// Wipes f+1 at once, in one moment.
    let wipesMajority: Bool
    let cutsPower: Bool
    /// After a good start the nodes are in two parts, most often none with a quorum.
    let halves: Bool

    static let tolerance: Int64 = 2000

    init(_ random: inout SeededGenerator, seed: UInt64, control: World.Control) {
        self.control = control
        let sizes = [4, 4, 4, 4, 4, 4, 4, 4, 4, 7, 7, 5, 6, 6, 3, 2, 1, 10]
        let n = control == .weakQuorum ? 6 : control == .none ? random.pick(sizes) : 4
        let changes = control == .none && n >= 4 && random.chance(15)
        spare = changes && random.chance(60) ? random.below(n + 1) : nil
        nodeCount = spare == nil ? n : n + 1
        leaver = changes && n >= 5 && spare == nil ? random.below(n) : nil
        let f = ((leaver == nil ? n : n - 1) - 1) / 3
        maximumFaulty = f
        usesSecp256k1 = control == .none && seed % 100 == 7
        usesCodec = usesSecp256k1 || (control == .none && seed % 8 == 3)
        wipesMajority = control == .none && n >= 4 && !changes && random.chance(6)
        halves = control == .none && n >= 2 && !wipesMajority && !changes && random.chance(5) || control == .weakQuorum
        var faulty = f == 0 || wipesMajority || control == .weakQuorum ? 0 : random.chance(75) ? random.within(1...f) : 0
        // A newcomer's empty store counts as amnesiac until a height was decided without it.
        let newcomers = spare == nil ? 0 : 1
        faulty = min(faulty, max(0, f - newcomers))
        if control == .forgetsWatermark { faulty = 1 }
        var order = Array(0..<nodeCount)
        order.shuffle(using: &random)
        let movers = [spare, leaver]
        order.removeAll { movers.contains($0) }
        var actors = [(any ByzantineActor)?](repeating: nil, count: nodeCount)
        for index in order.prefix(faulty) { actors[index] = control == .forgetsWatermark ? Equivocator() : Scenario.actor(&random) }
        self.actors = actors
        // At most f in all are amnesiac, far off in time, or Byzantine.
        var spareFaults = Array(order.dropFirst(faulty).prefix(max(0, f - faulty - newcomers)))
        let strange = random.chance(40) && !spareFaults.isEmpty ? [spareFaults.removeLast()] : []
        skews = (0..<nodeCount).map { index in
            strange.contains(index) ? Int64(random.within(-10_000...10_000)) : Int64(random.within(-800...800))
        }
        wipable = control == .none && random.chance(50) ? spareFaults : wipesMajority ? Array(order.prefix(f + 1)) : []
        faultMilliseconds = halves ? 30_000 : random.within(1500...6000)
        let calmNetwork = control == .weakQuorum
        faultEvery = calmNetwork ? 0 : random.pick([0, 200, 500, 1200])
        transactionEvery = random.pick([300, 600, 1200])
        lossPerMille = calmNetwork ? 0 : random.pick([0, 0, 2, 10, 30])
        longDelayPerMille = random.pick([0, 0, 10, 50])
        duplicates = random.chance(30)
        crashPerMille = control == .forgetsWatermark ? 0 : calmNetwork || halves ? 0 : random.pick([0, 0, 1, 4, 15])
        cutsPower = control == .forgetsLock || (control == .none && !halves && random.chance(25))
    }

    private static func actor(_ random: inout SeededGenerator) -> any ByzantineActor {
        switch random.below(18) {
        case 0, 1: Equivocator()
        case 2: DoubleVoter()
        case 3: SilentProposer()
        case 4: SlowProposer()
        case 5: SelectiveSender(chosen: random.below(2))
        case 6: LockForgetter()
        case 7: CertificateForger()
        case 8: RoundRacer()
        case 9: SealForger()
        case 10: SealStuffer()
        case 11: StaleValidator()
        case 12: Replayer()
        case 13: ClockLiar()
        case 14: EmptySpammer()
        case 15: Censor()
        case 16: Flooder()
        default: Impersonator()
        }
    }

    func latency(_ random: inout SeededGenerator) -> Int {
        longDelayPerMille > 0 && random.below(1000) < longDelayPerMille ? random.within(100...2500) : random.within(1...15)
    }
    func losesMessage(_ random: inout SeededGenerator) -> Bool { lossPerMille > 0 && random.below(1000) < lossPerMille }
    func restartDelay(_ random: inout SeededGenerator) -> Int {
        control == .forgetsWatermark ? 2 : random.pick([2, 20, 200, 1000, 3000])
    }

    // MARK: faults

    /// Crash at a write or message: before it (a write may be torn), or right after.
    func crashes(_ index: Int, before effect: QBFT.Effect, _ world: World) -> Bool { strikes(index, effect, world) }
    func crashes(_ index: Int, after effect: QBFT.Effect, _ world: World) -> Bool {
        // Where a lost watermark would hurt: the vote has reached others, our memory of it dies.
        if case .broadcast(.commit) = effect, !world.isCalm, world.isHonest(index), !halves,
            world.random.chance(control == .forgetsWatermark ? 40 : crashPerMille > 0 ? 5 : 0)
        {
            world.schedule(UInt64(world.random.within(2...16)), .powerLoss(index, life: world.nodes[index].life))
        }
        return strikes(index, effect, world)
    }
    private func strikes(_ index: Int, _ effect: QBFT.Effect, _ world: World) -> Bool {
        guard crashPerMille > 0, !world.isCalm, world.isHonest(index) else { return false }
        switch effect {
        case .persist, .broadcast, .decide: return world.random.below(1000) < crashPerMille && mayForget(index, world)
        default: return false
        }
    }
    /// A crash before the first record of all leaves a store like a new one: the node comes back amnesiac, and beside liars or wiped
    /// disks it might be one too many. Elsewhere everyone's status is true, and fewer than q without memory get it back.
    private func mayForget(_ index: Int, _ world: World) -> Bool {
        let node = world.nodes[index]
        return node.watermark != nil || node.wipes > 0 || index == spare || (world.honest.count == nodeCount && !wipesMajority)
    }

    func fault(_ world: World) {
        guard !world.isCalm else { return }
        let a = world.random.below(nodeCount), b = world.random.below(nodeCount)
        switch world.random.below(6) {
        case 0, 1: if a != b { world.resetLink(a, b, after: UInt64(world.random.within(10...2000))) }
        case 2: if a != b, !halves { world.openBlackHole(a, b) }
        case 3: if world.isHonest(a), !halves { world.random.chance(50) ? world.stopCleanly(a) : world.crash(a, writing: nil) }
        case 4:
            for b in world.nodes.indices where b != a && !halves { world.resetLink(a, b, after: UInt64(world.random.within(10...2000))) }
        default: wipe(world)
        }
        world.schedule(UInt64(1 + world.random.below(2 * faultEvery)), .fault)
    }

    private func wipe(_ world: World) {
        guard !wipable.isEmpty, wipable.allSatisfy({ world.nodes[$0].wipes == 0 }) else { return }
        for index in wipable {
            if world.nodes[index].machine != nil { world.crash(index, writing: nil) }
            world.nodes[index].wipe()
            world.judge.forget(index)
        }
    }

    /// The first decision of a height somewhere: the moment at which lost locks would hurt.
    func onDecision(_ index: Int, _ world: World) {
        if control == .forgetsWatermark, !world.isCalm, world.random.chance(50) { return isolate(index, world) }
        guard cutsPower, !world.isCalm, world.random.chance(control == .none ? 20 : 60), world.takeFirstPowerCut() else { return }
        world.cutPower(except: world.random.chance(60) || control != .none ? index : nil)
    }
    func isolate(_ index: Int, _ world: World) {
        for peer in world.nodes.indices where peer != index {
            world.linkDown(index, peer)
            world.schedule(UInt64(faultMilliseconds), .reconnect(index, peer))
        }
    }
    /// Links between the two parts: down from the cut until calm.
    func isCut(_ a: Int, _ b: Int, _ world: World) -> Bool {
        world.isCut && !world.isCalm && (a < nodeCount / 2) != (b < nodeCount / 2)
    }
    var cutMilliseconds: UInt64 { 2000 }
    /// Well after the cut: a round that q were known in may still end.
    var notedMilliseconds: UInt64 { 15_000 }

    /// The larger part would go on deciding.
    var hasQuorumInAPart: Bool { nodeCount - nodeCount / 2 >= (2 * nodeCount + 2) / 3 }

    /// Two heights after all faults ended: the lowest round must climb to the highest, then f+2 turns each, and repeats of ROUND-CHANGE
    /// and reconnections in between.
    func livenessBound(_ world: World) -> UInt64 {
        let rounds = world.honest.compactMap { world.nodes[$0].machine?.round }
        let f = UInt64(maximumFaulty), high = UInt64(min(rounds.max() ?? 0, 64))
        let slowest = world.nodes.compactMap { $0.machine?.timeout(UInt32(high)) }.max() ?? 1000
        return 2 * ((f + 2) * min(2 * slowest, 8000) + 5_000 + 1_000) + high * slowest
    }
}
