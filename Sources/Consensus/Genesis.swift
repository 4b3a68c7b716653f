import Ciphers
import Primitives

package enum GenesisError: Error, Equatable, Sendable {
    /// A key of `config.entente` that is missing, of another type, out of range, or unknown: a typo in a rule must not pass.
    case configuration(key: String)
    case genesisExtraDataMalformed
    case validatorsDisagree(extraData: [Address], consortium: [Address])
    case configurationHashMismatch(expected: Hash32, found: Hash32)
    case headerConstant(HeaderField)
}

extension GenesisError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .configuration(let key): "config.\(key) is unknown, missing, or not what it must be"
        case .genesisExtraDataMalformed: "its extraData is not that of a QBFT genesis"
        case .validatorsDisagree(let extraData, let consortium):
            "extraData names \(extraData.count) validators, Consortium's storage \(consortium.count) others or in another order"
        case .configurationHashMismatch: "its vanity is not the hash of its config: the file was changed by hand"
        case .headerConstant(let field): "its \(field) is not the one that every genesis of ours has"
        }
    }
}

/// `config.entente` of a genesis file. Timeouts, heartbeat and batch are defaults that a node may override.
package struct GenesisConfiguration: Sendable, Equatable {
    package enum Mode: String, Sendable { case alliance, `private`, `public` }
    package var chainId: UInt64
    package var mode: Mode
    package var name: String
    package var requestTimeoutMilliseconds: UInt64
    package var heartbeatSeconds: UInt64
    package var batchMilliseconds: UInt64
    package var clockToleranceMilliseconds: UInt64
    /// H(JCS(config)): the vanity of the genesis header.
    package let hash: Hash32

    /// - Parameter config: the whole `config` object.
    package init(_ config: JSON) throws(GenesisError) {
        guard let own = config["entente"]?.asObject else { throw .configuration(key: "entente") }
        let known: Set = [
            "rules", "mode", "name", "requestTimeoutMilliseconds", "heartbeatSeconds", "batchMilliseconds", "clockToleranceMilliseconds",
            "pow",
        ]
        if let key = own.keys.filter({ !known.contains($0) }).min() { throw .configuration(key: "entente.\(key)") }
        func number(_ key: String, _ range: ClosedRange<Int>) throws(GenesisError) -> UInt64 {
            guard let value = own[key]?.asInt, range.contains(value) else { throw .configuration(key: "entente.\(key)") }
            return UInt64(value)
        }
        guard let chainId = config["chainId"]?.asInt, chainId > 0 else { throw .configuration(key: "chainId") }
        guard own["rules"]?.asInt == 1 else { throw .configuration(key: "entente.rules") }
        guard let mode = own["mode"]?.asString.flatMap(Mode.init) else { throw .configuration(key: "entente.mode") }
        guard (own["pow"] != nil) == (mode == .public) else { throw .configuration(key: "entente.pow") }
        guard let name = own["name"]?.asString, (1...64).contains(name.utf8.count) else { throw .configuration(key: "entente.name") }
        (self.chainId, self.mode, self.name) = (UInt64(chainId), mode, name)
        requestTimeoutMilliseconds = try number("requestTimeoutMilliseconds", 10...600_000)
        heartbeatSeconds = try number("heartbeatSeconds", 1...86_400)
        batchMilliseconds = try number("batchMilliseconds", 0...60_000)
        clockToleranceMilliseconds = try number("clockToleranceMilliseconds", 1...60_000)
        hash = keccak256(config.canonical)
    }
}

package enum Genesis {
    /// 2³⁰ + (H(name ‖ addresses of V₁ ‖ u64 timestamp) mod 2³⁰): below 2³¹, and two alliances do not share one.
    package static func chainId(name: String, validators: ValidatorSet, timestamp: UInt64) -> UInt64 {
        let time = (0..<8).map { UInt8(truncatingIfNeeded: timestamp >> (56 - 8 * UInt64($0))) }
        let hash = keccak256(Bytes(name.utf8) + validators.addresses.flatMap(\.bytes) + time)
        let tail = hash.bytes[28...].reduce(0) { $0 << 8 | UInt64($1) }
        return 1 << 30 + (tail & (1 << 30 - 1))
    }

    /// What start refuses (§1), for alliance and private mode.
    /// - Parameter consortium: slots 0…n of Consortium in the genesis state.
    /// - Returns: `V₁` and the hash that names the network.
    package static func check(
        _ header: Header, _ configuration: GenesisConfiguration, consortium: [Address]
    ) throws(GenesisError)
        -> (validators: ValidatorSet, hash: Hash32)
    {
        let extra: ExtraData
        do throws(ExtraDataError) { extra = try ExtraData(decoding: header.extraData) } catch { throw .genesisExtraDataMalformed }
        guard extra.round == 0, extra.seals.isEmpty, let validators = ValidatorSet(extra.validators),
            configuration.mode != .private || validators.count == 1
        else { throw .genesisExtraDataMalformed }
        guard extra.validators == consortium else { throw .validatorsDisagree(extraData: extra.validators, consortium: consortium) }
        guard extra.vanity == configuration.hash else {
            throw .configurationHashMismatch(expected: configuration.hash, found: extra.vanity)
        }
        do throws(HeaderError) {
            try HeaderRules.checkConstants(header)
            _ = try HeaderRules.timeMilliseconds(of: header, extra)
        } catch {
            guard case .headerConstant(let field) = error else { preconditionFailure("constants have no other failure") }
            throw .headerConstant(field)
        }
        let rest: [(Bool, HeaderField)] = [
            (header.parentHash == .zero, .parentHash), (header.beneficiary == .zero, .beneficiary), (header.number == 0, .number),
            (header.transactionsRoot == Header.emptyRoot, .transactionsRoot), (header.receiptsRoot == Header.emptyRoot, .receiptsRoot),
            (header.logsBloom == Bloom(), .logsBloom), (header.gasUsed == 0, .gasUsed),
        ]
        if let wrong = rest.first(where: { !$0.0 }) { throw .headerConstant(wrong.1) }
        return (validators, header.hash(extra))
    }
}
