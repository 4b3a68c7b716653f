import Ciphers
import Primitives

extension QBFT {
    /// A proposal of this height: stored once it is known to come from its round's proposer, justified, and right in all that needs
    /// no execution. A round below ours is kept too: q COMMITs may still decide it (D8).
    mutating func onProposal(_ m: Proposal, from sender: Int) {
        let author = validators.addresses[sender], payload = m.signed.payload
        guard proposer(payload.round) == author else { return effects.append(.misbehaved(author, .notProposer)) }
        if let known = agreement.candidate(payload.round) {
            if known.proposal.signed.payload != payload { report(known.proposal.signed, m.signed, by: author) }
            return
        }
        guard signer(of: m.signed) == author else { return effects.append(.misbehaved(author, .invalidSignature)) }
        guard let isFresh = isProposalJustified(m) else { return effects.append(.misbehaved(author, .unjustified)) }
        do throws(HeaderError) {
            try HeaderRules.check(m.block.header, m.block.extra, isEmpty: m.block.block.transactions.isEmpty, after: head)
            if isFresh, m.block.header.beneficiary != author { throw .beneficiaryForeign(m.block.header.beneficiary) }
        } catch {
            return isFresh ? effects.append(.misbehaved(author, .invalidHeader(error))) : stop(.quorumForInvalidBlock(m.block.hash))
        }
        agreement.store(.init(proposal: m, isFresh: isFresh), round: round)
    }

    /// Round 0 needs nothing. A later round needs q ROUND-CHANGEs for exactly it; if any of them is prepared, the highest such block
    /// with its q PREPAREs.
    /// - Returns: whether the block must be fresh; nil: not justified.
    mutating func isProposalJustified(_ m: Proposal) -> Bool? {
        let r = m.round
        if r == 0 { return m.roundChanges.isEmpty && m.prepares.isEmpty ? true : nil }
        guard m.roundChanges.allSatisfy({ $0.payload.height == height && $0.payload.round == r && ($0.payload.prepared?.round ?? 0) < r }),
            haveDistinctAuthors(m.roundChanges)
        else { return nil }
        let locks = m.roundChanges.compactMap(\.payload.prepared)
        guard let highest = locks.max(by: { $0.round < $1.round }) else { return m.prepares.isEmpty ? true : nil }
        guard locks.allSatisfy({ $0.round < highest.round || $0.digest == highest.digest }), m.block.hash == highest.digest,
            isCertificate(m.prepares, for: highest)
        else { return nil }
        return false
    }

    /// q to n PREPAREs of distinct validators for this height and lock.
    mutating func isCertificate(_ prepares: [Prepare], for lock: RoundChangePayload.Prepared) -> Bool {
        prepares.allSatisfy { $0.payload.height == height && $0.payload.round == lock.round && $0.payload.digest == lock.digest }
            && haveDistinctAuthors(prepares)
    }

    mutating func haveDistinctAuthors<P>(_ entries: [Signed<P>]) -> Bool {
        guard (validators.quorum...validators.count).contains(entries.count) else { return false }
        var seen = Set<Address>()
        for entry in entries {
            guard let author = signer(of: entry), validators.contains(author), seen.insert(author).inserted else { return false }
        }
        return true
    }

    /// Enters the round of the highest valid proposal that is ahead of us, accepts it and prepares.
    mutating func acceptProposal() {
        guard maySign else { return }
        for candidate in agreement.candidates.reversed() {
            let r = candidate.proposal.round, block = candidate.proposal.block
            guard r > round || (r == round && agreement.acceptedRound != r) else { return }
            if candidate.isFresh, !isTimely(block, round: r) { continue }
            switch verdict(on: block) {
            case .valid: return accept(candidate.proposal)
            case .invalid where candidate.isFresh: continue
            case .invalid: return stop(.quorumForInvalidBlock(block.hash))
            case .unable, nil: continue
            }
        }
    }

    /// §3.3: fresh proposals are judged by our clock, when voting and never again. A little too early is held back.
    private mutating func isTimely(_ block: UnsealedBlock, round r: UInt32) -> Bool {
        let tolerance = settings.clockToleranceMilliseconds
        guard let time = try? HeaderRules.timeMilliseconds(of: block.header, block.extra) else {
            preconditionFailure("the header was checked")
        }
        if time > now + tolerance {
            if time - now - tolerance < 8 * settings.requestTimeoutMilliseconds {
                effects.append(.startTimer(.held(height: height, round: r), milliseconds: time - now - tolerance))
            }
            return false
        }
        return time + tolerance + timeout(r) >= now
    }

    private mutating func accept(_ proposal: Proposal) {
        if proposal.round > round { enter(proposal.round, announcing: false) }
        agreement.acceptedRound = round
        if let signed = signingGuard.sign(PreparePayload(height: height, round: round, digest: proposal.block.hash)) {
            say(.prepare(signed))
            agreement.voices[agreement.me!].prepares.store(signed, isVerified: true)
        }
    }

