import Ciphers
import Consensus
import Contracts
import Primitives
import Trie

/// Checking an evidence file: did this alliance record this, was this job settled and paid?
///
/// Source: chain-rules.md §15; order and names of the checks are those of its table. Nothing is asked of a network, a clock or a
/// disk: a court needs the file, the genesis hash and the roots of time-stamp authorities that it trusts. Deviation: anchors, which
/// the table checks nowhere, are refused by row 1.
///
/// Invariant: a later row uses only what an earlier one proved; the claim is made of proved values alone.
package enum Evidence {
    /// - Parameters:
    ///   - expectedGenesis: from outside the file; nil: the verdict rests on the file's own word.
    ///   - original: content of a record, compared chunk by chunk.
    ///   - authorities: nil: tokens are not checked, and cover nothing.
    /// - Cost: q recoveries a header (45 µs each), one keccak of each proof's nodes.
    package static func verify(
        _ file: Bytes, expectedGenesis: Hash32?, original: Bytes? = nil, authorities: TimeStampAuthorities? = nil
    ) -> Verdict {
        var verification = Verification(expectedGenesis: expectedGenesis, original: original, authorities: authorities)
        do throws(EvidenceFailure) {
            let claim = try verification.run(file)
            return Verdict(steps: verification.steps, claim: claim)
        } catch { return Verdict(steps: verification.steps, claim: nil) }
    }
}

struct Verification {
    let expectedGenesis: Hash32?
    let original: Bytes?
    let authorities: TimeStampAuthorities?
    private(set) var steps: [Verdict.Step] = []

    init(expectedGenesis: Hash32?, original: Bytes?, authorities: TimeStampAuthorities?) {
        (self.expectedGenesis, self.original, self.authorities) = (expectedGenesis, original, authorities)
    }

    mutating func step<T>(
        _ row: String, _ title: String, _ body: (inout [String]) throws(EvidenceFailure) -> T
    ) throws(EvidenceFailure) -> T {
        var details: [String] = []
        do throws(EvidenceFailure) {
            let result = try body(&details)
            steps.append(.init(row: row, title: title, details: details, failure: nil))
            return result
        } catch {
            // What was seen before a failure is not claimed.
            steps.append(.init(row: row, title: title, details: [], failure: error))
            throw error
        }
    }

    mutating func run(_ text: Bytes) throws(EvidenceFailure) -> Verdict.Claim {
        let file = try step("1", "schema, canonical form, limits") { details throws(EvidenceFailure) in
            details.append("\(text.count) bytes")
            return try EvidenceFile(parsing: text)
        }
        let network = try step("2", "genesis and configuration") { [expectedGenesis] details throws(EvidenceFailure) in
            try Network(file, expected: expectedGenesis, &details)
        }
        let headers = file.headers.compactMap { Header(exactly: $0.header) }
        _ = try step("3", "headers rising, fixed values, time rising") { details throws(EvidenceFailure) in
            do throws(FollowError) { try ValidatorFollower.checkOrder(genesis: network.header, headers) } catch { throw .follow(error) }
            details.append("\(headers.count) headers")
        }
        let chain = try step("4", "validators followed from genesis, a quorum of each set has sealed") { details throws(EvidenceFailure) in
            try SealedChain(file, headers, network.header, &details)
        }
        let proven = try step("5", "receipts and storage under sealed headers") { details throws(EvidenceFailure) in
            let proven = try Proven(file, chain.headers)
            try proven.requireLogs(of: file.subject)
            details.append("\(proven.receipts.count) receipts, \(proven.slots.count) storage slots")
            return proven
        }
        let subject: Verdict.Subject =
            switch file.subject {
            case .record(let section): .record(try checkRecord(section, file, proven))
            case .settlement(let section): .settlement(try checkSettlement(section, network, proven))
            }
        let stamps = try step("10", "time-stamp tokens") { [authorities] details throws(EvidenceFailure) in
            try checkTokens(file, chain, network, authorities, &details)
        }
        return Verdict.Claim(
            chain: .init(
                name: network.configuration.name, chainId: network.configuration.chainId, genesis: network.hash,
                isOnOwnWord: expectedGenesis == nil, changes: chain.changes, stamps: stamps), subject: subject)
    }
}

