import Ciphers
import Consensus
import EVM
import Primitives

package enum GenesisFileError: Error, Equatable, Sendable {
    case json(JSONError)
    /// At top level, or inside an entry of `alloc`: a typo must not pass.
    case unknownKey(String)
    case missingKey(String)
    case malformed(key: String)
    case rules(GenesisError)
    /// A constructor failed while the file was made.
    case constructorFailed(contract: String, outcome: ExecutionResult.Outcome)
    case stateUnavailable(StateUnavailable)
}

extension GenesisFileError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .json(let error): "it is no JSON (\(error))"
        case .unknownKey(let key): "\(key) is no key of it; mend the spelling"
        case .missingKey(let key): "\(key) is missing"
        case .malformed(let key): "\(key) is not what it must be"
        case .rules(let error): error.description
        case .constructorFailed(let contract, let outcome):
            "the constructor of \(contract) failed (\(outcome)): are the founders' names and keys distinct?"
        case .stateUnavailable(let error): "state is missing (\(error))"
        }
    }
}

/// A genesis file: a geth/Besu genesis with `config.entente` (chain-rules §1).
package struct GenesisFile: Sendable, Equatable {
    package var config: JSON
    /// Of block 0; the state root is that of `alloc`.
    package let header: Header
    package let alloc: StateDiff

    /// The header's state root is computed here.
    init(config: JSON, header: Header, alloc: StateDiff) throws(GenesisFileError) {
        var header = header
        header.stateRoot = try GenesisFile.stateRoot(of: alloc)
        (self.config, self.header, self.alloc) = (config, header, alloc)
    }

    package static func stateRoot(of alloc: StateDiff) throws(GenesisFileError) -> Hash32 {
        do throws(StateUnavailable) { return try StateUpdate(alloc, on: .empty).root } catch { throw .stateUnavailable(error) }
    }

    package struct Network: Sendable {
        package let configuration: GenesisConfiguration
        package let hash: Hash32
        package let validators: ValidatorSet
    }

    /// What start refuses (§1).
    package func check() throws(GenesisFileError) -> Network {
        do throws(GenesisError) {
            let configuration = try GenesisConfiguration(config)
            let consortium: [Address]
            var state = MemoryState()
            state.apply(alloc)
            do throws(StateUnavailable) {
                consortium = try Consortium.validators(state)
            } catch {
                preconditionFailure("a state in memory is always there")
            }
            let (validators, hash) = try Genesis.check(header, configuration, consortium: consortium)
            return Network(configuration: configuration, hash: hash, validators: validators)
        } catch { throw .rules(error) }
    }

    /// Names of predeployed contracts whose code is not the shipped one: the caller warns.
    package func unshipped(comparedWith contracts: [Genesis.Predeployment]) throws(GenesisFileError) -> [String] {
        let shipped = try Genesis.deploy(contracts, timestamp: header.timestamp)
        func hash(_ diff: StateDiff, _ address: Address) -> Hash32? { diff.changes[address]?.account?.codeHash }
        return contracts.filter { hash(shipped, $0.address) != hash(alloc, $0.address) }.map(\.name)
    }
}

extension ChainState {
    /// The state before genesis.
    static let empty = ChainState(root: Header.emptyRoot, reader: NothingStored(), cache: StateCache(), isFlat: true)
}

// MARK: text

extension GenesisFile {
    private static let headerKeys: Set = [
        "timestamp", "extraData", "gasLimit", "difficulty", "nonce", "mixHash", "coinbase",
        "number", "gasUsed", "parentHash",
        "baseFeePerGas", "blobGasUsed", "excessBlobGas",
    ]
    package static let maximumBytes = 32 << 20

