import Ciphers
import Contracts
import Jobs
import MPC
import Primitives
import Synchronization
import Testing

// Laws L13 and L14 of job-protocol.md §11, with one deviating seat: whoever lets the reader open pays for it, and who pays can open.

private let committee = Committee()
private let boxBytes = JobFacts.boxBytes(outputWords: Committee.values.count), claimBytes = SignedClaim.byteCount

/// What the reader's friend in seat `seat` holds of its own box when all is over.
private func isOpen(to seat: Int, _ mesh: Mesh) -> Bool {
    mesh.state.withLock { $0.delivered.contains { $0.to == seat && $0.frame.count == 4 * claimBytes + boxBytes } }
}
private func settlement(of ends: [Committee.End], but deviating: Int) -> SessionRun.Settlement? {
    ends.lazy.filter { $0.seat != deviating }.compactMap { try? $0.result.get() }.first
}
/// As the Market checks it: the four attest one content, and the boxes are those.
private func settles(_ settlement: SessionRun.Settlement) -> Bool {
    let content = Claim.attestation(transcript: settlement.transcript, output: Output(boxes: settlement.boxes.map { keccak256($0) }))
    return zip(settlement.attestations, committee.keys).allSatisfy {
        $0.claim.content == content && $0.isSigned(by: $1.address, in: committee.domain)
    }
}
private func opens(_ settlement: SessionRun.Settlement) -> Bool {
    let answer = try? Boxes.open(
        session: Committee.session, reader: 0, secret: Committee.reader.secret, attested: settlement.boxes.map { keccak256($0) },
        copies: settlement.boxes.map { [$0] }, count: Committee.values.count)
    return answer == Committee.values.map { $0 &* $0 }
}

@Test func withoutDeviationAllFourHoldWhatSettlesAndOpens() async throws {
    let ends = await committee.run(over: Mesh())
    for end in ends {
        let settlement = try end.result.get()
        #expect(settles(settlement) && opens(settlement))
    }
}

/// Where in a session: deliver, two of keys, program, two of segment, boxes, attest, release.
private let lastFrame = 9

/// From frame `from` on, seat `deviating` tells nothing to those in `victims`, and from `silent` on nothing to anybody.
private struct Withholding: Sendable {
    let deviating: Int, from: Int, victims: [Int], silent: Int
    func keeps(_ number: Int, from p: Int) -> Bool { number >= silent || number >= from && victims.contains(p) }
}
private let plans: [Withholding] = (0..<4).flatMap { deviating in
    (1...lastFrame).flatMap { from in
        (1..<16).filter { $0 >> deviating & 1 == 0 }.flatMap { mask in
            [from + 1, .max].map {
                Withholding(deviating: deviating, from: from, victims: (0..<4).filter { mask >> $0 & 1 == 1 }, silent: $0)
            }
        }
    }
}

/// Plans after which the reader's side can open although no honest seat can settle.
private func broken(_ plans: [Withholding], honest: @escaping @Sendable (MeshLink) -> any SeatLink = { $0 }) async -> Int {
    var count = 0
    for plan in plans {
        let mesh = Mesh()
        let ends = await committee.run(over: mesh) { link in
            link.seat == plan.deviating ? Tampered(link) { number, to, frame in plan.keeps(number, from: to) ? nil : frame } : honest(link)
        }
        if let settlement = settlement(of: ends, but: plan.deviating) {
            if !settles(settlement) || !opens(settlement) { count += 1 }
        } else if isOpen(to: plan.deviating, mesh) {
            count += 1
        }
    }
    return count
}

@Test func L13_whateverOneSeatWithholdsTheReaderNeverOpensWhatNobodyCanSettle() async {
    #expect(plans.count > 200)
    #expect(await broken(plans) == 0)
}

@Test func L13_seededBug_aReleaseThatWaitsForEverybody() async {
    final class Lockstep: SeatLink {
        let inner: MeshLink
        private let held = Mutex<(frames: [(Int, Bytes)], isWhole: Bool)>(([], false))
        init(inner: MeshLink) { self.inner = inner }
        func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
            try await inner.exchange(frames, expecting: expecting)
        }
        func post(_ frames: [Bytes]) { inner.post(frames) }
        func next(of seats: [Int], expecting: Int) async throws(MPC.ChannelError) -> (seat: Int, frame: Bytes)? {
            while true {
                let ready = held.withLock { held -> (Int, Bytes)? in
                    held.isWhole = held.isWhole || held.frames.count == 3
                    return held.isWhole && !held.frames.isEmpty ? held.frames.removeFirst() : nil
                }
                if let ready { return ready }
                guard let got = try await inner.next(of: seats, expecting: expecting) else { return nil }
                if got.frame.count == claimBytes { return got }
                held.withLock { $0.frames.append(got) }
            }
        }
        var arrived: [Bytes?] { inner.arrived }
    }
    #expect(await broken(plans.filter { $0.from == lastFrame }) { Lockstep(inner: $0) } > 0)
}

