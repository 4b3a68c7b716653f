import Ciphers
import MPC
import Primitives
import Synchronization
import Testing

/// A program that uses every operation; what it shows is fixed by its inputs, but for the coin.
private func everything(_ s: Session, _ x: Words, _ y: Words, _ b: Bits) async throws(SessionError) -> [Column] {
    let (first, second) = try await s.together(
        { () throws(SessionError) in
            let product = try await s.multiply(x, y), less = try await s.lessThan(x, y, width: 16),
                equal = try await s.equal(x, y, width: 16)
            let chosen = try await s.select(less, product, x), planes = try await s.toBits(chosen, width: 9)
            return try await (s.open(planes), s.open(equal), s.open(s.fromBits(planes)), s.open(product, to: 2) ?? [])
        },
        { () throws(SessionError) in
            let hot = try await s.oneHot(b[planes: 0..<2], live: b[plane: 2]), sums = try await s.sumsOfRows(hot, width: 1)
            let inner = try await s.innerProducts(s.inject(hot), x), field = try await s.productOfRows(b.elements)
            let smaller = try await s.lessThan(b[planes: 0..<3], b[planes: 3..<6]),
                same = try await s.equal(b[planes: 0..<3], b[planes: 3..<6])
            let chosen = try await s.select(smaller, b[planes: 0..<3], b[planes: 3..<6])
            let fits = try await s.conjunctionOfRows(smaller + same)
            _ = try await s.coin(count: 1)
            return try await [s.open(sums), s.open(inner), s.open(field), s.open(chosen), s.open(fits)]
        })
    let rounded = try await s.multiplyTruncated(x, y, bits: 4)
    return try await [first.0, first.1, first.2] + second + [s.open(rounded)]
}

private struct Attack: Sendable {
    let liar: Int
    let round: Int
    let peer: Int
    let isOutgoing: Bool
    let name: String
    let edit: @Sendable (_ frame: Bytes, _ earlier: [Bytes]) -> Bytes
}

private let rows = 5
private let world = World(seed: 11)
private let xs = world.share(words(rows).map { $0 & 0x3fff }, count: rows, in: Z64.self, label: 1)
private let ys = world.share(words(rows, seed: 2).map { $0 & 0x3fff }, count: rows, in: Z64.self, label: 2)
private let bs = world.share(bits(planes: 6, count: rows), planes: 6, count: rows, in: Z2.self, label: 3)

private func run(_ attack: Attack? = nil, sent: Recorder.Sent? = nil) async -> [Outcome<[Column]>] {
    await world.run(wrap: { party, channel in
        if let sent { return Recorder(base: channel, sent: sent, party: party) }
        guard let attack, attack.liar == party else { return channel }
        let earlier = Mutex<[Bytes]>([])
        let edit: DeviatingChannel.Edit = { round, peer, frame in
            guard peer == attack.peer else { return frame }
            return earlier.withLock { earlier in
                defer { earlier.append(frame) }
                return round == attack.round ? attack.edit(frame, earlier) : frame
            }
        }
        return attack.isOutgoing ? DeviatingChannel(channel, outgoing: edit) : DeviatingChannel(channel, incoming: edit)
    }) { s throws(SessionError) in try await everything(s, xs[s.party], ys[s.party], bs[s.party]) }
}

/// Every objection, judged over the claims: the liar's own claim may be honest, another digest, or "none".
private func accused(_ outcomes: [Outcome<[Column]>], liar: Int) -> [(Int, Int)] {
    var pairs: [(Int, Int)] = []
    for outcome in outcomes {
        guard case .failure(.objection(let objections)) = outcome.result else { continue }
        for objection in objections {
            let row = objection.slot.parties
            for lie in [nil, sha256([1]), outcomes[liar].session.claim(for: objection.slot)] {
                let claim = { (p: Int) in p == liar ? lie : outcomes[p].session.claim(for: objection.slot) }
                let received = row.r == liar ? lie : objection.received
                pairs.append(judge(row, sender: claim(row.s), witness: claim(row.v), receiver: received))
            }
        }
    }
    return pairs
}

