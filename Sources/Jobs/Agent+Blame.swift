import Contracts
import MPC
import P2P
import Primitives
import Synchronization

// How a failed attempt becomes a verdict on chain (job-protocol.md §7, r4.md §12). Digests and claims travel, payloads never.

/// Objections that this member raised, and sessions that it can be asked about.
final class BlameBoard: Sendable {
    static let objection = FrameID(rawValue: 0x60), claim = FrameID(rawValue: 0x61)
    static var frames: ClosedRange<FrameID> { objection...claim }

    private struct State {
        var sessions: [Hash32: Session] = [:]
        var answers: [Hash32: [SignedClaim]] = [:]
    }
    private let state = Mutex(State())
    static let maximumSessions = 16

    func watch(_ session: Session) {
        state.withLock { state in
            if state.sessions.count >= Self.maximumSessions { state.sessions.removeAll() }
            state.sessions[session.identity] = session
        }
    }
    func session(_ id: Hash32) -> Session? { state.withLock { $0.sessions[id] } }
    func add(_ claim: SignedClaim) { state.withLock { $0.answers[claim.claim.session, default: []].append(claim) } }
    func answers(_ id: Hash32) -> [SignedClaim] { state.withLock { $0.answers[id] ?? [] } }
}

extension Agent {
    /// What a failure proves goes to the Referee; what proves nothing waits for the deadline.
    func accuse(_ id: U256) async {
        guard let job = jobs[id], let failure = job.failure, let own = job.attempt else { return }
        let seats = job.facts.seats
        switch failure {
        case .equivocation(let seat, let a, let b):
            record(id, "equivocation of seat \(seat)")
            await submit(
                id, "equivocation", [.word(id), .uint(UInt64(own.number)), .uint(UInt64(a.claim.kind.rawValue)), a.abi, b.abi],
                contract: .referee)
        case .falseInput(let claim, let seat):
            record(id, "false input of seat \(seat)")
            await submit(id, "falseInput", [.word(id), .uint(UInt64(own.number)), claim.abi], contract: .referee)
        case .claimsDiffer(_, _, let a, let b):
            await submit(
                id, "differ", [.word(id), .uint(UInt64(own.number)), .uint(UInt64(a.claim.kind.rawValue)), a.abi, b.abi], contract: .referee
            )
        case .recordsContradict(let a, let b, let records, let claims, let agreed):
            func record(_ k: Int) -> ABI.Value {
                let words = records[k].encoded
                return .tuple([
                    .array((0..<words.count / 32).map { .word(U256(bigEndian: words[32 * $0..<32 * $0 + 32])) }),
                    .bytes(claims[k].signature.contractBytes),
                ])
            }
            self.record(id, "records of seats \(a) and \(b) contradict each other")
            await submit(
                id, "records", [.word(id), .uint(UInt64(own.number)), 0, .bytes32(agreed), record(0), record(1)], contract: .referee)
        case .session(.objection(let objections)): await object(id, objections, own, seats)
        // What one seat owed and did not give, or gave in no form that could be used, proves nothing yet: it is asked for on chain.
        case .session(.channel(.peerLost(let seat))), .session(.channel(.peerStopped(let seat))),
            .session(.channel(.frameTooLong(let seat, _))),
            .session(.unexpectedFrame(let seat)), .packageDoesNotOpen(_, let seat, _), .deliveryMalformed(let seat),
            .claimMissing(_, let seat):
            await complain(id, of: seat)
        default: break
        }
    }

    /// The receiver's claim goes to sender and witness; their answers and it are what the Referee judges.
    private func object(_ id: U256, _ objections: [Objection], _ own: ActiveJob.Attempt, _ seats: [JobFacts.Member]) async {
        guard let objection = objections.first, let session = jobs[id]?.session,
            let mine = try? own.signer.sign(
                Claim(session: session, kind: .message, index: objection.slot.index(role: 2), content: objection.received ?? .zero))
        else { return }
        let row = objection.slot.parties
        record(id, "objection to seat \(row.s), witness \(row.v)")
        let frame = RLP.encodeList { list in
            list.append(session)
            list.append(UInt64(objection.slot.step))
            list.append(UInt64(objection.slot.row))
            list.append(UInt64(row.triple))
            list.append(mine.encoded)
        }
        for seat in [row.s, row.v] { network.send(Frame(BlameBoard.objection, frame), to: seats[seat].nodeKey) }
        for _ in 0..<100 {
            let answers = blame.answers(session)
            if let s = answers.first(where: { $0.claim.index == objection.slot.index(role: 0) }),
                let v = answers.first(where: { $0.claim.index == objection.slot.index(role: 1) })
            {
                return await submit(id, "message", [.word(id), .uint(UInt64(own.number)), mine.abi, s.abi, v.abi], contract: .referee)
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
        // Who does not answer us has to answer the chain.
        let answered = blame.answers(session).map(\.claim.index)
        let role = answered.contains(objection.slot.index(role: 0)) ? 1 : 0
        await submit(
            id, "complain",
            [
                .word(id), .uint(UInt64(own.number)), .address(seats[role == 0 ? row.s : row.v].account),
                .uint(UInt64(Claim.Kind.message.rawValue)),
                .word(objection.slot.index(role: role)), .array([mine.abi]), .bytes32(.zero),
            ], contract: .referee)
    }

    /// Objections of others are answered with our claim on the same message; our own run ends, since the objector sends nothing more.
    func hearBlame() async {
        for await event in blameEvents {
            guard case .frame(let frame, let peer) = event, let parts = try? RLP.decode(frame.payload).asList,
                let id = try? parts.first?.asHash
            else { continue }
            guard let (job, entry) = jobs.first(where: { $0.value.session == id }), let own = entry.attempt,
                let from = entry.facts.seats.first(where: { $0.nodeKey == peer })?.seat
            else { continue }
            if frame.id == BlameBoard.claim {
                guard parts.count == 2, let bytes = try? parts[1].asBytes, let key = key(of: from, in: entry),
                    let claim = SignedClaim(bytes, session: id, signedBy: key, in: domain), claim.claim.kind == .message
                else { continue }
                blame.add(claim)
                continue
            }
            guard parts.count == 5, let step = try? parts[1].asUInt64, let number = try? parts[2].asUInt64,
                let triple = try? parts[3].asUInt64, triple < 24, number < 1 << 32,
                step < 1 << 63, let row = Row(triple: Int(triple)),
                let seat = entry.facts.members.first(where: { $0.account == ledger.account })?.seat,
                row.r == from, let session = blame.session(id)
            else { continue }
            let slot = MessageSlot(step: step, row: UInt32(number), parties: row)
            guard let role = slot.role(of: seat), role < 2 else { continue }
            let content = session.claim(for: slot) ?? .zero
            guard let claim = try? own.signer.sign(Claim(session: id, kind: .message, index: slot.index(role: role), content: content))
            else { continue }
            record(job, "claim on a disputed message, for seat \(from)")
            network.send(
                Frame(
                    BlameBoard.claim,
                    RLP.encodeList { list in
                        list.append(id)
                        list.append(claim.encoded)
                    }), to: peer)
            entry.link?.close()
        }
    }

    func key(of seat: Int, in job: ActiveJob) -> Address? {
        guard let member = job.facts.members.firstIndex(where: { $0.seat == seat }) else { return nil }
        return job.joins[member]?.key
    }
}
