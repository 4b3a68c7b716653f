import Ciphers
import Contracts
import MPC
import Primitives
import Synchronization

/// One attempt of one job at one seat, from the fixed session to boxes that settle it.
///
/// A linear protocol of rounds among the four seats (r4.md §6, §10, §12; job-protocol.md §4, §5):
///
///     deliver ── packages under signed delivery, each opened against the commitment on chain
///     keys ───── contributions, key checks
///     program ── the plan over shares
///     segment ── batch record, signed; echoed, so that two contents for one slot meet
///     boxes ──── hashes of the boxes each seat can compute, signed; equal at all holders
///     attest ─── (transcript, output), signed
///     release ── whoever holds all four attestations sends them to all, and box i to seat i
///
/// The last two are no rounds: each seat takes what comes, from whoever it comes, until it holds all. So a seat that attests to one
/// honest seat only, or falls silent or loses its links once it holds its box, keeps nothing from the others: where one honest seat
/// released, the other two hold all attestations and their boxes (law L13). Whoever holds everything settles. Any failure carries
/// what the Referee needs to judge it.
package struct SessionRun: Sendable {
    package struct Committee: Sendable {
        package let session: Hash32
        package let seat: Int
        /// Session keys' addresses, in seat order.
        package let keys: [Address]
        package let signer: SessionSigner

        package init(session: Hash32, seat: Int, keys: [Address], signer: SessionSigner) {
            precondition(keys.count == 4 && keys[seat] == signer.address)
            (self.session, self.seat, self.keys, self.signer) = (session, seat, keys, signer)
        }
        package var domain: MarketDomain { signer.domain }
        var others: [Int] { (0..<4).filter { $0 != seat } }
    }

    /// One use of a listing: who brings it, what it committed to on chain, the shape that the plan gives it.
    package struct Contribution: Sendable {
        package let use: Int
        package let seat: Int
        package let commitment: Hash32
        package let schema: Hash32
        package let layout: InputLayout
        /// Only at the seat that brings it: package j goes to everyone but seat j.
        package let packages: [InputPackage]?

        package init(use: Int, seat: Int, commitment: Hash32, schema: Hash32, layout: InputLayout, packages: [InputPackage]?) {
            (self.use, self.seat, self.commitment, self.schema) = (use, seat, commitment, schema)
            (self.layout, self.packages) = (layout, packages)
        }
    }

    package struct Settlement: Sendable {
        package let transcript: Hash32
        package let boxes: [Bytes]
        package let attestations: [SignedClaim]

        package init(transcript: Hash32, boxes: [Bytes], attestations: [SignedClaim]) {
            (self.transcript, self.boxes, self.attestations) = (transcript, boxes, attestations)
        }
    }

    /// What a seat is at, for whoever looks (`entente job`).
    package enum Stage: String, Sendable { case delivering, keys, computing, segment, boxes, attesting, releasing, released }

    let committee: Committee
    let contributions: [Contribution]
    let readerKey: Bytes
    let channel: any SeatLink
    /// Before a box leaves: all attested; is the job still running, with time left (H4)?
    let mayRelease: @Sendable () async -> Bool
    let testimony: Testimony
    let report: @Sendable (Stage, Session?) -> Void

    package init(
        committee: Committee, contributions: [Contribution], readerKey: Bytes, channel: any SeatLink, testimony: Testimony = Testimony(),
        mayRelease: @escaping @Sendable () async -> Bool, report: @escaping @Sendable (Stage, Session?) -> Void
    ) {
        (self.committee, self.contributions, self.readerKey, self.channel) = (committee, contributions, readerKey, channel)
        (self.testimony, self.mayRelease, self.report) = (testimony, mayRelease, report)
    }
    private func enter(_ stage: Stage, _ session: Session?) {
        testimony.state.withLock { $0.stage = stage }
        report(stage, session)
    }

    /// - Parameters:
    ///   - randomness: four fresh values for the keys' contributions.
    ///   - program: the plan over each use's components as this seat holds them (its own index is empty); its words are the result.
    package func run(
        contributions randomness: [Hash32],
        program: @Sendable (Session, _ components: [Int: [Bytes]]) async throws(SessionError) -> Words
    ) async throws(SessionFailure) -> Settlement {
        enter(.delivering, nil)
        let components = try await deliver()
        enter(.keys, nil)
        let keys = try await attempt { () async throws(SessionError) in
            try await SessionKeys.agree(party: committee.seat, session: committee.session, contributions: randomness, over: channel)
        }
        testimony.state.withLock { state in for c in keys.contributions { state.keys[U256(UInt64(c.index))] = c.digest } }
        let session = Session(keys: keys, channel: channel)
        enter(.computing, session)
        let words = try await attempt { () async throws(SessionError) in try await program(session, components) }
        let boxes: [Bytes?]
        do { boxes = try session.seal(words, reader: 0, publicKey: readerKey) } catch { throw .readerKeyRefused }
        testimony.state.withLock { $0.boxes = boxes.map { $0.map { keccak256($0) } } }
        enter(.segment, session)
        let transcript = try await agreeSegment(session.record())
        enter(.boxes, session)
        let hashes = try await agreeBoxes(boxes)
        enter(.attesting, session)
        let settlement = try await attest(transcript, boxes, hashes, session)
        enter(.released, session)
        return settlement
    }

    private func attempt<T>(_ body: () async throws(SessionError) -> T) async throws(SessionFailure) -> T {
        do { return try await body() } catch { throw .session(error) }
    }

    /// One frame to and from each other seat.
    private func exchange(_ frames: [Bytes], maximum: Int) async throws(SessionFailure) -> [Bytes] {
        do { return try await channel.exchange(frames, expecting: (0..<4).map { $0 == committee.seat ? 0 : maximum }) } catch {
            throw .session(.channel(error))
        }
    }
    private func sign(_ kind: Claim.Kind, _ index: U256, _ content: Hash32) throws(SessionFailure) -> SignedClaim {
        do { return try committee.signer.sign(Claim(session: committee.session, kind: kind, index: index, content: content)) } catch {
            throw .slot(error)
        }
    }
    private func claim(_ bytes: some Collection<UInt8>, from seat: Int) -> SignedClaim? {
        SignedClaim(bytes, session: committee.session, signedBy: committee.keys[seat], in: committee.domain)
    }

    // MARK: deliver

    private func deliver() async throws(SessionFailure) -> [Int: [Bytes]] {
        let own = contributions.filter { $0.packages != nil }
        var frames = [Bytes](repeating: [], count: 4)
        for p in committee.others {
            frames[p] = try deliveryFrame(own, to: p)
        }
        let maximum = contributions.reduce(1024) { $0 + 4 * 256 + $1.layout.byteCount }
        let got = try await exchange(frames, maximum: maximum)
        var components: [Int: [Bytes]] = [:]
        for contribution in own {
            components[contribution.use] = try openAll(
                contribution, contribution.packages!.filter { $0.component != committee.seat }, from: committee.seat)
        }
        for p in committee.others {
            for (contribution, packages) in try readDelivery(got[p], from: p) {
                components[contribution.use] = try openAll(contribution, packages, from: p)
            }
        }
        return components
    }

    private func deliveryFrame(_ own: [Contribution], to p: Int) throws(SessionFailure) -> Bytes {
        try RLP.encodeList { (list: inout RLP.Encoder) throws(SessionFailure) in
            for contribution in own {
                let claim = try sign(.delivery, U256(UInt64(contribution.use)), contribution.commitment)
                list.appendList { entry in
                    entry.append(claim.encoded)
                    for package in contribution.packages! where package.component != p { entry.append(package.encoded) }
                }
            }
        }
    }

    private func readDelivery(_ frame: Bytes, from p: Int) throws(SessionFailure) -> [(Contribution, [InputPackage])] {
        let promised = contributions.filter { $0.seat == p && $0.packages == nil }
        guard let entries = try? RLP.decode(frame).asList(count: promised.count) else { throw .deliveryMalformed(from: p) }
        var read: [(Contribution, [InputPackage])] = []
        for (contribution, entry) in zip(promised, entries) {
            guard let parts = try? entry.asList(count: 4), let bytes = try? parts[0].asBytes, let claim = claim(bytes, from: p),
                claim.claim.kind == .delivery, claim.claim.index == U256(UInt64(contribution.use))
            else { throw .deliveryMalformed(from: p) }
            // A signed delivery of another commitment convicts the dealer alone.
            guard claim.claim.content == contribution.commitment else { throw .falseInput(claim, from: p) }
            var packages: [InputPackage] = []
            for part in parts.dropFirst() {
                guard let bytes = try? part.asBytes, let package = try? InputPackage(bytes, layout: contribution.layout) else {
                    throw .deliveryMalformed(from: p)
                }
                packages.append(package)
            }
            read.append((contribution, packages))
        }
        return read
    }

    /// Three components, by index; the own one is empty.
    private func openAll(_ contribution: Contribution, _ packages: [InputPackage], from p: Int) throws(SessionFailure) -> [Bytes] {
        var components = [Bytes](repeating: [], count: 4)
        for package in packages {
            do {
                components[package.component] = try package.open(
                    commitment: contribution.commitment, schema: contribution.schema, layout: contribution.layout)
            } catch {
                throw .packageDoesNotOpen(use: contribution.use, from: p, error)
            }
        }
        guard committee.others.allSatisfy({ !components[$0].isEmpty || contribution.layout.byteCount == 0 }) else {
            throw .deliveryMalformed(from: p)
        }
        return components
    }

    // MARK: claims of all

    /// Everybody's claim on its slot, then everybody's list of them: a seat that signed two contents meets both here.
    private func gather(
        _ own: SignedClaim, expecting index: U256, extra: Bytes = [], extraMaximum: Int = 0
    ) async throws(SessionFailure) -> (claims: [SignedClaim], extras: [Bytes]) {
        let count = SignedClaim.byteCount
        let got = try await exchange(frames(own.encoded + extra), maximum: count + extraMaximum)
        var claims = [SignedClaim?](repeating: nil, count: 4), extras = [Bytes](repeating: [], count: 4)
        (claims[committee.seat], extras[committee.seat]) = (own, extra)
        for p in committee.others {
            guard got[p].count >= count, let claim = claim(got[p][..<count], from: p), claim.claim.kind == own.claim.kind,
                claim.claim.index == index
            else {
                throw .claimMissing(own.claim.kind, from: p)
            }
            (claims[p], extras[p]) = (claim, Bytes(got[p][count...]))
        }
        let all = claims.map { $0! }
        let echoes = try await exchange(frames(all.flatMap(\.encoded)), maximum: 4 * count)
        for p in committee.others where echoes[p].count == 4 * count {
            for seat in 0..<4 where seat != committee.seat {
                guard let echoed = claim(echoes[p][count * seat..<count * (seat + 1)], from: seat), echoed.claim.kind == own.claim.kind,
                    echoed.claim.index == index
                else { continue }
                if echoed.claim.content != all[seat].claim.content { throw .equivocation(seat: seat, all[seat], echoed) }
            }
        }
        return (all, extras)
    }
    private func frames(_ frame: Bytes) -> [Bytes] { (0..<4).map { $0 == committee.seat ? [] : frame } }

    private func agreeSegment(_ record: BatchRecord) async throws(SessionFailure) -> Hash32 {
        var transcript = Transcript(session: committee.session)
        let own = try sign(.segment, 0, record.content(after: transcript.agreed))
        let (claims, extras) = try await gather(own, expecting: 0, extra: record.encoded, extraMaximum: record.encoded.count)
        var records: [BatchRecord] = []
        for p in 0..<4 {
            guard let record = BatchRecord(encoded: extras[p]), record.content(after: transcript.agreed) == claims[p].claim.content else {
                throw .claimMissing(.segment, from: p)
            }
            records.append(record)
        }
        if let (a, b) = BatchRecord.contradictions(records).first {
            throw .recordsContradict(a, b, records: [records[a], records[b]], claims: [claims[a], claims[b]], agreed: transcript.agreed)
        }
        transcript.append(contents: claims.map(\.claim.content))
        return transcript.agreed
    }

    private func agreeBoxes(_ boxes: [Bytes?]) async throws(SessionFailure) -> [Hash32] {
        var own: Bytes = []
        for j in committee.others { own += try sign(.box, U256(UInt64(j << 8)), keccak256(boxes[j]!)).encoded }
        let count = SignedClaim.byteCount
        let got = try await exchange(frames(own), maximum: 3 * count)
        var lists = [[Hash32?]](repeating: [nil, nil, nil, nil], count: 4), claims: [[SignedClaim?]] = lists.map { $0.map { _ in nil } }
        for p in 0..<4 {
            let bytes = p == committee.seat ? own : got[p]
            for (k, j) in (0..<4).filter({ $0 != p }).enumerated() {
                guard bytes.count == 3 * count, let claim = claim(bytes[count * k..<count * (k + 1)], from: p), claim.claim.kind == .box,
                    claim.claim.index == U256(UInt64(j << 8))
                else {
                    throw .claimMissing(.box, from: p)
                }
                (lists[p][j], claims[p][j]) = (claim.claim.content, claim)
            }
        }
        do { return try Boxes.agree(lists) } catch {
            guard case .differ(let pairs) = error, let pair = pairs.first,
                let j = (0..<4).first(where: { lists[pair[0]][$0] != lists[pair[1]][$0] && $0 != pair[0] && $0 != pair[1] })
            else {
                throw .claimMissing(.box, from: committee.others[0])
            }
            throw .claimsDiffer(pair[0], pair[1], claims[pair[0]][j]!, claims[pair[1]][j]!)
        }
    }

    /// Attests, releases once all have attested, and returns with every box.
    private func attest(
        _ transcript: Hash32, _ boxes: [Bytes?], _ hashes: [Hash32], _ session: Session
    ) async throws(SessionFailure) -> Settlement {
        let own = try sign(.attest, 0, Claim.attestation(transcript: transcript, output: Output(boxes: hashes)))
        let count = SignedClaim.byteCount, maximum = 4 * count + (boxes.compactMap { $0?.count }.max() ?? 0)
        var claims = [SignedClaim?](repeating: nil, count: 4), missing: Bytes?, heard = [0, 0, 0, 0], isReleased = false
        claims[committee.seat] = own
        channel.post(frames(own.encoded))
        while true {
            testimony.state.withLock { $0.attestations = claims }
            if !isReleased, claims.allSatisfy({ $0 != nil }) {
                isReleased = true
                enter(.releasing, session)
                if await mayRelease() {
                    let all = claims.flatMap { $0!.encoded }
                    channel.post((0..<4).map { $0 == committee.seat ? [] : all + boxes[$0]! })
                } else if missing == nil {
                    throw .tooLateToRelease
                }
            }
            if isReleased, let missing {
                return Settlement(transcript: transcript, boxes: (0..<4).map { boxes[$0] ?? missing }, attestations: claims.map { $0! })
            }
            // Two frames are all that a seat has to say from here on.
            let open = committee.others.filter { heard[$0] < 2 }
            let got: (seat: Int, frame: Bytes)?
            do { got = open.isEmpty ? nil : try await channel.next(of: open, expecting: maximum) } catch .frameTooLong(let p, _) {
                heard[p] = 2
                continue
            } catch { throw .session(.channel(error)) }
            guard let (p, frame) = got else {
                if isReleased { throw .boxMissing }
                throw .session(.channel(.peerLost(committee.others.first { claims[$0] == nil } ?? committee.others[0])))
            }
            heard[p] += 1
            if frame.count == count { try take(frame, of: p, own, &claims); continue }
            guard frame.count >= 4 * count else { continue }
            for q in committee.others { try take(frame[count * q..<count * (q + 1)], of: q, own, &claims) }
            // Any honest copy will do; a rotten one is not worth an accusation, since two others come.
            if keccak256(frame[(4 * count)...]) == hashes[committee.seat] { missing = Bytes(frame[(4 * count)...]) }
        }
    }

    /// An attestation of seat p, from itself or relayed: what p did not sign says nothing.
    private func take(_ bytes: some Collection<UInt8>, of p: Int, _ own: SignedClaim, _ claims: inout [SignedClaim?]) throws(SessionFailure)
    {
        guard let claim = claim(bytes, from: p), claim.claim.kind == .attest, claim.claim.index == 0, claims.contains(where: { $0 == nil })
        else { return }
        if let first = claims[p], first.claim.content != claim.claim.content { throw .equivocation(seat: p, first, claim) }
        guard claim.claim.content == own.claim.content else {
            let (a, b) = p < committee.seat ? (claim, own) : (own, claim)
            throw .claimsDiffer(min(p, committee.seat), max(p, committee.seat), a, b)
        }
        claims[p] = claim
    }
}

