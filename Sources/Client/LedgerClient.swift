import Ciphers
import Contracts
import Primitives

/// A chain as a client sees it: any node that speaks Ethereum JSON-RPC, and our contracts on it.
package struct LedgerClient: Sendable {
    package let connection: RPCConnection
    package let chainId: UInt64

    /// Connects and asks for the chain id.
    package init(url: String) async throws(RPCFailure) {
        connection = try RPCConnection(url)
        guard let id = try await connection.call("eth_chainId").asQuantity else { throw .notJSONRPC(connection.url) }
        chainId = id
    }

    /// Of a node whose chain is known: asks nothing.
    package init(url: String, chainId: UInt64) throws(RPCFailure) {
        connection = try RPCConnection(url)
        self.chainId = chainId
    }

    package func blockNumber() async throws(RPCFailure) -> UInt64 {
        try quantity(try await connection.call("eth_blockNumber"))
    }

    /// Block by number, nil: the newest.
    package func block(_ number: UInt64?) async throws(RPCFailure) -> JSON? {
        let block = try await connection.call("eth_getBlockByNumber", [number.map { .quantity($0) } ?? "latest", false])
        return block == .null ? nil : block
    }

    /// Calls a view; throws `CallFailure.reverted` with the contract's own reason.
    package func call(
        _ contract: Contract, _ function: String, _ arguments: [ABI.Value] = [], from: Address = .zero, at block: UInt64? = nil
    ) async throws(CallFailure) -> [ABI.Value] {
        let data: JSON
        do throws(RPCFailure) {
            data = try await connection.call(
                "eth_call",
                [
                    ["from": JSON(from), "to": JSON(contract.address), "data": JSON(contract.abi.encodeCall(function, arguments))],
                    block.map { .quantity($0) } ?? "latest",
                ])
        } catch { throw CallFailure(error) }
        guard let bytes = data.asBytes else { throw .rpc(.notJSONRPC(connection.url)) }
        do throws(ABIError) { return try contract.abi.decodeResult(function, inputs: arguments.count, bytes) } catch {
            throw .malformedResult(contract.name, function, error)
        }
    }

    /// Logs of one contract in a range of blocks, both ends included. Long histories are asked for in pieces, halved wherever a node
    /// says that an answer would be too long.
    /// - Parameter matching: values of indexed fields that all these events have in the same place: the node looks only where a block's
    ///   bloom has them.
    package func events(
        _ contract: Contract, _ names: [String] = [], matching: [String: ABI.Value] = [:], from: UInt64, to: UInt64? = nil
    ) async throws(CallFailure) -> [PlacedEvent] {
        var topics: [JSON] = names.isEmpty ? [] : [.array(names.map { JSON(contract.abi.topic(of: $0)) })]
        if !matching.isEmpty {
            let places = Set(names.map { contract.abi.topics(of: $0, matching: matching) })
            precondition(places.count == 1, "the fields have no common place in \(names)")
            topics += places.first!.map { $0.map { JSON($0) } ?? .null }
        }
        var last = to ?? 0
        if to == nil { do throws(RPCFailure) { last = try await blockNumber() } catch { throw CallFailure(error) } }
        var events: [PlacedEvent] = [], from = from, window = Self.logWindow
        while from <= last {
            let end = last - from < window ? last : from + window - 1
            let logs: JSON
            do throws(RPCFailure) {
                logs = try await connection.call(
                    "eth_getLogs",
                    [
                        [
                            "address": JSON(contract.address), "fromBlock": .quantity(from), "toBlock": .quantity(end),
                            "topics": .array(topics),
                        ]
                    ])
            } catch {
                guard case .refused(_, Self.limitExceeded, _, _) = error, end > from else { throw CallFailure(error) }
                window = (end - from + 1) / 2
                continue
            }
            for entry in logs.asArray ?? [] { if let event = try placed(entry, contract) { events.append(event) } }
            from = end + 1
        }
        return events
    }
    /// Blocks asked for at once, and the code of a node for which that is too many (EIP-1474).
    private static let logWindow: UInt64 = 10_000, limitExceeded = -32005

    /// A transaction's input and sender.
    package func transaction(_ hash: Hash32) async throws(RPCFailure) -> (from: Address, input: Bytes)? {
        let transaction = try await connection.call("eth_getTransactionByHash", [JSON(hash)])
        guard let from = transaction["from"]?.asAddress, let input = transaction["input"]?.asBytes else { return nil }
        return (from, input)
    }

    func quantity(_ json: JSON) throws(RPCFailure) -> UInt64 {
        guard let number = json.asQuantity else { throw .notJSONRPC(connection.url) }
        return number
    }

    func placed(_ entry: JSON, _ contract: Contract) throws(CallFailure) -> PlacedEvent? {
        guard let address = entry["address"]?.asAddress, let data = entry["data"]?.asBytes, let block = entry["blockNumber"]?.asQuantity,
            let transaction = entry["transactionHash"]?.asHash, let index = entry["logIndex"]?.asQuantity,
            let topics = entry["topics"]?.asArray?.compactMap(\.asHash)
        else { throw .rpc(.notJSONRPC(connection.url)) }
        guard address == contract.address else { return nil }
        do throws(ABIError) {
            guard let event = try contract.abi.decode(Log(address: address, topics: topics, data: data)) else { return nil }
            return PlacedEvent(event: event, block: block, transaction: transaction, index: index)
        } catch { throw .malformedResult(contract.name, "event", error) }
    }
}

package enum CallFailure: Error, Sendable {
    case rpc(RPCFailure)
    /// The contract said no, and why.
    case reverted(ContractRefusal)
    case malformedResult(String, String, ABIError)

    init(_ failure: RPCFailure) {
        if case .refused(_, 3, _, let data) = failure {
            self = .reverted(ContractRefusal(revertData: data?.asBytes ?? []))
        } else {
            self = .rpc(failure)
        }
    }
}

extension CallFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .rpc(let failure): failure.description
        case .reverted(let refusal): refusal.description
        case .malformedResult(let contract, let function, let error):
            "rpc: \(contract).\(function) answered what its interface does not allow (\(error)); is this chain ours?"
        }
    }
}
