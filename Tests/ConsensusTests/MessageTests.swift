import Ciphers
import Consensus
import Foundation
import Primitives
import Testing

private struct Samples {
    let all: [PrivateKey], head: Head, block: UnsealedBlock
    init() throws {
        all = try keys(4)
        head = try genesisHead(validators(all))
        block = try emptyBlock(on: head, by: all[0].address)
    }
    func signed<P: ConsensusPayload>(_ payload: P, _ key: Int) -> Signed<P> { Signed(payload, by: all[key], genesis: head.hash) }
    var prepares: [Prepare] { (0..<3).map { signed(PreparePayload(height: 1, round: 0, digest: block.hash), $0) } }
    var lock: RoundChangePayload.Prepared { .init(round: 0, digest: block.hash) }
    var messages: [Message] {
        [
            .prepare(prepares[1]),
            .commit(signed(CommitPayload(height: 1, round: 0, digest: block.hash, seal: all[1].sign(block.sealDigest(round: 0))), 1)),
            .roundChange(RoundChange(signed: signed(RoundChangePayload(height: 1, round: 1, prepared: nil), 1))),
            .roundChange(
                RoundChange(signed: signed(RoundChangePayload(height: 1, round: 1, prepared: lock), 1), block: block, prepares: prepares)),
            .proposal(Proposal(signed: signed(ProposalPayload(height: 1, round: 0, block: block), 0))),
            .proposal(
                Proposal(
                    signed: signed(ProposalPayload(height: 1, round: 1, block: block.proposed(in: 1)), 1),
                    roundChanges: (0..<3).map { signed(RoundChangePayload(height: 1, round: 1, prepared: lock), $0) }, prepares: prepares)),
        ]
    }
    /// A validator that has been told enough to judge any of them.
    func machine() -> QBFT {
        var machine = QBFT(
            settings: .init(), genesis: head.hash, signer: all[3], head: head, memory: .kept(Watermark(height: 1, round: 0, said: []), nil))
        _ = machine.on(.start(transactionsWaiting: false), now: head.timeMilliseconds + 1500)
        for key in all[..<3] {
            _ = machine.on(
                .linkUp(key.address, .init(headNumber: 0, isAmnesiac: false), roundTripMilliseconds: 1), now: head.timeMilliseconds + 1500)
        }
        return machine
    }
}

@Test func theSigningHashOfAPrepareHasThePublishedValue() throws {
    guard let json = foreignVector("qbft-chain/blocks.json") else { return }
    let blocks = try JSON(parsing: json)
    let genesis = try #require(blocks[0]?["hash"]?.asHash), first = try #require(blocks[1]?["hash"]?.asHash)
    #expect(
        Hex.print(PreparePayload(height: 1, round: 0, digest: first).signingHash(genesis: genesis).bytes, prefix: false)
            == "5be0bad86154b1c2da8ac38c14f3b31b900cc0aee9b7e241fe2f83f61815449e")
}

@Test func eachMessageKeepsItsGoldenBytes() throws {
    let messages = try Samples().messages
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
        "Vectors/qbft-messages.txt")
    let golden = try? String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
    let found = messages.map { "\($0.code) \(Hex.print($0.encoded))" }
    if golden != found { print("GOLDEN\n" + found.joined(separator: "\n")) }
    #expect(golden == found)
    for message in messages { #expect(try Message(code: message.code.rawValue, message.encoded) == message) }
}

