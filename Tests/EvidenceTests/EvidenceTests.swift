import Ciphers
import Consensus
import Contracts
import Evidence
import Primitives
import Testing
import Trie

private func verdict(_ file: EvidenceFile, _ world: World, original: Bytes? = nil) -> Verdict {
    Evidence.verify(file.encoded, expectedGenesis: world.genesisHash, original: original)
}
private struct Found {
    let file: Bytes, genesis: Hash32, original: Bytes?, verdict: Verdict
}
/// What becomes of a file after a change.
private func failure(
    _ made: (world: World, file: EvidenceFile), original: Bytes? = nil, _ change: (inout EvidenceFile) throws -> Void = { _ in }
) throws -> Found {
    var file = made.file
    try change(&file)
    return Found(
        file: file.encoded, genesis: made.world.genesisHash, original: original, verdict: verdict(file, made.world, original: original))
}
/// Expects a verdict of ours, and the same of the other verifier.
private struct Judges {
    var foreign = ForeignVerifier()

    mutating func expect(_ found: Found, _ row: String, _ failure: EvidenceFailure?, _ place: SourceLocation = #_sourceLocation) {
        #expect(
            found.verdict.failure == failure && found.verdict.steps.last?.row == row && found.verdict.claim == nil, sourceLocation: place)
        foreign.note(found.file, found.genesis, original: found.original, found.verdict, "line \(place.line)")
    }
}
private func changeHeader(_ file: inout EvidenceFile, _ i: Int, _ change: (inout Header, inout ExtraData) -> Void) throws {
    var header = try Header(RLP.decode(file.headers[i].header)), extra = try ExtraData(decoding: header.extraData)
    change(&header, &extra)
    header.extraData = extra.encoded
    file.headers[i].header = header.encoded
}
private func changeRecord(_ file: inout EvidenceFile, _ change: (inout RecordSection) -> Void) {
    guard case .record(var section) = file.subject else { return }
    change(&section)
    file.subject = .record(section)
}
private func changeSettlement(_ file: inout EvidenceFile, _ change: (inout SettlementSection) -> Void) {
    guard case .settlement(var section) = file.subject else { return }
    change(&section)
    file.subject = .settlement(section)
}

// MARK: what holds

@Test func aRecordIsProvenThroughTwoChangesOfValidators() throws {
    let (world, file) = try World.record(), found = verdict(file, world, original: World.original)
    #expect(found.steps.map(\.row) == ["1", "2", "3", "4", "5", "6a", "7a", "10"] && found.steps.allSatisfy(\.holds))
    guard case .record(let claim) = found.claim?.subject else { Issue.record("no claim"); return }
    #expect(claim.block == 5 && claim.timeMilliseconds == 1_700_000_005_005 && claim.withdrawnInBlock == 6)
    #expect(try claim.endorsedBy == [World.key(21).address] && claim.disputedBy == [World.key(22).address])
    #expect(found.steps.last?.details.count == 2)  // a line a change: not covered by a token
    #expect(try EvidenceFile(parsing: file.encoded) == file)
    var foreign = ForeignVerifier()
    foreign.note(file.encoded, world.genesisHash, original: World.original, found)
    try foreign.compare()
}

@Test func aSettlementIsProvenWithItsPayments() throws {
    let (world, file) = try World.settlement(), found = verdict(file, world)
    #expect(found.steps.map(\.row) == ["1", "2", "3", "4", "5", "6b", "7b", "8b", "9b", "10"] && found.steps.allSatisfy(\.holds))
    guard case .settlement(let claim) = found.claim?.subject else { Issue.record("no claim"); return }
    #expect(claim.job == 7 && claim.fee == 1_000 && claim.block == 6)
    #expect(try EvidenceFile(parsing: file.encoded) == file)
    let owed = try World.settlement(.init(owedInstead: 3))
    #expect(verdict(owed.file, owed.world).isValid)
    var foreign = ForeignVerifier()
    foreign.note(file.encoded, world.genesisHash, found)
    foreign.note(owed.file.encoded, owed.world.genesisHash, verdict(owed.file, owed.world), "owed")
    try foreign.compare()
}

