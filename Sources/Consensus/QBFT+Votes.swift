import Ciphers
import Primitives

extension QBFT {
    mutating func onPrepare(_ m: Prepare, from sender: Int) {
        var ballots = agreement.voices[sender].prepares
        if isNews(m, in: &ballots, by: validators.addresses[sender]) { ballots.store(m, isVerified: false) }
        agreement.voices[sender].prepares = ballots
    }
    mutating func onCommit(_ m: Commit, from sender: Int) {
        var ballots = agreement.voices[sender].commits
        if isNews(m, in: &ballots, by: validators.addresses[sender]) { ballots.store(m, isVerified: false) }
        agreement.voices[sender].commits = ballots
    }

    /// False for a repetition and for a contradiction, which is reported.
    private mutating func isNews<P>(_ m: Signed<P>, in ballots: inout Ballots<P>, by author: Address) -> Bool {
        guard let known = ballots.index(round: m.payload.round) else { return true }
        let before = ballots.items[known]
        if before.signed.payload == m.payload { return false }
        if !before.isVerified, signer(of: before.signed) != author {
            ballots.remove(known)
            return true
        }
        report(before.signed, m, by: author)
        return false
    }

    /// q PREPAREs for the current round and the accepted block, none sent yet: lock it durably, then COMMIT. Our own vote counts
    /// since it was sent.
    mutating func commitWhenPrepared() {
        guard maySign, agreement.acceptedRound == round, agreement.committedRound != round,
            let block = agreement.candidate(round)?.proposal.block
        else { return }
        var prepares: [Prepare] = []
        for index in agreement.voices.indices where prepares.count < validators.quorum {
            guard let at = agreement.voices[index].prepares.index(round: round) else { continue }
            let ballot = agreement.voices[index].prepares.items[at]
            guard ballot.signed.payload.digest == block.hash else { continue }
            if !ballot.isVerified {
                guard countable(ballot.signed, by: index) else {
                    agreement.voices[index].prepares.remove(at)
                    continue
                }
                agreement.voices[index].prepares.markVerified(at)
            }
            prepares.append(ballot.signed)
        }
        guard prepares.count == validators.quorum else { return }
        let lock = Lock(block: block.proposed(in: round), prepares: prepares)
        self.lock = lock
        agreement.committedRound = round
        effects.append(.persist(.lock(lock)))
        signingGuard.hold(lock)
        sayCommit(lock)
    }

    mutating func sayCommit(_ lock: Lock) {
        guard let me = agreement.me, let seal = signingGuard.seal(lock.block, round: lock.round),
            let signed = signingGuard.sign(CommitPayload(height: height, round: lock.round, digest: lock.block.hash, seal: seal))
        else { return }
        say(.commit(signed))
        agreement.voices[me].commits.store(signed, isVerified: true)
    }

    /// q valid COMMITs of one round, whichever (D8), for a block that is here and executed: decided.
    mutating func decideWhenCommitted() {
        // A quorum has a member among any n − q + 1 validators, so their votes name all that may be decided.
        for voice in agreement.voices.prefix(validators.count - validators.quorum + 1) {
            for ballot in voice.commits.items where decide(ballot.signed.payload.round, ballot.signed.payload.digest) { return }
        }
    }

    private mutating func decide(_ r: UInt32, _ digest: Hash32) -> Bool {
        func votes(_ voice: Agreement.Voice) -> Int? {
            voice.commits.items.firstIndex { $0.signed.payload.round == r && $0.signed.payload.digest == digest }
        }
        guard agreement.voices.count(where: { votes($0) != nil }) >= validators.quorum else { return false }
        guard let block = agreement.block(digest, lock) else {
            startCatchUp(after: settings.requestTimeoutMilliseconds / 5)
            return false
        }
        let sealDigest = block.sealDigest(round: r)
        var seals: [Signature] = []
        for index in agreement.voices.indices where seals.count < validators.quorum {
            guard let at = votes(agreement.voices[index]) else { continue }
            let ballot = agreement.voices[index].commits.items[at]
            if !ballot.isVerified {
                guard countable(ballot.signed, by: index), isSeal(ballot.signed.payload.seal, of: sealDigest, by: index) else {
                    agreement.voices[index].commits.remove(at)
                    continue
                }
                agreement.voices[index].commits.markVerified(at)
            }
            seals.append(ballot.signed.payload.seal)
        }
        guard seals.count == validators.quorum else { return false }
        switch verdict(on: block) {
        case .valid: break
        case .invalid:
            stop(.quorumForInvalidBlock(digest))
            return true
        case .unable, nil: return true
        }
        let participants = validators.addresses.indices.filter { votes(agreement.voices[$0]) != nil }.map { validators.addresses[$0] }
        let sealed = block.sealed(in: r, by: seals)
        agreement.decided = sealed
        effects.append(.cancelTimer(.round(height: height, round: round)))
        effects.append(.cancelTimer(.resend(height: height)))
        effects.append(.decide(sealed, participants: participants))
        return true
    }

    private mutating func isSeal(_ seal: Signature, of digest: Hash32, by index: Int) -> Bool {
        if recovery.signer(of: seal, over: digest) == validators.addresses[index] { return true }
        effects.append(.misbehaved(validators.addresses[index], .invalidSignature))
        return false
    }
    private mutating func countable<P>(_ signed: Signed<P>, by index: Int) -> Bool {
        if signer(of: signed) == validators.addresses[index] { return true }
        effects.append(.misbehaved(validators.addresses[index], .invalidSignature))
        return false
    }

    /// Whose signature it is; each is worked out once a height.
    mutating func signer<P>(of signed: Signed<P>) -> Address? {
        let place = SignedDigest(digest: signed.payload.signingHash(genesis: genesis), signature: signed.signature)
        if let author = authors[place] { return author }
        guard let author = recovery.signer(of: signed.signature, over: place.digest) else { return nil }
        if authors.count < 16 * ValidatorSet.maximumCount { authors[place] = author }
        return author
    }

    /// Equivocation, if both signatures hold; otherwise the newcomer is a forgery.
    mutating func report<P>(_ first: Signed<P>, _ second: Signed<P>, by author: Address) {
        guard signer(of: second) == author else { return effects.append(.misbehaved(author, .invalidSignature)) }
        let place = EvidencePlace(author: author, code: P.code, height: second.payload.height, round: second.payload.round)
        guard evidence.count < QBFT.maximumEvidence, evidence.insert(place).inserted else { return }
        effects.append(.equivocation(Equivocation(author: author, first, second)))
    }
}
