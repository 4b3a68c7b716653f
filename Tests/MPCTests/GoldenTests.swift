import CKernels
import Ciphers
import Foundation
import MPC
import Primitives
import Testing

struct Entry: Hashable {
    let step: UInt64, row: UInt32, from: Int, to: Int
}
/// The messages of a frame, with their links.
func entries(_ sent: (from: Int, to: Int, frame: Bytes)) -> [(Entry, Bytes)] {
    FrameEntry.all(of: sent.frame).map { (Entry(step: $0.step, row: $0.row, from: sent.from, to: sent.to), Bytes(sent.frame[$0.payload])) }
}

@Test func payloadsEqualTheModelsTranscript() async throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "../Vectors/mpc/r4-transcript.txt")
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { $0.split(separator: " ") }
    let session = sha256(Bytes("entente/mpc/session/v1golden".utf8)), network = MemoryNetwork()
    let keys = try await withThrowingTaskGroup(of: SessionKeys.self) { group in
        for a in 0..<4 {
            let contributions = (0..<4).map { sha256(Bytes("test contributiongolden".utf8) + [4, UInt8(a), UInt8($0)]) }
            group.addTask {
                try await SessionKeys.agree(party: a, session: session, contributions: contributions, over: network.channel(of: a))
            }
        }
        var keys: [SessionKeys] = []
        for try await key in group { keys.append(key) }
        return keys.sorted { $0.party < $1.party }
    }
    func dealt(_ value: Column) -> [Column] {
        var components: [Column] = [value]
        for j in 1..<4 {
            let seed = Bytes(sha256(Bytes("test dealer".utf8) + [4, UInt8(j), 255] + Bytes("seed".utf8)).bytes[0..<16])
            var schedule = Bytes(repeating: 0, count: 176), stream = Bytes(repeating: 0, count: 32)
            entente_aes128_expand(seed, &schedule)
            entente_aes128_ctr(schedule, 0, 0, &stream, 2)
            components.append(stream.withUnsafeBytes { Z64.decode($0, planes: 1, count: 4) })
            components[0] = zip(components[0], components[j]).map(&-)
        }
        return components
    }
    let x = dealt((0..<4).map { UInt64($0) << 20 }), y = dealt(Column(repeating: 3 << 19, count: 4)), sent = Recorder.Sent()
    let outcomes = await World(keys: keys, seed: session).run(wrap: { Recorder(base: $1, sent: sent, party: $0) }) {
        s throws(SessionError) in
        let a = Words(party: s.party, planes: 1, count: 4, components: x),
            b = Words(party: s.party, planes: 1, count: 4, components: y)
        _ = try await s.multiply(a, b)
        _ = try await s.multiplyTruncated(a, b, bits: 20)
        _ = try await s.lessThan(a, b, width: 8)
    }
    for outcome in outcomes { _ = try outcome.result.get() }
    let payloads = Dictionary(uniqueKeysWithValues: sent.frames.withLock { $0 }.flatMap(entries))
    #expect(lines.count > 20)
    for line in lines {
        let (from, to) = (Int(String(line[5].first!))!, Int(String(line[5].last!))!)
        let entry = Entry(step: UInt64(line[2])!, row: UInt32(line[4])!, from: from, to: to)
        #expect(payloads[entry].map { Hex.print($0, prefix: false) } == String(line[6]), "\(line)")
    }
}
