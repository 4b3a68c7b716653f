import Ciphers
import Primitives

extension QBFT {
    mutating func onStart(_ waiting: Bool) {
        transactionsWaiting = waiting
        begin()
        guard case .kept(let watermark, let lock) = memory, watermark.height == height else {
            if case .kept(let watermark, _) = memory, watermark.height < height {
                signingGuard.advance(to: Watermark(height: height, round: 0))
            }
            if case .lost(isAccepted: true) = memory { takeFreshMemory() }
            return
        }
        self.lock = lock?.height == height ? lock : nil
        round = watermark.round
        guard maySign else { return }
        if let said = watermark.said {
            // The clean mark is used up before anything is signed: if we die now, it was a crash.
            effects.append(.persist(.watermark(Watermark(height: height, round: round))))
            said.forEach { resume($0) }
            return
        }
        leaveUnknownRound()
    }

    /// After a crash: the COMMIT of this round's lock again, then away from the round in which we may have said anything.
    private mutating func leaveUnknownRound() {
        round = signingGuard.watermark.round
        if let lock, lock.round == round { sayCommit(lock) }
        if round < .max { enter(round + 1, announcing: true) }
    }

    private mutating func resume(_ message: Message) {
        guard message.height == height, let me = agreement.me else { return }
        agreement.remember(own: message)
        switch message {
        case .proposal(let m):
            agreement.proposing = .done
            agreement.store(.init(proposal: m, isFresh: m.prepares.isEmpty), round: round)
        case .prepare(let m): agreement.voices[me].prepares.store(m, isVerified: true)
        case .commit(let m):
            agreement.voices[me].commits.store(m, isVerified: true)
            if m.payload.round == round { agreement.committedRound = round }
        case .roundChange(let m):
            agreement.store(m, of: me)
            effects.append(.startTimer(.resend(height: height), milliseconds: 5 * settings.requestTimeoutMilliseconds))
        }
    }

    /// The record of a clean stop, to be stored as the watermark; nil where there is none to improve.
    package func cleanStop() -> Watermark? {
        guard maySign, agreement.decided == nil else { return nil }
        return Watermark(height: height, round: round, said: agreement.ownMessages.filter { $0.round == round })
    }

    /// The next height. Its watermark (h, 0) is in the batch that imported the head.
    mutating func onImported(_ head: Head, _ waiting: Bool) {
        transactionsWaiting = waiting
        guard head.number >= height else { return }
        judgeTurns(head.header)
        // Seen decided by live COMMITs while we were silent. A block that we merely fetched proves nothing: we may have voted for it.
        let wasDecidedWithoutUs = amnesiacSince != nil && agreement.decided?.hash == head.hash
        self.head = head
        (round, lock, authors) = (0, nil, [:])
        agreement = Agreement(head, me: address)
        claims = claims.filter { $0.value >= height }
        let signedBeyondHead = signingGuard.watermark.height == height  // loaded at start, reached only now
        if wasDecidedWithoutUs {
            takeFreshMemory()
        } else if amnesiacSince == nil, signingGuard.watermark.height < height {
            signingGuard.advance(to: Watermark(height: height, round: 0))
        }
        begin()
        if !claims.isEmpty { startCatchUp(after: settings.requestTimeoutMilliseconds / 5) }
        if signedBeyondHead, maySign { leaveUnknownRound() }
        if transactionsWaiting { agreement.proposing = .ready }  // no batch time after a decision
        let arrived = ahead
        ahead = []
        for (sender, message) in arrived { onMessage(message, from: sender) }
    }

    private mutating func begin() {
        let due = head.timeMilliseconds + settings.heartbeatMilliseconds
        effects.append(.startTimer(.heartbeat(height: height), milliseconds: due > now ? due - now : 0))
    }

    /// A proposer whose round passed without a block gets less patience until it delivers.
    private mutating func judgeTurns(_ header: Header) {
        guard header.number == height, let extra = try? ExtraData(decoding: header.extraData) else { return }
        for r in 0..<min(extra.round, UInt32(validators.count)) { failedLastTurn.insert(proposer(r)) }
        failedLastTurn.remove(proposer(extra.round))
    }

    // MARK: amnesia (§7)

    private mutating func takeFreshMemory() {
        amnesiacSince = nil
        let place = Watermark(height: height, round: 0)
        effects.append(.persist(.watermark(place)))
        signingGuard.advance(to: place)
    }

    /// An amnesiac may sign again once one height was decided without it (`onImported`), or when it knows of every other validator
    /// that it stands at this height, and the newest ROUND-CHANGE of each.
    ///
    /// Where we add to the page: if more than f validators have lost their memory, the others' locks must be *known*, not only their
    /// ROUND-CHANGEs so far. So those who remember leave their round at the sight of f+1 amnesiacs (`raiseBarrier`): the
    /// ROUND-CHANGE they then send names their lock, and they can commit nothing older afterwards.
    mutating func recallMemory() {
        guard amnesiacSince != nil, agreement.me != nil else { return }
        let others = validators.addresses.filter { $0 != address }
        if head.number == 0 { return beginAtGenesis(others) }
        guard others.allSatisfy({ links[$0]?.status.headNumber == head.number }) else { return }
        if forgetful(others) + 1 > validators.maximumFaulty {
            for (index, voice) in agreement.voices.enumerated() where index != agreement.me && voice.roundChange == nil {
                guard links[validators.addresses[index]]!.status.isAmnesiac else { return }
            }
        }
        amnesiacSince = nil
        let highest = agreement.voices.map(\.round).max() ?? 0
        let place = Watermark(height: height, round: min(highest, .max - 1))
        effects.append(.persist(.watermark(place)))
        signingGuard.advance(to: place)
        if let highest = agreement.locks.max(by: { $0.round < $1.round }) {
            lock = highest
            effects.append(.persist(.lock(highest)))
        }
        enter(place.round + 1, announcing: true)
    }

    /// Height 1: q − 1 others stand at genesis, too. Up to f validators may claim more and not prove it; they get the time to do so,
    /// but cannot keep a network from starting.
    private mutating func beginAtGenesis(_ others: [Address]) {
        guard others.count(where: { links[$0]?.status.headNumber == 0 }) >= validators.quorum - 1 else { return }
        let objectors = others.count { links[$0].map { $0.status.headNumber > 0 } ?? false }
        if objectors == 0 { return takeFreshMemory() }
        guard objectors <= validators.maximumFaulty else { return }
        let patience = 5 * settings.requestTimeoutMilliseconds
        guard let since = agreement.objectedSince else {
            agreement.objectedSince = now
            return effects.append(.startTimer(.resend(height: height), milliseconds: patience))
        }
        if now >= since + patience { takeFreshMemory() }
    }

    mutating func raiseBarrier() {
        guard maySign, agreement.decided == nil, !agreement.barrierIsUp, round < .max,
            forgetful(validators.addresses.filter { $0 != address }) > validators.maximumFaulty
        else { return }
        agreement.barrierIsUp = true
        enter(round + 1, announcing: true)
    }

    private func forgetful(_ others: [Address]) -> Int {
        others.count { links[$0].map { $0.status.isAmnesiac && $0.status.headNumber == head.number } ?? false }
    }
}
