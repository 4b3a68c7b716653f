import Ciphers
import Consensus
import Foundation
import Primitives
import Testing

/// Foreign vectors, never copied in: `ENTENTE_VECTORS`, else `../shared/vectors` beside the checkout.
func foreignVector(_ path: String) -> Bytes? {
    var folder = URL(fileURLWithPath: #filePath)
    var roots = ProcessInfo.processInfo.environment["ENTENTE_VECTORS"].map { [URL(fileURLWithPath: $0)] } ?? []
    while folder.path != "/" {
        folder.deleteLastPathComponent()
        roots.append(folder.appendingPathComponent("shared/vectors"))
    }
    for root in roots { if let data = FileManager.default.contents(atPath: root.appendingPathComponent(path).path) { return Bytes(data) } }
    print("SKIPPED: foreign vector \(path) is absent; set ENTENTE_VECTORS")
    return nil
}

private func headers(_ bytes: Bytes) throws -> [Header] {
    var headers: [Header] = [], at = 0
    while at < bytes.count {
        let (item, end) = try RLP.decodeFirst(bytes, from: at)
        headers.append(try Header(try item.asList[0]))
        at = end
    }
    return headers
}

@Test func everyBlockOfTheForeignChainVerifies() throws {
    guard let file = foreignVector("qbft-chain/chain.rlp"), let json = foreignVector("qbft-chain/blocks.json") else { return }
    let chain = try headers(file), blocks = try #require(try JSON(parsing: json).asArray)
    let genesis = try #require(chain.first(where: { $0.number == 0 }))
    var follower = try ForeignChain(genesis: genesis), rounds: Set<UInt32> = [], sizes: [Int] = [follower.validators.count],
        previous = genesis.beneficiary
    #expect(follower.hash == blocks[0]["hash"]?.asHash)
    for header in chain where header.number > 0 {
        let extra = try ForeignExtraData(decoding: header.extraData)
        #expect(
            follower.validators.proposer(after: previous, round: extra.round) == header.beneficiary
                || [17, 49].contains(header.number), "block \(header.number)")  // GoQuorum differs after a change of the set
        let sealers = try follower.follow(header)
        #expect(sealers.count == (2 * extra.validators.count + 2) / 3)
        #expect(follower.hash == blocks[Int(header.number)]["hash"]?.asHash)
        rounds.insert(extra.round)
        if sizes.last != follower.validators.count { sizes.append(follower.validators.count) }
        previous = header.beneficiary
    }
    #expect(follower.number == 54 && rounds == [0, 1, 2] && sizes == [4, 5, 4])
}

@Test func aForeignBlockWithOneByteChangedIsRefused() throws {
    guard let file = foreignVector("qbft-chain/chain.rlp") else { return }
    let chain = try headers(file)
    let genesis = ForeignChain.self
    var changed = chain[1]
    changed.gasUsed += 1
    var follower = try genesis.init(genesis: chain[0])
    #expect(throws: ForeignChainError.self) { try follower.follow(changed) }
    changed = chain[1]
    var extra = try ForeignExtraData(decoding: changed.extraData)
    extra.seals[1] = extra.seals[0]
    changed.extraData = extra.encode(round: extra.round, seals: extra.seals)
    #expect(throws: ForeignChainError.seal(1, .order)) { try follower.follow(changed) }
    extra.seals.removeLast(2)
    changed.extraData = extra.encode(round: extra.round, seals: extra.seals)
    #expect(throws: ForeignChainError.seal(1, .count(needed: 3, found: 1))) { try follower.follow(changed) }
    try follower.follow(chain[1])
    #expect(throws: ForeignChainError.headerOrder(1)) { try follower.follow(chain[1]) }
}

@Test func theCommitmentToTheForeignValidatorsHasThePublishedValue() throws {
    guard let file = foreignVector("qbft-chain/chain.rlp") else { return }
    let set = try #require(ValidatorSet(try ForeignExtraData(decoding: headers(file)[0].extraData).validators))
    #expect(Hex.print(set.commitment, prefix: false) == "43f2cd6279a3f6206562bf7bdbf64d1830fce690e2e4f6260e447fa217e1")
}
