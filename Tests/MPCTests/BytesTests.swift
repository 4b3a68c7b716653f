import Ciphers
import Foundation
import MPC
import Primitives
import Testing

/// Frames, MACs, digests, records, boxes and commitments equal those of an implementation that shares no code with ours.
@Test func bytesEqualTheIndependentImplementation() async throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../Vectors/mpc/bytes.json")
    let vector = try JSON(parsing: Bytes(Data(contentsOf: file)))
    func hex(_ json: JSON?) throws -> Bytes { try #require(json?.asString.flatMap { Hex.parse($0) }) }
    func list(_ name: String) throws -> [Bytes] { try #require(vector[name]?.asArray).map { try hex($0) } }
    func hash(_ name: String) throws -> Hash32 { try #require(Hash32(hex(vector[name]))) }

    let session = try hash("session"), k = try list("keys")
    let world = World(
        keys: (0..<4).map { i in SessionKeys(party: i, session: session, keys: (0..<4).map { $0 == i ? [] : k[$0] }) },
        seed: session)
    func components(_ name: String) throws -> [Column] {
        try list(name).map { $0.withUnsafeBytes { Z64.decode($0, planes: 1, count: 3) } }
    }
    let x = try components("x"), y = try components("y"), sent = Recorder.Sent()
    let outcomes = await world.run(wrap: { Recorder(base: $1, sent: sent, party: $0) }) { s throws(SessionError) in
        try await s.multiply(
            Words(party: s.party, planes: 1, count: 3, components: x), Words(party: s.party, planes: 1, count: 3, components: y))
    }
    let frames = Dictionary(uniqueKeysWithValues: sent.frames.withLock { $0 }.map { ("\($0.from)\($0.to)", $0.frame) })
    for a in 0..<4 { for b in 0..<4 where a != b { #expect(try frames["\(a)\(b)"] ?? [] == hex(vector["frames"]?["\(a)\(b)"])) } }

    let rows = [Row(0, 1, 3, 2), Row(1, 2, 0, 3), Row(2, 3, 1, 0), Row(3, 0, 2, 1), Row(1, 3, 0, 2), Row(0, 2, 3, 1)]
    for (number, (row, digest)) in zip(rows, try list("digests")).enumerated() {
        let slot = MessageSlot(step: 1, row: UInt32(number), parties: row)
        for party in [row.s, row.v, row.r] { #expect(outcomes[party].session.claim(for: slot) == Hash32(digest)) }
        #expect(outcomes[row.o].session.claim(for: slot) == nil)
    }
    var transcript = Transcript(session: session)
    transcript.append(contents: outcomes.map { $0.session.record().content(after: transcript.agreed) })
    #expect(transcript.agreed == (try hash("transcript")))

    let reader = try hex(vector["readerPublic"]), expected = try list("boxes")
    for outcome in outcomes {
        let boxes = try outcome.session.seal(outcome.result.get(), reader: 2, publicKey: reader)
        for j in 0..<4 { #expect(boxes[j] == (j == outcome.session.party ? nil : expected[j])) }
    }
    let table = (0..<600).map { UInt64($0 * $0) &* 0x123456789abcdef }
    let dealt = try Input.deal(
        [table], layout: InputLayout(columns: [.words(planes: 1)], rows: 600), schema: hash("schema"), seat: nil,
        seeds: list("seeds"), salts: list("salts").map { Hash32($0)! })
    #expect(dealt.commitment == (try hash("commitment")))
}
