import Ciphers
import Contracts
import Foundation
import Primitives
import Testing

private func word(_ tag: String) -> Hash32 { keccak256(Bytes(tag.utf8)) }
private func account(_ tag: String) -> Address { Address(last20: word(tag)) }
private let two = U256(1)

/// The samples of Tests/Vectors/eip712.py.
private func samples() -> [String: any SignedStructure] {
    let uses = [1, 2, 3].map { (i: UInt64) in
        Use(listing: i, terms: word("terms\(i)"), grant: 10 + i, units: i, budget: 2 * i, offerNonce: U256.one.shiftedLeft(200) &+ U256(i))
    }
    return [
        "Use": uses[0],
        "Order": Order(
            requester: account("requester"), program: word("program"), plan: word("plan"), purpose: 2, profile: 4, uses: uses,
            readers: [word("reader")],
            boxBytes: 1360, publicWords: 3, callback: account("callback"), callbackGas: 200_000, seatFee: U256.one.shiftedLeft(100),
            bond: 5000,
            maximumFee: U256(decimal: "100000000000000000000")!, seatingSeconds: 30, keepSeconds: 60, deadline: 1_800_000_000,
            nonce: U256.one.shiftedLeft(255) &+ 7),
        "Offer": Offer(
            listing: 9, terms: word("terms"), requester: account("requester"), program: word("program"), price: U256.one.shiftedLeft(127),
            validUntil: 1_800_000_000, nonce: 5),
        "Input": Input(
            job: 7, attempt: 1, listing: 3, commitment: word("commitment"), key: account("key"), cohort: word("cohort"), rows: 221),
        "Seat": Seat(job: 7, attempt: 1, index: 2, member: account("member"), key: account("key"), coin: word("coin")),
        "Session": SessionStructure(job: 7, attempt: 2, order: word("order"), inputs: word("inputs"), seats: word("seats")),
        "Output": Output(boxes: (0..<4).map { word("box\($0)") }),
        "Claim": Claim(session: word("session"), kind: .attest, index: U256.one.shiftedLeft(64) &+ 1, content: word("content")),
    ]
}

@Test func digestsAreThoseOfAnIndependentWallet() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
        "Vectors/eip712.json")
    let golden = try JSON(parsing: Bytes(Data(contentsOf: file)))
    let domain = MarketDomain(chainId: 1_337_000_001)
    for (name, structure) in samples() { #expect(structure.digest(in: domain) == golden[name]?.asHash, "\(name)") }
    #expect(golden.asObject?.count == samples().count)
}

@Test func aDigestChangesWithChainMarketAndEachMember() {
    let domain = MarketDomain(chainId: 7), other = MarketDomain(chainId: 8),
        elsewhere = MarketDomain(chainId: 7, market: ContractAddress.referee)
    var digests: Set<Hash32> = []
    for structure in samples().values { for d in [domain, other, elsewhere] { digests.insert(structure.digest(in: d)) } }
    #expect(digests.count == 3 * samples().count)
    let claim = Claim(session: word("s"), kind: .segment, index: 0, content: word("c"))
    for kind in Claim.Kind.allCases {
        digests.insert(Claim(session: claim.session, kind: kind, index: 0, content: claim.content).digest(in: domain))
    }
    #expect(digests.count == 3 * samples().count + Claim.Kind.allCases.count)
}

@Test func anOrderSurvivesTheCallThatOpensIt() throws {
    let order = samples()["Order"] as! Order
    let decoded = try ABI.decode([ABI.TypeName(Order.abiTypeText)], ABI.encode([order.abi]))
    #expect(Order(abi: decoded[0]) == order)
}

@Test func everyArtifactGivesAFaceAndEveryErrorAName() {
    for contract in Contract.all {
        #expect(!contract.abi.functions.isEmpty && contract.initCode.count > 100, "\(contract.name)")
        for (selector, error) in contract.abi.errors {
            #expect(ContractRefusal(revertData: selector + Bytes(repeating: 0, count: 64)).name == error.name)
        }
    }
    #expect(Contract.market.abi.function("join", inputs: 6).inputs.map(\.typeText)[3] == "(bytes32,bytes32,uint256)[]")
    let refusal = ContractRefusal(
        revertData: keccak256(Bytes("NoConsent(uint256,uint256)".utf8)).bytes[..<4] + U256(3).bytes + U256(2 | 2 << 8).bytes)
    #expect("\(refusal)" == "policy: listing 3 may not be used so: the object's policy asks before use and no grant is given; request one")
}
