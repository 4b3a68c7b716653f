import Primitives

/// What genesis constructs (chain-rules.md §1): each contract's init code with its arguments, run once as the code of its own address
/// by the zero address in block 0. What it returns is the code in `alloc`, what it wrote is the storage there.

/// What a member may do; bits as Consortium numbers them.
package struct Roles: OptionSet, Sendable, Hashable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let manager = Roles(rawValue: 1), validator = Roles(rawValue: 2), data = Roles(rawValue: 4)
    package static let compute = Roles(rawValue: 8), bank = Roles(rawValue: 16), regulator = Roles(rawValue: 32)
    package static let all = Roles(rawValue: 63)
}

package struct Founder: Sendable, Equatable {
    /// 1 to 32 of a–z, 0–9, hyphen.
    package var name: String
    /// The organisation's account: votes, is paid, owns what it lists.
    package var account: Address
    /// Signs blocks and proves the node to its peers.
    package var nodeKey: Address
    package var roles: Roles

    package init(name: String, account: Address, nodeKey: Address, roles: Roles) {
        (self.name, self.account, self.nodeKey, self.roles) = (name, account, nodeKey, roles)
    }
}

package enum FoundingError: Error, Equatable, Sendable {
    case founderCount(Int, maximum: Int)
    case nameMalformed(String)
    case nameTwice(String)
    case accountTwice(Address)
    case nodeKeyTwice(Address)
    case noManager
    case parameterName(String)
    case parameterCount(Int, maximum: Int)
}

package struct Founding: Sendable {
    package static let maximumFounders = 64, maximumParameters = 32
    /// In ascending order of node keys, as the validators' list is.
    package let founders: [Founder]
    package let parameters: [(name: String, value: U256)]

    /// - Parameter parameters: what Consortium answers to `param`; bounds are the contract's to judge. Absent ones take each reader's default.
    package init(founders: [Founder], parameters: [(name: String, value: U256)]) throws(FoundingError) {
        guard (1...Self.maximumFounders).contains(founders.count) else { throw .founderCount(founders.count, maximum: Self.maximumFounders) }
        guard parameters.count <= Self.maximumParameters else { throw .parameterCount(parameters.count, maximum: Self.maximumParameters) }
        guard founders.contains(where: { $0.roles.contains(.manager) }) else { throw .noManager }
        var names: Set<String> = [], accounts: Set<Address> = [], nodeKeys: Set<Address> = []
        for founder in founders {
            guard Self.isName(founder.name) else { throw .nameMalformed(founder.name) }
            guard names.insert(founder.name).inserted else { throw .nameTwice(founder.name) }
            guard accounts.insert(founder.account).inserted else { throw .accountTwice(founder.account) }
            guard nodeKeys.insert(founder.nodeKey).inserted else { throw .nodeKeyTwice(founder.nodeKey) }
        }
        for parameter in parameters where !(1...32).contains(parameter.name.utf8.count) { throw .parameterName(parameter.name) }
        self.founders = founders.sorted { U256($0.nodeKey) < U256($1.nodeKey) }
        self.parameters = parameters
    }

    /// As Consortium checks it.
    package static func isName(_ name: String) -> Bool {
        (1...32).contains(name.utf8.count) && name.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
    }

    /// Who validates from the first block on: what the extra data of genesis must list.
    package var validators: [Address] { founders.filter { $0.roles.contains(.validator) }.map(\.nodeKey) }

    /// Init code with arguments, in the order in which genesis runs it.
    package var constructions: [(contract: Contract, code: Bytes)] {
        Contract.all.map { ($0, $0.initCode + ($0.address == ContractAddress.consortium ? ABI.encode(arguments) : [])) }
    }

    private var arguments: [ABI.Value] {
        func list(_ value: (Founder) -> ABI.Value) -> ABI.Value { .array(founders.map(value)) }
        return [list { Self.word($0.name) }, list { .address($0.account) }, list { .address($0.nodeKey) }, list { .uint($0.roles.rawValue) },
                .array(parameters.map { Self.word($0.name) }), .array(parameters.map { .word($0.value) })]
    }

    /// A name as contracts hold it: ASCII, left-aligned.
    private static func word(_ name: String) -> ABI.Value { .fixedBytes(Bytes(name.utf8)) }
}