@Test func everyRewrittenDroppedReplayedOrReorderedMessageIsHarmlessOrCaughtWithItsLiar() async throws {
    let sent = Recorder.Sent(), honest = await run(sent: sent), truth = try honest[0].result.get()
    for outcome in honest { #expect(try outcome.result.get() == truth) }
    let log = sent.frames.withLock { $0 }, rounds = honest[0].session.traffic.rounds
    #expect(rounds > 20)
    var attacks: [Attack] = []
    for (liar, peer) in (0..<4).flatMap({ a in (0..<4).filter { $0 != a }.map { (a, $0) } }) {
        let sent = log.filter { $0.from == liar && $0.to == peer }.map(\.frame),
            got = log.filter { $0.from == peer && $0.to == liar }.map(\.frame)
        #expect(sent.count == rounds && got.count == rounds)
        for round in 0..<rounds {
            for (name, edit) in frameEdits {
                for (isOutgoing, frame) in [(true, sent[round]), (false, got[round])] where !frame.isEmpty || name == "lengthen" {
                    attacks.append(Attack(liar: liar, round: round, peer: peer, isOutgoing: isOutgoing, name: name, edit: edit))
                }
            }
            // Each single message, payload or MAC: one bit.
            var start = 0
            for (k, part) in entries((liar, peer, sent[round])).enumerated() {
                let at = start + 16
                attacks.append(
                    Attack(liar: liar, round: round, peer: peer, isOutgoing: true, name: "flip in message \(k)") { frame, _ in
                        var frame = frame
                        frame[at] ^= 1
                        return frame
                    })
                start = at + part.1.count
            }
        }
    }
    var caught = 0, harmless = 0
    for attack in attacks {
        let outcomes = await run(attack)
        let honest = outcomes.filter { $0.session.party != attack.liar }
        if honest.allSatisfy({ (try? $0.result.get()) != nil }) { harmless += 1 } else { caught += 1 }
        for outcome in honest {
            switch outcome.result {
            case .success(let shown): #expect(shown == truth, "\(attack)")
            case .failure(.unexpectedFrame(let from)), .failure(.channel(.frameTooLong(let from, _))):
                #expect(from == attack.liar, "\(attack)")
            case .failure(.objection), .failure(.channel(.peerStopped)): break
            case .failure(let other): Issue.record("\(other) from \(attack)")
            }
        }
        for pair in accused(outcomes, liar: attack.liar) {
            #expect(pair.0 == attack.liar || pair.1 == attack.liar, "\(pair) accused by \(attack)")
        }
    }
    print("attacks: \(attacks.count) deviations, \(caught) caught, \(harmless) without effect")
    #expect(caught > 2000)
}

private let frameEdits: [(String, @Sendable (Bytes, [Bytes]) -> Bytes)] = [
    ("drop", { _, _ in [] }),
    ("truncate", { frame, _ in Bytes(frame.dropLast()) }),
    ("lengthen", { frame, _ in frame + [0] }),
    ("replay", { frame, earlier in earlier.last { !$0.isEmpty && $0.count <= frame.count } ?? frame }),
    (
        "reorder",
        { frame, _ in
            let parts = entries((0, 1, frame))
            guard let first = parts.first, parts.count > 1 else { return frame }
            let head = 16 + first.1.count
            return Bytes(frame[head...] + frame[..<head])
        }
    ),
    ("zero", { frame, _ in Bytes(repeating: 0, count: frame.count) }),
]

/// No word of an input stands in what any party hands to its channel, in either byte order; nor do the shares' sums.
@Test func noPlaintextLeavesAParty() async throws {
    let secret = words(64, seed: 77), x = world.share(secret, count: 64, in: Z64.self, label: 9), sent = Recorder.Sent()
    let outcomes = await world.run(wrap: { Recorder(base: $1, sent: sent, party: $0) }) { s throws(SessionError) in
        let product = try await s.multiply(x[s.party], x[s.party])
        let planes = try await s.toBits(x[s.party])
        _ = try await s.fromBits(planes)
        return try await s.open(product)
    }
    let shown = try outcomes[0].result.get()
    #expect(shown == secret.map { $0 &* $0 })
    var patterns: Set<UInt64> = []
    for word in secret + shown { patterns.formUnion([word, word.byteSwapped]) }
    func leaks(_ frame: Bytes) -> Bool {
        frame.withUnsafeBytes { raw in
            raw.count >= 8
                && (0...raw.count - 8).contains { patterns.contains(raw.loadUnaligned(fromByteOffset: $0, as: UInt64.self)) }
        }
    }
    let frames = sent.frames.withLock { $0.map(\.frame) }
    #expect(frames.count > 50 && !frames.contains(where: leaks))
    #expect(leaks(frames[0] + [1] + withUnsafeBytes(of: secret[3]) { Bytes($0) }))
}

/// Masked payloads show no bias between 0 and 1 bits, whether the inputs are 0 or not: an unmasked one would.
@Test(arguments: [0, 1])
func payloadsLookRandomWhateverTheInputs(scale: UInt64) async throws {
    let n = 128, sent = Recorder.Sent()
    let x = world.share(words(n).map { $0 & 0x3fff &* scale }, count: n, in: Z64.self, label: 20),
        b = world.share(bits(planes: 6, count: n).map { $0 &* scale }, planes: 6, count: n, in: Z2.self, label: 21)
    let outcomes = await world.run(wrap: { Recorder(base: $1, sent: sent, party: $0) }) { s throws(SessionError) in
        try await everything(s, x[s.party], x[s.party], b[s.party])
    }
    for outcome in outcomes { _ = try outcome.result.get() }
    var worst = 0.0, seen = 0
    for (_, bytes) in sent.frames.withLock({ $0 }).flatMap(entries) where bytes.count >= 16 {
        let ones = bytes.reduce(0) { $0 + $1.nonzeroBitCount }, bits = 8 * bytes.count
        worst = max(worst, abs(Double(2 * ones - bits)) / Double(bits).squareRoot())
        seen += 1
    }
    #expect(seen > 500 && worst < 5.5)
}

@Test func aStreamPositionIsNeverDrawnTwice() async {
    await #expect(processExitsWith: .failure) {
        var stream = Stream(key: Bytes(repeating: 1, count: 16))
        _ = stream.draw(step: 3, use: 1, planes: 1, count: 4, in: Z64.self)
        _ = stream.draw(step: 3, use: 1, planes: 1, count: 4, in: Z64.self)
    }
    await #expect(processExitsWith: .failure) {
        var stream = Stream(key: Bytes(repeating: 1, count: 16))
        _ = stream.draw(step: 3, use: 1, planes: 1, count: 4, in: Z64.self)
        _ = stream.draw(step: 2, use: 0, planes: 1, count: 4, in: Z64.self)
    }
}
