import Consensus
import Primitives

/// One run to read: what each node was told, where it stood then, and what it did about it.
extension World {
    func trace(_ index: Int, _ input: QBFT.Input, _ effects: [QBFT.Effect]) {
        guard let trace, let machine = nodes[index].machine else { return }
        let place =
            "\(machine.height)/\(machine.round)\(machine.lock.map { " locked \($0.round)" } ?? "")\(machine.amnesiacSince == nil ? "" : " amnesiac")"
        let done = effects.map(line).joined(separator: "; ")
        trace(
            "\(now - 1000 * Ledger.genesisTime - 5000) #\(index)\(isHonest(index) ? "" : " (\(type(of: nodes[index].actor!)))") \(place): \(line(input))"
                + (done.isEmpty ? "" : " → \(done)"))
    }

    private func who(_ address: Address) -> String { indices[address].map { "#\($0)" } ?? "nobody" }
    private func short(_ hash: Hash32) -> String { String("\(hash)".prefix(8)) }
    private func line(_ timer: QBFT.Timer) -> String { String("\(timer)".split(separator: "(")[0]) + String("\(timer)".drop { $0 != "(" }) }

    private func line(_ message: Message) -> String {
        let place = "\(message.code) \(message.height)/\(message.round)"
        return switch message {
        case .proposal(let m): "\(place) \(short(m.block.hash))\(m.prepares.isEmpty ? "" : " again")"
        case .prepare(let m): "\(place) \(short(m.payload.digest))"
        case .commit(let m): "\(place) \(short(m.payload.digest))"
        case .roundChange(let m):
            place + (m.signed.payload.prepared.map { " lock \($0.round) \(short($0.digest))\(m.block == nil ? " bare" : "")" } ?? "")
        }
    }
    private func line(_ input: QBFT.Input) -> String {
        switch input {
        case .start: "start"
        case .message(let message, let from): "\(line(message)) from \(who(from))"
        case .timer(let timer): "timer \(line(timer))"
        case .transactionsWaiting(let waiting): "transactions waiting: \(waiting)"
        case .built(let request, let block): "built \(request.round) \(block.map { short($0.hash) } ?? "nothing")"
        case .validated(let hash, let verdict): "\(verdict) \(short(hash))"
        case .imported(let head, _): "imported \(head.number) \(short(head.hash))"
        case .linkUp(let peer, let status, _): "link up \(who(peer)) at \(status.headNumber)\(status.isAmnesiac ? " amnesiac" : "")"
        case .peerStatus(let peer, let status): "status \(who(peer)) at \(status.headNumber)\(status.isAmnesiac ? " amnesiac" : "")"
        case .linkDown(let peer): "link down \(who(peer))"
        }
    }
    private func line(_ effect: QBFT.Effect) -> String {
        switch effect {
        case .persist(.watermark(let mark)): "mark \(mark.height)/\(mark.round)"
        case .persist(.lock(let lock)): "lock \(lock.round) \(short(lock.block.hash))"
        case .broadcast(let message): "say \(line(message))"
        case .send(let message, let to): "send \(line(message)) to \(who(to))"
        case .startTimer(let timer, let milliseconds): "start \(line(timer)) \(milliseconds)"
        case .cancelTimer(let timer): "cancel \(line(timer))"
        case .build(let request): "build \(request.round)\(request.allowsEmpty ? " may be empty" : "")"
        case .validate(let block): "validate \(short(block.hash))"
        case .decide(let block, _): "decide \(short(block.hash)) of round \(block.round)"
        case .sync(let from, let head): "sync \(head) from \(who(from))"
        case .help(let peer, _): "help \(who(peer))"
        case .misbehaved(let peer, let what): "misbehaved \(who(peer)): \(what)"
        case .equivocation(let evidence): "equivocation of \(who(evidence.author))"
        case .stop(let reason): "stop \(reason)"
        }
    }
}
