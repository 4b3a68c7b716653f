import Ciphers
import Consensus
import Contracts
import Evidence
import Primitives
import Trie

/// A chain made by hand: real headers, seals, tries and logs, no execution. The validators change after blocks 2 and 4.
struct World {
    /// What a dishonest or unlucky chain would hold instead.
    struct Deviation {
        var mode = "alliance"
        var name = "north-south"
        var state: UInt64 = SettlementSection.settled
        var fee: U256 = 1_000
        var isReverted = false
        /// Consortium says nothing of changes.
        var isSilent = false
        /// Of the genesis block, in seconds.
        var time: UInt64 = 1_700_000_000
        var missingPaid: Int?
        var missingTransfer: Int?
        var owedInstead: Int?
    }

    let deviation: Deviation
    let config: JSON
    let genesis: Header
    private(set) var headers: [Bytes] = []
    /// `receipts[h]` are those of block h.
    private(set) var receipts: [[Receipt]] = [[]]
    /// `sets[h]` seals block h + 1.
    let sets: [[PrivateKey]]

    static func key(_ n: Int) throws -> PrivateKey { try PrivateKey(keccak256(Bytes("entente/tests/evidence/\(n)".utf8)).bytes) }
    static func keys(_ range: Range<Int>) throws -> [PrivateKey] { try range.map(key).sorted { $0.address < $1.address } }

    init(_ deviation: Deviation = Deviation()) throws {
        self.deviation = deviation
        var own: [String: JSON] = [
            "rules": 1, "mode": .string(deviation.mode), "name": .string(deviation.name), "requestTimeoutMilliseconds": 1000,
            "heartbeatSeconds": 60,
            "batchMilliseconds": 2, "clockToleranceMilliseconds": 2000,
        ]
        if deviation.mode == "public" { own["pow"] = ["adjustmentSeconds": 9] }
        config = ["chainId": 1_337_000_001, "entente": .object(own)]
        let four = try Self.keys(0..<4), five = try Self.keys(0..<5), others = try Self.keys(2..<6)
        sets = [four, four, five, five, others, others, others, others]
        genesis = Self.header(
            0, deviation.time, extra: ExtraData(vanity: keccak256(config.canonical), validators: four.map(\.address)),
            stateRoot: Header.emptyRoot, receiptsRoot: Header.emptyRoot)
    }

    var genesisHash: Hash32 { keccak256(genesis.encoded) }

    private static func header(_ number: UInt64, _ time: UInt64, extra: ExtraData, stateRoot: Hash32, receiptsRoot: Hash32) -> Header {
        Header(
            parentHash: .zero, beneficiary: .zero, stateRoot: stateRoot, transactionsRoot: Header.emptyRoot, receiptsRoot: receiptsRoot,
            logsBloom: Bloom(), difficulty: 1,
            number: number, gasLimit: 30_000_000, gasUsed: 0, timestamp: time + number, extraData: extra.encoded,
            mixHash: HeaderRules.mixHash, nonce: 0,
            baseFeePerGas: .zero, withdrawalsRoot: Header.emptyRoot, blobGasUsed: 0, excessBlobGas: 0, parentBeaconBlockRoot: .zero,
            requestsHash: Header.noRequests)
    }

    /// Appends a sealed block; one that changes the validators says so, as Consortium does.
    mutating func block(stateRoot: Hash32 = Header.emptyRoot, receipts: [Receipt] = []) throws {
        let h = headers.count + 1, signers = sets[h - 1]
        let validators = ValidatorSet(signers.map(\.address))!, next = ValidatorSet(sets[h].map(\.address))!
        var extra = ExtraData(milliseconds: UInt16(h), next: next, validators: validators, round: UInt32(h % 2))
        var header = Self.header(UInt64(h), deviation.time, extra: extra, stateRoot: stateRoot, receiptsRoot: Header.emptyRoot)
        let news =
            deviation.isSilent
            ? []
            : sets[h].filter { key in !signers.contains { $0.address == key.address } }.map {
                Self.log(.consortium, "Activated", [$0.address.word], [])
            }
        let all = receipts + (news.isEmpty ? [] : [Self.receipt(news)])
        self.receipts.append(all)
        header.receiptsRoot = try EvidenceFile.ReceiptProof.prove([], in: all).root
        let digest = header.sealDigest(extra, round: extra.round)
        extra.seals = signers.prefix(validators.quorum).map { $0.sign(digest).bytes }
        header.extraData = extra.encoded
        headers.append(header.encoded)
    }

