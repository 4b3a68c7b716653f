import Ciphers
import Client
import Contracts
import Foundation
import Primitives

/// One organisation, or one client, at its desk: its keys, and a node that answers. Every command and every line of the demo acts
/// through a desk; there is no other way into the chain.
package struct Desk: Sendable {
    package let directory: DataDirectory
    package let name: String
    package let ledger: LedgerClient
    package let sender: Sender

    package var account: Address { sender.address }

    /// - Parameter via: the node to talk to; nil: the one of `config.json`, else the organisation's own.
    package static func open(_ path: String, via: String? = nil) async throws -> Desk {
        let directory = DataDirectory(path), configuration = try directory.configuration()
        let url: String
        if let given = via ?? configuration.via {
            url = given
        } else if directory.has("ports.json"), let port = try directory.readJSON("ports.json")["rpc"]?.asInt {
            url = "http://\(configuration.host):\(port)"
        } else {
            throw DeskError.nodeDown(path)
        }
        let key = try directory.key("account")
        let ledger = try await LedgerClient(url: url)
        return Desk(directory: directory, name: configuration.name, ledger: ledger, sender: Sender(ledger, key: key))
    }
}

package enum DeskError: Error, Sendable {
    case nodeDown(String)
    case memberUnknown(String, known: [String])
    case listingUnknown(String, known: [String])
    case nothingToDecide
    case notANumber(String)
}

extension DeskError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nodeDown(let path): "node: \(path) has no node running; start it: entente up \(path) (a client says --via http://host:port)"
        case .memberUnknown(let name, let known): "resolve: no member \(name); this alliance has \(known.joined(separator: ", "))"
        case .listingUnknown(let name, let known):
            "resolve: no table \(name) is listed; there is \(known.isEmpty ? "none" : known.joined(separator: ", "))"
        case .nothingToDecide: "inbox: nothing waits for you"
        case .notANumber(let text): "usage: \(text) is no amount; write 12.50"
        }
    }
}

// MARK: members

package struct Member: Sendable, Equatable {
    package let account: Address
    package let name: String
    package let nodeKey: Address
    package let roles: Roles
    package let contact: String

    package struct Roles: OptionSet, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
        package static let manager = Roles(rawValue: 1), validator = Roles(rawValue: 2), data = Roles(rawValue: 4),
            compute = Roles(rawValue: 8)
        package static let bank = Roles(rawValue: 16), regulator = Roles(rawValue: 32)
        package static let names: [(String, Roles)] = [
            ("manager", .manager), ("validator", .validator), ("data", .data), ("compute", .compute), ("bank", .bank),
            ("regulator", .regulator),
        ]

        package init?(_ text: String) {
            self = []
            for word in text.split(separator: ",") {
                guard let role = Self.names.first(where: { $0.0 == word }) else { return nil }
                insert(role.1)
            }
        }
        package var text: String { Self.names.filter { contains($0.1) }.map(\.0).joined(separator: ",") }
    }
}

/// Up to 32 ASCII characters, left-aligned: how contracts hold short names.
package func nameWord(_ name: String) -> ABI.Value { .fixedBytes(Bytes(name.utf8.prefix(32))) }
package func nameText(_ value: ABI.Value) -> String { String(decoding: value.asHash.bytes.prefix { $0 != 0 }, as: UTF8.self) }

extension Desk {
    package func members() async throws -> [Member] {
        let count = try await ledger.call(.consortium, "memberCount")[0].asInt
        var members: [Member] = []
        for i in 0..<count {
            let answer = try await ledger.call(.consortium, "memberAt", [.uint(UInt64(i))]), m = answer[1]
            members.append(
                Member(
                    account: answer[0].asAddress, name: nameText(m[0]), nodeKey: m[1].asAddress, roles: .init(rawValue: m[2].asUInt64),
                    contact: m[4].asString))
        }
        return members
    }
    /// Node keys that are counted, from the next block on.
    package func validators() async throws -> [Address] {
        try await ledger.call(.consortium, "validators")[0].asList.map(\.asAddress)
    }
    package func member(named name: String) async throws -> Member {
        let all = try await members()
        guard let member = all.first(where: { $0.name == name }) else { throw DeskError.memberUnknown(name, known: all.map(\.name)) }
        return member
    }

    // MARK: admission

