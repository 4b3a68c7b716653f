import Chain
import P2P
import Primitives

extension EventLog {
    func write(_ fact: NetworkFact) {
        switch fact {
        case .listening(let host, let port): write("listening", ["host": .string(host), "port": .integer(Int64(port))])
        case .dialFailed(let endpoint, let reason):
            write("dial failed", ["host": .string(endpoint.host), "port": .integer(Int64(endpoint.port)), "reason": .string(reason)])
        case .turnedAway(let remote): write("turned away", ["remote": .string(remote)])
        case .certificateRefused(let remote, let error):
            write("certificate refused", ["remote": .string(remote), "reason": .string("\(error)")])
        case .handshakeFailed(let remote, let reason): write("handshake failed", ["remote": .string(remote), "reason": .string(reason)])
        case .unexpectedNode(let remote, let found, let expected):
            write("unexpected node", ["remote": .string(remote), "found": JSON(found), "expected": JSON(expected)])
        case .refused(let remote, let node, let reason, let height):
            write("refused", ["remote": .string(remote), "node": JSON(node), "reason": .string("\(reason)"), "height": .quantity(height)])
        case .refusedBy(let remote, let node, let reason, let height):
            write(
                "refused by", ["remote": .string(remote), "node": JSON(node), "reason": .string("\(reason)"), "height": .quantity(height)])
        case .breach(let remote, let node, let error):
            write("breach", ["remote": .string(remote), "node": node.map { JSON($0) } ?? .null, "reason": .string("\(error)")])
        case .up(let node, let kind, let remote):
            write("link up", ["node": JSON(node), "kind": .string(kind.rawValue), "remote": .string(remote)])
        case .down(let node, let kind, let end):
            write("link down", ["node": JSON(node), "kind": .string(kind.rawValue), "reason": .string("\(end)")])
        }
    }

    func write(_ fact: ConsensusFact) {
        switch fact {
        case .decided(let head, let round, let transactions, _):
            write(
                "block",
                [
                    "number": .quantity(head.number), "hash": JSON(head.hash), "round": .integer(Int64(round)),
                    "transactions": .integer(Int64(transactions)),
                ])
        case .synced(let head, let peer): write("synced", ["number": .quantity(head.number), "from": JSON(peer)])
        case .syncFailed(let peer, let error): write("sync failed", ["from": JSON(peer), "reason": .string("\(error)")])
        case .blockRefused(let hash, let failure): write("block refused", ["hash": JSON(hash), "reason": .string("\(failure)")])
        case .misbehaved(let peer, let how): write("misbehaved", ["node": JSON(peer), "how": .string("\(how)")])
        case .frameRefused(let frame, let peer, let reason):
            write("frame refused", ["frame": .integer(Int64(frame)), "from": JSON(peer), "reason": .string(reason)])
        case .equivocation(let evidence): write("equivocation", ["evidence": .string("\(evidence)")])
        case .transactionRefused(let peer, let hash, let code):
            write("transaction refused", ["by": JSON(peer), "hash": JSON(hash), "code": .integer(Int64(code))])
        case .stopped(let reason): write("stopped", ["reason": .string("\(reason)")])
        }
    }
}
