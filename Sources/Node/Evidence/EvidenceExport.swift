import Chain
import Ciphers
import Client
import Consensus
import Contracts
import Evidence
import Primitives
import RPC

/// Collects the parts of an evidence file from any node's JSON-RPC. Nothing is believed: the finished file must pass the same
/// verification that a court runs, or it is not handed out.
package struct EvidenceExport: Sendable {
    package let ledger: LedgerClient
    /// Time-stamp tokens over the block of this hash, as far as somebody obtained them.
    private let tokens: @Sendable (Hash32) throws -> [Bytes]

    package init(_ ledger: LedgerClient, tokens: @escaping @Sendable (Hash32) throws -> [Bytes] = { _ in [] }) {
        (self.ledger, self.tokens) = (ledger, tokens)
    }

    /// Blocks up to `last` that change the validators. Consortium says each change in an event, so that nobody reads every header;
    /// what a node hides here, the verification of the finished file misses.
    package func changes(to last: UInt64) async throws -> [(header: Header, raw: Bytes)] {
        var changes: [(header: Header, raw: Bytes)] = []
        for number in Set(try await ledger.events(.consortium, ["Activated", "Deactivated"], from: 1, to: last).map(\.block)).sorted() {
            let raw = try await rawHeader(number), header = try header(raw)
            if try EvidenceFile.changesValidators(header) { changes.append((header, raw)) }
        }
        return changes
    }

    /// A settled job: fact and preimage, attestations, payments.
    package func settlement(job number: UInt64) async throws -> Bytes {
        let job = U256(number), opened = try await event(.market, "Opened", ["job": .word(job)])
        let settled = try await event(.market, "Settled", ["job": .word(job)])
        let section = try await section(job, opened, settled)
        // What is settled stays: where the node no longer has the state of that block, its newest says the same.
        let (proofBlock, storage) = try await factProof(SettlementSection.slot(of: job), at: settled.block)
        return try await finish(
            .settlement(section), [opened.block: [opened.transaction], settled.block: [settled.transaction]], storage: [proofBlock: storage]
        )
    }

    /// A record, with what others and its author said of it since.
    /// - Parameter content: what was committed to, where its author opens it.
    package func record(
        _ id: Hash32, schema: Hash32, commitment: Hash32, content: RecordSection.Content?, path: [RecordSection.Step] = []
    ) async throws -> Bytes {
        let recorded = try await event(.records, "Recorded", ["record": .bytes32(id)]), author = recorded["author"].asAddress
        let words = try await ledger.events(.records, ["Endorsed", "Withdrawn"], matching: ["record": .bytes32(id)], from: recorded.block)
        let section = RecordSection(
            id: id, author: author, schema: schema, commitment: commitment, leaf: RecordSection.leaf(author, schema, commitment),
            path: path, content: content)
        var wanted: [UInt64: Set<Hash32>] = [:]
        for event in [recorded] + words { wanted[event.block, default: []].insert(event.transaction) }
        return try await finish(
            .record(section), wanted, storage: [:], endorsedIn: words.filter { $0.name == "Endorsed" }.map { ($0.block, $0.transaction) })
    }

    private func event(_ contract: Contract, _ name: String, _ fields: [String: ABI.Value]) async throws -> PlacedEvent {
        guard let event = try await ledger.events(contract, [name], matching: fields, from: 0).first else {
            throw ExportError.absent(event: name)
        }
        return event
    }

    // MARK: the preimages of a settlement

    private func section(_ job: U256, _ opened: PlacedEvent, _ settled: PlacedEvent) async throws -> SettlementSection {
        func ofJob(_ name: String) async throws -> [PlacedEvent] {
            try await ledger.events(.market, [name], matching: ["job": .word(job)], from: opened.block, to: settled.block)
        }
        let session = settled["session"].asHash, order = Order(abi: opened["order"])
        guard let ready = try await ofJob("Ready").first(where: { $0["session"].asHash == session }),
            let attempt = UInt8(exactly: ready["attempt"].asUInt64)
        else { throw ExportError.absent(event: "Ready") }
        guard let sealed = try await ofJob("Sealed").first else { throw ExportError.absent(event: "Sealed") }
        var inputs: [(use: Int, input: Input)] = [], seats: [Seat] = []
        for joined in try await ofJob("Joined") where joined["attempt"].asUInt64 == UInt64(attempt) {
            let member = joined["member"].asAddress, key = joined["key"].asAddress, seat = joined["seat"].asUInt64
            // Inputs stand in the order of the uses that the member owes: one bit each.
            let owed = try await ledger.call(.market, "memberOf", [.word(job), .address(member)])[0][1].asUInt64
            let uses = order.uses.indices.filter { owed >> UInt64($0) & 1 == 1 }
            for (use, fields) in zip(uses, joined["inputs"].asList) {
                inputs.append(
                    (
                        use,
                        Input(
                            job: job, attempt: attempt, listing: order.uses[use].listing, commitment: fields[0].asHash, key: key,
                            cohort: fields[1].asHash, rows: fields[2].asUInt64)
                    ))
            }
            if seat > 0 {
                seats.append(
                    Seat(
                        job: job, attempt: attempt, index: UInt8(truncatingIfNeeded: seat - 1), member: member, key: key,
                        coin: joined["coin"].asHash))
            }
        }
        let lines = try await ledger.call(.market, "lines", [.word(job)])[0].asList.map(\.asWord).filter { !$0.isZero }
        guard let input = try await ledger.transaction(settled.transaction)?.input else { throw ExportError.absent(event: "Settled") }
        let call = try Contract.market.abi.decodeCall("settle", input).arguments
        let output = Output(delivery: order.delivery, boxes: sealed["boxes"].asList.map { keccak256($0.asBytes) })
        return SettlementSection(
            job: job, attempt: attempt, orderHash: order.hashStruct, session: session, transcript: settled["transcript"].asHash,
            outputHash: settled["output"].asHash,
            timestamp: try header(try await rawHeader(settled.block)).timestamp, order: order,
            inputs: inputs.sorted { $0.use < $1.use }.map(\.input),
            seats: seats.sorted { $0.index < $1.index }, lines: lines, output: output, attestations: call[4].asList.map(\.asBytes))
    }

    private func factProof(_ slot: U256, at block: UInt64) async throws -> (block: UInt64, proof: EvidenceFile.StorageProof) {
        func ask(_ block: UInt64) async throws -> EvidenceFile.StorageProof {
            let answer = try await ledger.connection.call(
                "eth_getProof", [JSON(ContractAddress.market), [JSON.quantity(slot)], .quantity(block)])
            return try EvidenceFile.StorageProof(answer)
        }
        do { return (block, try await ask(block)) } catch RPCFailure.refused {
            let newest = try await ledger.blockNumber()
            return (newest, try await ask(newest))
        }
    }

    // MARK: headers and receipts

    private func finish(
        _ subject: EvidenceFile.Subject, _ wanted: [UInt64: Set<Hash32>], storage: [UInt64: EvidenceFile.StorageProof],
        endorsedIn: [(block: UInt64, transaction: Hash32)] = []
    ) async throws -> Bytes {
        guard let text = try await ledger.connection.call("entente_genesis").asString else { throw ExportError.genesisUnknown }
        let genesis = try GenesisFile(parsing: Bytes(text.utf8)), last = max(wanted.keys.max() ?? 0, storage.keys.max() ?? 0)
        var needed: [UInt64: (header: Header, raw: Bytes)] = [:], places: [Hash32: EvidenceFile.Place] = [:],
            entries: [EvidenceFile.Entry] = []
        for change in try await changes(to: last) { needed[change.header.number] = change }
        for number in Set(wanted.keys).union(storage.keys) where needed[number] == nil {
            let raw = try await rawHeader(number)
            needed[number] = (try header(raw), raw)
        }
        for (number, (header, raw)) in needed.sorted(by: { $0.key < $1.key }) {
            entries.append(
                .init(
                    header: raw, next: try EvidenceFile.changesValidators(header) ? try await validators(after: number) : nil,
                    receipts: try await receipts(number, wanted[number] ?? [], header, &places),
                    storage: storage[number].map { [$0] } ?? [],
                    tokens: try tokens(header.hash(try ExtraData(decoding: header.extraData)))))
        }
        var endorsements: [EvidenceFile.Place] = []
        for (_, transaction) in endorsedIn {
            if let place = places[transaction], !endorsements.contains(place) { endorsements.append(place) }
        }
        let file = EvidenceFile(
            genesis: genesis.header.encoded, config: genesis.config, headers: entries, subject: subject, endorsements: endorsements
        ).encoded
        let verdict = Evidence.verify(file, expectedGenesis: nil)
        guard verdict.isValid else { throw ExportError.unprovable(verdict.failure) }
        return file
    }

    private func rawHeader(_ number: UInt64) async throws -> Bytes {
        guard let bytes = try await ledger.connection.call("debug_getRawHeader", [.quantity(number)]).asBytes else {
            throw ExportError.headerAbsent(number)
        }
        return bytes
    }
    private func header(_ raw: Bytes) throws -> Header { try Header(try RLP.decode(raw)) }

    /// The next header names them; after the newest block only Consortium does.
    private func validators(after number: UInt64) async throws -> [Address] {
        if try await ledger.blockNumber() > number {
            return try ExtraData(decoding: try header(try await rawHeader(number + 1)).extraData).validators
        }
        return try await ledger.call(.consortium, "getValidators", at: number)[0].asList.map(\.asAddress)
    }

    private func receipts(
        _ number: UInt64, _ wanted: Set<Hash32>, _ header: Header, _ places: inout [Hash32: EvidenceFile.Place]
    ) async throws -> [EvidenceFile.ReceiptProof] {
        guard !wanted.isEmpty else { return [] }
        var receipts: [Receipt] = [], indices: [Int] = []
        for (index, json) in (try await ledger.connection.call("eth_getBlockReceipts", [.quantity(number)]).asArray ?? []).enumerated() {
            let record = try ReceiptRecord(json)
            if wanted.contains(record.transactionHash) {
                indices.append(index)
                places[record.transactionHash] = .init(block: number, index: UInt64(index))
            }
            receipts.append(
                Receipt(
                    type: record.type, succeeded: record.succeeded, cumulativeGasUsed: record.cumulativeGasUsed, bloom: record.bloom,
                    logs: record.logs))
        }
        let (root, proofs) = try EvidenceFile.ReceiptProof.prove(indices, in: receipts)
        guard root == header.receiptsRoot else { throw ExportError.receiptsDiffer(number) }
        return proofs
    }
}

package enum ExportError: Error, Sendable {
    case absent(event: String)
    case genesisUnknown
    case headerAbsent(UInt64)
    case receiptsDiffer(UInt64)
    case unprovable(EvidenceFailure?)
    case recordUnknown(String)
}

extension ExportError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .absent(let event): "evidence: the chain holds no \(event) event for it; is the job settled, the record made?"
        case .genesisUnknown: "evidence: the node does not say its genesis; it needs genesis.json in its directory"
        case .headerAbsent(let number): "evidence: the node has no header \(number)"
        case .receiptsDiffer(let number):
            "evidence: the node's receipts of block \(number) do not hash to the block's root; ask another node (--via)"
        case .unprovable(let failure):
            "evidence: what the node gave does not hold together: \(failure.map { "\($0)" } ?? ""); ask another node (--via)"
        case .recordUnknown(let id): "evidence: this directory made no record \(id); see its records/"
        }
    }
}
