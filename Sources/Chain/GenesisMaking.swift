import Ciphers
import Consensus
import EVM
import Primitives
import Storage

// How founders make a genesis file: results, not recipes. Each constructor runs once, here; the file holds code and storage, so
// that any client can recompute the state root without our contracts' sources.

extension Genesis {
    /// A contract that is there from block 0.
    package struct Predeployment: Sendable {
        package var name: String
        package var address: Address
        /// Creation code and the ABI words of the constructor's arguments.
        package var initcode: Bytes

        package init(name: String, address: Address, initcode: Bytes) {
            (self.name, self.address, self.initcode) = (name, address, initcode)
        }
    }

    /// EIP-2935's history contract, and the deterministic CREATE2 deployer whose usual transaction chain-rules §12 refuses.
    static let published: [(address: Address, code: Bytes)] = [
        (
            SystemCall.blockHashes,
            Hex.parse(
                "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff814303"
                    + "11604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500")!
        ),
        (
            Address(hex: "0x4e59b44847b379578588920ca78fbf26c0b4956c")!,
            Hex.parse(
                "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015"
                    + "156039578182fd5b8082525050506014600cf3")!
        ),
    ]

    /// - Parameters:
    ///   - mode: alliance, or private with one validator.
    ///   - validators: addresses of the founders' node keys, any order; slots 0…n of Consortium must name the same, ascending.
    ///   - timestamp: seconds since 1970; part of the chain id.
    ///   - contracts: in the order in which their constructors run; the first is Consortium.
    ///   - coin: what founders want to hold of the chain's own coin, in wei. Usually nobody.
    ///   - chainId: nil: from name, validators and timestamp.
    package static func make(
        name: String, mode: GenesisConfiguration.Mode = .alliance, validators: [Address], timestamp: UInt64,
        contracts: [Predeployment], coin: [Address: U256] = [:], chainId: UInt64? = nil,
        gasLimit: UInt64 = 30_000_000,
        requestTimeoutMilliseconds: UInt64 = 1000, heartbeatSeconds: UInt64 = 60,
        batchMilliseconds: UInt64 = 2,
        clockToleranceMilliseconds: UInt64 = 2000
    ) throws(GenesisFileError) -> GenesisFile {
        guard let set = ValidatorSet(validators.sorted()) else { throw .rules(.genesisExtraDataMalformed) }
        let forks =
            [
                "homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul", "berlin",
                "london",
            ].map { ("\($0)Block", JSON.integer(0)) }
            + ["shanghai", "cancun", "prague"].map { ("\($0)Time", JSON.integer(0)) }
        let entente: JSON = .object([
            "rules": 1, "mode": .string(mode.rawValue), "name": .string(name),
            "requestTimeoutMilliseconds": .integer(Int64(requestTimeoutMilliseconds)),
            "heartbeatSeconds": .integer(Int64(heartbeatSeconds)),
            "batchMilliseconds": .integer(Int64(batchMilliseconds)),
            "clockToleranceMilliseconds": .integer(Int64(clockToleranceMilliseconds)),
        ])
        let id = chainId ?? Genesis.chainId(name: name, validators: set, timestamp: timestamp)
        let config = JSON.object(Dictionary(uniqueKeysWithValues: forks + [("chainId", .integer(Int64(id))), ("entente", entente)]))
        var alloc = try deploy(contracts, timestamp: timestamp, chainId: id)
        for (address, code) in published {
            alloc.changes[address] = .init(account: Account(nonce: 1, codeHash: keccak256(code)), code: code)
        }
        for (address, amount) in coin { alloc.changes[address, default: .init(account: Account())].account!.balance = amount }
        let extra = ExtraData(vanity: keccak256(config.canonical), validators: set.addresses)
        let file = try GenesisFile(
            config: config,
            header: header(timestamp: timestamp, extraData: extra.encoded, gasLimit: gasLimit), alloc: alloc)
        _ = try file.check()
        return file
    }

    /// Header of block 0 with the constants of chain-rules §2; no state root yet.
    static func header(timestamp: UInt64, extraData: Bytes, gasLimit: UInt64) -> Header {
        Header(
            parentHash: .zero, beneficiary: .zero, stateRoot: Header.emptyRoot, transactionsRoot: Header.emptyRoot,
            receiptsRoot: Header.emptyRoot, logsBloom: Bloom(),
            difficulty: 1, number: 0, gasLimit: gasLimit, gasUsed: 0, timestamp: timestamp, extraData: extraData,
            mixHash: HeaderRules.mixHash, nonce: 0,
            baseFeePerGas: .zero, withdrawalsRoot: Header.emptyRoot, blobGasUsed: 0, excessBlobGas: 0,
            parentBeaconBlockRoot: .zero, requestsHash: Header.noRequests)
    }

    /// Runs each constructor once at its fixed address: caller zero address, number 0, genesis timestamp.
    ///
    /// The creation code is put at the address and called. It sees what it would see when created there (its address, itself as
    /// code with the arguments at its end, no calldata), and what it returns is the contract's code.
    package static func deploy(
        _ contracts: [Predeployment], timestamp: UInt64,
        chainId: UInt64 = 0
    ) throws(GenesisFileError) -> StateDiff {
        var state = MemoryState(), alloc = StateDiff()
        let block = BlockContext(
            number: 0, timestamp: timestamp, beneficiary: .zero, gasLimit: constructorGas,
            prevRandao: HeaderRules.mixHash,
            chainId: U256(chainId), rules: .alliance)
        for contract in contracts {
            state.set(contract.address, nonce: 1, code: contract.initcode)
            let payload = TransactionPayload(chainId: U256(chainId), nonce: 0, gasLimit: constructorGas, to: contract.address)
            var (result, diff): (ExecutionResult, StateDiff)
            do throws(ExecutionError) {
                (result, diff) = try execute(
                    RecoveredTransaction(unsigned: payload, sender: .zero), in: block, over: state,
                    mode: .call)
            } catch { preconditionFailure("a call from nobody on a state in memory: \(error)") }
            guard case .success(let code) = result.outcome, !code.isEmpty else {
                throw .constructorFailed(contract: contract.name, outcome: result.outcome)
            }
            diff.changes[.zero] = nil
            diff.changes[contract.address, default: .init(account: nil)].account = Account(nonce: 1, codeHash: keccak256(code))
            diff.changes[contract.address]!.code = code
            state.apply(diff)
            alloc.merge(diff)
        }
        for address in alloc.changes.keys {
            alloc.changes[address]!.storage = alloc.changes[address]!.storage.filter { !$0.value.isZero }
        }
        return alloc
    }
    private static let constructorGas: UInt64 = 1 << 32
}

/// The store before genesis.
struct NothingStored: KeyValueReader {
    func get(_ column: Column, _ key: Bytes) throws(StorageError) -> Bytes? { nil }
    func scan(
        _ column: Column, from lower: Bytes, to upper: Bytes?, descending: Bool,
        _ visit: (Bytes, Bytes) -> Bool
    ) throws(StorageError) {

    }
}
