import Client
import Primitives

/// The lanes of one job while it runs: what each member's own node says of it.
struct JobLanes: Sendable {
    struct Lane: Sendable {
        let member: String
        /// Where the member's agent is; inside a session, where the session is.
        let phase: String
        let rows: Int, rounds: Int, plannedRounds: Int, bytesOut: Int, bytesIn: Int
        let waitingFor: [String]

        /// - Parameter names: of members by account.
        init?(_ member: String, _ json: JSON, names: [Address: String]) {
            guard let phase = json["phase"]?.asString, let stage = json["stage"]?.asString, let rows = json["rows"]?.asInt,
                let rounds = json["rounds"]?.asInt,
                let planned = json["plannedRounds"]?.asInt, let out = json["bytesOut"]?.asInt, let `in` = json["bytesIn"]?.asInt
            else { return nil }
            self.member = member
            self.phase = phase == "computing" && !stage.isEmpty ? stage : phase
            (self.rows, self.rounds, plannedRounds, bytesOut, bytesIn) = (rows, rounds, planned, out, `in`)
            waitingFor = json["waitingFor"]?.asArray?.compactMap { $0.asAddress.map { names[$0] ?? $0.description } } ?? []
        }

        var text: String {
            let waits = waitingFor.isEmpty ? "" : "  waits for \(waitingFor.joined(separator: ", "))"
            return
                "\(wide(member, 10))  \(wide(phase, 10))  \(wide("\(rows) rows", 8))  \(wide("round \(rounds)\(plannedRounds > 0 ? " of \(max(rounds, plannedRounds))" : "")", 15))"
                + "  \(wide("\(bytesOut >> 10) KiB up", 12))  \(bytesIn >> 10) KiB down\(waits)"
        }
    }

    private let connections: [(member: String, connection: RPCConnection)]
    private let names: [Address: String]

    /// Own connections: a desk's questions are not held up by these.
    init(_ nodes: [(member: String, url: String)], names: [Address: String]) throws(RPCFailure) {
        var connections: [(String, RPCConnection)] = []
        for node in nodes { connections.append((node.member, try RPCConnection(node.url))) }
        (self.connections, self.names) = (connections, names)
    }

    func lanes(of job: UInt64) async throws(RPCFailure) -> [(lane: Lane, json: JSON)] {
        var found: [(Lane, JSON)] = []
        for (member, connection) in connections {
            guard let json = try await connection.call("entente_jobs").asArray?.first(where: { $0["job"]?.asString == "\(job)" }),
                let lane = Lane(member, json, names: names)
            else { continue }
            found.append((lane, json))
        }
        return found
    }
    func close() async { for (_, connection) in connections { await connection.close() } }
}
