import Ciphers
import Client
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
        try directory.write("records/\(section.id).json", JSON.object([
            "record": JSON(section.id), "schema": JSON(schemaHash), "file": .string(fileName), "salt": JSON(salt), "count": .quantity(opening.count),
            "chunks": .array(opening.chunks.map { JSON($0) }),
        ]).canonical)
        return (section.id, try await sender.send(.records, "record", [.bytes32(schemaHash), .bytes32(section.commitment), .array([]), .bytes32(.zero), .string("")]))
    }

    /// Evidence of a record that this directory made.
    package func evidence(ofRecord id: Hash32) async throws -> Bytes {
        guard directory.has("records/\(id).json") else { throw ExportError.recordUnknown("\(id)") }
        let json = try directory.readJSON("records/\(id).json")
        guard let schema = json["schema"]?.asHash, let salt = json["salt"]?.asHash, let count = json["count"]?.asQuantity, let chunks = json["chunks"]?.asArray?.map(\.asHash),
              !chunks.contains(nil) else { throw DirectoryError.malformed(directory.file("records/\(id).json")) }
        let content = RecordSection.Content(salt: salt, count: count, chunks: chunks.compactMap { $0 })
        return try await EvidenceExport(ledger).record(id, schema: schema, commitment: content.commitment, content: content)
    }

    /// Evidence of a settled job.
    package func evidence(ofJob job: UInt64) async throws -> Bytes { try await EvidenceExport(ledger).settlement(job: job) }
}
