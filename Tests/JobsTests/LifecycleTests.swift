import Ciphers
import Contracts
import Jobs
import Primitives
import Testing

private let session = keccak256([1])
private func opened(patience: UInt64 = 0) -> JobLifecycle {
    let (lifecycle, effects) = JobLifecycle.open(job: 7, until: 100, deadline: 200, patience: patience)
    #expect(effects == [.evaluate])
    return lifecycle
}

@Test func aJobThatGoesWellPrepares_joins_computes_settles() {
    var job = opened()
    #expect(job.on(.accepted) == [.prepare(attempt: 1)])
    #expect(job.on(.prepared) == [.join(attempt: 1)])
    #expect(job.on(.joined) == [])
    #expect(job.on(.ready(attempt: 1, session: session)) == [.compute(session: session)])
    #expect(job.on(.computed) == [.settle])
    #expect(job.on(.settled) == [])
    #expect(job.phase == .ended(.settled) && job.isOver)
    #expect(job.on(.moment(10_000)) == [])
}

@Test func theLastJoinMayFixTheSessionBeforeItsOwnInclusionIsKnown() {
    var job = opened()
    _ = job.on(.accepted)
    _ = job.on(.prepared)
    #expect(job.on(.ready(attempt: 1, session: session)) == [.compute(session: session)])
    #expect(job.on(.joined) == [])
    #expect(job.phase == .computing)
}

@Test func aRefusedOrderIsDeclinedAndItsEndOnlyWatched() {
    var job = opened()
    #expect(job.on(.refused(reason: session)) == [.decline(reason: session)])
    #expect(job.on(.ready(attempt: 1, session: session)) == [])
    #expect(job.on(.refunded) == [])
    #expect(job.phase == .ended(.refunded))
}

@Test func aSilentPartyEndsInARefundNotInWaiting() {
    var job = opened()
    _ = job.on(.accepted)
    _ = job.on(.prepared)
    _ = job.on(.joined)
    #expect(job.on(.moment(99)) == [])
    #expect(job.on(.moment(100)) == [.advance])
    #expect(job.on(.moment(105)) == [])
    #expect(job.on(.moment(110)) == [.advance])
    #expect(job.on(.ready(attempt: 1, session: session)) == [.compute(session: session)])
    #expect(job.on(.moment(199)) == [])
    #expect(job.on(.moment(200)) == [.advance])
}

@Test func membersWaitForEachOtherBeforeTheyPayForTheSameCall() {
    var first = opened(), third = opened(patience: 2)
    #expect(first.on(.moment(100)) == [.advance])
    #expect(third.on(.moment(101)) == [])
    #expect(third.on(.moment(102)) == [.advance])
}

@Test func aFailureInTheSessionStopsItAndAccuses() {
    var job = opened()
    for input in [JobLifecycle.Input.accepted, .prepared, .joined, .ready(attempt: 1, session: session)] { _ = job.on(input) }
    #expect(job.on(.failed) == [.stop, .accuse])
    #expect(job.on(.attemptEnded(next: .failing, attempt: 2, until: 130)) == [])
    #expect(job.phase == .failing)
    #expect(job.on(.moment(129)) == [])
    #expect(job.on(.moment(130)) == [.advance])
}

@Test func anAttemptThatEndsElsewhereStopsTheRunAndANewOneStartsAfresh() {
    var job = opened()
    for input in [JobLifecycle.Input.accepted, .prepared, .joined, .ready(attempt: 1, session: session)] { _ = job.on(input) }
    #expect(job.on(.attemptEnded(next: .seating, attempt: 2, until: 150)) == [.stop, .prepare(attempt: 2)])
    #expect(job.on(.ready(attempt: 1, session: session)) == [])
    #expect(job.on(.prepared) == [.join(attempt: 2)])
}

@Test func aCompleteAttemptStillSettlesAfterABlame() {
    var job = opened()
    for input in [JobLifecycle.Input.accepted, .prepared, .joined, .ready(attempt: 1, session: session), .computed] { _ = job.on(input) }
    #expect(job.on(.attemptEnded(next: .failing, attempt: 2, until: 130)) == [])
    #expect(job.phase == .settling)
    #expect(job.on(.settled) == [])
    #expect(job.phase == .ended(.settled))
}

/// Any order of events: the machine never computes twice in one attempt, never acts after the end.
@Test func noOrderOfEventsMakesItActTwiceOrAfterTheEnd() {
    var state: UInt64 = 11
    func next(_ bound: UInt64) -> UInt64 {
        state = state &* 6364136223846793005 &+ 1442695040888963407
        return (state >> 33) % bound
    }
    for _ in 0..<5_000 {
        var job = opened(), computed: Set<UInt8> = [], ended = false
        for _ in 0..<30 {
            let attempt = UInt8(1 + next(2))
            let inputs: [JobLifecycle.Input] = [.accepted, .refused(reason: session), .prepared, .joined, .computed, .failed, .ready(attempt: attempt, session: session),
                                                .attemptEnded(next: next(2) == 0 ? .seating : .failing, attempt: attempt, until: next(300)), .settled, .refunded, .moment(next(400))]
            let effects = job.on(inputs[Int(next(UInt64(inputs.count)))])
            #expect(!ended || effects.isEmpty)
            for case .compute in effects { _ = computed.insert(job.attempt) }
            ended = job.isOver
        }
    }
}

@Test func aSlotIsSignedOnce() throws {
    let signer = SessionSigner(key: try PrivateKey(Bytes(repeating: 5, count: 32)), domain: MarketDomain(chainId: 7))
    let claim = Claim(session: session, kind: .attest, index: 0, content: keccak256([2]))
    let first = try signer.sign(claim)
    #expect(try signer.sign(claim) == first)
    #expect(throws: SlotError.alreadySigned(kind: .attest, index: 0)) { try signer.sign(Claim(session: session, kind: .attest, index: 0, content: keccak256([3]))) }
    #expect(first.isSigned(by: signer.address, in: signer.domain))
    #expect(SignedClaim(first.encoded, session: session, signedBy: signer.address, in: signer.domain) == first)
    #expect(SignedClaim(first.encoded, session: keccak256([9]), signedBy: signer.address, in: signer.domain) == nil)
}
