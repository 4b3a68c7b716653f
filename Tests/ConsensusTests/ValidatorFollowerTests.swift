import Ciphers
import Consensus
import Primitives
import Testing

/// Six headers on a genesis of keys 1…4: the set loses a member after block 2 and is replaced after block 4.
private func history() throws -> (genesis: Header, headers: [Header], sets: [[PrivateKey]]) {
    let four = try keys(4), three = Array(four[..<3]), other = try keys(9).filter { key in !four.contains { $0.address == key.address } }
    let sets = [four, four, three, three, other, other, other]
    var head = try genesisHead(validators(four)), headers: [Header] = []
    let genesis = head.header
    for n in 0..<6 {
        let block = try emptyBlock(on: head, by: sets[n][0].address, next: validators(sets[n + 1]))
        headers.append(try seal(block, by: Array(sets[n][..<head.validators.quorum]), round: UInt32(n)))
        head = try Head(header: headers[n], hash: block.hash, validators: validators(sets[n + 1]), gasTarget: 30_000_000)
    }
    return (genesis, headers, sets)
}
private func follow(_ genesis: Header, _ headers: [(Header, [PrivateKey]?)]) throws(FollowError) -> ValidatorSet {
    var follower = try ValidatorFollower(genesis: genesis)
    for (header, next) in headers { _ = try follower.follow(header, next: next?.map(\.address)) }
    return follower.validators
}

@Test func validatorsAreFollowedThroughHeadersAlone() throws {
    let (genesis, h, sets) = try history()
    let whole = try follow(genesis, (0..<6).map { (h[$0], sets[$0 + 1]) })
    let onlyChanges = try follow(genesis, [(h[1], sets[2]), (h[3], sets[4]), (h[5], nil)])
    #expect(try whole == onlyChanges && whole == validators(sets[6]))
    try ValidatorFollower.checkOrder(genesis: genesis, h)
}

@Test func aChangeOfTheSetIsNeverSkipped() throws {
    let (genesis, h, sets) = try history()
    #expect(throws: FollowError.setUnknown(3)) { try follow(genesis, [(h[2], nil)]) }
    #expect(throws: FollowError.nextSetMismatch(2)) { try follow(genesis, [(h[1], nil)]) }
    #expect(throws: FollowError.nextSetMismatch(2)) { try follow(genesis, [(h[1], sets[4])]) }
    #expect(throws: FollowError.headerOrder(1)) { try follow(genesis, [(h[1], sets[2]), (h[0], nil)]) }
    #expect(throws: FollowError.headerOrder(1)) { try ValidatorFollower.checkOrder(genesis: genesis, [h[1], h[0]]) }
}

@Test func aHeaderWithoutAQuorumOfItsSetIsNamed() throws {
    let (genesis, h, sets) = try history()
    func error(_ change: (inout [Bytes]) throws -> Void) throws -> FollowError? {
        var header = h[0], extra = try ExtraData(decoding: header.extraData)
        try change(&extra.seals)
        header.extraData = extra.encoded
        do throws(FollowError) { _ = try follow(genesis, [(header, nil)]) } catch { return error }
        return nil
    }
    #expect(try error { _ in } == nil)
    #expect(try error { $0.removeLast() } == .sealCount(1))
    #expect(try error { $0.swapAt(0, 1) } == .sealOrder(1))
    #expect(try error { $0[0][64] = 2 } == .sealMalformed(1))
    let digest = h[0].sealDigest(try ExtraData(decoding: h[0].extraData), round: 0)
    #expect(try error { $0[2] = sets[4][0].sign(digest).bytes } == .sealForeign(1))
    var header = h[0]
    header.gasUsed = 1
    #expect(throws: FollowError.self) { try follow(genesis, [(header, nil)]) }
    header = h[0]
    header.nonce = 1
    #expect(throws: FollowError.headerConstant(1, .nonce)) { try follow(genesis, [(header, nil)]) }
}