    static func log(_ contract: Contract, _ event: String, _ indexed: [Hash32], _ data: [ABI.Value]) -> Log {
        Log(address: contract.address, topics: [contract.abi.topic(of: event)] + indexed, data: ABI.encode(data))
    }
    static func receipt(_ logs: [Log], succeeded: Bool = true) -> Receipt {
        Receipt(type: 2, succeeded: succeeded, cumulativeGasUsed: 21_000, bloom: Bloom(), logs: logs)
    }

    /// What the file carries: changes of the set, and these blocks with proofs of these receipts and slots.
    func entries(_ wanted: [Int: (receipts: [Int], storage: [EvidenceFile.StorageProof])]) throws -> [EvidenceFile.Entry] {
        var entries: [EvidenceFile.Entry] = []
        for (i, raw) in headers.enumerated() {
            let changes = try EvidenceFile.changesValidators(Header(RLP.decode(raw))), wanted = wanted[i + 1]
            guard changes || wanted != nil else { continue }
            let proofs = try EvidenceFile.ReceiptProof.prove(wanted?.receipts ?? [], in: receipts[i + 1]).proofs
            entries.append(
                .init(header: raw, next: changes ? sets[i + 1].map(\.address) : nil, receipts: proofs, storage: wanted?.storage ?? []))
        }
        return entries
    }
}

// MARK: a record of two leaves, endorsed, disputed and withdrawn

extension World {
    static let original = Bytes((0..<(RecordSection.Content.chunkBytes + 10)).map { UInt8(truncatingIfNeeded: $0 &* 7) })
    static func text(_ hash: String) -> Hash32 { keccak256(Bytes(hash.utf8)) }

    static func record(_ deviation: Deviation = Deviation()) throws -> (world: World, file: EvidenceFile) {
        var world = try World(deviation)
        let author = try key(20).address, schema = text("schema"), other = text("another leaf"),
            content = RecordSection.Content(of: original, salt: text("salt"))
        let leaf = RecordSection.leaf(author, schema, content.commitment)
        var section = RecordSection(
            id: .zero, author: author, schema: schema, commitment: content.commitment, leaf: leaf, path: [.left(other)], content: content)
        section.id = RecordSection.id(author, root: section.root)
        let recorded = log(.records, "Recorded", [section.id, author.word, schema], [.bytes32(section.root), 2, "uri"])
        let words =
            try (21...22).map { i in
                log(.records, "Endorsed", [section.id, try key(i).address.word], [.uint(UInt64(i - 20)), .bytes32(text("statement"))])
            } + [log(.records, "Withdrawn", [section.id, author.word], [.bytes32(text("reason"))])]
        for _ in 0..<4 { try world.block() }
        try world.block(receipts: [receipt([]), receipt([recorded], succeeded: !deviation.isReverted), receipt([])])
        try world.block(receipts: [receipt([words[0]]), receipt([words[1], words[2]])])
        let entries = try world.entries([5: ([1], []), 6: ([0, 1], [])])
        return (
            world,
            EvidenceFile(
                genesis: world.genesis.encoded, config: world.config, headers: entries, subject: .record(section),
                endorsements: [.init(block: 6, index: 0), .init(block: 6, index: 1)])
        )
    }
}

// MARK: a settled job

extension World {
    static func settlement(_ deviation: Deviation = Deviation()) throws -> (world: World, file: EvidenceFile) {
        var world = try World(deviation)
        let section = try world.section(), order = section.order
        let opened = log(
            .market, "Opened", [section.job.hash, order.requester.word, order.program],
            [.bytes32(section.orderHash), .word(deviation.fee), .uint(order.deadline), order.abi])
        let (stateRoot, storage) = try Self.storage(section)
        for _ in 0..<3 { try world.block() }
        try world.block(receipts: [receipt([opened])])
        try world.block()
        try world.block(stateRoot: stateRoot, receipts: [receipt([]), receipt([]), receipt(world.payments(section))])
        let entries = try world.entries([4: ([0], []), 6: ([2], [storage])])
        return (world, EvidenceFile(genesis: world.genesis.encoded, config: world.config, headers: entries, subject: .settlement(section)))
    }

