import CArtifacts
import Primitives

/// One of the contracts that genesis predeploys: where it lies, its face, the code that makes it.
package struct Contract: Sendable {
    package let name: String
    package let address: Address
    package let abi: ContractABI
    /// Init code; constructor arguments are appended to it.
    package let initCode: Bytes
    /// keccak-256 of the code that the compiler says lies at `address`: what a node compares with its genesis.
    package let runtimeHash: Hash32

    package static let consortium = Contract("Consortium", ContractAddress.consortium)
    package static let identity = Contract("Identity", ContractAddress.identity)
    package static let cash = Contract("Cash", ContractAddress.cash)
    package static let records = Contract("Records", ContractAddress.records)
    package static let grants = Contract("Grants", ContractAddress.grants)
    package static let market = Contract("Market", ContractAddress.market)
    package static let referee = Contract("Referee", ContractAddress.referee)

    /// In the order in which genesis constructs them.
    package static let all = [consortium, identity, cash, records, grants, market, referee]

    private init(_ name: String, _ address: Address) {
        // What is embedded is ours: an artifact that does not parse is a broken build.
        for i in 0..<entente_artifact_count {
            guard let artifact = entente_artifact_at(i)?.pointee, String(cString: artifact.name) == name else { continue }
            let text = UnsafeBufferPointer(start: artifact.json, count: artifact.json_count)
            guard let json = try? JSON(parsing: text), let entries = json["abi"], let abi = try? ContractABI(entries),
                let hash = json["runtimeHash"]?.asHash
            else { break }
            self.name = name
            self.address = address
            self.abi = abi
            runtimeHash = hash
            initCode = Bytes(UnsafeBufferPointer(start: artifact.code, count: artifact.code_count))
            return
        }
        preconditionFailure("artifact \(name) is missing or malformed")
    }
}