    package init(parsing text: some Collection<UInt8>) throws(GenesisFileError) {
        guard text.count <= GenesisFile.maximumBytes else { throw .malformed(key: "file of \(text.count) bytes") }
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: text, maximumDepth: 16) } catch { throw .json(error) }
        guard let top = json.asObject else { throw .malformed(key: "genesis") }
        if let key = top.keys.filter({ !GenesisFile.headerKeys.contains($0) && $0 != "config" && $0 != "alloc" }).min() {
            throw .unknownKey(key)
        }
        func must<V>(_ key: String, _ value: (JSON) -> V?) throws(GenesisFileError) -> V {
            guard let found = top[key] else { throw .missingKey(key) }
            guard let value = value(found) else { throw .malformed(key: key) }
            return value
        }
        func may<V>(_ key: String, _ absent: V, _ value: (JSON) -> V?) throws(GenesisFileError) -> V {
            top[key] == nil ? absent : try must(key, value)
        }
        var header = Genesis.header(
            timestamp: try must("timestamp", \.asQuantity), extraData: try must("extraData", \.asBytes),
            gasLimit: try must("gasLimit", \.asQuantity))
        header.difficulty = try may("difficulty", header.difficulty, \.asU256)
        header.nonce = try may("nonce", header.nonce, \.asQuantity)
        header.mixHash = try may("mixHash", header.mixHash, \.asHash)
        header.beneficiary = try may("coinbase", header.beneficiary, \.asAddress)
        header.number = try may("number", 0, \.asQuantity)
        header.gasUsed = try may("gasUsed", 0, \.asQuantity)
        header.parentHash = try may("parentHash", header.parentHash, \.asHash)
        header.baseFeePerGas = try may("baseFeePerGas", U256.zero, \.asU256)
        header.blobGasUsed = try may("blobGasUsed", 0, \.asQuantity)
        header.excessBlobGas = try may("excessBlobGas", 0, \.asQuantity)
        try self.init(
            config: try must("config") { $0.asObject == nil ? nil : $0 }, header: header,
            alloc: try GenesisFile.alloc(try must("alloc", \.asObject)))
    }

    /// `alloc` of any Ethereum genesis file.
    package static func alloc(_ entries: [String: JSON]) throws(GenesisFileError) -> StateDiff {
        var diff = StateDiff()
        for (name, entry) in entries {
            guard let address = Address(hex: name), let fields = entry.asObject else { throw .malformed(key: "alloc.\(name)") }
            if let key = fields.keys.filter({ !["nonce", "balance", "code", "storage"].contains($0) }).min() {
                throw .unknownKey("alloc.\(name).\(key)")
            }
            func field<V>(_ key: String, _ absent: V, _ value: (JSON) -> V?) throws(GenesisFileError) -> V {
                guard let found = fields[key] else { return absent }
                guard let value = value(found) else { throw .malformed(key: "alloc.\(name).\(key)") }
                return value
            }
            let code = try field("code", Bytes(), \.asBytes)
            let nonce = try field("nonce", 0, \.asQuantity)
            let balance = try field(
                "balance",
                U256.zero
            ) {
                $0.asU256 ?? $0.asString.flatMap { U256(decimal: $0) }
                    ?? $0.asInt.flatMap { $0 < 0 ? nil : U256($0) }
            }
            var storage: [U256: U256] = [:]
            for (slot, value) in try field("storage", [:], \.asObject) {
                guard let key = U256(hex: slot),
                    let word = value.asU256 ?? value.asBytes.flatMap({ $0.count <= 32 ? U256(bigEndian: $0) : nil }),
                    storage.updateValue(word, forKey: key) == nil
                else { throw .malformed(key: "alloc.\(name).storage.\(slot)") }
            }
            let change = StateDiff.Change(
                account: Account(
                    nonce: nonce, balance: balance,
                    codeHash: code.isEmpty ? Account.noCode : keccak256(code)),
                code: code.isEmpty ? nil : code, storage: storage.filter { !$0.value.isZero })
            guard diff.changes.updateValue(change, forKey: address) == nil else { throw .malformed(key: "alloc.\(name)") }
        }
        return diff
    }

    /// The file: keys in canonical order, two blanks an indent.
    package var text: String {
        let h = header
        var entries: [String: JSON] = [:]
        for (address, change) in alloc.changes {
            guard let account = change.account else { preconditionFailure("genesis removes nothing") }
            var entry: [String: JSON] = ["nonce": .quantity(account.nonce), "balance": .quantity(account.balance)]
            if let code = change.code { entry["code"] = JSON(code) }
            if !change.storage.isEmpty {
                entry["storage"] = .object(
                    Dictionary(
                        uniqueKeysWithValues: change.storage.map {
                            (
                                $0.key.hash.description,
                                JSON($0.value.minimalBytes.isEmpty ? [0] : $0.value.minimalBytes)
                            )
                        }))
            }
            entries[address.description] = .object(entry)
        }
        return JSON.object([
            "config": config, "timestamp": .quantity(h.timestamp), "extraData": JSON(h.extraData),
            "gasLimit": .quantity(h.gasLimit), "difficulty": .quantity(h.difficulty),
            "nonce": .quantity(h.nonce), "mixHash": JSON(h.mixHash), "coinbase": JSON(h.beneficiary), "number": .quantity(h.number),
            "gasUsed": .quantity(h.gasUsed),
            "parentHash": JSON(h.parentHash), "baseFeePerGas": .quantity(h.baseFeePerGas ?? .zero),
            "blobGasUsed": .quantity(h.blobGasUsed ?? 0),
            "excessBlobGas": .quantity(h.excessBlobGas ?? 0), "alloc": .object(entries),
        ]).pretty
    }
}
