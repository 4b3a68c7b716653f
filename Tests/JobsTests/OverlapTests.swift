import Ciphers
import Compute
import Contracts
import Jobs
import Primitives
import Testing

// Overlap as the owner judges it before it joins (private-sql.md §8.4, rule 2), and the time that must be left (H8).

private func cohort(_ subjects: some Sequence<Int>, group: (Int) -> String = { _ in "" }) -> Cohort {
    Cohort(subjects.map { .init(subject: "\($0)", group: group($0)) }, secret: [7])
}
private func isRefused(_ new: Cohort, _ earlier: Cohort, pooled: Bool = true) -> Bool {
    new.isTooClose(to: earlier, smallestGroup: 5, isPooled: pooled)
}

@Test func populationsMayBeEqualOrDifferByTheSmallestGroupButNotByLess() {
    let answered = cohort(0..<100)
    for n in 0...8 {
        for new in [cohort(0..<100 + n), cohort(0..<100 - n), cohort(n..<100)] {
            #expect(isRefused(new, answered) == (1..<5).contains(n), "\(n)")
        }
    }
    #expect(isRefused(cohort(2..<102), answered), "two left, two came: four between them")
    #expect(!isRefused(cohort(3..<103), answered))
}

@Test func aGroupAndATotalThatDifferByAFewAreTooClose() {
    let byTen = cohort(0..<100) { "band = \($0 / 50)" }
    #expect(isRefused(cohort(0..<52), byTen), "the first band and two more")
    #expect(isRefused(byTen, cohort(0..<48)))
    #expect(!isRefused(cohort(0..<60), byTen))
    #expect(!isRefused(cohort(0..<100) { "sex = \($0 % 2)" }, byTen), "the same people, grouped otherwise")
    #expect(isRefused(cohort(0..<100) { "band = \($0 < 53 ? 0 : 1)" }, byTen), "a moved threshold")
}

@Test func smallGroupsOfOneOwnerMatterOnlyWhereOthersFillThem() {
    func band(_ subject: Int) -> String { "band = \(subject < 30 ? 0 : subject < 33 ? 1 : 2)" }
    let answered = cohort(0..<60, group: band), moved = cohort(Array(0..<32) + Array(33..<70), group: band)
    #expect(isRefused(moved, answered, pooled: true))
    #expect(!isRefused(moved, answered, pooled: false), "three and two of one table are never shown")
}

/// Against the sets themselves, pair by pair.
@Test func everyPairOfTotalsAndOverlappingGroupsIsCompared() {
    var random = Random(seed: 5), refused = 0
    for _ in 0..<2_000 {
        func draw() -> [Int: String] {
            var cells: [Int: String] = [:]
            let kept = 10 + random.below(10), bound = 4 + random.below(3)
            for subject in 0..<24 where random.below(24) < kept || subject < 12 { cells[subject] = "g\(subject / bound % 2)" }
            return cells
        }
        let (a, b) = (draw(), draw()), (x, y) = (cohort(a.keys) { a[$0]! }, cohort(b.keys) { b[$0]! })
        func sets(_ cells: [Int: String]) -> [(String?, Set<Int>)] {
            [(nil, Set(cells.keys))] + Set(cells.values).map { g in (g, Set(cells.filter { $0.value == g }.keys)) }
        }
        let sameTotal = Set(a.keys) == Set(b.keys)
        let expected =
            a != b
            && sets(a).contains { (g, u) in
                sets(b).contains { (h, v) in
                    if (g == nil) != (h == nil) && sameTotal { return false }
                    if let g, let h, g != h, u.isDisjoint(with: v) { return false }
                    return (1..<5).contains(u.symmetricDifference(v).count)
                }
            }
        #expect(isRefused(x, y) == expected && isRefused(y, x) == expected)
        refused += expected ? 1 : 0
    }
    #expect(refused > 100 && refused < 1_900)
}

@Test func aCohortSurvivesItsFileAndBindsItsOwner() throws {
    let one = cohort(0..<50) { "g\($0 % 3)" }
    #expect(Cohort(encoded: one.encoded) == one && one.count == 50)
    #expect(Cohort(encoded: Bytes(one.encoded.dropLast())) == nil)
    #expect(
        one.commitment(secret: [7]) != one.commitment(secret: [8]) && one.commitment(secret: [7]) != cohort(0..<51).commitment(secret: [7]))
    #expect(one != Cohort((0..<50).map { .init(subject: "\($0)", group: "g\($0 % 3)") }, secret: [8]))
}

@Test func anAgentJoinsOnlyWithTimeForTheSessionAndTwoTransactions() throws {
    let order = Order(
        requester: .zero, program: .zero, plan: .zero, purpose: 2, profile: 4, uses: [], readers: [], boxBytes: 0, seatFee: 0, bond: 0,
        maximumFee: 0,
        seatingSeconds: 0, keepSeconds: 0, deadline: 100, nonce: 0)
    let facts = JobFacts(job: 1, order: order, program: ProgramDocument(text: "", reader: ""), fee: 0, openedAt: 0, members: [])
    try facts.checkTime(now: 69, estimate: 10, inclusion: 10)
    for (now, estimate, inclusion) in [(70, 10, 10), (69, 11, 10), (68, 10, 11), (100, 0, 0), (1_000, 0, 0)] as [(UInt64, UInt64, UInt64)] {
        #expect(throws: JobRefusal.self) { try facts.checkTime(now: now, estimate: estimate, inclusion: inclusion) }
    }
}

@Test func aRefusalIsOneLineThatSaysNothingOfTheOwnersData() {
    let overlap = JobRefusal.overlap(job: 41, table: "south.patients", smallestGroup: 5)
    #expect(overlap.text == "overlap: this and job 41 differ by fewer than 5 subjects of south.patients; use the groups of job 41")
    #expect(overlap.reason == keccak256(Bytes(overlap.text.utf8)))
    let private_ = JobRefusal.local(.outside(table: "progress", row: 17, column: "target", value: "9999", bounds: "25…346"))
    #expect(private_.text == "input: withdrawn (see its log)" && !private_.text.contains("9999"))
}
