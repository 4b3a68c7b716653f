import Ciphers
import Contracts
import MPC
import Primitives

// Who is silent is complained of on chain, who is complained of answers there (job-protocol.md §7, H6). An answered complaint moves
// no money; an answer that never comes ends the attempt at its moment, by `advance`, and the silent pays its charge.

extension Agent {
    /// Which seat holds which round up; nil: none does.
    func observe(_ id: U256) -> (seat: Int, round: Int)? {
        guard let job = jobs[id], job.lifecycle.phase == .computing else { return nil }
        guard let link = job.link else {
            // The session waits for links: who has none holds it up.
            return job.facts.seats.first { $0.account != ledger.account && !network.hasBulkLink(to: $0.nodeKey) }.map { ($0.seat!, 0) }
        }
        let (stage, attestations) = job.testimony.state.withLock { ($0.stage, $0.attestations) }
        let waiting: [Int] =
            switch stage {
            case .attesting: link.waitingFor.filter { attestations[$0] == nil }
            case .releasing, .released: []
            default: link.waitingFor
            }
        return waiting.first.map { ($0, link.rounds) }
    }

    /// Names the one claim whose absence shows the seat's silence at this stage, with what shows that it is due.
    func complain(_ id: U256, of seat: Int) async {
        guard let job = jobs[id], let own = job.attempt, let me = job.facts.seat(of: ledger.account),
            let accused = job.facts.member(at: seat)
        else { return }
        let (stage, attestations) = job.testimony.state.withLock { ($0.stage, $0.attestations) }
        var kind = Claim.Kind.segment, index = U256.zero
        var claims: [SignedClaim?] = []
        switch stage {
        case .delivering:
            // An owner owes its shares; of a seat that brings none, its part of the first segment is what is missing.
            let use = job.facts.order.uses.firstIndex { catalogue.listing($0.listing, terms: $0.terms)?.owner == accused.account }
            if let use { (kind, index) = (.delivery, U256(UInt64(use))) }
        case .keys, .computing, .segment: break
        case .boxes:
            (kind, index) = (.box, U256(UInt64(me << 8)))
            let arrived = job.link?.arrived ?? []
            claims = (0..<4).filter { $0 != me && $0 != seat }.map { p in arrived[p].flatMap { boxClaim(in: $0, of: index, from: p, job) } }
        case .attesting:
            (kind, index) = (.attest, .zero)
            claims = (0..<4).filter { $0 != seat }.map { attestations[$0] }
        case .releasing, .released: return
        }
        if claims.contains(where: { $0 == nil }) { (kind, index, claims) = (.segment, .zero, []) }  // what is always due
        record(id, "complaint of seat \(seat): \(kind)")
        await submit(
            id, "complain",
            [
                .word(id), .uint(UInt64(own.number)), .address(accused.account), .uint(UInt64(kind.rawValue)), .word(index),
                .array(claims.map { $0!.abi }), .bytes32(.zero),
            ], contract: .referee)
    }

    /// A seat's frame of the boxes' round holds its claims on the three that it can compute.
    private func boxClaim(in frame: Bytes, of index: U256, from seat: Int, _ job: ActiveJob) -> SignedClaim? {
        guard let session = job.session, let key = key(of: seat, in: job) else { return nil }
        return stride(from: 0, to: frame.count / SignedClaim.byteCount * SignedClaim.byteCount, by: SignedClaim.byteCount).lazy
            .compactMap { SignedClaim(frame[$0..<$0 + SignedClaim.byteCount], session: session, signedBy: key, in: self.domain) }
            .first { $0.claim.kind == .box && $0.claim.index == index }
    }