/// Row 2.
struct Network {
    let header: Header
    let hash: Hash32
    let configuration: GenesisConfiguration

    init(_ file: EvidenceFile, expected: Hash32?, _ details: inout [String]) throws(EvidenceFailure) {
        guard let header = Header(exactly: file.genesis) else { throw .malformed(path: "genesis") }
        // Round and seals are outside a block's hash: a genesis has neither, so that its bytes have one form.
        hash = keccak256(file.genesis)
        if let expected, expected != hash { throw .foreignGenesis(expected: expected, found: hash) }
        let extra: ExtraData?
        do throws(ExtraDataError) { extra = try ExtraData(decoding: header.extraData) } catch { extra = nil }
        guard let vanity = extra?.vanity ?? Hash32(header.extraData) else { throw .malformed(path: "genesis.extraData") }
        let configurationHash = keccak256(file.config.canonical)
        guard configurationHash == vanity else { throw .configurationMismatch(expected: vanity, found: configurationHash) }
        do throws(GenesisError) { configuration = try GenesisConfiguration(file.config) } catch {
            throw .malformed(path: "config: \(error)")
        }
        guard configuration.mode != .public, let extra else { throw .notFinal }
        guard extra.round == 0, extra.seals.isEmpty else { throw .malformed(path: "genesis.extraData") }
        self.header = header
        details.append(
            "chain \(configuration.chainId) \"\(configuration.name)\", genesis \(hash)\(expected == nil ? ", on the file's own word" : "")")
    }
}

/// Row 4.
struct SealedChain {
    private(set) var headers: [SealedHeader] = []
    /// Of each header, in milliseconds.
    private(set) var times: [UInt64] = []
    private(set) var changes: [Verdict.Change] = []

    init(_ file: EvidenceFile, _ headers: [Header], _ genesis: Header, _ details: inout [String]) throws(EvidenceFailure) {
        do throws(FollowError) {
            var follower = try ValidatorFollower(genesis: genesis)
            for (header, entry) in zip(headers, file.headers) {
                let before = follower.validators
                self.headers.append(try follower.follow(header, next: entry.next))
                times.append(follower.timeMilliseconds)
                if follower.validators != before {
                    changes.append(
                        .init(
                            block: header.number, timeMilliseconds: follower.timeMilliseconds, before: before.addresses,
                            after: follower.validators.addresses))
                    details.append(
                        "block \(header.number): validators \(before.count) -> \(follower.validators.count), commitment \(Hex.print(follower.validators.commitment))"
                    )
                }
            }
        } catch { throw .follow(error) }
    }
}

/// Row 5: what the sealed headers hold.
struct Proven {
    struct ProvenReceipt {
        let place: EvidenceFile.Place
        let timeMilliseconds: UInt64
        let receipt: Receipt
    }
    struct ProvenLog {
        let receipt: ProvenReceipt
        let event: ContractEvent
    }
    private(set) var receipts: [ProvenReceipt] = []
    /// Values of the latest header that has a proof of the slot.
    private(set) var slots: [Slot: U256] = [:]

    struct Slot: Hashable { let address: Address, keyHash: Hash32 }

    init(_ file: EvidenceFile, _ headers: [SealedHeader]) throws(EvidenceFailure) {
        for (sealed, entry) in zip(headers, file.headers) {
            for proof in entry.receipts { receipts.append(try Self.receipt(proof, sealed)) }
            for proof in entry.storage { try addStorage(proof, sealed.header) }
        }
    }

