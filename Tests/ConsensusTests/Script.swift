import Ciphers
import Consensus
import Primitives
import Testing

/// A play for one validator, in words. Validators are A B C D (n = 4, f = 1, q = 3) at height 1, where A proposes in round 0, B in round
/// 1, C in round 2. A line is what happens; lines that begin with `>` are all that our validator then does, in order. Timers are
/// shown only where a script says `show timers`.
final class Script {
    private let all: [PrivateKey], names = ["A", "B", "C", "D"]
    private let head: Head
    private let me: Int
    private var machine: QBFT
    private var blocks: [String: UnsealedBlock] = [:]
    private var requested: BuildRequest?
    private var now: UInt64
    private var showsTimers = false
    private var saved: (watermark: Watermark, lock: Lock?) = (Watermark(height: 1, round: 0), nil)

    init(we me: String) throws {
        all = try keys(4)
        head = try genesisHead(validators(all))
        self.me = names.firstIndex(of: me)!
        now = head.timeMilliseconds + 2000
        machine = Script.machine(all[self.me], head, .kept(Watermark(height: 1, round: 0, said: []), nil))
        _ = machine.on(.start(transactionsWaiting: false), now: now)
        for name in names where name != me {
            _ = machine.on(.linkUp(address(name), .init(headNumber: 0, isAmnesiac: false), roundTripMilliseconds: 1), now: now)
        }
    }
    private static func machine(_ key: PrivateKey, _ head: Head, _ memory: QBFT.Memory) -> QBFT {
        QBFT(settings: .init(), genesis: head.hash, signer: key, head: head, memory: memory)
    }
    private func address(_ name: some StringProtocol) -> Address { all[names.firstIndex(of: String(name))!].address }
    private func name(_ address: Address) -> String { all.firstIndex { $0.address == address }.map { names[$0] } ?? "?" }
    private func name(_ hash: Hash32) -> String { blocks.first { $0.value.hash == hash }?.key ?? "?" }