    /// The claim that was asked for. For SEGMENT and DELIVERY how far we are will do, so that nobody signs what is unfinished.
    func answer(_ id: U256, _ complaint: Complaint) async {
        guard settings.answers, let job = jobs[id], let own = job.attempt, let session = job.session,
            let accuser = job.facts.seat(of: complaint.accuser)
        else { return }
        var answer: SignedClaim?
        switch complaint.kind {
        case .segment, .delivery:
            let pair = [U256(complaint.accuser), U256(complaint.accused)].sorted { $0 < $1 }
            let strike =
                (try? await ledger.call(.referee, "strikes", [.word(id), .bytes32(keccak256(pair.flatMap(\.bytes)))]))?[0].asUInt64 ?? 0
            answer = claim(.progress, U256(UInt64(accuser << 8) | strike), own, session) { job.link?.sent(to: accuser) ?? .zero }
        case .message:
            guard let slot = MessageSlot(index: complaint.index) else { return }
            answer = claim(.message, complaint.index, own, session) { blame.session(session)?.claim(for: slot) ?? .zero }
        case .box:
            let hash = job.testimony.state.withLock { $0.boxes[Int(complaint.index.l0 >> 8 & 3)] }
            answer = claim(.box, complaint.index, own, session) { hash }
        case .key:
            let keys = job.testimony.state.withLock { $0.keys }
            answer = claim(.key, complaint.index, own, session) { keys[complaint.index] ?? .zero }
        case .attest:
            let attested = await agreedByOthers(complaint, job)
            answer = claim(.attest, .zero, own, session) { attested }
        case .coin, .progress: return
        }
        guard let answer else { return record(id, "a complaint of \(complaint.kind) cannot be answered yet") }
        await submit(id, "answer", [.word(id), .uint(UInt64(answer.claim.kind.rawValue)), answer.abi, .bytes32(.zero)], contract: .referee)
    }

    /// A claim on a disputed message that its owner would not send us stands on chain now.
    func onAnswered(_ event: PlacedEvent) async throws(LedgerError) {
        let id = event["job"].asWord
        guard let job = jobs[id] else { return }
        record(id, "\(event["accused"].asAddress) answered")
        if event["kind"].asUInt64 == UInt64(Claim.Kind.message.rawValue), event["accuser"].asAddress == ledger.account,
            let session = job.session,
            let seat = job.facts.seat(of: event["accused"].asAddress), let key = key(of: seat, in: job)
        {
            let input = try await ledger.input(of: event.transaction)
            if let (arguments, _) = try? Contract.referee.abi.decodeCall("answer", input) {
                let claim = arguments[2], signature = claim[2].asBytes
                let encoded =
                    [Claim.Kind.message.rawValue] + claim[0].asWord.bytes + claim[1].asHash.bytes + signature.dropLast() + [
                        (signature.last ?? 0) &- 27
                    ]
                if let signed = SignedClaim(encoded, session: session, signedBy: key, in: domain) { blame.add(signed) }
            }
        }
        await feed(id, .answered)
    }

    /// What we signed on the slot, or sign now; nil: there is nothing to say.
    private func claim(
        _ kind: Claim.Kind, _ index: U256, _ own: ActiveJob.Attempt, _ session: Hash32, _ content: () -> Hash32?
    ) -> SignedClaim? {
        if let signed = own.signer.signed(session, kind, index) { return signed }
        return content().flatMap { try? own.signer.sign(Claim(session: session, kind: kind, index: index, content: $0)) }
    }

    /// The three others attest one content, as the chain has checked; two of them are honest and compared before they signed. Our own
    /// program is through, so that is what we would attest to: who withheld a frame from us cannot make us look silent.
    private func agreedByOthers(_ complaint: Complaint, _ job: ActiveJob) async -> Hash32? {
        guard job.testimony.state.withLock({ $0.boxes.contains { $0 != nil } }),
            let input = try? await ledger.input(of: complaint.transaction),
            let (arguments, _) = try? Contract.referee.abi.decodeCall("complain", input), let claims = arguments[5].asList.first
        else { return nil }
        return claims[1].asHash
    }
}

extension JobFacts {
    func seat(of account: Address) -> Int? { members.first { $0.account == account }?.seat }
    func member(at seat: Int) -> Member? { members.first { $0.seat == seat } }
}

extension MessageSlot {
    /// nil: no place of a message.
    init?(index: U256) {
        guard let row = Row(triple: Int(index.l0 >> 8 & 255)), index.l2 == 0, index.l3 == 0, index.l1 < 1 << 47 else { return nil }
        self.init(step: index.l0 >> 48 | index.l1 << 16, row: UInt32(truncatingIfNeeded: index.l0 >> 16), parties: row)
    }
}
