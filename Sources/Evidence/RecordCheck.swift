import Contracts
import Primitives

extension Verification {
    /// Rows 6a and 7a.
    mutating func checkRecord(_ section: RecordSection, _ file: EvidenceFile, _ proven: Proven) throws(EvidenceFailure) -> Verdict.Record {
        guard let recorded = proven.recorded(section.id) else { preconditionFailure("row 5 found it") }
        let place = recorded.receipt
        try step("6a", "leaf, and path to the recorded root") { details throws(EvidenceFailure) in
            let commitment = section.content?.commitment ?? section.commitment
            let leaf = RecordSection.leaf(recorded.event["author"].asAddress, recorded.event["schema"].asHash, commitment)
            guard leaf == section.leaf, commitment == section.commitment, recorded.event["author"].asAddress == section.author,
                recorded.event["schema"].asHash == section.schema
            else { throw .leafMismatch(expected: section.leaf, found: leaf) }
            let expected = recorded.event["root"].asHash
            guard section.root == expected else { throw .treePath(expected: expected, found: section.root) }
            details.append("recorded by \(section.author) in block \(place.place.block) at \(Verdict.time(place.timeMilliseconds))")
        }
        var endorsed: [Address] = [], disputed: [Address] = [], withdrawn: UInt64?
        try step("7a", "content, endorsements, disputes") { [original] details throws(EvidenceFailure) in
            if let original { try Self.compare(original, section.content, &details) }
            for (i, wanted) in file.endorsements.enumerated() {
                let found = proven.logs(.records, "Endorsed").filter {
                    $0.receipt.place == wanted && $0.event["record"].asHash == section.id
                }
                guard !found.isEmpty else { throw .endorsementInvalid(i) }
                for log in found {
                    let who = log.event["endorser"].asAddress, isDispute = log.event["verdict"].asWord == 2
                    if isDispute { disputed.append(who) } else { endorsed.append(who) }
                    details.append("\(isDispute ? "disputed" : "endorsed") by \(who) in block \(wanted.block)")
                }
            }
            withdrawn = proven.logs(.records, "Withdrawn").first { $0.event["record"].asHash == section.id }?.receipt.place.block
            if let withdrawn { details.append("withdrawn by its author in block \(withdrawn)") }
        }
        return Verdict.Record(
            id: section.id, author: section.author, schema: section.schema, commitment: section.commitment,
            block: place.place.block, timeMilliseconds: place.timeMilliseconds, endorsedBy: endorsed, disputedBy: disputed,
            withdrawnInBlock: withdrawn)
    }

    private static func compare(_ original: Bytes, _ content: RecordSection.Content?, _ details: inout [String]) throws(EvidenceFailure) {
        guard let content else { throw .contentMismatch(chunk: 0) }
        let chunks = RecordSection.Content.chunks(original), same = zip(chunks, content.chunks).prefix { $0 == $1 }.count
        guard same == max(chunks.count, content.chunks.count), UInt64(original.count) == content.count else {
            throw .contentMismatch(chunk: same)
        }
        details.append("the original has these \(content.count) bytes")
    }
}
