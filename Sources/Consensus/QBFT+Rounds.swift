import Ciphers
import Primitives

extension QBFT {
    /// Stores the newest of each validator. One that names a lock without its block and q PREPAREs is dropped.
    mutating func onRoundChange(_ m: RoundChange, from sender: Int) {
        let author = validators.addresses[sender]
        if let known = agreement.voices[sender].roundChange {
            guard m.round >= known.payload.round else { return }
            if m.round == known.payload.round {
                if m.signed.payload != known.payload { report(known, m.signed, by: author) }
                return
            }
        }
        guard signer(of: m.signed) == author else { return effects.append(.misbehaved(author, .invalidSignature)) }
        if let prepared = m.signed.payload.prepared {
            guard prepared.round < m.round, m.block?.hash == prepared.digest, isCertificate(m.prepares, for: prepared) else {
                return effects.append(.misbehaved(author, .lockInvalid))
            }
        } else if m.block != nil || !m.prepares.isEmpty {
            return effects.append(.misbehaved(author, .lockInvalid))
        }
        agreement.store(m, of: sender)
    }

    /// f+1 validators are in a higher round (our own counted as it is): one of them is honest, follow.
    mutating func jump() {
        guard maySign else { return }
        var rounds: [UInt32] = []
        for (index, voice) in agreement.voices.enumerated() {
            if index == agreement.me { rounds.append(round) } else if let change = voice.roundChange { rounds.append(change.payload.round) }
        }
        rounds.sort(by: >)
        guard rounds.count > validators.maximumFaulty, rounds[validators.maximumFaulty] > round else { return }
        enter(rounds[validators.maximumFaulty], announcing: true)
    }

    mutating func onRoundTimer() {
        guard maySign, round < .max else { return }
        failedLastTurn.insert(proposer(round))
        enter(round + 1, announcing: true)
    }

    /// The watermark is durable before anything is said in the new round.
    mutating func enter(_ r: UInt32, announcing: Bool) {
        effects.append(.cancelTimer(.round(height: height, round: round)))
        round = r
        (agreement.proposing, agreement.clockRuns, agreement.acceptedRound) = (.idle, false, nil)
        let place = Watermark(height: height, round: r)
        effects.append(.persist(.watermark(place)))
        signingGuard.advance(to: place)
        guard announcing, let signed = signingGuard.sign(RoundChangePayload(height: height, round: r, prepared: lock?.prepared)) else {
            return
        }
        let change = RoundChange(signed: signed, block: lock?.block, prepares: lock?.prepares ?? [])
        agreement.store(change, of: agreement.me!)
        say(.roundChange(change))
        effects.append(.startTimer(.resend(height: height), milliseconds: 5 * settings.requestTimeoutMilliseconds))
    }

    // MARK: timers (D6)

    /// Every validator gets a turn before the time doubles; at most eightfold.
    package func timeout(_ r: UInt32) -> UInt64 { settings.requestTimeoutMilliseconds << min(UInt64(r) / UInt64(validators.count), 3) }

    /// Round 0 counts when there is something to wait for; a later round when q validators that are linked are known in it or beyond,
    /// or with its proposal. So without a quorum nobody climbs, whatever a liar claimed before it went.
    mutating func startClock() {
        guard maySign, agreement.decided == nil else { return }
        if round == 0, transactionsWaiting { agreement.hasReason = true }
        guard !agreement.clockRuns else { return }
        if round == 0 {
            guard agreement.hasReason else { return }
        } else if agreement.acceptedRound != round {
            let present = agreement.voices.enumerated().count {
                $0.offset == agreement.me || ($0.element.round >= round && links[validators.addresses[$0.offset]] != nil)
            }
            guard present >= validators.quorum else { return }
        }
        agreement.clockRuns = true
        effects.append(.startTimer(.round(height: height, round: round), milliseconds: patience))
    }

