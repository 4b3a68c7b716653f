import Ciphers
import Contracts
import Primitives

// The text of an evidence file. Two files of one meaning do not exist: keys and numbers are canonical (JCS), bytes are lower-case
// hex (tokens: base64), quantities without leading zeros, unknown keys refused, what is empty and may be absent is absent, receipts
// and endorsements in rising order, so that nobody's word counts twice.

// MARK: writing

extension EvidenceFile {
    package var json: JSON {
        var top: [String: JSON] = [
            "format": .string(Self.format), "genesis": JSON(genesis), "config": config, "headers": .array(headers.map(\.json)),
            "anchors": [],
            "endorsements": .array(endorsements.map { ["block": .quantity($0.block), "index": .quantity($0.index)] }),
        ]
        switch subject {
        case .record(let section): (top["kind"], top["record"]) = ("record", section.json)
        case .settlement(let section): (top["kind"], top["settlement"]) = ("settlement", section.json)
        }
        return .object(top)
    }
    /// The file.
    package var encoded: Bytes { json.canonical }
}

extension EvidenceFile.Entry {
    var json: JSON {
        var members: [String: JSON] = ["header": JSON(header)]
        if let next { members["next"] = .array(next.map { JSON($0) }) }
        if !receipts.isEmpty {
            members["receipts"] = .array(receipts.map { ["index": .quantity($0.index), "proof": .array($0.proof.map { JSON($0) })] })
        }
        if !storage.isEmpty { members["storage"] = .array(storage.map(\.json)) }
        if !tokens.isEmpty { members["tokens"] = .array(tokens.map { .string(Base64.print($0)) }) }
        return .object(members)
    }
}

extension EvidenceFile.StorageProof {
    package var json: JSON {
        [
            "address": JSON(address), "nonce": .quantity(nonce), "balance": .quantity(balance), "storageHash": JSON(storageHash),
            "codeHash": JSON(codeHash),
            "accountProof": .array(accountProof.map { JSON($0) }),
            "storageProof": .array(
                slots.map { ["key": .quantity($0.key), "value": .quantity($0.value), "proof": .array($0.proof.map { JSON($0) })] }),
        ]
    }
    /// An answer of `eth_getProof`.
    package init(_ json: JSON) throws(EvidenceFailure) { self = try Reader(json, "storage").storageProof() }
}

extension RecordSection {
    var json: JSON {
        var members: [String: JSON] = [
            "id": JSON(id), "author": JSON(author), "schema": JSON(schema), "commitment": JSON(commitment), "leaf": JSON(leaf),
            "path": .array(
                path.map { step in
                    switch step {
                    case .left(let hash): ["left": JSON(hash)]
                    case .right(let hash): ["right": JSON(hash)]
                    }
                }),
        ]
        if let content {
            members["content"] = [
                "salt": JSON(content.salt), "count": .quantity(content.count), "chunks": .array(content.chunks.map { JSON($0) }),
            ]
        }
        return .object(members)
    }
}

extension SettlementSection {
    var json: JSON {
        func structure<S: SignedStructure>(_: S.Type, _ value: ABI.Value) -> JSON { StructureText.json(S.typeText, value) }
        return [
            "job": .quantity(job), "state": .quantity(state), "attempt": .quantity(UInt64(attempt)), "orderHash": JSON(orderHash),
            "session": JSON(session),
            "transcript": JSON(transcript), "outputHash": JSON(outputHash), "timestamp": .quantity(timestamp),
            "order": structure(Order.self, order.abi), "inputs": .array(inputs.map { structure(Input.self, $0.abi) }),
            "seats": .array(seats.map { structure(Seat.self, $0.abi) }), "lines": .array(lines.map { JSON($0.hash) }),
            "output": structure(
                Output.self,
                .tuple([
                    .uint(UInt64(output.delivery)), .array(output.boxes.map { .bytes32($0) }), .array(output.parts.map { .bytes32($0) }),
                ])),
            "attestations": .array(attestations.map { JSON($0) }),
        ]
    }
}

