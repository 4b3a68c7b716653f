import Ciphers
import Primitives

/// Agreement on one block after another among n validators of whom f = ⌊(n−1)/3⌋ may lie.
///
/// Problem: Byzantine agreement with final blocks on a network that may delay, lose and reorder anything; safety always, liveness
/// once the network heals. Source: EEA QBFT (its Dafny text as reading), Moniz 2020; bytes, timers and what is durable from
/// chain-rules §5–7, with its deviations D1–D8. Each rule of §5.3 is one function with its name, in the files `QBFT+…`.
///
///     proposer   ──PROPOSAL──▶ all      block is valid (driver executes it)
///     all        ──PREPARE───▶ all      q of one round and digest: the block is locked (durable)
///     all        ──COMMIT────▶ all      q of one round: decided; the seals in them become the block's
///     on timer   ──ROUND-CHANGE(lock)─▶ all   q for round r: its proposer proposes the highest lock again, or a fresh block
///
/// Invariants: (1) q PREPAREs of two digests cannot exist in one round; (2) a COMMIT is sent only for a durable lock, and each
/// later round is justified by q ROUND-CHANGEs, of which one carries the highest lock: so no other block can follow a decided one;
/// (3) a validator signs nothing in a place (height, round) that it may have signed in before a crash (`SigningGuard`).
///
/// ## How to drive it
///
/// A pure value: `on(input, now:)` gives effects, to be carried out **one after the other in their order**, each finished before the
/// next (a `persist` means fsync has returned; if it fails, the process ends). That order is the whole durability rule: a message is
/// always after the record it rests on. Time is an input, in milliseconds since 1970.
///
/// 1. Load head, watermark and lock. No watermark in the store: `.lost` (a new or restored store), and every import by sync before
///    the machine runs then writes none. Otherwise `.kept`. Sync to the head that peers prove, make a `QBFT`, feed `.start`.
/// 2. Feed `linkUp` with what the peer's Hello said, `linkDown`, `peerStatus` for each Status; `message` for each decoded frame of a
///    linked peer (`from` is the key that TLS proved; authors speak for themselves only, nothing is relayed).
/// 3. `build`: execute pool transactions on the parent in at most T₀/4, fill `BuildRequest.block(…)`, feed `built` with the same
///    request (nil: there was none and an empty block is not wanted). `validate`: execute, compare all roots, gas, bloom and
///    `HeaderRules.checkNext`; feed `validated`. Keep the result by block hash: the decision only applies it.
/// 4. `decide`: one durable batch with block, receipts, state, seals, watermark (h+1, 0), lock deleted; then feed `imported` with the
///    head. A block imported by sync is fed the same way, with the same batch. Publish after the batch.
/// 5. `startTimer` replaces a running timer that is equal; a late firing is harmless. `transactionsWaiting` on each change of
///    "the pool has an executable transaction".
/// 6. `sync(from:claimedHead:)`: fetch; `help(peer, height:)`: send that peer the sealed header of that height (frame 0x16), so that
///    it syncs; `misbehaved`: score; `equivocation`: store and show; `stop`: this node may not vote any more, say why.
/// 7. Clean stop: let the last `decide` finish, store `cleanStop()` as watermark, close.
///
/// Private mode needs no machine: `UnsealedBlock.sealedAlone(by:)`.
package struct QBFT: Sendable {
    /// Policy of one node: none of these decides validity, except that all should agree on the clock tolerance.
    package struct Settings: Sendable {
        package var requestTimeoutMilliseconds: UInt64 = 1000
        package var heartbeatMilliseconds: UInt64 = 60_000
        package var batchMilliseconds: UInt64 = 2
        package var clockToleranceMilliseconds: UInt64 = 2000
        package init() {}
        package init(_ configuration: GenesisConfiguration) {
            requestTimeoutMilliseconds = configuration.requestTimeoutMilliseconds
            heartbeatMilliseconds = 1000 * configuration.heartbeatSeconds
            batchMilliseconds = configuration.batchMilliseconds
            clockToleranceMilliseconds = configuration.clockToleranceMilliseconds
        }
    }

    /// What the store knew at start.
    package enum Memory: Sendable {
        case kept(Watermark, Lock?)
        /// New store or backup: amnesiac (§7). `isAccepted`: the operator said `--accept-amnesia`.
        case lost(isAccepted: Bool)
    }

    package enum Input: Sendable {
        case start(transactionsWaiting: Bool)
        case message(Message, from: Address)
        case timer(Timer)
        case transactionsWaiting(Bool)
        indirect case built(BuildRequest, UnsealedBlock?)
        case validated(Hash32, Verdict)
        indirect case imported(Head, transactionsWaiting: Bool)
        case linkUp(Address, PeerStatus, roundTripMilliseconds: UInt64)
        case peerStatus(Address, PeerStatus)
        case linkDown(Address)
    }

    package enum Effect: Sendable, Equatable {
        case persist(Record)
        /// To every other validator of `validators` that is linked.
        case broadcast(Message)
        case send(Message, to: Address)
        case startTimer(Timer, milliseconds: UInt64)
        case cancelTimer(Timer)
        indirect case build(BuildRequest)
        case validate(UnsealedBlock)
        /// - Parameter participants: whose COMMIT for this block is here, verified or not: for the participation record only.
        indirect case decide(SealedBlock, participants: [Address])
        case sync(from: Address, claimedHead: UInt64)
        case help(Address, height: UInt64)
        case misbehaved(Address, Misbehaviour)
        case equivocation(Equivocation)
        case stop(StopReason)
    }

    package enum Record: Sendable, Equatable { case watermark(Watermark), lock(Lock) }
    package enum Timer: Sendable, Hashable {
        case round(height: UInt64, round: UInt32)
        /// Batch time over, or an empty block allowed at last.
        case propose(height: UInt64, round: UInt32)
        /// A proposal came a little too early for our clock.
        case held(height: UInt64, round: UInt32)
        case heartbeat(height: UInt64), resend(height: UInt64), catchUp(height: UInt64)
    }
    package enum Verdict: Sendable, Equatable {
        case valid, invalid
        /// Our own disk or history is at fault. Never a verdict on the block.
        case unable
    }
    package struct PeerStatus: Sendable, Equatable {
        package var headNumber: UInt64
        package var isAmnesiac: Bool
        package init(headNumber: UInt64, isAmnesiac: Bool) { (self.headNumber, self.isAmnesiac) = (headNumber, isAmnesiac) }
    }
    /// Each is provably the peer's own doing: cut the link.
    package enum Misbehaviour: Sendable, Equatable {
        case invalidSignature, unjustified, invalidHeader(HeaderError), invalidBlock(Hash32), lockInvalid, notProposer
    }
    package enum StopReason: Sendable, Equatable {
        /// q validators prepared or committed it: more than f are faulty, or this program is.
        case quorumForInvalidBlock(Hash32)
        case cannotExecute(Hash32)
    }

    package static let maximumBufferedBytes = 64 << 20
    package static let maximumProposals = 8
    package static let maximumEvidence = 1000

    package let settings: Settings
    let genesis: Hash32
    let recovery: any SignatureRecovery
    var signingGuard: SigningGuard
    var memory: Memory
    /// Head at which memory was found lost; nil: it is whole.
    package internal(set) var amnesiacSince: UInt64?
    package internal(set) var stopped: StopReason?

    package internal(set) var head: Head
    package internal(set) var round: UInt32 = 0
    package internal(set) var lock: Lock?
    var agreement: Agreement
    var transactionsWaiting = false
    var links: [Address: Link] = [:]
    /// Heads that peers claim above ours.
    var claims: [Address: UInt64] = [:]
    var failedLastTurn: Set<Address> = []
    var ahead: [(from: Address, message: Message)] = []
    var evidence: Set<EvidencePlace> = []
    var authors: [SignedDigest: Address] = [:]
    var now: UInt64 = 0
    var effects: [Effect] = []

    /// - Parameter genesis: the network's genesis hash, under every signature.
    package init(
        settings: Settings, genesis: Hash32, signer: any ConsensusSigner, recovery: any SignatureRecovery = Secp256k1Recovery(), head: Head,
        memory: Memory
    ) {
        (self.settings, self.genesis, self.recovery, self.head, self.memory) = (settings, genesis, recovery, head, memory)
        agreement = Agreement(head, me: signer.address)
        switch memory {
        case .kept(let watermark, let lock): signingGuard = SigningGuard(signer: signer, genesis: genesis, watermark: watermark, lock: lock)
        case .lost(let isAccepted):
            signingGuard = SigningGuard(signer: signer, genesis: genesis, watermark: Watermark(height: 0, round: 0, said: []), lock: nil)
            if !isAccepted { amnesiacSince = head.number }
        }
    }

    package var height: UInt64 { head.number + 1 }
    package var validators: ValidatorSet { head.validators }
    package var address: Address { signingGuard.signer.address }
    /// A non-validator, an amnesiac or a stopped node follows and is silent; so is one whose store signed beyond its head.
    package var maySign: Bool { agreement.me != nil && amnesiacSince == nil && stopped == nil && signingGuard.watermark.height == height }
    /// Entries of all buffers; bounded by about 30 a validator.
    package var bufferedCount: Int {
        ahead.count + agreement.candidates.count + agreement.locks.count + claims.count + authors.count + agreement.verdicts.count
            + agreement.voices.reduce(0) { $0 + $1.prepares.items.count + $1.commits.items.count }
    }
    package var isDeciding: Bool { agreement.decided != nil }

    /// - Parameter now: this node's clock, milliseconds since 1970.
    package mutating func on(_ input: Input, now: UInt64) -> [Effect] {
        self.now = now
        switch input {
        case .start(let waiting): onStart(waiting)
        case .message(let message, let sender): onMessage(message, from: sender)
        case .timer(let timer): onTimer(timer)
        case .transactionsWaiting(let waiting): transactionsWaiting = waiting
        case .built(let request, let block): onBuilt(request, block)
        case .validated(let hash, let verdict): onValidated(hash, verdict)
        case .imported(let head, let waiting): onImported(head, waiting)
        case .linkUp(let peer, let status, let roundTrip): onLinkUp(peer, status, roundTrip)
        case .peerStatus(let peer, let status): onPeerStatus(peer, status)
        case .linkDown(let peer): onLinkDown(peer)
        }
        settle()
        defer { effects = [] }
        return effects
    }

    /// Every rule that waits for something, once; each does nothing unless its condition holds.
    mutating func settle() {
        guard stopped == nil, agreement.decided == nil else { return }
        recallMemory()
        raiseBarrier()
        jump()
        acceptProposal()
        propose()
        commitWhenPrepared()
        decideWhenCommitted()
        startClock()
    }

    mutating func onMessage(_ message: Message, from sender: Address) {
        guard stopped == nil, sender != address else { return }
        if message.height < height {
            if message.code == .roundChange { effects.append(.help(sender, height: message.height)) }
            return
        }
        if message.height > height || agreement.decided != nil { return onMessageAhead(message, from: sender) }
        guard let index = validators.index(of: sender) else { return }
        agreement.hasReason = true
        agreement.voices[index].round = max(agreement.voices[index].round, message.round)
        switch message {
        case .proposal(let m): onProposal(m, from: index)
        case .prepare(let m): onPrepare(m, from: index)
        case .commit(let m): onCommit(m, from: index)
        case .roundChange(let m): onRoundChange(m, from: index)
        }
    }

    mutating func onTimer(_ timer: Timer) {
        guard agreement.decided == nil, stopped == nil else { return }
        switch timer {
        case .round(height, let r) where r == round: onRoundTimer()
        case .propose(height, let r) where r == round: agreement.proposing = agreement.proposing == .waiting ? .ready : agreement.proposing
        case .held(height, _): break  // settle looks at it again
        case .heartbeat(height): (agreement.heartbeatIsDue, agreement.hasReason) = (true, true)
        case .resend(height): onResend()
        case .catchUp(height): onCatchUp()
        default: break
        }
    }

    mutating func stop(_ reason: StopReason) {
        stopped = reason
        effects.append(.stop(reason))
    }
}