    /// nil: asked for, the answer comes as `validated`.
    mutating func verdict(on block: UnsealedBlock) -> Verdict? {
        if let verdict = agreement.verdicts[block.hash] { return verdict }
        if agreement.asked.insert(block.hash).inserted { effects.append(.validate(block)) }
        return nil
    }

    mutating func onValidated(_ hash: Hash32, _ verdict: Verdict) {
        guard agreement.asked.contains(hash) else { return }
        agreement.verdicts[hash] = verdict
        switch verdict {
        case .valid: break
        case .unable: stop(.cannotExecute(hash))
        case .invalid:
            for candidate in agreement.candidates where candidate.isFresh && candidate.proposal.block.hash == hash {
                effects.append(.misbehaved(proposer(candidate.proposal.round), .invalidBlock(hash)))
            }
        }
    }

    // MARK: proposing

    /// The proposer of this round, once: in a later round with q ROUND-CHANGEs for exactly it the highest lock, else a fresh block.
    mutating func propose() {
        guard maySign, proposer(round) == address, agreement.acceptedRound != round, agreement.proposing != .done else { return }
        if round == 0 { return buildFresh() }
        let changes = agreement.voices.compactMap(\.roundChange).filter { $0.payload.round == round }
        guard changes.count >= validators.quorum else { return }
        guard
            let carrier = changes.filter({ $0.payload.prepared != nil }).max(by: { $0.payload.prepared!.round < $1.payload.prepared!.round }
            )
        else {
            return buildFresh()
        }
        guard let lock = agreement.locks.first(where: { $0.prepared == carrier.payload.prepared }) else {
            preconditionFailure("a lock that is named is kept")
        }
        let block = lock.block
        switch verdict(on: block) {
        case .valid: send(block.proposed(in: round), prepares: lock.prepares, with: carrier)
        case .invalid: stop(.quorumForInvalidBlock(block.hash))
        case .unable, nil: return
        }
    }

    private mutating func buildFresh() {
        let allowsEmpty = !transactionsWaiting && (round > 0 || agreement.heartbeatIsDue)
        guard transactionsWaiting || allowsEmpty else { return }
        let earliest = head.timeMilliseconds + (allowsEmpty ? HeaderRules.emptyBlockMilliseconds : 1)
        switch agreement.proposing {
        case .waiting where !transactionsWaiting || round == 0, .building, .done: return
        case .idle where allowsEmpty && now < earliest: wait(earliest - now)
        case .idle where round == 0 && transactionsWaiting && settings.batchMilliseconds > 0: wait(settings.batchMilliseconds)
        default:
            if allowsEmpty, now < earliest { return wait(earliest - now) }
            let request = BuildRequest(
                head: head, round: round, beneficiary: address, timeMilliseconds: max(now, earliest), allowsEmpty: allowsEmpty)
            agreement.proposing = .building(request)
            effects.append(.build(request))
        }
    }
    private mutating func wait(_ milliseconds: UInt64) {
        agreement.proposing = .waiting
        effects.append(.startTimer(.propose(height: height, round: round), milliseconds: milliseconds))
    }

    mutating func onBuilt(_ request: BuildRequest, _ block: UnsealedBlock?) {
        guard agreement.proposing == .building(request), maySign else { return }
        guard let block else {
            (agreement.proposing, transactionsWaiting) = (request.allowsEmpty ? .done : .idle, false)
            return
        }
        do throws(HeaderError) {
            try HeaderRules.check(block.header, block.extra, isEmpty: block.block.transactions.isEmpty, after: head)
        } catch { return stop(.cannotExecute(block.hash)) }
        agreement.asked.insert(block.hash)
        agreement.verdicts[block.hash] = .valid
        send(block.proposed(in: round), prepares: [], with: nil)
    }

    private mutating func send(_ block: UnsealedBlock, prepares: [Prepare], with carrier: Signed<RoundChangePayload>?) {
        // Exactly q, ascending by author; the one that names the highest lock is always among them, and none that names one if the
        // block is fresh: such a one may have come while the block was built.
        var chosen =
            round == 0
            ? []
            : agreement.voices.compactMap(\.roundChange).filter {
                $0.payload.round == round && (carrier != nil || $0.payload.prepared == nil)
            }
        guard round == 0 || chosen.count >= validators.quorum else { return agreement.proposing = .idle }
        agreement.proposing = .done
        guard let signed = signingGuard.sign(ProposalPayload(height: height, round: round, block: block)) else { return }
        while chosen.count > validators.quorum { chosen.remove(at: chosen.lastIndex { $0 != carrier }!) }
        let proposal = Proposal(signed: signed, roundChanges: chosen, prepares: prepares)
        agreement.store(.init(proposal: proposal, isFresh: carrier == nil), round: round)
        say(.proposal(proposal))
        accept(proposal)
    }

    func proposer(_ round: UInt32) -> Address { validators.proposer(after: head.header.beneficiary, round: round) }
}
