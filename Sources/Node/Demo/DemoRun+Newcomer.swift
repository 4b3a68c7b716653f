import Ciphers
import Client
import Contracts
import Foundation
import Primitives

// Chapter 10: a newcomer is refused, voted in, catches up, and validates.

extension DemoRun {
    func newcomer() async throws {
        report.begin("10. Newcomer")
        let directory = try makeDirectory("bureau", via: try nodes.rpcURL("north"), withNodeKey: true)
        let node = try directory.key("node").address
        let peers = try Self.founders.flatMap { ["--peer", "127.0.0.1:\(try nodes.peerPort($0))"] }
        try await nodes.start("bureau", ["--genesis", nodes.path("genesis.json")] + peers)
        let bureau = try await Desk.open(nodes.path("bureau"), via: try nodes.rpcURL("north"))
        _ = try await bureau.apply(
            nodeKey: node, roles: [.manager, .validator, .data, .compute],
            dossier: Bytes("Bureau of health statistics, established 1889. We ask to take part in joint studies.".utf8), contact: "")
        let refusal = try await wait("a member to refuse the newcomer's connection") { () async throws -> String? in
            try self.logLines("north").first { $0.contains("\"refused\"") && $0.contains(node.description) }.map(String.init)
        }
        try report.check(
            "newcomer-refused-before-vote", "before the vote its connection is refused and logged: \(reason(refusal))",
            refusal.contains("notAdmitted"), seen: refusal)
        let inbox = try await caughtUp(desk("south")).applications()
        report.say(
            "managers see in their inbox: \(inbox.map { "\($0.name) asks to join: \(String(decoding: $0.dossier, as: UTF8.self))" }.joined())"
        )
        for (count, name) in ["north", "south", "laboratory"].enumerated() {
            let admitted = try await caughtUp(desk(name)).vote(on: "bureau", yes: true)
            guard admitted == (count == 2) else { throw DemoError.checkFailed("newcomer-admitted", "admitted after \(count + 1) votes") }
        }
        report.say("three of four managers voted yes: more than two thirds")
        desks["bureau"] = try await Desk.open(nodes.path("bureau"), via: try nodes.rpcURL("bureau"))
        _ = try await wait("the newcomer to validate", seconds: 40) { () async throws -> Bool? in
            try await self.desk("north").ledger.call(.consortium, "validators")[0].asList.contains { $0.asAddress == node } ? true : nil
        }
        let sent = try await desk("laboratory").sender.send(
            .records, "record",
            [
                .bytes32(keccak256(Bytes("entente/report/v1".utf8))), .bytes32(keccak256(randomBytes(32))), .array([]), .bytes32(.zero),
                .string(""),
            ])
        let block = try await sameBlock(sent.block, Self.founders + ["bureau"])
        try report.check(
            "newcomer-admitted",
            "bureau caught up by itself, activated itself and is the fifth validator; same state root at block \(sent.block)", true,
            seen: block.root.description)
        laterRecord = sent
    }

    private func logLines(_ name: String) throws -> [Substring] {
        String(decoding: FileManager.default.contents(atPath: "\(nodes.path(name))/node.log") ?? .init(), as: UTF8.self).split(
            whereSeparator: \.isNewline)
    }
    private func reason(_ line: some StringProtocol) -> String {
        guard let json = try? JSON(parsing: String(line)) else { return String(line) }
        return "node \(json["node"]?.asString ?? "?"), reason \(json["reason"]?.asString ?? "?")"
    }
}
