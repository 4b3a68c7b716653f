import Foundation
import Jobs
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
    private var current: Agent {
        get throws(RPCError) {
            guard let agent = agent.withLock({ $0 }) else { throw .internalError("the agent is not up yet; ask again") }
            return agent
        }
    }

    var methods: [String: Server.Method] {
        var methods: [String: Server.Method] = [
            // Progress of the jobs that this member takes part in: phases, rows, bytes; never a value.
            "entente_jobs": Method { [self] _ throws(RPCError) in .array(try current.progress.map(\.json)) },
            // Rules, predeployed contracts and first validators of this chain: what evidence starts from.
            "entente_genesis": Method { [genesis] _ throws(RPCError) in
                guard let genesis else { throw .internalError("this node has no genesis.json") }
                return .string(genesis)
            },
            "entente_process": Method { _ throws(RPCError) in
                [
                    "peakMemoryBytes": .integer(Int64(peakMemoryBytes())),
                    "process": .integer(Int64(ProcessInfo.processInfo.processIdentifier)),
                ]
            },
        ]
        if isDemonstration {
            methods["entente_misbehave"] = Method { [self] parameters throws(RPCError) in
                let agent = try current
                guard let misconduct = Misconduct(parameters) else {
                    throw .invalidParameters("none; wrong message, round, bit; equivocation; false input; silence or stubbornness, round")
                }
                await agent.setMisconduct(misconduct.wrapper, answers: misconduct.answers)
                return true
            }
        }
        return methods
    }
}

/// High-water mark of this process, from the operating system.
package func peakMemoryBytes() -> Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
        let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") })
    else { return 0 }
    return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) * 1024
}
