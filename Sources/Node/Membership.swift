import Chain
import Consensus
import Contracts
import EVM
import P2P
import Primitives

/// Whom the chain lets in: node keys and places of members, read from Consortium at a head.
struct Membership: Sendable, Equatable {
    struct Entry: Sendable, Equatable {
        let roles: Member.Roles
        /// `host:port`, as its member said; empty: nowhere yet.
        let contact: String
    }
    /// By node key.
    private(set) var entries: [Address: Entry] = [:]

    var nodeKeys: Set<Address> { Set(entries.keys) }
    var endpoints: [Endpoint] {
        entries.compactMap { key, entry in Endpoint(contact: entry.contact).map { Endpoint(node: key, host: $0.host, port: $0.port) } }
    }

    init(at view: LedgerView) throws {
        func call(_ function: String, _ arguments: [ABI.Value]) throws -> [ABI.Value] {
            let consortium = Contract.consortium
            let payload = TransactionPayload(
                chainId: U256(view.network.chainId), nonce: 0, gasLimit: 30_000_000, to: consortium.address,
                data: consortium.abi.encodeCall(function, arguments))
            guard case .success(let output) = try view.call(payload, from: .zero, at: view.head.number).outcome else {
                throw MembershipError.unreadable(function)
            }
            return try consortium.abi.decodeResult(function, inputs: arguments.count, output)
        }
        for i in 0..<(try call("memberCount", [])[0].asUInt64) {
            let member = try call("memberAt", [.uint(i)])[1]
            entries[member[1].asAddress] = Entry(roles: .init(rawValue: member[2].asUInt64), contact: member[4].asString)
        }
    }
}

extension Endpoint {
    /// `host:port`; nil for anything else.
    init?(contact: String) {
        guard let colon = contact.lastIndex(of: ":"), colon > contact.startIndex, let port = Int(contact[contact.index(after: colon)...]),
            (1...65535).contains(port)
        else { return nil }
        self.init(node: nil, host: String(contact[..<colon]), port: port)
    }
}

enum MembershipError: Error { case unreadable(String) }
