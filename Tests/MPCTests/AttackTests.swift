import Ciphers
import MPC
import Primitives
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

private let rows = 5
private let world = World(seed: 11)
private let xs = world.share(words(rows).map { $0 & 0x3fff }, count: rows, in: Z64.self, label: 1)
private let ys = world.share(words(rows, seed: 2).map { $0 & 0x3fff }, count: rows, in: Z64.self, label: 2)
private let bs = world.share(bits(planes: 6, count: rows), planes: 6, count: rows, in: Z2.self, label: 3)

private func attack() async throws -> Attack<[Column]> {
    try await Attack(world) { s throws(SessionError) in try await everything(s, xs[s.party], ys[s.party], bs[s.party]) }
}

@Test func everyRewrittenDroppedReplayedOrReorderedMessageIsHarmlessOrCaughtWithItsLiar() async throws {
    let attack = try await attack(), places = attack.places
    for shown in attack.honest { #expect(shown == attack.honest[0]) }
    #expect(attack.rounds > 20)
    var caught = 0, harmless = 0
    for (n, place) in places.enumerated() {
        // What is sent is changed in every way; what is misread, in one after the other.
        let kinds = place.isOutgoing ? Deviation.Kind.allCases : [Deviation.Kind.allCases[n % Deviation.Kind.allCases.count]]
        for deviation in kinds.compactMap({ attack.deviation($0, at: place, bit: n) }) {
            switch await attack.verdict(on: deviation) {
            case .caught: caught += 1
            case .harmless: harmless += 1
            case .breach(let breach): Issue.record("\(breach) by \(deviation)")
            }
        }
    }
    print("attacks: \(places.count) messages, \(caught) deviations caught, \(harmless) without effect")
    #expect(caught > 2_000)
}

/// Controls: two parties that collude, and a verdict that points the wrong way, must turn the test above red.
@Test func theAttackTestSeesWrongResultsAndWrongAccusations() async throws {
    let attack = try await attack()
    var wrong = 0, accused = 0, misjudged = 0
    for place in attack.places {
        if let deviation = attack.collusion(at: place) {
            switch await attack.verdict(on: deviation) {
            case .breach(.wrong): wrong += 1
            case .breach(.innocentsAccused): accused += 1
            case let verdict: #expect(verdict == .harmless || verdict == .caught)  // the one that sent may still be in the pair
            }
        }
        if place.isOutgoing, let deviation = attack.deviation(.firstByte, at: place),
            case .breach(.innocentsAccused) = await attack.verdict(on: deviation, judge: { row, _, _, _ in (row.r, row.o) })
        {
            misjudged += 1
        }
    }
    print("controls: \(wrong) wrong results, \(accused) innocent pairs by collusion, \(misjudged) by a wrong verdict")
    #expect(wrong > 10 && accused > 10 && misjudged > 100)
}

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
