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
                guard let misconduct = Misconduct(parameters) else { throw .invalidParameters("none; wrong message, round, bit; or equivocation") }
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
enum Misconduct: Sendable {
    case none
    /// One bit of one message, in this round of the program, counted from 1.
    case wrongMessage(round: Int, bit: Int)
    case equivocation

    static let chainName = "entente-demo"

    init?(_ parameters: [JSON]) {
        switch (parameters.first?.asString, parameters.dropFirst().map(\.asInt)) {
        case ("none", []): self = .none
        case ("wrong message", let numbers) where numbers.count == 2:
            guard let round = numbers[0], let bit = numbers[1], round > 0, bit >= 0 else { return nil }
            self = .wrongMessage(round: round, bit: bit)
        case ("equivocation", []): self = .equivocation
        default: return nil
        }
    }

    var wrapper: (@Sendable (any MPC.Channel, SessionRun.Committee, PrivateKey) -> any MPC.Channel)? {
        switch self {
        case .none: nil
        case .wrongMessage(let round, let bit): { inner, committee, _ in WrongMessage(inner: inner, seat: committee.seat, round: round, bit: bit) }
        case .equivocation: { inner, committee, key in Equivocator(inner: inner, committee: committee, key: key) }
        }
    }
}

/// Flips one bit of what one seat is sent, once: in the given round, or the first after it in which this seat has something to say.
private final class WrongMessage: MPC.Channel {
    private let inner: any MPC.Channel
    private let seat: Int
    private let wrongRound: Int
    private let bit: Int
    private let state = Mutex((round: 0, isDone: false))

    init(inner: any MPC.Channel, seat: Int, round: Int, bit: Int) { (self.inner, self.seat, wrongRound, self.bit) = (inner, seat, round, bit) }

    func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        var frames = frames
        let victim = (0..<4).filter { $0 != seat && !frames[$0].isEmpty }.max { frames[$0].count < frames[$1].count }
        let strikes = state.withLock { state in
            state.round += 1
            guard state.round >= wrongRound, !state.isDone, victim != nil else { return false }
            state.isDone = true
            return true
        }
        if strikes, let victim {
            let place = bit % (8 * frames[victim].count)
            frames[victim][place / 8] ^= 1 << (place % 8)
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
