import NIOCore
import P2P
import Primitives
import Testing

/// SplitMix64: seeded, so that a failure can be replayed.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
    mutating func bytes(_ count: Int) -> Bytes { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

private func drain(_ decoder: inout FrameDecoder) throws(FrameError) -> [Frame] {
    var frames: [Frame] = []
    while let next = try decoder.next() { frames.append(Frame(next.id, Bytes(next.payload.readableBytesView))) }
    return frames
}

@Test func aFrameIsLengthThenIdentifierThenPayload() {
    #expect(Frame(.roundChange, [0xc0, 0x01]).encoded == [0, 0, 0, 2, 0, 0x15, 0xc0, 0x01])
    #expect(Frame(.ping, []).encoded == [0, 0, 0, 0, 0, 2])
}

@Test func framesSurviveAnyCutting() throws {
    var random = Seeded(state: 1)
    let ids: [FrameID] = [.commit, .ping, .bodies, .transactions, .session]
    for _ in 0..<300 {
        let frames = (0..<Int.random(in: 1...6, using: &random)).map { _ in
            let id = ids.randomElement(using: &random)!
            return Frame(id, random.bytes(Int.random(in: 0...min(3_000, id.maximumBytes!), using: &random)))
        }
        let stream = frames.flatMap(\.encoded)
        var decoder = FrameDecoder(), seen: [Frame] = [], at = 0
        decoder.isAdmitted = true
        while at < stream.count {
            let end = min(stream.count, at + Int.random(in: 1...700, using: &random))
            decoder.append(ByteBuffer(bytes: stream[at..<end]))
            seen += try drain(&decoder)
            at = end
        }
        #expect(seen == frames)
    }
}

@Test func aFrameIsJudgedByItsHeader() {
    func verdict(_ header: Bytes, admitted: Bool = true) -> FrameError? {
        var decoder = FrameDecoder()
        decoder.isAdmitted = admitted
        decoder.append(ByteBuffer(bytes: header))
        do throws(FrameError) { _ = try decoder.next() } catch { return error }
        return nil
    }
    #expect(verdict([0x00, 0x90, 0x00, 0x00, 0, 0x12]) == nil)
    #expect(verdict([0x00, 0x90, 0x00, 0x01, 0, 0x12]) == .tooLarge(.proposal, bytes: 9 << 20 | 1, maximum: 9 << 20))
    #expect(verdict([0xff, 0xff, 0xff, 0xff, 0, 0x13]) == .tooLarge(.prepare, bytes: 0xffff_ffff, maximum: 1 << 20))
    #expect(verdict([0, 0, 4, 1, 0, 0]) == .tooLarge(.hello, bytes: 1_025, maximum: 1_024))
    #expect(verdict([0, 0, 0, 1, 0xff, 0xff]) == .unknown(FrameID(rawValue: 0xffff)))
    #expect(verdict([0, 0, 0, 1, 0, 0x13], admitted: false) == .beforeAdmission(.prepare))
    #expect(verdict([0, 0, 0, 1, 0, 0x02], admitted: false) == .beforeAdmission(.ping))
    #expect(verdict([0, 0, 4, 0, 0, 0], admitted: false) == nil)
}

@Test(arguments: 0..<8) func randomBytesNeverBreakTheDecoders(_ seed: UInt64) {
    var random = Seeded(state: seed)
    for _ in 0..<2_000 {
        var bytes = random.bytes(Int.random(in: 0...80, using: &random))
        // Half of them with a header that passes, so that payloads are reached.
        if bytes.count >= 6, random.next() & 1 == 0 {
            bytes.replaceSubrange(0..<6, with: [0, 0, 0, UInt8(min(bytes.count - 6, 40)), 0, UInt8(random.next() & 3)])
        }
        var decoder = FrameDecoder()
        decoder.isAdmitted = random.next() & 1 == 0
        decoder.append(ByteBuffer(bytes: bytes))
        let frames = (try? drain(&decoder)) ?? []
        #expect(frames.reduce(0) { $0 + $1.payload.count + Frame.headerBytes } <= bytes.count)
        for frame in frames {
            if let hello = try? Hello(encoded: frame.payload) { #expect(hello.encoded == frame.payload) }
            if let notice = try? Disconnect(encoded: frame.payload) { #expect(notice.encoded == frame.payload) }
        }
    }
}

// MARK: Hello

private let hello = Hello(
    chainId: 1_337_000_001, genesisHash: Hash32(Bytes(repeating: 0xab, count: 32))!,
    fork: ForkID(hash: 0xfc64_ec04, next: 1_150_000),
    headNumber: 7, headHash: Hash32(Bytes(repeating: 0xcd, count: 32))!, headTime: 1_700_000_000_123, flags: .archive,
    client: "entente/1")

@Test func helloHasFixedBytes() throws {
    let golden =
        "f86501844fb10041a0" + String(repeating: "ab", count: 32) + "c984fc64ec0483118c3007a0" + String(repeating: "cd", count: 32)
        + "86018bcfe5687b0289656e74656e74652f31"
    #expect(Hex.print(hello.encoded, prefix: false) == golden)
    #expect(try Hello(encoded: hello.encoded) == hello)
    #expect(Disconnect(.notAdmitted, height: 300).encoded == [0xc4, 0x03, 0x82, 0x01, 0x2c])
}

@Test func aDamagedHelloIsRefusedOrStaysCanonical() {
    let bytes = hello.encoded
    var random = Seeded(state: 99)
    for _ in 0..<5_000 {
        var changed = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            changed[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
        }
        if let decoded = try? Hello(encoded: changed) { #expect(decoded.encoded == changed) }
    }
    var loud = hello
    loud.client = "bell\u{7}"
    #expect(throws: HelloError.self) { try Hello(encoded: loud.encoded) }
}

// MARK: EIP-2124

/// Mainnet's forks up to Muir Glacier; expectations are the published examples of EIP-2124.
private let mainnet = ForkSchedule(
    genesisHash: Hash32(hex: "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3")!,
    forks: [1_150_000, 1_920_000, 2_463_000, 2_675_000, 4_370_000, 7_280_000])

@Test func forkIdentifiersAreThoseOfEIP2124() {
    for (head, hash, next) in [
        (0, 0xfc64_ec04, 1_150_000), (1_149_999, 0xfc64_ec04, 1_150_000), (1_150_000, 0x97c2_c34c, 1_920_000),
        (1_920_000, 0x91d1_f948, 2_463_000),
        (2_463_000, 0x7a64_da13, 2_675_000), (2_675_000, 0x3edd_5b10, 4_370_000), (4_370_000, 0xa00b_c324, 7_280_000),
        (7_280_000, 0x668d_b0af, 0),
    ] as [(UInt64, UInt32, UInt64)] {
        #expect(mainnet.id(atHead: head) == ForkID(hash: hash, next: next))
    }
}

@Test func peersAreAcceptedByTheRulesOfEIP2124() {
    for (head, hash, next, isAccepted) in [
        (7_987_396, 0x668d_b0af, 0, true),  // same fork, nothing next
        (7_987_396, 0x668d_b0af, .max, true),  // announces a fork far away
        (7_279_999, 0xa00b_c324, 0, true),  // does not know of Petersburg yet
        (7_279_999, 0xa00b_c324, 7_280_000, true),
        (7_279_999, 0xa00b_c324, .max, true),  // its next fork is another: still before it
        (7_987_396, 0xa00b_c324, 7_280_000, true),  // it is syncing
        (7_987_396, 0x3edd_5b10, 4_370_000, true),
        (7_279_999, 0x668d_b0af, 0, true),  // we are syncing
        (4_369_999, 0xa00b_c324, 0, true),
        (7_987_396, 0xa00b_c324, 0, false),  // it needs a software update
        (7_987_396, 0x5cdd_c0e1, 0, false),  // another chain
        (7_987_396, 0xafec_6b27, 0, false),
        (88_888_888, 0x668d_b0af, 88_888_888, false),  // it forked where we did not
        (7_279_999, 0xa00b_c324, 7_279_999, false),
    ] as [(UInt64, UInt32, UInt64, Bool)] {
        #expect(mainnet.accepts(ForkID(hash: hash, next: next), atHead: head) == isAccepted, "head \(head) \(next)")
    }
}

// MARK: standing

private let minute: UInt64 = 60_000_000_000
private let someone = Address(Bytes(repeating: 1, count: 20))!

/// A mutating call may not stand inside `#expect`.
private final class Scoreboard {
    var scores = PeerScores()
    func charge(_ offence: Offence, isValidator: Bool = false, _ now: UInt64) -> Bool {
        scores.charge(offence, to: someone, isValidator: isValidator, now: now)
    }
    func isBanned(_ now: UInt64) -> Bool { scores.isBanned(someone, now: now) }
}
private final class Doorway {
    var door = Door()
    func enter(_ address: String, _ now: UInt64) -> Bool { door.enter(from: address, now: now) }
}

@Test func smallOffencesAddUpAndHeal() {
    let board = Scoreboard()
    for _ in 0..<4 { #expect(!board.charge(.emptyAnswer, 0)) }
    #expect(!board.charge(.lateAnswer, 10 * minute), "-80, +10 in ten minutes, -5")
    #expect(!board.charge(.unsolicitedAnswer, 10 * minute), "-95")
    #expect(board.charge(.lateAnswer, 10 * minute), "-100")
    #expect(board.isBanned(20 * minute - 1) && !board.isBanned(20 * minute))
}

@Test func bansDoubleButNeverKeepAValidatorOut() {
    let board = Scoreboard()
    var now: UInt64 = 0
    for expected in [10, 20, 40, 80, 160, 320, 640, 1_280, 1_440, 1_440] as [UInt64] {
        #expect(board.charge(.breach, now))
        #expect(board.isBanned(now + expected * minute - 1) && !board.isBanned(now + expected * minute))
        now += expected * minute
    }
    #expect(board.charge(.breach, isValidator: true, now))
    #expect(board.isBanned(now + minute - 1) && !board.isBanned(now + minute))
}

@Test func theDoorLetsEightASecondFromOneAddressAndThirtyTwoInAll() {
    let way = Doorway()
    var now: UInt64 = 5_000_000_000
    for _ in 0..<8 { #expect(way.enter("a", now)) }
    #expect(!way.enter("a", now))
    now += 125_000_000
    #expect(way.enter("a", now))
    #expect(!way.enter("a", now))
    for i in 0..<23 { #expect(way.enter("b\(i / 8)", now)) }
    #expect(!way.enter("c", now), "32 wait")
    way.door.leave()
    #expect(way.enter("c", now))
    way.door.leave()
    var refused = 0
    for i in 0..<20_000 {
        if way.enter("x\(i)", now) { way.door.leave() } else { refused += 1 }
        now += 1_000_000
    }
    #expect(refused == 0, "the table of addresses forgets those that have been quiet")
}
