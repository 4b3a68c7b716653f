import Ciphers
import Contracts
import Jobs
import Primitives
import Testing

private let session = keccak256([1])
private let key = Address(last20: keccak256([2])), foreign = Address(last20: keccak256([3])), accuser = Address(last20: keccak256([4]))
private func opened(patience: UInt64 = 0) -> JobLifecycle {
    let (lifecycle, effects) = JobLifecycle.open(job: 7, until: 100, deadline: 200, patience: patience)
    #expect(effects == [.evaluate])
    return lifecycle
}
private let toReady: [JobLifecycle.Input] = [
    .accepted(silence: 4), .prepared(key: key), .bound(attempt: 1, key: key), .joined, .ready(attempt: 1, session: session),
]
private func computing(patience: UInt64 = 0) -> JobLifecycle {
    var job = opened(patience: patience)
    for input in toReady { _ = job.on(input) }
    #expect(job.phase == .computing)
    return job
}
private func complaint(until: UInt64 = 50) -> Complaint {
    Complaint(attempt: 1, accuser: accuser, accused: key, kind: .segment, index: 0, until: until, transaction: .zero)
}

@Test func aJobThatGoesWellPrepares_joins_computes_settles() {
    var job = opened()
    #expect(job.on(.accepted(silence: 4)) == [.prepare(attempt: 1)])
    #expect(job.on(.prepared(key: key)) == [.join(attempt: 1)])
    #expect(job.on(.bound(attempt: 1, key: key)) == [])
    #expect(job.on(.joined) == [])
    #expect(job.on(.ready(attempt: 1, session: session)) == [.compute(session: session)])
    #expect(job.on(.computed) == [.settle])
    #expect(job.on(.settled) == [])
    #expect(job.phase == .ended(.settled) && job.isOver)
    #expect(job.on(.moment(10_000)) == [])
}

@Test func theLastJoinMayFixTheSessionBeforeItsOwnInclusionIsKnown() {
    var job = opened()
    for input in toReady[..<3] { _ = job.on(input) }
    #expect(job.on(.ready(attempt: 1, session: session)) == [.compute(session: session)])
    #expect(job.on(.joined) == [])
    #expect(job.phase == .computing)
}

@Test func aRefusedOrderIsDeclinedAndItsEndOnlyWatched() {
    var job = opened()
    #expect(job.on(.refused) == [.decline])
    #expect(job.on(.moment(99)) == [])
    #expect(job.on(.refunded) == [])
    #expect(job.phase == .ended(.refunded))
}