@Test func withoutAGenesisHashTheVerdictSaysOnWhoseWordItRests() throws {
    let (_, file) = try World.record(), found = Evidence.verify(file.encoded, expectedGenesis: nil)
    #expect(found.isValid && found.steps[1].details.contains { $0.contains("on the file's own word") })
}

@Test func timesPrintAsDates() {
    #expect(Verdict.time(0) == "1970-01-01T00:00:00.000Z")
    #expect(Verdict.time(951_782_400_000) == "2000-02-29T00:00:00.000Z")
    #expect(Verdict.time(1_767_225_599_999) == "2025-12-31T23:59:59.999Z")
}

// MARK: one mutation a failure, refused at its row

@Test func shapesAreRefusedInRowOne() throws {
    var judges = Judges()
    let (world, file) = try World.record(), text = String(decoding: file.encoded, as: UTF8.self)
    func path(_ text: String) -> String? {
        let found = Evidence.verify(Bytes(text.utf8), expectedGenesis: world.genesisHash)
        judges.foreign.note(Bytes(text.utf8), world.genesisHash, found, text.count < 100 ? text : "a changed text")
        guard found.steps.count == 1, case .malformed(let path) = found.failure else { return nil }
        return path
    }
    #expect(path(text + " ") == "byte \(text.utf8.count): not canonical")
    #expect(path(text.replacing("{\"anchors\":[]", with: "{\"anchors\":[1]")) == "anchors")
    #expect(path(text.replacing("{\"anchors\":[]", with: "{\"aanchor\":1,\"anchors\":[]")) == "aanchor")
    #expect(path(text.replacing("entente-evidence/1", with: "entente-evidence/2")) == "format")
    #expect(path(text.replacing("\"kind\":\"record\"", with: "\"kind\":\"receipt\"")) == "kind")
    #expect(path(text.replacing("\"count\":\"0x", with: "\"count\":\"0x0")) == "record.content.count")
    #expect(path(text.replacing("\"leaf\":\"0x", with: "\"leaf\":\"0xA")) == "record.leaf")
    #expect(path(String(repeating: "[", count: 20)) != nil)
    #expect(path("") != nil)
    #expect(path(text.replacing("\"chainId\":1337000001", with: "\"chainId\":9007199254740993")) == "config")
    judges.expect(try failure((world, file)) { $0.headers[1].next = [] }, "1", .malformed(path: "headers[1].next"))
    judges.expect(try failure((world, file)) { $0.headers[1].tokens = [[]] }, "1", .malformed(path: "headers[1].tokens[0]"))
    // Nobody's word counts twice.
    judges.expect(try failure((world, file)) { $0.endorsements.append($0.endorsements[1]) }, "1", .malformed(path: "endorsements[2]"))
    judges.expect(
        try failure((world, file)) { $0.headers[3].receipts.append($0.headers[3].receipts[0]) }, "1",
        .malformed(path: "headers[3].receipts[2]"))
    try judges.foreign.compare()
}

@Test func foreignNetworksAreRefusedInRowTwo() throws {
    var judges = Judges()
    let made = try World.record(), other = World.text("another")
    #expect(
        Evidence.verify(made.file.encoded, expectedGenesis: other).failure
            == .foreignGenesis(expected: other, found: made.world.genesisHash))
    let renamed: JSON = ["chainId": 1]
    judges.expect(
        try failure(made) { $0.config = renamed }, "2",
        .configurationMismatch(expected: keccak256(made.world.config.canonical), found: keccak256(renamed.canonical)))
    judges.expect(try failure(World.record(.init(mode: "public"))), "2", .notFinal)
    try judges.foreign.compare()
}

