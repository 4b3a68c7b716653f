import Ciphers
import MPC
import Primitives
import Testing

private let layout = InputLayout(columns: [.bits(planes: 3), .words(planes: 1), .bits(planes: 7)], rows: 1500)
private let table = [bits(planes: 3, count: 1500), words(1500), bits(planes: 7, count: 1500, seed: 5)]
private let seeds = (0..<4).map { Bytes(sha256([UInt8($0)]).bytes[0..<16]) }, salts = (0..<4).map { sha256([9, UInt8($0)]) }
private let schema = sha256([1, 2, 3])

@Test(arguments: [nil, 0, 1, 2, 3])
func everyHolderOpensWhatTheDealerCommittedTo(seat: Int?) throws {
    let (commitment, packages) = Input.deal(table, layout: layout, schema: schema, seat: seat, seeds: seeds, salts: salts)
    #expect(
        packages.filter { if case .payload = $0.body { true } else { false } }.map(\.component) == [seat.map { ($0 + 1) % 4 } ?? 0])
    let components = try packages.map {
        try InputPackage($0.encoded, layout: layout).open(commitment: commitment, schema: schema, layout: layout)
    }
    let world = World(seed: 1)
    #expect(world.reveal((0..<4).map { layout.bits(0, of: components, party: $0) }) == table[0])
    #expect(world.reveal((0..<4).map { layout.words(1, of: components, party: $0) }) == table[1])
    #expect(world.reveal((0..<4).map { layout.bits(2, of: components, party: $0) }) == table[2])
}

@Test func aPackageThatWasTouchedIsRefused() throws {
    let (commitment, packages) = Input.deal(table, layout: layout, schema: schema, seat: 2, seeds: seeds, salts: salts)
    for package in packages {
        let bytes = package.encoded
        for at in [1, 33, 160, 162, bytes.count - 1] {
            var touched = bytes
            touched[at] ^= 1
            #expect(throws: InputError.self) {
                try InputPackage(touched, layout: layout).open(commitment: commitment, schema: schema, layout: layout)
            }
        }
        #expect(throws: InputError.malformed) { try InputPackage(Bytes(bytes.dropLast()), layout: layout) }
        #expect(throws: InputError.malformed) { try InputPackage(bytes + [0], layout: layout) }
        #expect(throws: InputError.rootsDoNotOpen) { try package.open(commitment: schema, schema: schema, layout: layout) }
    }
    #expect(throws: InputError.malformed) { try InputPackage([], layout: layout) }
}

@Test func theReaderOpensExactlyTheResultAndNobodyCanSpoilIt() async throws {
    let world = World(seed: 3), x = words(20), sx = world.share(x, planes: 2, count: 10, in: Z64.self),
        reader = HPKE.deriveKeyPair([7])
    let outcomes = await world.run { s throws(SessionError) in try await s.multiply(sx[s.party], sx[s.party]) }
    let session = outcomes[0].session.identity
    let boxes = try outcomes.map { try $0.session.seal($0.result.get(), width: 20, reader: 1, publicKey: reader.public) }
    for (i, list) in boxes.enumerated() { #expect(list[i] == nil) }
    let lists = boxes.map { $0.map { $0.map { keccak256($0) } } }
    let attested = try Boxes.agree(lists), expected = x.map { $0 &* $0 & 0xfffff }
    let copies = (0..<4).map { j in boxes.compactMap { $0[j] } }
    for rotten in 0..<4 {
        let given = copies.map { $0.enumerated().map { $0 == rotten ? [1, 2, 3] : $1 } }
        #expect(
            try Boxes.open(
                session: session, reader: 1, secret: reader.secret, attested: attested, copies: given, count: 20, width: 20)
                == expected)
    }
    #expect(throws: BoxError.missing(component: 2)) {
        try Boxes.open(
            session: session, reader: 1, secret: reader.secret, attested: attested, copies: [copies[0], copies[1], [], copies[3]],
            count: 20)
    }
    #expect(throws: BoxError.unreadable(component: 0, .forged)) {
        try Boxes.open(session: session, reader: 0, secret: reader.secret, attested: attested, copies: copies, count: 20)
    }
    for liar in 0..<4 {
        for j in 0..<4 where j != liar {
            var forged = lists
            forged[liar][j] = schema
            let honest = (0..<4).filter { $0 != liar && $0 != j }
            #expect(throws: BoxError.differ(pairs: honest.map { [min($0, liar), max($0, liar)] })) { try Boxes.agree(forged) }
        }
    }
}