    private static func receipt(_ proof: EvidenceFile.ReceiptProof, _ sealed: SealedHeader) throws(EvidenceFailure) -> ProvenReceipt {
        let header = sealed.header, n = header.number, path = EvidenceFailure.receiptPath(block: n, index: proof.index)
        let bytes: Bytes?
        do throws(ProofError) {
            bytes = try Proof.verify(proof.proof, root: header.receiptsRoot, key: Trie.indexKey(Int(proof.index)))
        } catch { throw path }
        guard let bytes, isPath(proof.proof, from: header.receiptsRoot) else { throw path }
        let receipt: Receipt, time: UInt64
        do throws(RLPError) { receipt = try Receipt(encoded: bytes) } catch { throw path }
        do throws(HeaderError) { time = try HeaderRules.timeMilliseconds(of: header, sealed.extra) } catch { throw path }
        guard receipt.succeeded else { throw .receiptReverted(block: n, index: proof.index) }
        return ProvenReceipt(place: .init(block: n, index: proof.index), timeMilliseconds: time, receipt: receipt)
    }

    private mutating func addStorage(_ proof: EvidenceFile.StorageProof, _ header: Header) throws(EvidenceFailure) {
        let stated = TrieAccount(nonce: proof.nonce, balance: proof.balance, storageRoot: proof.storageHash, codeHash: proof.codeHash),
            account: TrieAccount?
        do throws(ProofError) {
            account = try TrieAccount.verify(proof.accountProof, stateRoot: header.stateRoot, address: proof.address)
        } catch { throw .accountPath(block: header.number) }
        guard account == stated, Self.isPath(proof.accountProof, from: header.stateRoot) else { throw .accountPath(block: header.number) }
        for slot in proof.slots {
            let value: U256
            do throws(ProofError) { value = try stated.verifySlot(slot.key, slot.proof) } catch { throw .storagePath(block: header.number) }
            guard value == slot.value, Self.isPath(slot.proof, from: stated.storageRoot) else { throw .storagePath(block: header.number) }
            slots[Slot(address: proof.address, keyHash: slot.key.hash)] = value
        }
    }

    /// Whether the nodes stand as EIP-1186 has them, from the root along the path: a proof holds in any order, but evidence has one form.
    private static func isPath(_ nodes: [Bytes], from root: Hash32) -> Bool {
        var above = root.bytes
        for node in nodes {
            guard above.firstRange(of: keccak256(node).bytes) != nil else { return false }
            above = node
        }
        return true
    }

    func value(of slot: U256, at address: Address) -> U256? { slots[Slot(address: address, keyHash: slot.hash)] }

    /// All events of this name that the fixed address of the contract emitted.
    func logs(_ contract: Contract, _ event: String) -> [ProvenLog] {
        receipts.flatMap { receipt in
            Self.events(contract, receipt.receipt).filter { $0.name == event }.map { ProvenLog(receipt: receipt, event: $0) }
        }
    }
    static func events(_ contract: Contract, _ receipt: Receipt) -> [ContractEvent] { receipt.logs.compactMap { event(contract, $0) } }
    static func event(_ contract: Contract, _ log: Log) -> ContractEvent? {
        guard log.address == contract.address else { return nil }
        do throws(ABIError) { return try contract.abi.decode(log) } catch { return nil }  // no event of ours: no event at all
    }

    func recorded(_ id: Hash32) -> ProvenLog? { logs(.records, "Recorded").first { $0.event["record"].asHash == id } }
    func opened(_ job: U256) -> ProvenLog? { logs(.market, "Opened").first { $0.event["job"].asWord == job } }
    func settled(_ job: U256) -> ProvenLog? { logs(.market, "Settled").first { $0.event["job"].asWord == job } }

    func requireLogs(of subject: EvidenceFile.Subject) throws(EvidenceFailure) {
        switch subject {
        case .record(let section): guard recorded(section.id) != nil else { throw .logAbsent(event: "Recorded") }
        case .settlement(let section):
            guard opened(section.job) != nil else { throw .logAbsent(event: "Opened") }
            guard settled(section.job) != nil else { throw .logAbsent(event: "Settled") }
        }
    }
}