/// What a seat can be asked about by a complaint, while its session runs and after.
package final class Testimony: Sendable {
    struct State: Sendable {
        var stage = SessionRun.Stage.delivering
        /// Digests of key contributions sent and got, by index of their claim.
        var keys: [U256: Hash32] = [:]
        /// Hashes of the boxes that it could compute, once the program is through.
        var boxes: [Hash32?] = [nil, nil, nil, nil]
        var attestations: [SignedClaim?] = [nil, nil, nil, nil]
    }
    let state = Mutex(State())
    package init() {}
    package var stage: SessionRun.Stage { state.withLock { $0.stage } }
}

/// Why an attempt ended at this seat, with what a verdict needs.
package enum SessionFailure: Error, Sendable {
    case session(SessionError)
    /// The dealer alone is at fault.
    case falseInput(SignedClaim, from: Int)
    case packageDoesNotOpen(use: Int, from: Int, InputError)
    case deliveryMalformed(from: Int)
    case claimMissing(Claim.Kind, from: Int)
    /// One key, one slot, two contents: a proof.
    case equivocation(seat: Int, SignedClaim, SignedClaim)
    /// Two seats contradict each other on what both know: one of them lied.
    case claimsDiffer(Int, Int, SignedClaim, SignedClaim)
    case recordsContradict(Int, Int, records: [BatchRecord], claims: [SignedClaim], agreed: Hash32)
    case readerKeyRefused
    case boxMissing
    case tooLateToRelease
    /// Our own guard: this slot was signed before with another content.
    case slot(SlotError)
}