@Test func differentKeysAreFoundBeforeUseAndTheClaimsNameTheLiar() async throws {
    let network = MemoryNetwork(), session = sha256([5])
    struct TwoFaced: Channel {
        let base: MemoryChannel
        func exchange(_ frames: [Bytes], expecting: [Int]) async throws(ChannelError) -> [Bytes] {
            var frames = frames
            if frames[2].count == 64, frames[2] != frames[3] { frames[2][0] ^= 1 }
            return try await base.exchange(frames, expecting: expecting)
        }
    }
    let errors = await withTaskGroup(of: (Int, SessionError?).self) { group in
        for a in 0..<4 {
            let contributions = (0..<4).map { sha256([6, UInt8(a), UInt8($0)]) }, plain = network.channel(of: a)
            group.addTask {
                defer { network.close(a) }
                do throws(SessionError) {
                    if a == 1 {
                        _ = try await SessionKeys.agree(
                            party: a, session: session, contributions: contributions, over: TwoFaced(base: plain))
                    } else {
                        _ = try await SessionKeys.agree(party: a, session: session, contributions: contributions, over: plain)
                    }
                    return (a, nil)
                } catch { return (a, error) }
            }
        }
        return await group.reduce(into: [Int: SessionError]()) { $0[$1.0] = $1.1 }
    }
    guard case .keysDiffer(let j, let mine)? = errors[2], case .keysDiffer(j, let theirs)? = errors[1] else {
        Issue.record("no objection: \(errors)"); return
    }
    let got = mine.first { $0.from == 1 && $0.to == 2 && $0.side == 1 }!,
        sent = theirs.first { $0.from == 1 && $0.to == 2 && $0.side == 0 }!
    #expect(got.digest != sent.digest && got.index == sent.index + 1)
}

@Test func theVerdictHoldsTheDeviatorWhateverItClaims() {
    let a = sha256([1]), b = sha256([2]), row = Row(0, 1, 2, 3)
    func pair(_ s: Hash32?, _ v: Hash32?, _ r: Hash32?) -> [Int] {
        let p = judge(row, sender: s, witness: v, receiver: r); return [p.0, p.1]
    }
    for claim in [a, b, nil] {
        #expect(pair(claim, a, b).contains(0))
        #expect(pair(a, claim, a).contains(1))
        for s in [a, nil] { for v in [a, nil] { #expect(pair(s, v, claim).contains(2)) } }
    }
    var seen: Set<Int> = []
    for s in 0..<4 {
        for v in 0..<4 {
            for r in 0..<4 where Set([s, v, r]).count == 3 {
                let row = Row(s, v, r, 6 - s - v - r)
                #expect(Row(triple: row.triple) == row)
                seen.insert(row.triple)
            }
        }
    }
    #expect(seen == Set(0..<24) && Row(triple: 24) == nil)
    #expect(
        MessageSlot(step: 1 << 20, row: 3, parties: row).index(role: 2)
            == U256((1 << 20) << 48 | 3 << 16 | UInt64(row.triple) << 8 | 2, 16, 0, 0))
}

/// Whatever one party sends while keys are agreed: all keys are the same at all holders, or somebody stops before the first use; and
/// two honest holders never contradict each other about what one sent the other.
@Test func noChangedMessageOfKeyAgreementLeavesHoldersWithDifferentKeys() async throws {
    let session = sha256([8]), kinds = ["first", "second", "last", "dropped", "long", "other's"]
    var stopped = 0, harmless = 0
    for liar in 0..<4 {
        for (peer, round) in (0..<4).flatMap({ p in [(p, 0), (p, 1)] }) where peer != liar {
            for kind in kinds {
                let network = MemoryNetwork(),
                    edit: DeviatingChannel.Edit = { at, to, frame in
                        guard at == round, to == peer else { return frame }
                        var out = frame
                        switch kind {
                        case "first": out[0] ^= 1
                        case "second": out[32] ^= 0x80
                        case "last": out[63] ^= 4
                        case "dropped": out = []
                        case "long": out.append(1)
                        default: out = Bytes(frame[32...] + frame[..<32])
                        }
                        return out
                    }
                let results = await withTaskGroup(of: (Int, Result<SessionKeys, SessionError>).self) { group in
                    for a in 0..<4 {
                        let plain = network.channel(of: a)
                        group.addTask {
                            defer { network.close(a) }
                            let contributions = (0..<4).map { sha256([7, UInt8(a), UInt8($0)]) }, outgoing = a == liar ? edit : nil
                            do throws(SessionError) {
                                return (
                                    a,
                                    .success(
                                        try await .agree(
                                            party: a, session: session, contributions: contributions,
                                            over: DeviatingChannel(plain, outgoing: outgoing)))
                                )
                            } catch { return (a, .failure(error)) }
                        }
                    }
                    return await group.reduce(into: [Int: Result<SessionKeys, SessionError>]()) { $0[$1.0] = $1.1 }
                }
                let keys = try? (0..<4).map { try results[$0]!.get() }
                if let keys {
                    // With one key different, an honest product would end in an objection.
                    let world = World(keys: keys, seed: session), x = world.share(words(4), count: 4, in: Z64.self)
                    for outcome in await world.run({ s throws(SessionError) in try await s.multiply(x[s.party], x[s.party]) }) {
                        _ = try outcome.result.get()
                    }
                    harmless += 1
                    continue
                }
                stopped += 1
                var said: [Int: Hash32] = [:]
                for a in 0..<4 where a != liar {
                    guard case .failure(.keysDiffer(_, let contributions)) = results[a]! else { continue }
                    for c in contributions where c.from != liar && c.to != liar {
                        let link = (c.component * 4 + c.from) * 4 + c.to
                        if let before = said.updateValue(c.digest, forKey: link) {
                            #expect(before == c.digest, "\(liar) \(peer) \(round) \(kind)")
                        }
                    }
                }
            }
        }
    }
    #expect(stopped > 100 && harmless == 0, "\(stopped) stopped, \(harmless) harmless")
}