    private func section() throws -> SettlementSection {
        let job: U256 = 7, text = Self.text, members = try (30..<34).map { try Self.key($0).address },
            sessionKeys = try (40..<44).map(Self.key)
        let order = Order(
            requester: try Self.key(29).address, program: text("program"), plan: text("plan"), purpose: 1, profile: 4,
            uses: [Use(listing: 3, terms: text("terms 3"), grant: 1), Use(listing: 5, terms: text("terms 5"), grant: 0)],
            readers: [text("reader")], boxBytes: 64,
            seatFee: 100, bond: 1_000, maximumFee: 2_000, seatingSeconds: 10, keepSeconds: 60, deadline: 1_700_000_100, nonce: 99)
        let inputs = (0..<2).map { i in
            Input(
                job: job, attempt: 1, listing: order.uses[i].listing, commitment: text("input \(i)"), key: sessionKeys[i].address,
                cohort: text("cohort \(i)"), rows: 221)
        }
        let seats = (0..<4).map { i in
            Seat(job: job, attempt: 1, index: UInt8(i), member: members[i], key: sessionKeys[i].address, coin: text("coin \(i)"))
        }
        func line(_ payee: Address, _ amount: U256, _ index: UInt64, _ kind: UInt64) -> U256 {
            U256(payee).shiftedLeft(96) | amount.shiftedLeft(8) | U256(index << 4 | kind)
        }
        let lines = [line(members[0], 350, 0, 1), line(members[1], 250, 1, 1)] + (0..<4).map { line(members[$0], 100, UInt64($0), 5) }
        let output = Output(boxes: (0..<4).map { text("box \($0)") }), transcript = text("transcript"),
            domain = MarketDomain(chainId: 1_337_000_001)
        let session = SessionStructure(job: job, attempt: 1, order: order, inputs: inputs, seats: seats).digest(in: domain)
        let claim = Claim(session: session, kind: .attest, index: 0, content: Claim.attestation(transcript: transcript, output: output))
        return SettlementSection(
            job: job, state: deviation.state, attempt: 1, orderHash: order.hashStruct, session: session, transcript: transcript,
            outputHash: output.hashStruct, timestamp: 1_700_000_006, order: order, inputs: inputs, seats: seats, lines: lines,
            output: output,
            attestations: sessionKeys.map { $0.sign(claim.digest(in: domain)).contractBytes })
    }

    private func payments(_ section: SettlementSection) -> [Log] {
        var logs: [Log] = []
        for (i, word) in section.lines.enumerated() {
            let line = SettlementSection.Line(word), listing: UInt64 = line.kind == 1 ? section.order.uses[line.index].listing : 0
            if deviation.owedInstead == i {
                logs.append(Self.log(.market, "Owed", [line.payee.word], [.word(line.amount)]))
            } else if deviation.missingTransfer != i {
                logs.append(Self.log(.cash, "Transfer", [ContractAddress.market.word, line.payee.word], [.word(line.amount)]))
            }
            if deviation.missingPaid != i {
                logs.append(
                    Self.log(
                        .market, "Paid", [section.job.hash, line.payee.word, U256(listing).hash], [.uint(line.kind), .word(line.amount)]))
            }
        }
        return logs + [
            Self.log(
                .market, "Settled", [section.job.hash, section.session], [.bytes32(section.transcript), .bytes32(section.outputHash)])
        ]
    }

    /// A state of two accounts, Market's with the fact and other slots beside it.
    private static func storage(_ section: SettlementSection) throws -> (stateRoot: Hash32, proof: EvidenceFile.StorageProof) {
        func encodedWord(_ word: U256) -> Bytes {
            var encoder = RLP.Encoder()
            encoder.append(word)
            return encoder.bytes
        }
        let slot = SettlementSection.slot(of: section.job), value = U256(section.fact)
        var table = NodeTable(), storage = Trie(), state = Trie()
        for (key, word) in [(slot, value), (SettlementSection.slot(of: 6), U256(text("fact of 6"))), (2, 7)] {
            try storage.set(keccak256(key.hash).bytes, to: encodedWord(word), from: table)
        }
        let storageRoot = storage.commit(into: &table)
        let account = TrieAccount(nonce: 1, balance: 0, storageRoot: storageRoot, codeHash: text("code"))
        for (address, leaf) in [
            (ContractAddress.market, account),
            (ContractAddress.cash, TrieAccount(nonce: 1, balance: 0, storageRoot: Header.emptyRoot, codeHash: text("cash"))),
        ] {
            try state.set(keccak256(address).bytes, to: leaf.encoded, from: table)
        }
        let root = state.commit(into: &table)
        let proof = EvidenceFile.StorageProof(
            address: ContractAddress.market, nonce: 1, balance: 0, storageHash: storageRoot, codeHash: account.codeHash,
            accountProof: try Trie.prove(keccak256(ContractAddress.market).bytes, root: root, from: table),
            slots: [.init(key: slot, value: value, proof: try Trie.prove(keccak256(slot.hash).bytes, root: storageRoot, from: table))])
        return (root, proof)
    }
}