    func play(_ text: String, _ location: SourceLocation = #_sourceLocation) throws {
        var expected: [String] = [], done: [String] = [], last = ""
        func check() { #expect(done == expected, "after “\(last)”", sourceLocation: location) }
        for line in text.split(separator: "\n").map({ $0.drop { $0 == " " } }) where !line.isEmpty {
            if line.hasPrefix("> ") { expected.append(String(line.dropFirst(2))); continue }
            check()
            (last, expected) = (String(line), [])
            done = try act(line.split(separator: " ").map(String.init)).compactMap(describe)
        }
        check()
    }

    // MARK: what happens

    private func act(_ w: [String]) throws -> [QBFT.Effect] {
        let r = w.firstIndex(of: "round").map { UInt32(w[$0 + 1].prefix { $0.isNumber }) ?? 0 } ?? 0
        func people(after word: String) -> [PrivateKey] {
            guard let at = w.lastIndex(of: word) else { return [] }
            return w[(at + 1)...].prefix { names.contains($0) }.map { all[names.firstIndex(of: $0)!] }
        }
        switch w[1] {
        case "timers": showsTimers = true; return []
        case "proposes":
            // A proposes X in round 1 because A C D changed round [holding X of round 0 prepared by A B C]
            let block = try block(w[2], by: w[0]).proposed(in: r), lock = lock(in: w, w[2])
            let changes = people(after: "because").map {
                signed(RoundChangePayload(height: 1, round: r, prepared: lock.map { .init(round: $0.round, digest: $0.block.hash) }), $0)
            }
            return hear(
                .proposal(
                    Proposal(
                        signed: signed(ProposalPayload(height: 1, round: r, block: block), key(w[0])), roundChanges: changes,
                        prepares: lock?.prepares ?? [])), w[0])
        case "prepares":
            return hear(.prepare(signed(PreparePayload(height: 1, round: r, digest: try block(w[2], by: w[0]).hash), key(w[0]))), w[0])
        case "commits":
            let block = try block(w[2], by: w[0]), sealRound = w.contains("sealing") ? r + 1 : r
            return hear(
                .commit(
                    signed(
                        CommitPayload(height: 1, round: r, digest: block.hash, seal: key(w[0]).sign(block.sealDigest(round: sealRound))),
                        key(w[0]))), w[0])
        case "changes":
            let lock = w.firstIndex(of: "holding").flatMap { self.lock(in: w, w[$0 + 1]) }
            return hear(
                .roundChange(
                    RoundChange(
                        signed: signed(
                            RoundChangePayload(height: 1, round: r, prepared: lock.map { .init(round: $0.round, digest: $0.block.hash) }),
                            key(w[0])), block: lock?.block, prepares: lock?.prepares ?? [])), w[0])
        case "is" where w[2] == "valid" || w[2] == "invalid": return on(.validated(blocks[w[0]]!.hash, w[2] == "valid" ? .valid : .invalid))
        case "wait": return on(.transactionsWaiting(true))
        case "time": return on(.timer(.propose(height: 1, round: machine.round)))  // batch time is over
        case "over": return on(.timer(.round(height: 1, round: machine.round)))  // round over
        case "built":
            let request = requested!
            blocks[w[2]] = request.block(
                transactions: [Script.transaction], stateRoot: Header.emptyRoot, transactionsRoot: .zero, receiptsRoot: .zero,
                logsBloom: Bloom(), gasUsed: 0, next: head.validators)
            return on(.built(request, blocks[w[2]]))
        case "later": now += UInt64(w[0])!; return []
        case "crash":
            machine = Script.machine(all[me], head, .kept(saved.watermark, saved.lock))
            return on(.start(transactionsWaiting: false))
        case "stop":
            saved.watermark = machine.cleanStop()!
            machine = Script.machine(all[me], head, .kept(saved.watermark, saved.lock))
            return on(.start(transactionsWaiting: false))
        case "reconnects": return on(.linkUp(address(w[0]), .init(headNumber: 0, isAmnesiac: false), roundTripMilliseconds: 1))
        case "leaves": return on(.linkDown(address(w[0])))
        default: throw ScriptError.unknown(w.joined(separator: " "))
        }
    }
    enum ScriptError: Error { case unknown(String) }
    static let transaction = UnverifiedTransaction(
        payload: TransactionPayload(kind: .legacy, chainId: 1, nonce: 0, gasLimit: 21_000, to: .zero),
        signature: TransactionSignature(r: 1, s: 1, yParity: 0))

    private func key(_ name: String) -> PrivateKey { all[names.firstIndex(of: name)!] }
    private func signed<P: ConsensusPayload>(_ payload: P, _ key: PrivateKey) -> Signed<P> { Signed(payload, by: key, genesis: head.hash) }
    private func block(_ name: String, by author: String) throws -> UnsealedBlock {
        if let known = blocks[name] { return known }
        // W is a block of an hour ahead.
        let block = try emptyBlock(on: head, by: address(author), after: name == "W" ? 3_600_000 : 1000 + UInt64(blocks.count))
        blocks[name] = block
        return block
    }
    private func lock(in w: [String], _ block: String) -> Lock? {
        guard let at = w.firstIndex(of: "holding"), let known = blocks[w[at + 1]] else { return nil }
        let round = UInt32(w[at + 4])!, by = w[(at + 7)...].prefix { names.contains($0) }
        return Lock(
            block: known.proposed(in: round),
            prepares: by.map { signed(PreparePayload(height: 1, round: round, digest: known.hash), key($0)) })
    }
    private func hear(_ message: Message, _ from: String) -> [QBFT.Effect] { on(.message(message, from: address(from))) }
    private func on(_ input: QBFT.Input) -> [QBFT.Effect] {
        let effects = machine.on(input, now: now)
        for effect in effects {
            switch effect {
            case .persist(.watermark(let mark)): saved.watermark = mark
            case .persist(.lock(let lock)): saved.lock = lock
            case .build(let request): requested = request
            default: break
            }
        }
        return effects
    }

    // MARK: what we do

    private func describe(_ effect: QBFT.Effect) -> String? {
        switch effect {
        case .persist(.watermark(let mark)): "saves that it may sign in round \(mark.round)"
        case .persist(.lock(let lock)):
            "saves its lock on \(name(lock.block.hash)) of round \(lock.round) prepared by \(lock.prepares.map { signer($0) }.joined(separator: " "))"
        case .broadcast(let message): describe(message)
        case .send(let message, let to): "tells \(name(to)): \(describe(message))"
        case .validate(let block): "asks whether \(name(block.hash)) is valid"
        case .build(let request): "builds a block in round \(request.round)" + (request.allowsEmpty ? " that may be empty" : "")
        case .decide(let block, _): "decides \(name(block.hash)) in round \(block.round) sealed by \(sealers(block))"
        case .sync(let from, let height): "syncs from \(name(from)) to \(height)"
        case .help(let peer, let height): "shows \(name(peer)) block \(height)"
        case .misbehaved(let peer, let what): "blames \(name(peer)): \(what)"
        case .equivocation(let evidence): "has evidence against \(name(evidence.author)): two \(evidence.code) in round \(evidence.round)"
        case .stop(let reason):
            "stops: \(reason == .quorumForInvalidBlock(blocks["X"]!.hash) ? "a quorum stands for an invalid block" : "\(reason)")"
        case .startTimer(let timer, let milliseconds): showsTimers ? "waits \(milliseconds) ms for \(describe(timer))" : nil
        case .cancelTimer: nil
        }
    }
    private func describe(_ timer: QBFT.Timer) -> String {
        switch timer {
        case .round(_, let round): "round \(round)"
        case .propose: "its turn to propose"
        case .held(_, let round): "the block of round \(round)"
        case .heartbeat: "the heartbeat"
        case .resend: "repeating itself"
        case .catchUp: "catching up"
        }
    }
    private func describe(_ message: Message) -> String {
        switch message {
        case .proposal(let m): "proposes \(name(m.block.hash)) in round \(m.round)" + (m.prepares.isEmpty ? "" : " again")
        case .prepare(let m): "prepares \(name(m.payload.digest)) in round \(m.payload.round)"
        case .commit(let m): "commits \(name(m.payload.digest)) in round \(m.payload.round)"
        case .roundChange(let m):
            "changes to round \(m.round)" + (m.signed.payload.prepared.map { " holding \(name($0.digest)) of round \($0.round)" } ?? "")
        }
    }
    private func signer<P>(_ signed: Signed<P>) -> String {
        Secp256k1Recovery().signer(of: signed.signature, over: signed.payload.signingHash(genesis: head.hash)).map { name($0) } ?? "nobody"
    }
    private func sealers(_ block: SealedBlock) -> String {
        let digest = block.unsealed.sealDigest(round: block.round)
        return block.sealed.extra.seals.map { seal in
            (try? Signature(seal)).flatMap { Secp256k1Recovery().signer(of: $0, over: digest) }.map { name($0) } ?? "nobody"
        }.joined(separator: " ")
    }
}

extension Script {
    /// The first block of a script whose author is A.
    static func hashOfX() throws -> Hash32 {
        let all = try keys(4)
        return try emptyBlock(on: genesisHead(validators(all)), by: all[0].address).hash
    }
}
