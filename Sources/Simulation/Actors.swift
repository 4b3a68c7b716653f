import Ciphers
import Consensus
import Primitives

/// A validator that misbehaves on purpose. It runs the honest machine to keep up and changes what leaves it; it can sign with its own
/// key only.
protocol ByzantineActor {
    /// What peer `to` gets instead of `message`, each with a delay in milliseconds.
    mutating func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)]
    /// After something came in; `others` are all linked peers.
    mutating func incoming(_ message: Message, _ forge: Forge, _ random: inout SeededGenerator) -> [Message]
    /// The sealed blocks it serves to a peer that syncs.
    func serving(_ block: SealedBlock, _ forge: Forge) -> Block
}
extension ByzantineActor {
    func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] { [(message, 0)] }
    func incoming(_ message: Message, _ forge: Forge, _ random: inout SeededGenerator) -> [Message] { [] }
    func serving(_ block: SealedBlock, _ forge: Forge) -> Block { block.block }
}

/// What an actor can sign: anything, in its own name.
struct Forge {
    let key: any ConsensusSigner
    let genesis: Hash32
    let head: Head
    let timeout: UInt64

    func signed<P: ConsensusPayload>(_ payload: P) -> Signed<P> { Signed(payload, by: key, genesis: genesis) }
    func prepare(_ height: UInt64, _ round: UInt32, _ digest: Hash32) -> Message {
        .prepare(signed(PreparePayload(height: height, round: round, digest: digest)))
    }
    func commit(_ block: UnsealedBlock, _ round: UInt32) -> Message {
        .commit(
            signed(
                CommitPayload(height: block.header.number, round: round, digest: block.hash, seal: key.sign(block.sealDigest(round: round)))
            ))
    }
    func roundChange(_ height: UInt64, _ round: UInt32, _ lock: Lock? = nil) -> Message {
        .roundChange(
            RoundChange(
                signed: signed(
                    RoundChangePayload(height: height, round: round, prepared: lock.map { .init(round: $0.round, digest: $0.block.hash) })),
                block: lock?.block, prepares: lock?.prepares ?? []))
    }
    /// The proposal with another block, justification kept.
    func proposal(_ m: Proposal, _ block: UnsealedBlock) -> Message {
        .proposal(
            Proposal(
                signed: signed(ProposalPayload(height: m.signed.payload.height, round: m.round, block: block)),
                roundChanges: m.roundChanges,
                prepares: m.prepares))
    }
    /// The same block with its time moved: another block, as valid as the clock allows.
    func moved(_ block: UnsealedBlock, milliseconds: Int64) -> UnsealedBlock {
        var header = block.header, extra = block.extra
        let time = UInt64(clamping: Int64(header.timestamp) * 1000 + Int64(extra.milliseconds) + milliseconds)
        header.timestamp = time / 1000
        extra.vanity = Hash32([UInt8(time % 1000 >> 8), UInt8(time % 1000 & 255)] + extra.nextCommitment)!
        header.extraData = extra.encoded
        do throws(HeaderError) { return try UnsealedBlock(Block(header: header, transactions: block.block.transactions)) } catch {
            preconditionFailure("\(error)")
        }
    }
}

/// Two blocks for one round: one to half of the peers, one to the others, each with votes to match; after a reconnect the other way round.
struct Equivocator: ByzantineActor {
    private var twins: [Hash32: UnsealedBlock] = [:]
    mutating func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        guard (peer + epoch) % 2 == 1 else {
            if case .proposal(let m) = message { _ = twin(m.block, forge) }
            return [(message, 0)]
        }
        switch message {
        case .proposal(let m) where m.prepares.isEmpty: return [(forge.proposal(m, twin(m.block, forge)), 0)]
        case .prepare(let m):
            guard let other = twins[m.payload.digest] else { break }
            return [(forge.prepare(m.payload.height, m.payload.round, other.hash), 0), (forge.commit(other, m.payload.round), 5)]
        case .commit(let m):
            guard let other = twins[m.payload.digest] else { break }
            return [(forge.commit(other, m.payload.round), 0)]
        default: break
        }
        return [(message, 0)]
    }
    private mutating func twin(_ block: UnsealedBlock, _ forge: Forge) -> UnsealedBlock {
        if let known = twins[block.hash] { return known.proposed(in: block.round) }
        let other = forge.moved(block, milliseconds: 1)
        twins[block.hash] = other
        return other
    }
}