@Test func headersAreRefusedInRowsThreeAndFour() throws {
    var judges = Judges()
    let made = try World.record()  // entries: blocks 2, 4 (changes), 5, 6
    #expect(made.file.headers.count == 4)
    judges.expect(try failure(made) { $0.headers.swapAt(2, 3) }, "3", .follow(.headerOrder(5)))
    judges.expect(
        try failure(made) { try changeHeader(&$0, 2) { header, _ in header.nonce = 1 } }, "3", .follow(.headerConstant(5, .nonce)))
    judges.expect(try failure(made) { $0.headers.remove(at: 1) }, "4", .follow(.setUnknown(5)))
    judges.expect(try failure(made) { try changeHeader(&$0, 1) { _, extra in extra.seals.removeLast() } }, "4", .follow(.sealCount(4)))
    judges.expect(try failure(made) { try changeHeader(&$0, 1) { _, extra in extra.seals.swapAt(0, 1) } }, "4", .follow(.sealOrder(4)))
    judges.expect(try failure(made) { try changeHeader(&$0, 1) { _, extra in extra.seals[0][64] = 2 } }, "4", .follow(.sealMalformed(4)))
    let stranger = try World.key(50)
    judges.expect(
        try failure(made) {
            try changeHeader(&$0, 2) { header, extra in extra.seals[0] = stranger.sign(header.sealDigest(extra, round: extra.round)).bytes }
        }, "4", .follow(.sealForeign(5)))
    judges.expect(try failure(made) { $0.headers[0].next = nil }, "4", .follow(.nextSetMismatch(2)))
    judges.expect(try failure(made) { $0.headers[0].next = made.world.sets[4].map(\.address) }, "4", .follow(.nextSetMismatch(2)))
    try judges.foreign.compare()
}

@Test func proofsAreRefusedInRowFive() throws {
    var judges = Judges()
    let record = try World.record(), settlement = try World.settlement()
    judges.expect(try failure(record) { $0.headers[2].receipts[0].proof.removeLast() }, "5", .receiptPath(block: 5, index: 1))
    judges.expect(try failure(record) { $0.headers[2].receipts[0].index = 2 }, "5", .receiptPath(block: 5, index: 2))
    judges.expect(try failure(World.record(.init(isReverted: true))), "5", .receiptReverted(block: 5, index: 1))
    judges.expect(try failure(record) { $0.headers[2].receipts = [] }, "5", .logAbsent(event: "Recorded"))
    judges.expect(try failure(settlement) { $0.headers[1].receipts = [] }, "5", .logAbsent(event: "Opened"))
    judges.expect(try failure(settlement) { $0.headers[2].receipts = [] }, "5", .logAbsent(event: "Settled"))
    judges.expect(try failure(settlement) { $0.headers[2].storage[0].balance = 1 }, "5", .accountPath(block: 6))
    judges.expect(try failure(settlement) { $0.headers[2].storage[0].accountProof.reverse() }, "5", .accountPath(block: 6))
    judges.expect(try failure(settlement) { $0.headers[2].storage[0].slots[0].proof.reverse() }, "5", .storagePath(block: 6))
    judges.expect(try failure(record) { $0.headers[3].receipts[0].proof.reverse() }, "5", .receiptPath(block: 6, index: 0))
    judges.expect(try failure(settlement) { $0.headers[2].storage[0].slots[0].value = 1 }, "5", .storagePath(block: 6))
    judges.expect(try failure(settlement) { $0.headers[2].storage[0].slots[0].proof.removeLast() }, "5", .storagePath(block: 6))
    try judges.foreign.compare()
}

@Test func recordsAreRefusedInRowsSixAndSeven() throws {
    var judges = Judges()
    let made = try World.record()
    guard case .record(let section) = made.file.subject, let content = section.content else { Issue.record("no record"); return }
    var salted = content
    salted.salt = .zero
    judges.expect(
        try failure(made) { changeRecord(&$0) { $0.content = salted } }, "6a",
        .leafMismatch(expected: section.leaf, found: RecordSection.leaf(section.author, section.schema, salted.commitment)))
    let wrong = World.text("no sibling")
    judges.expect(
        try failure(made) { changeRecord(&$0) { $0.path = [.left(wrong)] } }, "6a",
        .treePath(expected: section.root, found: keccak256([1] + wrong.bytes + section.leaf.bytes)))
    var changed = World.original
    changed[RecordSection.Content.chunkBytes + 1] ^= 1
    judges.expect(try failure(made, original: changed), "7a", .contentMismatch(chunk: 1))
    judges.expect(try failure(made, original: World.original + [0]), "7a", .contentMismatch(chunk: 1))
    judges.expect(try failure(made, original: []), "7a", .contentMismatch(chunk: 0))
    judges.expect(try failure(made) { $0.endorsements[0].block = 5 }, "7a", .endorsementInvalid(0))
    try judges.foreign.compare()
}