/// Signed structures as JSON objects, member by member, after their EIP-712 type: what wallets show as `message`.
private enum StructureText {
    /// Types and names of the first structure that the text defines.
    static func members(_ typeText: String) -> [(type: String, name: String)] {
        let body = typeText.prefix { $0 != ")" }.drop { $0 != "(" }.dropFirst()
        return body.split(separator: ",").map { member in
            let words = member.split(separator: " ")
            return (String(words[0]), String(words[1]))
        }
    }
    static func json(_ typeText: String, _ value: ABI.Value) -> JSON {
        .object(Dictionary(uniqueKeysWithValues: zip(members(typeText), value.asList).map { ($0.name, json(type: $0.type, $1)) }))
    }
    private static func json(type: String, _ value: ABI.Value) -> JSON {
        if type.hasSuffix("[]") { return .array(value.asList.map { json(type: String(type.dropLast(2)), $0) }) }
        return switch type {
        case "address": JSON(value.asAddress)
        case "bytes32": JSON(value.asHash)
        case "Use": json(Use.typeText, value)
        default: .quantity(value.asWord)
        }
    }
}

// MARK: reading

extension EvidenceFile {
    /// Row 1: schema, canonical form, limits. Cost: one pass, one reprint.
    package init(parsing text: Bytes) throws(EvidenceFailure) {
        guard text.count <= Self.maximumBytes else { throw .malformed(path: "file of \(text.count) bytes") }
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: text, maximumDepth: Self.maximumDepth, maximumValues: Self.maximumValues) } catch {
            throw .malformed(path: "JSON: \(error)")
        }
        let canonical = json.canonical
        guard canonical == text else {
            let same = zip(canonical, text).prefix { $0 == $1 }.count
            throw .malformed(path: "byte \(same): not canonical")
        }
        let top = Reader(json, "")
        guard let kind = json["kind"]?.asString, ["record", "settlement"].contains(kind) else { throw .malformed(path: "kind") }
        try top.keys(["format", "kind", "genesis", "config", "headers", kind, "endorsements", "anchors"])
        guard json["format"]?.asString == Self.format else { throw .malformed(path: "format") }
        guard let config = json["config"], config.asObject != nil, config.isInteroperable else { throw .malformed(path: "config") }
        // Anchors have no check in §15: what is not checked is not let through.
        guard json["anchors"] == [] else { throw .malformed(path: "anchors") }
        let subject: Subject = kind == "record" ? .record(try top["record"].record()) : .settlement(try top["settlement"].settlement())
        var headers: [Entry] = [], places: [Place] = []
        for reader in try top["headers"].list(maximum: 1 << 16) { headers.append(try reader.entry()) }
        for reader in try top["endorsements"].list(maximum: kind == "record" ? 1024 : 0) {
            try reader.keys(["block", "index"])
            let place = Place(block: try reader["block"].number(), index: try reader["index"].number())
            if let last = places.last, last >= place { throw reader.malformed }
            places.append(place)
        }
        self.init(genesis: try top["genesis"].header(), config: config, headers: headers, subject: subject, endorsements: places)
    }
}

/// One value of the file and the path to it.
private struct Reader {
    let json: JSON
    let path: String

    init(_ json: JSON, _ path: String) { (self.json, self.path) = (json, path) }

    var malformed: EvidenceFailure { .malformed(path: path) }

    subscript(_ key: String) -> Reader { Reader(json[key] ?? .null, path.isEmpty ? key : "\(path).\(key)") }

    func keys(_ required: Set<String>, optional: Set<String> = []) throws(EvidenceFailure) {
        guard let members = json.asObject else { throw malformed }
        if let unknown = members.keys.filter({ !required.contains($0) && !optional.contains($0) }).min() { throw self[unknown].malformed }
        if let absent = required.filter({ members[$0] == nil }).min() { throw self[absent].malformed }
    }
    func has(_ key: String) -> Bool { json[key] != nil }

