import Ciphers
import Client
import Consensus
import Contracts
import Evidence
import Primitives

extension Desk {
    /// Records a content under a salted commitment. Salt and chunk hashes are on this disk before the chain hears of it: without
    /// them nobody can ever say what was recorded.
    /// - Parameter schema: 32 bytes in hex, or a name that is hashed.
    package func putRecord(_ content: Bytes, schema: String, fileName: String) async throws -> (id: Hash32, inclusion: Inclusion) {
        guard let salt = Hash32(randomBytes(32)) else { preconditionFailure("32 bytes") }
        let opening = RecordSection.Content(of: content, salt: salt), schemaHash = Hash32(hex: schema) ?? keccak256(Bytes(schema.utf8))
        let section = RecordSection(author: account, schema: schemaHash, content: opening)
        try directory.makeDirectory("records")
        try directory.write(
            "records/\(section.id).json",
            JSON.object([
                "record": JSON(section.id), "schema": JSON(schemaHash), "file": .string(fileName), "salt": JSON(salt),
                "count": .quantity(opening.count),
                "chunks": .array(opening.chunks.map { JSON($0) }),
            ]).canonical)
        return (
            section.id,
            try await sender.send(
                .records, "record", [.bytes32(schemaHash), .bytes32(section.commitment), .array([]), .bytes32(.zero), .string("")])
        )
    }

    /// Evidence of a record that this directory made.
    package func evidence(ofRecord id: Hash32) async throws -> Bytes {
        guard directory.has("records/\(id).json") else { throw ExportError.recordUnknown("\(id)") }
        let json = try directory.readJSON("records/\(id).json")
        guard let schema = json["schema"]?.asHash, let salt = json["salt"]?.asHash, let count = json["count"]?.asQuantity,
            let chunks = json["chunks"]?.asArray?.map(\.asHash),
            !chunks.contains(nil)
        else { throw DirectoryError.malformed(directory.file("records/\(id).json")) }
        let content = RecordSection.Content(salt: salt, count: count, chunks: chunks.compactMap { $0 })
        return try await export.record(id, schema: schema, commitment: content.commitment, content: content)
    }

    /// Evidence of a settled job.
    package func evidence(ofJob job: UInt64) async throws -> Bytes { try await export.settlement(job: job) }

    private var export: EvidenceExport {
        EvidenceExport(ledger) { [directory] hash in
            directory.has(Self.reply(hash)) ? [try TimeStamp.token(inReply: try directory.read(Self.reply(hash)))] : []
        }
    }
    private static func reply(_ hash: Hash32) -> String { "tokens/\(hash).tsr" }

    /// Every change of validators so far, and whether this directory has an authority's answer over it. For each that has none there
    /// is a query on the disk afterwards, for any RFC 3161 authority; its answer is put beside it, and evidence carries it from then on.
    package func stamp() async throws -> [(block: UInt64, hash: Hash32, query: String?, reply: String)] {
        var all: [(block: UInt64, hash: Hash32, query: String?, reply: String)] = []
        try directory.makeDirectory("tokens")
        for (header, _) in try await export.changes(to: try await ledger.blockNumber()) {
            let hash = header.hash(try ExtraData(decoding: header.extraData)), reply = Self.reply(hash), query = "tokens/\(hash).tsq"
            if !directory.has(reply) { try directory.write(query, TimeStamp.query(hash)) }
            all.append((header.number, hash, directory.has(reply) ? nil : directory.file(query), directory.file(reply)))
        }
        return all
    }
}