@Test func settlementsAreRefusedInRowsSixToNine() throws {
    var judges = Judges()
    let made = try World.settlement()
    guard case .settlement(let section) = made.file.subject else { Issue.record("no settlement"); return }
    func changed(_ change: (inout SettlementSection) -> Void) throws -> Found { try failure(made) { changeSettlement(&$0, change) } }
    var later = section
    later.timestamp += 1
    judges.expect(try changed { $0 = later }, "6b", .factMismatch(expected: section.fact, found: later.fact))
    judges.expect(try failure(World.settlement(.init(state: 6))), "6b", .notSettled(state: 6))
    var order = section.order
    order.nonce = 100
    judges.expect(try changed { $0.order = order }, "7b", .orderMismatch(expected: section.orderHash, found: order.hashStruct))
    judges.expect(try changed { $0.seats[2].coin = .zero }, "7b", .sessionMismatch(field: "session"))
    judges.expect(try changed { $0.seats[1].job = 8 }, "7b", .sessionMismatch(field: "seats[1].job"))
    judges.expect(try changed { $0.inputs[0].attempt = 2 }, "7b", .sessionMismatch(field: "inputs[0].attempt"))
    judges.expect(try changed { $0.inputs.removeLast() }, "7b", .sessionMismatch(field: "session"))
    judges.expect(try changed { $0.output.boxes[3] = .zero }, "7b", .sessionMismatch(field: "output"))
    judges.expect(try changed { $0.attestations.removeLast() }, "8b", .attestationMissing(seat: 3))
    judges.expect(try changed { $0.attestations[1] = [] }, "8b", .attestationMissing(seat: 1))
    judges.expect(try changed { $0.attestations[2] = $0.attestations[1] }, "8b", .attestationForged(seat: 2))
    // The same signature with high s is another encoding, and refused.
    judges.expect(
        try changed { section in
            let s = Secp256k1.order &- U256(bigEndian: section.attestations[0][32..<64])
            section.attestations[0] = section.attestations[0][..<32] + s.bytes + [55 - section.attestations[0][64]]
        }, "8b", .attestationForged(seat: 0))
    judges.expect(try failure(World.settlement(.init(fee: 1_001))), "9b", .sumMismatch(expected: 1_001, found: 1_000))
    judges.expect(try failure(World.settlement(.init(missingPaid: 5))), "9b", .paymentAbsent(line: 5))
    judges.expect(try failure(World.settlement(.init(missingTransfer: 2))), "9b", .paymentAbsent(line: 2))
    try judges.foreign.compare()
}

// MARK: hostile bytes

@Test(arguments: [false, true]) func noChangedByteIsTakenForTheSameClaim(_ isSettlement: Bool) throws {
    let (world, file) = isSettlement ? try World.settlement() : try World.record()
    let text = file.encoded, genuine = verdict(file, world).claim
    var random = Generator(state: isSettlement ? 11 : 7)
    var foreign = ForeignVerifier()
    #expect(genuine != nil)
    for i in 0..<1_500 {
        var changed = text
        let at = random.below(text.count)
        // Half of the changes stay inside the alphabet of the file, so that they get past the parser.
        let byte = random.below(2) == 0 ? UInt8(truncatingIfNeeded: random.next()) : Bytes("0123456789abcdef".utf8)[random.below(16)]
        guard byte != text[at] else { continue }
        changed[at] = byte
        let found = Evidence.verify(changed, expectedGenesis: world.genesisHash)
        #expect(found.claim == nil || found.claim != genuine, "byte \(at) changed to \(byte)")
        if i % 12 == 0 { foreign.note(changed, world.genesisHash, found, "byte \(at) changed to \(byte)") }
    }
    for _ in 0..<200 { #expect(!Evidence.verify(Bytes(text.prefix(random.below(text.count))), expectedGenesis: world.genesisHash).isValid) }
    try foreign.compare()
}