/// Votes at once for every block it sees, in every round, justified or not.
struct DoubleVoter: ByzantineActor {
    mutating func incoming(_ message: Message, _ forge: Forge, _ random: inout SeededGenerator) -> [Message] {
        switch message {
        case .proposal(let m): [forge.prepare(m.signed.payload.height, m.round, m.block.hash), forge.commit(m.block, m.round)]
        case .roundChange(let m): m.block.map { [forge.prepare($0.header.number, m.round, $0.hash), forge.commit($0, m.round)] } ?? []
        default: []
        }
    }
}

struct SilentProposer: ByzantineActor {
    func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        if message.code == .proposal { return [] }
        return [(message, 0)]
    }
}

/// Just inside the timer.
struct SlowProposer: ByzantineActor {
    func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        [(message, message.code == .proposal ? forge.timeout - 50 : 0)]
    }
}

/// Half of the peers never hear of it.
struct SelectiveSender: ByzantineActor {
    let chosen: Int
    func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        if (peer + chosen + (message.code == .commit ? 1 : 0)) % 2 == 1 { return [] }
        return [(message, 0)]
    }
}

/// Changes rounds as if it had never locked.
struct LockForgetter: ByzantineActor {
    func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        if case .roundChange(let m) = message, m.block != nil { return [(forge.roundChange(message.height, message.round), 0)] }
        return [(message, 0)]
    }
}

/// Locks and justifications that are short, doubled, or of another height or round.
struct CertificateForger: ByzantineActor {
    private var seen: [Prepare] = []
    private var turn = 0
    mutating func incoming(_ message: Message, _ forge: Forge, _ random: inout SeededGenerator) -> [Message] {
        turn += 1
        switch message {
        case .prepare(let m): seen = seen.suffix(12) + [m]
        case .proposal(let m):
            let r = m.round, own = forge.signed(PreparePayload(height: message.height, round: r, digest: m.block.hash))
            let fakes: [[Prepare]] = [
                [own], [own, own, own, own, own], seen, seen + [own],
                seen.filter { $0.payload.round == r && $0.payload.height == message.height } + [own],
            ]
            return [forge.roundChange(message.height, r + 1, Lock(block: m.block, prepares: fakes[turn % fakes.count]))]
        default: break
        }
        return []
    }
    mutating func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        guard case .proposal(var m) = message, m.round > 0 else { return [(message, 0)] }
        switch (turn + peer) % 4 {
        case 0: m.roundChanges.removeLast()
        case 1: m.roundChanges[0] = m.roundChanges[m.roundChanges.count - 1]
        case 2: m.prepares = seen
        default: m.roundChanges[0] = forge.signed(RoundChangePayload(height: message.height, round: m.round - 1, prepared: nil))
        }
        return [(.proposal(m), 0)]
    }
}

/// Always in the last round there is, with the lock that it heard of first, so that the lock is known but of no use there.
struct RoundRacer: ByzantineActor {
    mutating func incoming(_ message: Message, _ forge: Forge, _ random: inout SeededGenerator) -> [Message] {
        var lock: Lock?
        if case .roundChange(let m) = message {
            lock = m.block.map { Lock(block: $0, prepares: m.prepares) }
        } else if !random.chance(10) {
            return []
        }
        return [forge.roundChange(message.height, .max, lock), forge.prepare(message.height, .max - 1, .zero)]
    }
}

/// COMMITs whose seal is for something else, and headers with seals it made up.
struct SealForger: ByzantineActor {
    func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        guard case .commit(let m) = message else { return [(message, 0)] }
        return [
            (
                .commit(
                    forge.signed(
                        CommitPayload(
                            height: m.payload.height, round: m.payload.round, digest: m.payload.digest, seal: forge.key.sign(.zero)))), 0
            )
        ]
    }
    func serving(_ block: SealedBlock, _ forge: Forge) -> Block { resealed(block) { $0[0] = forge.key.sign(.zero).bytes } }
}

/// Headers with more seals than a quorum, or twice the same.
struct SealStuffer: ByzantineActor {
    func serving(_ block: SealedBlock, _ forge: Forge) -> Block {
        resealed(block) { seals in
            if block.header.number % 2 == 0 {
                seals.append(forge.key.sign(block.unsealed.sealDigest(round: block.round)).bytes)
            } else {
                seals[0] = seals[seals.count - 1]
            }
        }
    }
}

/// Speaks again of heights that are long decided.
struct StaleValidator: ByzantineActor {
    private var said: [Message] = []
    mutating func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        if peer <= 1 { said = said.suffix(20) + [message] }
        return [(message, 0), (said.first ?? message, 3), (message, 2500)]
    }
}

