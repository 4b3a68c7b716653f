import Ciphers
import Contracts
import Jobs
import Primitives
import Testing

// Law L22 of job-protocol.md §11 at the agents: what a session key signs has one meaning. Digests of different types, chains, markets,
// jobs, attempts, sessions, kinds or indices differ; that they are those of wallets, ContractsTests compares with eth-account.

private typealias Sign = (MarketDomain, U256, UInt8, Claim.Kind, U256) -> Hash32

private func sessions(_ domain: MarketDomain, _ job: U256, _ attempt: UInt8) -> Hash32 {
    SessionStructure(job: job, attempt: attempt, order: keccak256([1]), inputs: keccak256([2]), seats: keccak256([3])).digest(in: domain)
}
private func claim(_ domain: MarketDomain, _ job: U256, _ attempt: UInt8, _ kind: Claim.Kind, _ index: U256) -> Hash32 {
    Claim(session: sessions(domain, job, attempt), kind: kind, index: index, content: keccak256([4])).digest(in: domain)
}
private let domains = [1, 7].flatMap { chain in
    [ContractAddress.market, ContractAddress.referee].map { MarketDomain(chainId: chain, market: $0) }
}

/// How many of the digests of all cases are one and the same.
private func collisions(_ sign: Sign) -> Int {
    var seen: Set<Hash32> = [], all = 0
    for domain in domains {
        for job in [1, 2, 256] as [U256] {
            for attempt in 1...3 as ClosedRange<UInt8> {
                for kind in Claim.Kind.allCases {
                    for index in [0, 1, 256, U256(0, 1, 0, 0)] as [U256] {
                        seen.insert(sign(domain, job, attempt, kind, index))
                        all += 1
                    }
                }
            }
        }
    }
    return all - seen.count
}

@Test func L22_noTwoClaimsHaveOneDigest() { #expect(collisions(claim) == 0) }

@Test func L22_seededBugs_aDigestThatForgetsAFieldMeansTwoThings() {
    #expect(collisions { domain, job, attempt, kind, _ in claim(domain, job, attempt, kind, 0) } > 0)
    #expect(collisions { domain, job, attempt, _, index in claim(domain, job, attempt, .box, index) } > 0)
    #expect(collisions { domain, job, _, kind, index in claim(domain, job, 1, kind, index) } > 0)
    #expect(collisions { domain, _, attempt, kind, index in claim(domain, 1, attempt, kind, index) } > 0)
    #expect(collisions { domain, job, attempt, kind, index in claim(MarketDomain(chainId: domain.chainId), job, attempt, kind, index) } > 0)
    #expect(
        collisions { domain, job, attempt, kind, index in claim(MarketDomain(chainId: 1, market: domain.market), job, attempt, kind, index)
        } > 0)
}

@Test func L22_structuresOfDifferentTypesNeverShareADigest() {
    let key = Address(last20: keccak256([5])), domain = domains[0]
    let digests: [Hash32] = [
        Input(job: 1, attempt: 1, listing: 0, commitment: .zero, key: key, cohort: .zero, rows: 0).digest(in: domain),
        Seat(job: 1, attempt: 1, index: 0, member: key, key: key, coin: .zero).digest(in: domain),
        SessionStructure(job: 1, attempt: 1, order: Hash32.zero, inputs: .zero, seats: .zero).digest(in: domain),
        Output(boxes: [], parts: []).digest(in: domain), Claim(session: .zero, kind: .attest, index: 0, content: .zero).digest(in: domain),
        Use(listing: 0, terms: .zero, grant: 0).digest(in: domain),
    ]
    #expect(Set(digests).count == digests.count)
}

/// What the signer gives on one slot is accepted on no other: not by a peer, not by the Referee.
@Test func L22_aSignatureIsWorthNothingOnAnotherSlot() throws {
    let signer = SessionSigner(key: try PrivateKey(Bytes(repeating: 5, count: 32)), domain: domains[0])
    let claim = Claim(session: sessions(domains[0], 1, 1), kind: .attest, index: 0, content: keccak256([4])),
        signed = try signer.sign(claim)
    #expect(signed.isSigned(by: signer.address, in: domains[0]))
    for domain in domains.dropFirst() { #expect(!signed.isSigned(by: signer.address, in: domain)) }
    for other in [sessions(domains[0], 2, 1), sessions(domains[0], 1, 2)] {
        #expect(SignedClaim(signed.encoded, session: other, signedBy: signer.address, in: domains[0]) == nil)
    }
    for at in 0..<65 {
        var bytes = signed.encoded
        bytes[at] ^= 1
        #expect(SignedClaim(bytes, session: claim.session, signedBy: signer.address, in: domains[0]) == nil)
    }
}
