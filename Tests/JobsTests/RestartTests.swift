import Ciphers
import Contracts
import Jobs
import Primitives
import Testing

// Law L23 of job-protocol.md §11: for every member state and restart point, never two claims for one slot, no release outside H4.
// Four machines over a small model of the Market; members crash between any two effects and come back with an empty memory, reading
// the chain from its start. Seeded; the checks are made by whoever sees all signatures, as the Referee would.

private struct Chain {
    enum State { case seating, running, failing, settled, refunded }
    struct Event { let text: JobLifecycle.Input, member: Int? }
    var state = State.seating, now: UInt64 = 0, until: UInt64 = 100
    let deadline: UInt64 = 200
    var keys = [Address?](repeating: nil, count: 4), events: [Event] = [], charged = [0, 0, 0, 0]

    mutating func say(_ input: JobLifecycle.Input, member: Int? = nil) { events.append(Event(text: input, member: member)) }
    mutating func join(_ member: Int, _ key: Address) -> Bool {
        guard state == .seating, keys[member] == nil, now < until else { return false }
        keys[member] = key
        say(.bound(attempt: 1, key: key), member: member)
        if keys.allSatisfy({ $0 != nil }) {
            state = .running
            say(.ready(attempt: 1, session: keccak256(keys.flatMap { $0!.bytes })))
        }
        return true
    }
    mutating func leave(_ member: Int) {
        guard state == .running else { return }
        charged[member] += 1
        (state, until) = (.failing, now + 10)
        say(.attemptEnded(next: .failing, attempt: 2, until: until))
    }
    mutating func settle() {
        if state == .running && now < deadline || state == .failing && now < min(until, deadline) { state = .settled; say(.settled) }
    }
    mutating func advance() {
        if state == .seating && now >= until || state == .running && now >= deadline || state == .failing && now >= min(until, deadline) {
            state = .refunded; say(.refunded)
        }
    }
}

private struct Process {
    var machine: JobLifecycle, todo: [JobLifecycle.Effect], read = 0
    var key: Address?, step = 0
}

private struct World {
    enum Bug { case none, resumesWithAKeyOnDisk, releasesAfterTheAttemptEnded }
    var random: Random, chain = Chain(), members: [Process?] = [nil, nil, nil, nil]
    /// All that was ever signed: by key and slot, each content.
    var signed: [String: Set<String>] = [:], broken: [String] = [], restarts = 0, disk = [Address?](repeating: nil, count: 4)
    var attested: Set<Int> = []
    let bug: Bug

    init(seed: UInt64, bug: Bug) { (random, self.bug) = (Random(seed: seed), bug) }

    mutating func start(_ m: Int) {
        let (machine, effects) = JobLifecycle.open(job: 1, until: chain.until, deadline: chain.deadline, patience: UInt64(m))
        members[m] = Process(machine: machine, todo: effects)
    }
    mutating func feed(_ m: Int, _ input: JobLifecycle.Input) { members[m]!.todo += members[m]!.machine.on(input) }