    func list(maximum: Int, minimum: Int = 0) throws(EvidenceFailure) -> [Reader] {
        guard let elements = json.asArray, (minimum...max(minimum, maximum)).contains(elements.count) else { throw malformed }
        return elements.enumerated().map { Reader($1, "\(path)[\($0)]") }
    }
    func bytes(maximum: Int) throws(EvidenceFailure) -> Bytes {
        guard let bytes = json.asBytes, bytes.count <= maximum, json.asString == Hex.print(bytes) else { throw malformed }
        return bytes
    }
    func hash() throws(EvidenceFailure) -> Hash32 {
        guard let hash = Hash32(try bytes(maximum: 32)) else { throw malformed }
        return hash
    }
    func address() throws(EvidenceFailure) -> Address {
        guard let address = Address(try bytes(maximum: 20)) else { throw malformed }
        return address
    }
    func word(bits: Int = 256) throws(EvidenceFailure) -> U256 {
        guard let word = json.asU256, word.quantity == json.asString, word.bitWidth <= bits else { throw malformed }
        return word
    }
    func number() throws(EvidenceFailure) -> UInt64 { try word(bits: 64).l0 }
    func hashes(maximum: Int) throws(EvidenceFailure) -> [Hash32] {
        var hashes: [Hash32] = []
        for reader in try list(maximum: maximum) { hashes.append(try reader.hash()) }
        return hashes
    }
    func nodes() throws(EvidenceFailure) -> [Bytes] {
        var nodes: [Bytes] = []
        for reader in try list(maximum: 65) { nodes.append(try reader.bytes(maximum: 16 << 20)) }
        return nodes
    }
    /// RLP of a header that decodes to nothing else.
    func header() throws(EvidenceFailure) -> Bytes {
        let bytes = try bytes(maximum: Block.maximumHeaderBytes)
        guard let header = Header(exactly: bytes), header.requestsHash != nil else { throw malformed }
        return bytes
    }

    func entry() throws(EvidenceFailure) -> EvidenceFile.Entry {
        try keys(["header"], optional: ["next", "receipts", "storage", "tokens"])
        var entry = EvidenceFile.Entry(header: try self["header"].header())
        if has("next") {
            var next: [Address] = []
            for reader in try self["next"].list(maximum: 100, minimum: 1) { next.append(try reader.address()) }
            entry.next = next
        }
        if has("receipts") {
            for reader in try self["receipts"].list(maximum: 1024, minimum: 1) {
                try reader.keys(["index", "proof"])
                let index = try reader["index"].word(bits: 32).l0
                if let last = entry.receipts.last, last.index >= index { throw reader.malformed }
                entry.receipts.append(.init(index: index, proof: try reader["proof"].nodes()))
            }
        }
        if has("storage") {
            for reader in try self["storage"].list(maximum: 64, minimum: 1) { entry.storage.append(try reader.storageProof()) }
        }
        if has("tokens") {
            for reader in try self["tokens"].list(maximum: EvidenceFile.maximumTokens, minimum: 1) {
                guard let token = reader.json.asString.flatMap(Base64.parse), (1...TimeStamp.maximumBytes).contains(token.count) else {
                    throw reader.malformed
                }
                entry.tokens.append(token)
            }
        }
        return entry
    }

    func storageProof() throws(EvidenceFailure) -> EvidenceFile.StorageProof {
        try keys(["address", "nonce", "balance", "storageHash", "codeHash", "accountProof", "storageProof"])
        var slots: [EvidenceFile.StorageProof.Slot] = []
        for reader in try self["storageProof"].list(maximum: 1024) {
            try reader.keys(["key", "value", "proof"])
            slots.append(.init(key: try reader["key"].word(), value: try reader["value"].word(), proof: try reader["proof"].nodes()))
        }
        return .init(
            address: try self["address"].address(), nonce: try self["nonce"].number(), balance: try self["balance"].word(),
            storageHash: try self["storageHash"].hash(), codeHash: try self["codeHash"].hash(),
            accountProof: try self["accountProof"].nodes(), slots: slots)
    }

