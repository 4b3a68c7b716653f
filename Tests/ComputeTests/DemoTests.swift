import Ciphers
import Compute
import MPC
import Primitives
import Testing

private func demo() throws -> (Fixture, Plan)? {
    guard let fixture = Fixture.shared else { return nil }
    return (fixture, try Query.compile(fixture.queries.first { $0.name == "main_job" }!.sql, in: fixture.scope(smallestGroup: 5)))
}
private let counts = [58, 123, 109, 72, 59], bands = [0, 80, 90, 100, 110]

/// All four parties over memory; the answer as the reader decodes it, or the first failure.
func runR4(_ plan: Plan, _ handed: [Column]) async throws -> (Result<Answer, ExecutionError>, Traffic, Int) {
    let world = World(seed: 3)
    let shares = handed.enumerated().map {
        world.share($0.element, count: plan.uses[$0.offset].layout.rows, in: Z2.self, label: UInt64($0.offset))
    }
    let outcomes = await world.run { session throws(SessionError) -> Result<Words, ExecutionError> in
        do throws(ExecutionError) { return .success(try await plan.execute(shares.map { $0[session.party] }, on: session)) } catch {
            return .failure(error)
        }
    }
    let results = try outcomes.map { try $0.result.get() }
    let bits = outcomes.reduce(0) { $0 + $1.session.traffic.payloadBits }
    var words: [Words] = []
    for result in results {
        switch result {
        case .success(let share): words.append(share)
        case .failure(let error): return (.failure(error), outcomes[0].session.traffic, bits)
        }
    }
    return (.success(plan.decode(world.reveal(words))), outcomes[0].session.traffic, bits)
}

@Test func theJointQuestionIsAnsweredByFourPartiesAtTheDeclaredCost() async throws {
    guard let (fixture, plan) = try demo() else { return }
    let clock = ContinuousClock(), start = clock.now
    let handed = try fixture.handIn(plan).map { $0.table[0] }, placed = clock.now
    let (result, traffic, bits) = try await runR4(plan, handed)
    print(
        "joint question: \(placed - start) at owners, \(clock.now - placed) in shares with all four parties in one process; \(traffic.rounds) rounds, \(bits / 8) payload bytes, \(plan.inputBits / 4) handed in"
    )
    let answer = try result.get()
    #expect(answer.rows.map { $0[0] } == bands.map { .number(Number($0)) })
    #expect(answer.rows.map { $0[1] } == counts.map { .number(Number($0)) })
    #expect(answer.rows[0][2].printed == "108.8965517241379310")
    #expect(answer.rows[0][3].printed == "85.7586206896551724")
    #expect(answer.notice == "2 groups hidden: smallest group 5 (north.patients, south.patients, laboratory.blood, insurer.progress)")
    #expect(traffic.rounds + 1 == plan.cost.rounds)
    // Public constants have one component, so a few comparisons send less than declared; never more.
    #expect(bits <= plan.cost.bits && Double(bits) > 0.98 * Double(plan.cost.bits))
}

/// reference/private-sql.md §7.1: A 2,862,224, P 17,304, R 53. Ours: the diagonal of 7 × 7 is public (49 ANDs fewer), and the number of
/// hidden groups takes one product more.
@Test func theJointQuestionCostsWhatThePageSays() throws {
    guard let (_, plan) = try demo() else { return }
    #expect(plan.cost.ands == 2_862_224 - 49)
    #expect(plan.cost.products == 17_304 + 1)
    #expect(plan.cost.rounds == 53)
    #expect(
        plan.uses.map(\.role) == [
            .spread(bins: 885, per: 15), .spread(bins: 885, per: 15), .anchor(bins: 885), .spread(bins: 885, per: 19),
        ])
    print(plan.explain(fees: [.init(payee: "north", what: "use of north.patients", amount: "3.00")]))
    print("plan.cost: \(plan.cost)")
}

@Test func whatRunsDoesNotDependOnTheData() async throws {
    guard let (fixture, plan) = try demo() else { return }
    let first = MeteredMachine(), second = MeteredMachine()
    _ = try await runInClear(plan, fixture, on: first)
    var other = fixture
    for name in ["north.patients", "south.patients", "laboratory.blood", "insurer.progress"] {
        let rows = other.tables[name]!.raw[0].count
        other.tables[name]!.raw = other.tables[name]!.raw.map { Array($0.shuffled(using: &random).prefix(rows / 3)) }
    }
    let answer = try await runInClear(plan, other, on: second)
    #expect(answer.hiddenGroups > 0 || answer.rows.count < 5)
    #expect(first.trace == second.trace)
    #expect(first.trace.count > 50)
}
nonisolated(unsafe) private var random = SplitMix(state: 4)  // used by one test only

@Test func anAnchorThatPlacesAKeyTwiceIsFoundBeforeAnythingIsSealed() async throws {
    guard let (fixture, plan) = try demo() else { return }
    var handed = try fixture.handIn(plan).map { $0.table[0] }
    // The laboratory copies a live bin over a dead one: its patient would count twice.
    let use = plan.uses.firstIndex { $0.schema.member == "laboratory" }!, block = plan.uses[use].blocks[0]
    func bit(_ plane: Int, _ row: Int) -> Int { plane * block.count + row }
    func get(_ at: Int) -> UInt64 { handed[use][at / 64] >> UInt64(at % 64) & 1 }
    let live = (0..<block.count).first { get(bit(0, $0)) == 0 }!, dead = (0..<block.count).first { get(bit(0, $0)) == 1 }!
    for plane in 0..<block.planes where get(bit(plane, live)) != get(bit(plane, dead)) {
        handed[use][bit(plane, dead) / 64] ^= 1 << UInt64(bit(plane, dead) % 64)
    }
    let (result, _, _) = try await runR4(plan, handed)
    #expect(throws: ExecutionError.proof(use: use, member: "laboratory")) { try result.get() }
}

@Test func aValueOutsideTheListingNeverLeavesItsOwner() throws {
    guard let (demo, plan) = try demo() else { return }
    let use = plan.uses.firstIndex { $0.schema.member == "insurer" }!
    var fixture = demo
    #expect(throws: LocalEvaluator.LocalError.outside(table: "progress", row: 17, column: "target", value: "9999", bounds: "25…346")) {
        fixture.tables["insurer.progress"]!.raw[1][16] = .text("9999")
        _ = try fixture.handIn(plan)
    }
    #expect(plan.uses[use].columns == ["id", "target"])
}