    /// One thing happens: a member reads an event, carries out an effect, takes a step of its session, crashes; or time passes.
    mutating func step() {
        let m = random.below(4)
        guard members[m] != nil else {
            restarts += 1
            return start(m)
        }
        switch random.below(12) {
        case 0: if random.below(4) == 0 { members[m] = nil }  // nothing of it is left but what it sent
        case 1: if random.below(2) == 0 { tick() }
        case 2...5:
            guard members[m]!.read < chain.events.count else { return }
            let event = chain.events[members[m]!.read]
            members[m]!.read += 1
            guard event.member == nil || event.member == m else { return }
            if bug == .resumesWithAKeyOnDisk, case .bound(let attempt, let key) = event.text, disk[m] == key {
                // The bug: what was on disk passes for this process's own.
                for input in [JobLifecycle.Input.accepted(silence: 4), .prepared(key: key), .bound(attempt: attempt, key: key), .joined] {
                    feed(m, input)
                }
                (members[m]!.key, members[m]!.todo) = (key, [])
            } else {
                feed(m, event.text)
            }
        default: perform(m)
        }
    }
    mutating func tick() {
        chain.now += 1
        for m in 0..<4 where members[m] != nil { feed(m, .moment(chain.now)) }
    }
    /// A session is three claims and a release, with the values of this process's own run.
    mutating func perform(_ m: Int) {
        guard !members[m]!.todo.isEmpty else { return session(m) }
        switch members[m]!.todo.removeFirst() {
        case .evaluate: feed(m, .accepted(silence: 4))
        case .prepare:
            let key = Address(last20: keccak256(Bytes("\(m) \(random.below(1 << 30))".utf8)))
            members[m]!.key = key
            disk[m] = disk[m] ?? key
            feed(m, .prepared(key: key))
        case .join: feed(m, chain.join(m, members[m]!.key!) ? .joined : .failed)
        case .compute: members[m]!.step = 1
        case .leave: chain.leave(m)
        case .settle: chain.settle()
        case .advance: chain.advance()
        case .decline, .stop, .accuse, .complain, .answer: break
        }
    }
    mutating func session(_ m: Int) {
        guard members[m]!.machine.phase == .computing, members[m]!.step > 0 else { return }
        switch members[m]!.step {
        case 1...3:
            sign(m, "\(members[m]!.step)", "\(random.below(1 << 30))")
            if members[m]!.step == 3 { attested.insert(m) }
        case 4:
            guard attested.count == 4 else { return }
            let words = (isRunning: chain.state == .running, isEarly: chain.now + 2 < chain.deadline)
            if words.isRunning && words.isEarly || bug == .releasesAfterTheAttemptEnded {
                if !(words.isRunning && words.isEarly) { broken.append("a box left outside H4") }
            }
            feed(m, .computed)
        default: return
        }
        members[m]!.step += 1
    }
    mutating func sign(_ m: Int, _ slot: String, _ content: String) {
        guard let key = members[m]!.key else { return broken.append("signed without a key") }
        if chain.keys[m] != key { broken.append("signed with a key that is not bound") }
        signed["\(key) \(slot)", default: []].insert(content)
        if signed["\(key) \(slot)"]!.count > 1 { broken.append("two claims for one slot") }
    }
    mutating func run() {
        for m in 0..<4 { start(m) }
        for _ in 0..<400 { step() }
        // From here on all are up: whatever happened, the job ends.
        for m in 0..<4 where members[m] == nil { start(m) }
        for _ in 0..<400 where chain.state != .settled && chain.state != .refunded {
            tick()
            for m in 0..<4 {
                while members[m]!.read < chain.events.count {
                    let event = chain.events[members[m]!.read]
                    members[m]!.read += 1
                    if event.member == nil || event.member == m { feed(m, event.text) }
                }
                while !members[m]!.todo.isEmpty { perform(m) }
                perform(m)
            }
        }
        if chain.state != .settled && chain.state != .refunded { broken.append("the job did not end") }
        if chain.charged.contains(where: { $0 > 1 }) { broken.append("charged twice") }
    }
}

private func survey(_ bug: World.Bug, seeds: Range<UInt64>) -> (broken: [String: UInt64], restarts: Int, settled: Int, left: Int) {
    var broken: [String: UInt64] = [:], restarts = 0, settled = 0, left = 0
    for seed in seeds {
        var world = World(seed: seed, bug: bug)
        world.run()
        for what in world.broken { broken[what] = broken[what] ?? seed }
        restarts += world.restarts
        settled += world.chain.state == .settled ? 1 : 0
        left += world.chain.charged.reduce(0, +)
    }
    return (broken, restarts, settled, left)
}

@Test func L23_noRestartPointMakesASlotSignedTwiceOrABoxLeaveTooLate() {
    let (broken, restarts, settled, left) = survey(.none, seeds: 0..<3_000)
    #expect(broken == [:], "what broke, and the seed")
    #expect(restarts > 1_000 && settled > 100 && left > 100, "\(restarts) restarts, \(settled) settled, \(left) left")
}
@Test func L23_seededBug_aKeyOnDiskResumesItsSession() {
    #expect(survey(.resumesWithAKeyOnDisk, seeds: 0..<3_000).broken["two claims for one slot"] != nil)
}
@Test func L23_seededBug_aBoxLeavesAfterTheAttemptEnded() {
    #expect(survey(.releasesAfterTheAttemptEnded, seeds: 0..<3_000).broken["a box left outside H4"] != nil)
}

/// H4, case by case.
@Test func H4_aBoxLeavesOnlyInARunningAttemptWithTimeForTwoTransactions() {
    func words(_ state: JobState, attempt: UInt64) -> JobWords {
        JobWords(.tuple([.word(U256(attempt).shiftedLeft(168) | U256(state.rawValue).shiftedLeft(160)), 0, 0, 0]))
    }
    for state in [JobState.drawing, .seating, .running, .failing, .settled, .refunded] {
        for attempt in 1...2 as ClosedRange<UInt64> {
            for now in [0, 178, 179, 180, 181, 200] as [UInt64] {
                let may = words(state, attempt: attempt).mayRelease(attempt: 1, now: now, inclusion: 10, deadline: 200)
                #expect(may == (state == .running && attempt == 1 && now < 180))
            }
        }
    }
}