    func record() throws(EvidenceFailure) -> RecordSection {
        try keys(["id", "author", "schema", "commitment", "leaf", "path"], optional: ["content"])
        var path: [RecordSection.Step] = [], content: RecordSection.Content?
        for reader in try self["path"].list(maximum: RecordSection.maximumPath) {
            let side = reader.has("left") ? "left" : "right"
            try reader.keys([side])
            let hash = try reader[side].hash()
            path.append(side == "left" ? .left(hash) : .right(hash))
        }
        if has("content") {
            let reader = self["content"], most = EvidenceFile.maximumBytes / 64, chunkBytes = UInt64(RecordSection.Content.chunkBytes)
            try reader.keys(["salt", "count", "chunks"])
            let count = try reader["count"].word(bits: 40).l0, chunks = try reader["chunks"].hashes(maximum: most)
            guard UInt64(chunks.count) == (count + chunkBytes - 1) / chunkBytes else { throw reader["chunks"].malformed }
            content = .init(salt: try reader["salt"].hash(), count: count, chunks: chunks)
        }
        return RecordSection(
            id: try self["id"].hash(), author: try self["author"].address(), schema: try self["schema"].hash(),
            commitment: try self["commitment"].hash(), leaf: try self["leaf"].hash(), path: path, content: content)
    }

    func settlement() throws(EvidenceFailure) -> SettlementSection {
        try keys([
            "job", "state", "attempt", "orderHash", "session", "transcript", "outputHash", "timestamp", "order", "inputs", "seats", "lines",
            "output", "attestations",
        ])
        typealias Section = SettlementSection
        var inputs: [Input] = [], seats: [Seat] = [], lines: [U256] = [], attestations: [Bytes] = []
        for reader in try self["inputs"].list(maximum: Section.maximumUses) {
            inputs.append(Input(abi: try reader.structure(Input.typeText)))
        }
        for reader in try self["seats"].list(maximum: Section.maximumSeats, minimum: 1) {
            seats.append(Seat(abi: try reader.structure(Seat.typeText)))
        }
        for hash in try self["lines"].hashes(maximum: Section.maximumLines) { lines.append(U256(hash)) }
        for reader in try self["attestations"].list(maximum: seats.count) { attestations.append(try reader.bytes(maximum: 65)) }
        let output = try self["output"].structure(Output.typeText)
        return Section(
            job: try self["job"].word(), state: try self["state"].number(), attempt: UInt8(try self["attempt"].word(bits: 8).l0),
            orderHash: try self["orderHash"].hash(), session: try self["session"].hash(), transcript: try self["transcript"].hash(),
            outputHash: try self["outputHash"].hash(), timestamp: try self["timestamp"].number(),
            order: Order(abi: try self["order"].structure(Order.typeText)), inputs: inputs, seats: seats, lines: lines,
            output: Output(
                delivery: UInt8(output[0].asUInt64), boxes: output[1].asList.map(\.asHash), parts: output[2].asList.map(\.asHash)),
            attestations: attestations)
    }

    /// Members in order, each checked by its type.
    func structure(_ typeText: String) throws(EvidenceFailure) -> ABI.Value {
        let members = StructureText.members(typeText)
        try keys(Set(members.map(\.name)))
        var values: [ABI.Value] = []
        for member in members { values.append(try self[member.name].value(member.type)) }
        return .tuple(values)
    }
    private func value(_ type: String) throws(EvidenceFailure) -> ABI.Value {
        if type.hasSuffix("[]") {
            var values: [ABI.Value] = []
            for reader in try list(maximum: SettlementSection.maximumUses) { values.append(try reader.value(String(type.dropLast(2)))) }
            return .array(values)
        }
        switch type {
        case "address": return .address(try address())
        case "bytes32": return .bytes32(try hash())
        case "Use": return try structure(Use.typeText)
        default:
            guard type.hasPrefix("uint"), let bits = Int(type.dropFirst(4)) else {
                preconditionFailure("no structure of ours has a \(type)")
            }
            return .word(try word(bits: bits))
        }
    }
}

extension JSON {
    /// Every number is an integer that a double holds, since RFC 8785 prints doubles; no rule of a chain is a fraction.
    var isInteroperable: Bool {
        switch self {
        case .integer(let integer): integer.magnitude <= 1 << 53
        case .array(let elements): elements.allSatisfy(\.isInteroperable)
        case .object(let members): members.values.allSatisfy(\.isInteroperable)
        case .number: false
        case .null, .bool, .string: true
        }
    }
}

extension Header {
    /// The header of these very bytes; nil where they are none, or another form of one.
    init?(exactly bytes: Bytes) {
        do throws(RLPError) { try self.init(RLP.decode(bytes)) } catch { return nil }
        guard encoded == bytes else { return nil }
    }
}