@Test func whoDoesNotJoinEndsInARefundNotInWaiting() {
    var job = opened()
    for input in toReady[..<4] { _ = job.on(input) }
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

@Test func aSeatThatHoldsUpOneRoundTooLongIsComplainedOf() {
    var job = computing()
    #expect(job.on(.held(by: 3, round: 9, 10)) == [])
    #expect(job.on(.held(by: 3, round: 9, 13)) == [])
    #expect(job.on(.held(by: 3, round: 10, 14)) == [])  // it goes on
    #expect(job.on(.held(by: 3, round: 10, 17)) == [])
    #expect(job.on(.held(by: 3, round: 10, 18)) == [.complain(of: 3)])
    #expect(job.on(.held(by: 3, round: 10, 19)) == [])  // once in each window
    #expect(job.phase == .computing)
}

@Test func anUnansweredComplaintIsChargedByAdvanceAndTheJobEndsWithoutAnybodyWaiting() {
    var job = computing()
    #expect(job.on(.complained(complaint(until: 50), ofUs: false)) == [])
    #expect(job.on(.held(by: 3, round: 9, 30)) == [] && job.on(.held(by: 3, round: 9, 49)) == [])  // one at a time
    #expect(job.on(.moment(49)) == [])
    #expect(job.on(.moment(50)) == [.advance])
    #expect(job.on(.attemptEnded(next: .failing, attempt: 2, until: 53)) == [.stop])
    #expect(job.on(.moment(52)) == [])
    #expect(job.on(.moment(53)) == [.advance])
    #expect(job.on(.refunded) == [] && job.phase == .ended(.refunded))
}

@Test func whoIsComplainedOfAnswersAndGoesOn() {
    var job = computing()
    #expect(job.on(.complained(complaint(), ofUs: true)) == [.answer(complaint())])
    #expect(job.on(.moment(40)) == [] && job.on(.moment(41)) == [])
    #expect(job.on(.moment(42)) == [.answer(complaint())])  // lost on the way: again
    #expect(job.on(.answered) == [])
    #expect(job.on(.moment(60)) == [])  // nothing is due before the deadline
    #expect(job.on(.computed) == [.settle])
}

@Test func aFailureInTheSessionStopsItAndAccuses() {
    var job = computing()
    #expect(job.on(.failed) == [.stop, .accuse])
    #expect(job.on(.attemptEnded(next: .failing, attempt: 2, until: 130)) == [])
    #expect(job.phase == .failing)
    #expect(job.on(.moment(129)) == [])
    #expect(job.on(.moment(130)) == [.advance])
}

@Test func anAccusationThatCameToNothingIsRepeated() {
    var job = computing()
    _ = job.on(.failed)
    #expect(job.on(.moment(20)) == [] && job.on(.moment(23)) == [])
    #expect(job.on(.moment(24)) == [.accuse])
    _ = job.on(.complained(complaint(until: 40), ofUs: false))
    #expect(job.on(.moment(39)) == [])  // while a complaint is open there is nothing to add
    #expect(job.on(.answered) == [.accuse])  // answered, but our run is over
}

@Test func anAttemptThatEndsElsewhereStopsTheRunAndANewOneStartsAfresh() {
    var job = computing()
    #expect(job.on(.attemptEnded(next: .seating, attempt: 2, until: 150)) == [.stop, .prepare(attempt: 2)])
    #expect(job.on(.ready(attempt: 1, session: session)) == [])
    #expect(job.on(.prepared(key: foreign)) == [.join(attempt: 2)])
}

@Test func aCompleteAttemptStillSettlesAfterABlame() {
    var job = computing()
    _ = job.on(.computed)
    #expect(job.on(.attemptEnded(next: .failing, attempt: 2, until: 130)) == [])
    #expect(job.phase == .settling)
    #expect(job.on(.settled) == [])
    #expect(job.phase == .ended(.settled))
}

@Test func aProcessThatDidNotMakeTheKeyOfItsSeatLeaves() {
    for own in [nil, foreign] {
        for known in 0...2 {
            var job = opened()
            if let own { for input in [JobLifecycle.Input.accepted(silence: 4), .prepared(key: own)].prefix(known) { _ = job.on(input) } }
            _ = job.on(.bound(attempt: 1, key: key))
            #expect(job.on(.ready(attempt: 1, session: session)) == [.leave(attempt: 1)])
            #expect(job.on(.complained(complaint(), ofUs: true)) == [])  // it cannot speak for that key
            #expect(job.on(.answered) == [])
            #expect(job.on(.moment(20)) == [] && job.on(.moment(22)) == [.leave(attempt: 1)])
            #expect(job.on(.attemptEnded(next: .failing, attempt: 2, until: 30)) == [] && job.on(.moment(30)) == [.advance])
        }
    }
}

/// Any order of events: the machine never computes twice in one attempt, never acts after the end.
@Test func noOrderOfEventsMakesItActTwiceOrAfterTheEnd() {
    var random = Random(seed: 11)
    for _ in 0..<5_000 {
        var job = opened(), computed: Set<UInt8> = [], ended = false
        for _ in 0..<30 {
            let attempt = job.attempt &- UInt8(random.below(4) / 3), moment = UInt64(random.below(400)),
                who = random.below(2) == 0 ? key : foreign
            let inputs: [JobLifecycle.Input] = [
                .accepted(silence: 4), .refused, .prepared(key: key), .joined, .computed, .failed, .bound(attempt: attempt, key: who),
                .ready(attempt: attempt, session: session),
                .complained(complaint(until: moment), ofUs: random.below(2) == 0), .answered, .held(by: 1, round: random.below(3), moment),
                .attemptEnded(next: random.below(2) == 0 ? .seating : .failing, attempt: job.attempt + 1, until: moment), .settled,
                .refunded, .moment(moment),
            ]
            let effects = job.on(inputs[random.below(inputs.count)])
            #expect(!ended || effects.isEmpty)
            for case .compute in effects { #expect(computed.insert(job.attempt).inserted) }
            ended = job.isOver
        }
    }
}

struct Random {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func below(_ bound: Int) -> Int {
        state = state &* 6364136223846793005 &+ 1442695040888963407
        return Int((state >> 33) % UInt64(bound))
    }
}

@Test func aSlotIsSignedOnce() throws {
    let signer = SessionSigner(key: try PrivateKey(Bytes(repeating: 5, count: 32)), domain: MarketDomain(chainId: 7))
    let claim = Claim(session: session, kind: .attest, index: 0, content: keccak256([2]))
    let first = try signer.sign(claim)
    #expect(try signer.sign(claim) == first)
    #expect(throws: SlotError.alreadySigned(kind: .attest, index: 0)) {
        try signer.sign(Claim(session: session, kind: .attest, index: 0, content: keccak256([3])))
    }
    #expect(first.isSigned(by: signer.address, in: signer.domain))
    #expect(SignedClaim(first.encoded, session: session, signedBy: signer.address, in: signer.domain) == first)
    #expect(SignedClaim(first.encoded, session: keccak256([9]), signedBy: signer.address, in: signer.domain) == nil)
}