    /// Applies for membership; managers see it in their inbox. The dossier is committed to by its hash.
    package func apply(nodeKey: Address, roles: Member.Roles, dossier: Bytes, contact: String) async throws -> Inclusion {
        try await sender.send(
            .consortium, "apply",
            [nameWord(name), .address(nodeKey), .uint(roles.rawValue), .bytes32(keccak256(dossier)), .string(contact)], document: dossier)
    }

    package struct Application: Sendable {
        package let account: Address, name: String, nodeKey: Address, roles: Member.Roles, contact: String, hash: Hash32
        package let dossier: Bytes
        /// nil: nobody has put it to the vote.
        package var proposal: UInt64?
        package var yes: UInt64 = 0, needed: UInt64 = 0
    }

    /// Applications that no vote has decided.
    package func applications() async throws -> [Application] {
        let admitted = Set(try await members().map(\.account))
        var open: [Address: Application] = [:]
        for event in try await ledger.events(.consortium, ["Applied"], from: 0) where !admitted.contains(event["account"].asAddress) {
            let input = try await ledger.transaction(event.transaction)?.input ?? []
            let dossier = (try? Contract.consortium.abi.decodeCall("apply", input).rest) ?? []
            open[event["account"].asAddress] = Application(
                account: event["account"].asAddress, name: nameText(event["name"]), nodeKey: event["nodeKey"].asAddress,
                roles: .init(rawValue: event["roles"].asUInt64),
                contact: event["contact"].asString, hash: event["application"].asHash,
                dossier: keccak256(dossier) == event["dossier"].asHash ? dossier : [])
        }
        for event in try await ledger.events(.consortium, ["Proposed"], from: 0) where event["kind"].asUInt64 == 1 {
            guard let named = try? ABI.decode([.address, .fixedBytes(32)], event["payload"].asBytes),
                var application = open[named[0].asAddress],
                application.hash == named[1].asHash
            else { continue }
            let tally = try await ledger.call(.consortium, "tally", [.word(event["proposal"].asWord)])
            (application.proposal, application.yes, application.needed) = (event["proposal"].asUInt64, tally[0].asUInt64, tally[1].asUInt64)
            open[application.account] = application
        }
        return open.values.sorted { $0.name < $1.name }
    }

    /// Puts an application to the vote, if nobody has, and votes. Returns whether this vote admitted the applicant.
    package func vote(on name: String, yes: Bool) async throws -> Bool {
        let all = try await applications()
        guard let application = all.first(where: { $0.name == name }) else {
            throw all.isEmpty ? DeskError.nothingToDecide : DeskError.memberUnknown(name, known: all.map(\.name))
        }
        var proposal = application.proposal
        if proposal == nil {
            let payload = ABI.encode([.address(application.account), .bytes32(application.hash)])
            proposal = try await sender.send(.consortium, "propose", [1, .bytes(payload)]).event("Proposed")?["proposal"].asUInt64
        }
        guard let proposal else { throw DeskError.nothingToDecide }
        return try await sender.send(.consortium, "vote", [.uint(proposal), .bool(yes)]).event("Enacted") != nil
    }

    // MARK: money

    package static let decimals = 2

    package static func amount(_ text: String) throws -> U256 {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let whole = U256(decimal: parts[0]) else { throw DeskError.notANumber(text) }
        let fraction = parts.count == 2 ? String(parts[1]) : ""
        guard fraction.count <= decimals,
            let cents = U256(decimal: "0" + fraction + String(repeating: "0", count: decimals - fraction.count))
        else { throw DeskError.notANumber(text) }
        return whole &* 100 &+ cents
    }
    package static func money(_ amount: U256) -> String {
        let (whole, cents) = amount.quotientAndRemainder(dividingBy: 100)
        return "\(whole).\(cents.l0 < 10 ? "0" : "")\(cents)"
    }

    package func issue(_ amount: U256, to account: Address, memo: String) async throws -> Inclusion {
        try await sender.send(.cash, "issue", [.address(account), .word(amount), nameWord(memo)])
    }
    package func balance(of account: Address) async throws -> U256 {
        try await ledger.call(.cash, "balanceOf", [.address(account)])[0].asWord
    }
    package func postBond(_ amount: U256) async throws {
        _ = try await sender.send(.cash, "approve", [.address(ContractAddress.market), .word(amount)])
        _ = try await sender.send(.market, "postBond", [.word(amount)])
    }
}
