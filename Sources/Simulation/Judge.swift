import Ciphers
import Consensus
import Primitives

/// What must never happen (chain-rules §8).
package enum Violation: Sendable, Equatable {
    case fork(height: UInt64, node: Int)
    /// Two payloads of an honest key for one (code, height, round).
    case doubleSigned(node: Int, code: MessageCode, height: UInt64, round: UInt32)
    case commitWithoutLock(node: Int)
    case messageBeforeRecord(node: Int, code: MessageCode)
    case notLive(milliseconds: UInt64, heights: [UInt64])
    case roundsGrew(node: Int, from: UInt32, to: UInt32)
    case emptyDespitePool(node: Int, height: UInt64)
    case acknowledgedLost(UInt64)
    case headerRefused(node: Int, FollowError)
    case buffersTooLarge(node: Int)
    case honestAccused(by: Int, of: Int, String)
    case honestEquivocation(Int)
    case stopped(node: Int, String)
    case codec(String)
    case runaway(events: Int)
    /// The scenario broke its own assumption, and nothing is promised: more than f are liars or without memory, or q without memory
    /// begin a chain of their own.
    case unfair(liars: Int, amnesiacs: Int)

    /// Apart from a fork itself, what only shows that a record was missing.
    package var isFork: Bool { if case .fork = self { true } else { false } }
}

/// Judges a run from outside: blocks that nodes stored, messages that left them, what lay on their disks then.
struct Judge {
    private struct Place: Hashable { let node: Int, code: MessageCode, height: UInt64, round: UInt32 }
    private var hashes: [UInt64: Hash32] = [:]
    private var signed: [Place: Hash32] = [:]
    private var acknowledged: [UInt64: UInt64] = [:]
    private(set) var violations: [Violation] = []
    var equivocations = 0
    var calmSince: UInt64 = 0
    var calmTook: UInt64?

    init(nodeCount: Int) {}

    mutating func report(_ violation: Violation) { if violations.count < 8 || violation.isFork { violations.append(violation) } }

    /// A message leaves a node: log of all signatures, and the order of the disk.
    mutating func said(_ message: Message, by node: Int, _ world: World) {
        guard world.isHonest(node) else { return }
        let place = Place(node: node, code: message.code, height: message.height, round: message.round)
        let hash = world.nodes[node].genesis.head.hash
        let payload = message.payloadHash(genesis: hash)
        if let before = signed.updateValue(payload, forKey: place), before != payload {
            report(.doubleSigned(node: node, code: message.code, height: message.height, round: message.round))
        }
        let disk = world.nodes[node]
        guard let mark = disk.watermark, mark.height == message.height, mark.round >= message.round else {
            return report(.messageBeforeRecord(node: node, code: message.code))
        }
        if case .commit(let m) = message, disk.lock?.round != m.payload.round || disk.lock?.block.hash != m.payload.digest {
            report(.commitWithoutLock(node: node))
        }
        if let machine = disk.machine, machine.bufferedCount > 3000 { report(.buffersTooLarge(node: node)) }
    }
    /// The memory of this key is gone: until it is whole again the node counts as faulty.
    mutating func forget(_ node: Int) { signed = signed.filter { $0.key.node != node } }

    mutating func decided(_ block: SealedBlock, by node: Int, _ world: World) {
        guard world.isHonest(node) else { return }
        if let known = hashes[block.header.number] {
            if known != block.hash { report(.fork(height: block.header.number, node: node)) }
        } else {
            hashes[block.header.number] = block.hash
        }
        for transaction in block.transactions { acknowledged[transaction.payload.nonce] = block.header.number }
    }

    mutating func finish(_ world: World) {
        guard violations.isEmpty else { return }
        for index in world.honest {
            let node = world.nodes[index]
            for (number, height) in acknowledged where height <= node.head.number && !node.included.contains(number) {
                report(.acknowledgedLost(number))
            }
            guard !world.ledger.weakQuorum else { continue }
            do throws(FollowError) {
                var follower = try ValidatorFollower(genesis: node.genesis.head.header)
                for (at, block) in node.chain.enumerated() {
                    let next = at + 1 < node.chain.count ? node.chain[at + 1].sealed.extra.validators : node.head.validators.addresses
                    _ = try follower.follow(block.header, next: next, world.recovery)
                }
            } catch { report(.headerRefused(node: index, error)) }
        }
    }
}

extension Message {
    fileprivate func payloadHash(genesis: Hash32) -> Hash32 {
        switch self {
        case .proposal(let m): m.signed.payload.signingHash(genesis: genesis)
        case .prepare(let m): m.payload.signingHash(genesis: genesis)
        case .commit(let m): m.payload.signingHash(genesis: genesis)
        case .roundChange(let m): m.signed.payload.signingHash(genesis: genesis)
        }
    }
}
