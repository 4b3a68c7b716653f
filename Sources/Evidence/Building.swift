import Consensus
import Primitives
import Trie

extension EvidenceFile {
    /// Whether other validators follow this block: a header names its own and commits to the next ones. Of the headers that are of no
    /// interest otherwise, only these are needed.
    package static func changesValidators(_ header: Header) throws(ExtraDataError) -> Bool {
        let extra = try ExtraData(decoding: header.extraData)
        return extra.nextCommitment != ValidatorSet.commitment(extra.validators)
    }
}

extension EvidenceFile.ReceiptProof {
    /// Proofs of some receipts of a block.
    /// - Parameter receipts: all of the block, in order.
    /// - Returns: the root of them all, to be compared with the header's `receiptsRoot`, and the proofs.
    package static func prove(
        _ indices: [Int], in receipts: [Receipt]
    ) throws(TrieError) -> (root: Hash32, proofs: [EvidenceFile.ReceiptProof]) {
        var table = NodeTable(), proofs: [EvidenceFile.ReceiptProof] = []
        let root = Trie.indexedRoot(receipts.map(\.encoded), into: &table)
        for index in indices {
            proofs.append(.init(index: UInt64(index), proof: try Trie.prove(Trie.indexKey(index), root: root, from: table)))
        }
        return (root, proofs)
    }
}
