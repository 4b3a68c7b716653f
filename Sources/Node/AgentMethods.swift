import Ciphers
import Contracts
import Foundation
import Jobs
import MPC
import Primitives
import RPC
import Server
import Synchronization

/// `entente_…`: what Ethereum has no word for.
final class AgentMethods: Sendable {
    private let agent = Mutex<Agent?>(nil)
    private let isDemonstration: Bool
    /// Text of `genesis.json`; nil where this node came up without one.
    private let genesis: String?

    init(isDemonstration: Bool, genesis: String?) { (self.isDemonstration, self.genesis) = (isDemonstration, genesis) }
    func serve(_ agent: Agent) { self.agent.withLock { $0 = agent } }
    private var current: Agent { get throws(RPCError) {
        guard let agent = agent.withLock({ $0 }) else { throw .internalError("the agent is not up yet; ask again") }
        return agent
    } }

    var methods: [String: Server.Method] {
        var methods: [String: Server.Method] = [
            // Progress of the jobs that this member takes part in: phases, rows, bytes; never a value.
            "entente_jobs": Method { [self] _ throws(RPCError) in .array(try current.progress.map(\.json)) },
            // Rules, predeployed contracts and first validators of this chain: what evidence starts from.
            "entente_genesis": Method { [genesis] _ throws(RPCError) in
                guard let genesis else { throw .internalError("this node has no genesis.json") }
                return .string(genesis)
            },
            "entente_process": Method { _ throws(RPCError) in ["peakMemoryBytes": .integer(Int64(peakMemoryBytes())), "process": .integer(Int64(ProcessInfo.processInfo.processIdentifier))] },
        ]
        if isDemonstration {
            methods["entente_misbehave"] = Method { [self] parameters throws(RPCError) in
                let agent = try current
                guard let kind = parameters.first?.asString, let misconduct = Misconduct(rawValue: kind) else { throw .invalidParameters("none, wrong message or equivocation") }
                await agent.setMisconduct(misconduct.wrapper)
                return true
            }
        }
        return methods
    }
}

/// High-water mark of this process, from the operating system.
package func peakMemoryBytes() -> Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
          let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }) else { return 0 }
    return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) * 1024
}

/// A party that misbehaves on purpose: a wrapper of its channel that no chain but the demonstration's accepts.
enum Misconduct: String {
    case none
    case wrongMessage = "wrong message"
    case equivocation

    static let chainName = "entente-demo"

    var wrapper: (@Sendable (any MPC.Channel, SessionRun.Committee, PrivateKey) -> any MPC.Channel)? {
        switch self {
        case .none: nil
        case .wrongMessage: { inner, committee, _ in WrongMessage(inner: inner, seat: committee.seat) }
        case .equivocation: { inner, committee, key in Equivocator(inner: inner, committee: committee, key: key) }
        }
    }
}

/// Flips one bit of what one seat is sent, in one round in the middle of the program.
private final class WrongMessage: MPC.Channel {
    private let inner: any MPC.Channel
    private let seat: Int
    private let round = Mutex(0)
    static let wrongRound = 20

    init(inner: any MPC.Channel, seat: Int) { (self.inner, self.seat) = (inner, seat) }

    func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        let number = round.withLock { $0 += 1; return $0 }
        var frames = frames
        if number >= Self.wrongRound, number < Self.wrongRound + 8, let victim = (0..<4).filter({ $0 != seat }).max(by: { frames[$0].count < frames[$1].count }), !frames[victim].isEmpty {
            frames[victim][frames[victim].count / 2] ^= 1
        }
        return try await inner.exchange(frames, expecting: expecting)
    }
}

/// Signs a second content for its SEGMENT and tells it to one seat.
private final class Equivocator: MPC.Channel {
    private let inner: any MPC.Channel
    private let committee: SessionRun.Committee
    private let key: PrivateKey
    private let isDone = Mutex(false)

    init(inner: any MPC.Channel, committee: SessionRun.Committee, key: PrivateKey) { (self.inner, self.committee, self.key) = (inner, committee, key) }

    func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        var frames = frames
        let victim = committee.seat == 0 ? 1 : 0
        // The round of SEGMENT: a claim of that kind in front, the record behind it.
        if frames[victim].count == SignedClaim.byteCount + 13 * 32, frames[victim][0] == Claim.Kind.segment.rawValue, !isDone.withLock({ let was = $0; $0 = true; return was }) {
            var record = Bytes(frames[victim][SignedClaim.byteCount...])
            record[31] ^= 1          // another last step
            if let changed = BatchRecord(encoded: record) {
                let claim = Claim(session: committee.session, kind: .segment, index: 0, content: changed.content(after: committee.session))
                let signature = key.sign(claim.digest(in: committee.signer.domain))
                frames[victim] = [claim.kind.rawValue] + claim.index.bytes + claim.content.bytes + signature.bytes + record
            }
        }
        return try await inner.exchange(frames, expecting: expecting)
    }
}