/// What a proposer asks its driver for.
package struct BuildRequest: Sendable, Equatable {
    package let head: Head
    package let round: UInt32
    package let beneficiary: Address
    /// T of the block.
    package let timeMilliseconds: UInt64
    /// False: with no transaction to include, answer nil.
    package let allowsEmpty: Bool

    package init(head: Head, round: UInt32, beneficiary: Address, timeMilliseconds: UInt64, allowsEmpty: Bool) {
        (self.head, self.round, self.beneficiary, self.timeMilliseconds, self.allowsEmpty) = (
            head, round, beneficiary, timeMilliseconds, allowsEmpty
        )
    }

    /// The block with every field that rules fix filled in.
    /// - Parameter next: `V_{h+1}` after execution.
    package func block(
        transactions: [UnverifiedTransaction], stateRoot: Hash32, transactionsRoot: Hash32, receiptsRoot: Hash32, logsBloom: Bloom,
        gasUsed: UInt64, next: ValidatorSet
    ) -> UnsealedBlock {
        let extra = ExtraData(milliseconds: UInt16(timeMilliseconds % 1000), next: next, validators: head.validators, round: round)
        let header = Header(
            parentHash: head.hash, beneficiary: beneficiary, stateRoot: stateRoot, transactionsRoot: transactionsRoot,
            receiptsRoot: receiptsRoot,
            logsBloom: logsBloom, difficulty: 1, number: head.number + 1, gasLimit: head.nextGasLimit, gasUsed: gasUsed,
            timestamp: timeMilliseconds / 1000, extraData: extra.encoded, mixHash: HeaderRules.mixHash, nonce: 0, baseFeePerGas: .zero,
            withdrawalsRoot: Header.emptyRoot, blobGasUsed: 0, excessBlobGas: 0, parentBeaconBlockRoot: .zero,
            requestsHash: Header.noRequests)
        return UnsealedBlock(Block(header: header, transactions: transactions), extra)
    }
}
