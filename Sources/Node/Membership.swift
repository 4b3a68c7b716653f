import Chain
import Consensus
import Contracts
import EVM
import P2P
import Primitives

/// Whom the chain lets in: node keys and places of members, read from Consortium at a head.
struct Membership: Sendable, Equatable {
    var nodeKeys: Set<Address> = []
    var endpoints: [Endpoint] = []

    init(at view: LedgerView) throws {
        func call(_ function: String, _ arguments: [ABI.Value]) throws -> [ABI.Value] {
            let consortium = Contract.consortium
            let payload = TransactionPayload(chainId: U256(view.network.chainId), nonce: 0, gasLimit: 30_000_000, to: consortium.address, data: consortium.abi.encodeCall(function, arguments))
            guard case .success(let output) = try view.call(payload, from: .zero, at: view.head.number).outcome else { throw MembershipError.unreadable(function) }
            return try consortium.abi.decodeResult(function, inputs: arguments.count, output)
        }
        for i in 0..<(try call("memberCount", [])[0].asUInt64) {
            let member = try call("memberAt", [.uint(i)])[1], key = member[1].asAddress
            nodeKeys.insert(key)
            let place = member[4].asString.split(separator: ":")
            if place.count == 2, let port = Int(place[1]), (1...65535).contains(port) { endpoints.append(Endpoint(node: key, host: String(place[0]), port: port)) }
        }
    }
}

enum MembershipError: Error { case unreadable(String) }