    /// Leaving a round early is always safe: no patience with a proposer who is not there.
    private var patience: UInt64 {
        let who = proposer(round), full = timeout(round)
        guard round == 0, who != address, agreement.acceptedRound != round, let index = validators.index(of: who) else { return full }
        guard let link = links[who], agreement.voices[index].round == 0 else { return min(100, full) }
        return failedLastTurn.contains(who) ? min(full, max(full / 10, 4 * link.roundTripMilliseconds)) : full
    }

    mutating func onResend() {
        guard let change = agreement.ownMessages.first(where: { $0.code == .roundChange }) else { return }
        effects.append(.broadcast(change))
        effects.append(.startTimer(.resend(height: height), milliseconds: 5 * settings.requestTimeoutMilliseconds))
    }

    // MARK: links

    mutating func onLinkUp(_ peer: Address, _ status: PeerStatus, _ roundTrip: UInt64) {
        links[peer] = Link(status: status, roundTripMilliseconds: roundTrip)
        onPeerStatus(peer, status)
        guard agreement.decided == nil, validators.contains(peer) else { return }
        for message in agreement.ownMessages { effects.append(.send(message, to: peer)) }
    }
    mutating func onLinkDown(_ peer: Address) {
        links[peer] = nil
        // It starts again, short.
        if round == 0, agreement.clockRuns, peer == proposer(0), agreement.acceptedRound == nil { agreement.clockRuns = false }
    }
    mutating func onPeerStatus(_ peer: Address, _ status: PeerStatus) {
        // An older status may arrive late; heads only rise while a link lasts.
        if let known = links[peer]?.status, status.headNumber >= known.headNumber { links[peer]!.status = status }
        if status.headNumber > head.number { claim(status.headNumber, by: peer) }
    }

    // MARK: heights ahead

    /// Kept for the next height: per validator what it may have said in rounds 0 and 1. Beyond that only the claim.
    mutating func onMessageAhead(_ message: Message, from sender: Address) {
        if message.height > height { claim(message.height - 1, by: sender) }
        guard message.height == height + 1, message.round <= 1 || message.code == .roundChange else { return }
        let same = ahead.indices.filter { ahead[$0].from == sender && ahead[$0].message.code == message.code }
        if let repeated = same.first(where: { ahead[$0].message.round == message.round }) {
            if message.code == .roundChange || ahead[repeated].message == message { return }
        }
        if same.count >= (message.code == .roundChange ? 1 : 2) { ahead.remove(at: same[0]) }
        guard ahead.count < 8 * ValidatorSet.maximumCount,
            ahead.reduce(message.weight, { $0 + $1.message.weight }) <= QBFT.maximumBufferedBytes
        else { return }
        ahead.append((sender, message))
    }

    /// A peer has decided what we have not. If it is only one height, the COMMITs are probably under way.
    private mutating func claim(_ claimed: UInt64, by peer: Address) {
        guard claimed >= height, claims[peer] ?? 0 < claimed, claims[peer] != nil || claims.count < 2 * ValidatorSet.maximumCount else {
            return
        }
        claims[peer] = claimed
        if claimed > height { effects.append(.sync(from: peer, claimedHead: claimed)) }
        startCatchUp(after: settings.requestTimeoutMilliseconds / 5)
    }
    mutating func startCatchUp(after milliseconds: UInt64) {
        if agreement.isCatchingUp { return }
        agreement.isCatchingUp = true
        effects.append(.startTimer(.catchUp(height: height), milliseconds: milliseconds))
    }
    mutating func onCatchUp() {
        agreement.isCatchingUp = false
        // The highest claim; among equals the lowest address, so that runs repeat. Each peer is asked once a claim.
        guard let best = claims.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else {
            guard let peer = agreement.voices.indices.first(where: { !agreement.voices[$0].commits.items.isEmpty && $0 != agreement.me })
            else { return }
            return effects.append(.sync(from: validators.addresses[peer], claimedHead: height))
        }
        claims[best.key] = nil
        effects.append(.sync(from: best.key, claimedHead: best.value))
        startCatchUp(after: settings.requestTimeoutMilliseconds)
    }

    mutating func say(_ message: Message) {
        agreement.remember(own: message)
        effects.append(.broadcast(message))
    }
}
