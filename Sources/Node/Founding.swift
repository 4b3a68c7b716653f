import Chain
import Consensus
import Contracts
import Primitives

/// What an organisation hands to the others so that they can found an alliance together: no secret in it.
package struct Card: Sendable, Equatable {
    package let name: String
    package let account: Address
    package let nodeKey: Address
    package let roles: Member.Roles
    /// `host:port` of its node; empty where it listens on any free port.
    package let contact: String

    package init(name: String, account: Address, nodeKey: Address, roles: Member.Roles, contact: String) {
        (self.name, self.account, self.nodeKey, self.roles, self.contact) = (name, account, nodeKey, roles, contact)
    }
    package var json: JSON {
        ["name": .string(name), "account": JSON(account), "node": JSON(nodeKey), "roles": .string(roles.text), "contact": .string(contact)]
    }
    package init?(_ json: JSON) {
        guard let name = json["name"]?.asString, let account = json["account"]?.asAddress, let nodeKey = json["node"]?.asAddress,
            let roles = json["roles"]?.asString.flatMap({ Member.Roles($0) }), let contact = json["contact"]?.asString
        else { return nil }
        self.init(name: name, account: account, nodeKey: nodeKey, roles: roles, contact: contact)
    }
}

package enum Founding {
    /// Slot 101 of Consortium: where the gas limit of blocks stays (chain-rules.md §3.2) until a vote moves it.
    static let gasTarget: UInt64 = 30_000_000

    /// The alliance's genesis: Consortium knows the founders, every contract is there from block 0.
    /// - Parameters:
    ///   - inclusion: Δ of jobs in seconds (job-protocol.md §1).
    ///   - levyBasisPoints: of each job's data fee, to the alliance.
    package static func genesis(
        name: String, founders: [Card], timestamp: UInt64, inclusion: UInt64 = 10, levyBasisPoints: UInt64 = 0
    ) throws(GenesisFileError) -> GenesisFile {
        let founders = founders.sorted { $0.nodeKey < $1.nodeKey }
        var parameters: [(String, UInt64)] = [("inclusion", inclusion), ("gasTarget", gasTarget)]
        if levyBasisPoints > 0 { parameters.append(("levy", levyBasisPoints)) }
        let arguments: [ABI.Value] = [
            .array(founders.map { nameWord($0.name) }), .array(founders.map { .address($0.account) }),
            .array(founders.map { .address($0.nodeKey) }),
            .array(founders.map { .uint($0.roles.rawValue) }), .array(founders.map { .string($0.contact) }),
            .array(parameters.map { nameWord($0.0) }), .array(parameters.map { .uint($0.1) }),
        ]
        let contracts = Contract.all.map { contract in
            Genesis.Predeployment(
                name: contract.name, address: contract.address,
                initcode: contract.initCode + (contract.name == "Consortium" ? ABI.encode(arguments) : []))
        }
        return try Genesis.make(
            name: name, validators: founders.filter { $0.roles.contains(.validator) }.map(\.nodeKey), timestamp: timestamp,
            contracts: contracts)
    }
}