@Test func L13_seededBug_attestationsAreNotPassedOn() async {
    #expect(
        await broken(plans.filter { $0.from == lastFrame - 1 }) { link in
            Tampered(link) { _, to, frame in
                guard frame.count == 4 * claimBytes + boxBytes else { return frame }
                return Bytes(repeating: 0, count: 4 * claimBytes) + frame[(4 * claimBytes)...]
            }
        } > 0)
}

/// A seat whose links break once it holds its box.
@Test(arguments: 0..<4) func L13_aSeatThatVanishesWithItsBoxKeepsItFromNobody(deviating: Int) async {
    let mesh = Mesh()
    let ends = await committee.run(over: mesh) { link in
        guard link.seat == deviating else { return link }
        return Tampered(link) { number, _, frame in
            if number == lastFrame { link.mesh.lose(deviating) }
            return frame
        }
    }
    #expect(isOpen(to: deviating, mesh))
    for end in ends where end.seat != deviating {
        guard let settlement = try? end.result.get() else {
            Issue.record("seat \(end.seat) cannot settle")
            continue
        }
        #expect(settles(settlement) && opens(settlement))
    }
}

@Test func H4_noBoxLeavesWithoutEveryAttestationOrWhenItIsTooLate() async {
    for plan in plans where plan.from == lastFrame - 1 && plan.victims.count == 3 && plan.silent == .max {
        let mesh = Mesh()
        _ = await committee.run(over: mesh) { link in
            link.seat == plan.deviating ? Tampered(link) { number, _, frame in number >= plan.from ? nil : frame } : link as any SeatLink
        }
        #expect((0..<4).allSatisfy { $0 == plan.deviating || !isOpen(to: $0, mesh) } && !isOpen(to: plan.deviating, mesh))
    }
    let late = Mesh()
    let ends = await committee.run(over: late, mayRelease: { _ in false })
    #expect((0..<4).allSatisfy { !isOpen(to: $0, late) })
    for end in ends { #expect(throws: SessionFailure.self) { try end.result.get() } }
}

/// Seat 3 releases other bytes, to whomever it likes: a seat takes the copy that was attested.
@Test func L14_whatSettlesOpensWhateverOneSeatReleases() async throws {
    for mask in 1..<8 {
        let ends = await committee.run(over: Mesh()) { link in
            guard link.seat == 3 else { return link }
            return Tampered(link) { _, to, frame in
                guard frame.count == 4 * claimBytes + boxBytes, mask >> to & 1 == 1 else { return frame }
                return frame[..<(4 * claimBytes)] + Bytes(repeating: 9, count: boxBytes)
            }
        }
        for end in ends where end.seat < 3 {
            let settlement = try end.result.get()
            #expect(settles(settlement) && opens(settlement))
        }
    }
}

@Test func L14_seededBug_theFirstCopyIsTakenUnseen() async throws {
    let ends = await committee.run(over: Mesh())
    let good = try ends[0].result.get()
    var boxes = good.boxes
    boxes[0] = Bytes(repeating: 9, count: boxBytes)
    // What the Market would be sent: it does not settle, and would not open.
    let spoilt = SessionRun.Settlement(transcript: good.transcript, boxes: boxes, attestations: good.attestations)
    #expect(!settles(spoilt) && !opens(spoilt))
}

@Test func aWithheldAttestationOrBoxShowsWhoOwesIt() async {
    for (from, stage) in [(lastFrame - 1, SessionRun.Stage.attesting), (lastFrame - 2, .boxes)] {
        let ends = await committee.run(over: Mesh()) { link in
            link.seat == 2 ? Tampered(link) { number, _, frame in number >= from ? nil : frame } : link as any SeatLink
        }
        for end in ends where end.seat != 2 { #expect(end.testimony.stage == stage) }
    }
}