@Test func recordsOfMemoryReadBack() throws {
    let s = try Samples(), lock = Lock(block: s.block, prepares: s.prepares)
    #expect(try Lock(decoding: lock.encoded) == lock)
    for mark in [
        Watermark(height: 7, round: 0), Watermark(height: 1, round: .max), Watermark(height: 1, round: 0, said: []),
        Watermark(height: 1, round: 1, said: s.messages.suffix(4) + []),
    ] {
        #expect(try Watermark(decoding: mark.encoded) == mark)
    }
    #expect(throws: MessageError.self) { try Watermark(decoding: lock.encoded) }
    for cut in 0..<40 { #expect(throws: MessageError.self) { try Lock(decoding: lock.encoded.dropLast(1 + cut) + []) } }
}

/// Every leaf of the bytes changed in turn (a bit of a string, a number one higher) and every list one longer or shorter: refused by
/// the codec, or without any effect on a validator that would act on the original.
@Test func aMessageWithAnyFieldChangedIsRefused() throws {
    let s = try Samples()
    for message in s.messages {
        let item = try RLP.decode(message.encoded), sender = try #require(author(of: message, s))
        var original = s.machine()
        let accepted = original.on(.message(message, from: sender), now: s.head.timeMilliseconds + 1500)
        #expect(!accepted.contains { if case .misbehaved = $0 { true } else { false } })
        var count = 0
        for mutant in mutants(of: item) {
            count += 1
            let decoded: Message
            do throws(MessageError) { decoded = try Message(code: message.code.rawValue, RLP.encode(mutant)) } catch { continue }
            #expect(isRefused(decoded, from: sender, s), "\(message.code): \(mutant)")
        }
        #expect(count > 5)
    }
}

private func author(of message: Message, _ s: Samples) -> Address? {
    func signer<P>(_ signed: Signed<P>) -> Address? {
        Secp256k1Recovery().signer(of: signed.signature, over: signed.payload.signingHash(genesis: s.head.hash))
    }
    return switch message {
    case .proposal(let m): signer(m.signed)
    case .prepare(let m): signer(m)
    case .commit(let m): signer(m)
    case .roundChange(let m): signer(m.signed)
    }
}

/// No vote and no decision rests on it: votes are judged when counted, so two honest ones come along and must not make a third of it.
private func isRefused(_ message: Message, from sender: Address, _ s: Samples) -> Bool {
    var machine = s.machine()
    let now = s.head.timeMilliseconds + 1500
    var effects = machine.on(.message(message, from: sender), now: now)
    if message.height != 1 { return effects.allSatisfy { if case .broadcast = $0 { false } else { true } } }
    func feed(_ message: Message, _ key: Int) { effects += machine.on(.message(message, from: s.all[key].address), now: now) }
    switch message {
    case .prepare, .commit:
        feed(s.messages[4], 0)
        effects += machine.on(.validated(s.block.hash, .valid), now: now)
        feed(.prepare(s.prepares[0]), 0)
        if case .commit = message {
            for key in [0, 2] {
                feed(
                    .commit(
                        s.signed(
                            CommitPayload(height: 1, round: 0, digest: s.block.hash, seal: s.all[key].sign(s.block.sealDigest(round: 0))),
                            key)), key)
            }
        }
        // With an honest third vote this would have been a lock, or a decision.
        return !effects.contains {
            switch $0 {
            case .persist(.lock), .decide: true;
            default: false
            }
        }
    case .roundChange:
        // f + 1 = 2 would make it follow.
        feed(.roundChange(RoundChange(signed: s.signed(RoundChangePayload(height: 1, round: 1, prepared: nil), 2))), 2)
        return machine.round == 0
    case .proposal: return !effects.contains { if case .validate = $0 { true } else { false } }
    }
}

private func mutants(of item: RLP.Item) -> [RLP.Item] {
    switch item {
    case .bytes(let bytes):
        var changed: [RLP.Item] = [.bytes(bytes + [1]), .list([])]
        if let last = bytes.last {
            changed += [.bytes(bytes.dropLast() + [last ^ 1]), .bytes(bytes.dropLast() + [])]
        } else {
            changed.append(.bytes([1]))
        }
        if bytes.count > 2 { changed.append(.bytes([bytes[0] ^ 0x40] + bytes.dropFirst())) }
        return changed.filter { $0 != item }
    case .list(let items):
        var changed: [RLP.Item] = [.list(items + [.bytes([])])]
        if !items.isEmpty { changed += [.list(items.dropLast() + []), .list(items + [items[items.count - 1]])] }
        for (index, inner) in items.enumerated() {
            for mutant in mutants(of: inner) {
                var copy = items
                copy[index] = mutant
                changed.append(.list(copy))
            }
        }
        return changed
    }
}