/// Sends what others signed, here at another time, and what they might have signed on another chain.
struct Replayer: ByzantineActor {
    private var heard: [Message] = []
    mutating func incoming(_ message: Message, _ forge: Forge, _ random: inout SeededGenerator) -> [Message] {
        heard = heard.suffix(30) + [message]
        guard random.chance(30) else { return [] }
        let elsewhere = Forge(key: forge.key, genesis: keccak256([1]), head: forge.head, timeout: forge.timeout)
        return [random.pick(heard), elsewhere.roundChange(message.height, message.round &+ 1)]
    }
}

/// Proposes blocks of tomorrow and of last week.
struct ClockLiar: ByzantineActor {
    func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        guard case .proposal(let m) = message, m.prepares.isEmpty else { return [(message, 0)] }
        let offsets: [Int64] = [1_900, 2_500, 60_000, -3_000, -60_000, 1]
        return [(forge.proposal(m, forge.moved(m.block, milliseconds: offsets[Int(message.height + UInt64(m.round)) % offsets.count])), 0)]
    }
}

/// Empty blocks as often as the rules allow, and more often; never a transaction (so it is the `Censor`, too).
struct EmptySpammer: ByzantineActor {
    func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        guard case .proposal(let m) = message, m.prepares.isEmpty, !m.block.block.transactions.isEmpty else { return [(message, 0)] }
        let request = BuildRequest(
            head: forge.head, round: m.round, beneficiary: forge.key.address,
            timeMilliseconds: forge.head.timeMilliseconds + (peer % 2 == 0 ? 1000 : 400), allowsEmpty: true)
        let root = keccak256(forge.head.header.stateRoot.bytes + forge.head.validators.commitment)
        let block = request.block(
            transactions: [], stateRoot: root, transactionsRoot: Header.emptyRoot, receiptsRoot: Header.emptyRoot, logsBloom: Bloom(),
            gasUsed: 0, next: forge.head.validators)
        return [(forge.proposal(m, block), 0)]
    }
}

/// Refuses transactions: its blocks are always empty and always in time.
struct Censor: ByzantineActor {
    func outgoing(_ message: Message, to peer: Int, epoch: Int, _ forge: Forge) -> [(Message, delay: UInt64)] {
        guard case .proposal(let m) = message, m.prepares.isEmpty, !m.block.block.transactions.isEmpty else { return [(message, 0)] }
        let time = max(forge.head.timeMilliseconds + 1000, m.block.header.timestamp * 1000 + UInt64(m.block.extra.milliseconds))
        let request = BuildRequest(
            head: forge.head, round: m.round, beneficiary: forge.key.address, timeMilliseconds: time, allowsEmpty: true)
        let root = keccak256(forge.head.header.stateRoot.bytes + forge.head.validators.commitment)
        return [
            (
                forge.proposal(
                    m,
                    request.block(
                        transactions: [], stateRoot: root, transactionsRoot: Header.emptyRoot, receiptsRoot: Header.emptyRoot,
                        logsBloom: Bloom(), gasUsed: 0, next: forge.head.validators)), 0
            )
        ]
    }
}

/// Many votes for rounds and heights that do not exist.
struct Flooder: ByzantineActor {
    mutating func incoming(_ message: Message, _ forge: Forge, _ random: inout SeededGenerator) -> [Message] {
        guard random.chance(10) else { return [] }
        return (0..<12).map { i in
            let digest = Hash32(random.next(), 0, 0, 0)
            let height = message.height + UInt64(i % 3) * UInt64(i / 3)
            return i % 4 == 3
                ? forge.roundChange(height, UInt32(i)) : forge.prepare(height, UInt32(truncatingIfNeeded: random.next()), digest)
        }
    }
}

/// Speaks in the name of others: their payloads under its own signature, their signatures under other payloads.
struct Impersonator: ByzantineActor {
    mutating func incoming(_ message: Message, _ forge: Forge, _ random: inout SeededGenerator) -> [Message] {
        switch message {
        case .proposal(let m):
            [.proposal(Proposal(signed: forge.signed(m.signed.payload), roundChanges: m.roundChanges, prepares: m.prepares)), message]
        case .prepare(let m):
            [
                .prepare(
                    Signed(
                        payload: PreparePayload(height: message.height, round: message.round + 1, digest: m.payload.digest),
                        signature: m.signature))
            ]
        case .commit(let m): [.commit(forge.signed(m.payload)), message]
        case .roundChange: [message]
        }
    }
}

private func resealed(_ block: SealedBlock, _ change: (inout [Bytes]) -> Void) -> Block {
    var raw = block.block, extra = block.sealed.extra
    change(&extra.seals)
    raw.header.extraData = extra.encoded
    return raw
}
