import Consensus
import Primitives
import Trie

/// Picks, out of all headers in rising order, those that an evidence file needs: the ones that change the validators, and the ones
/// of interest. Knows one commitment and no more, so a chain of any length passes through it.
package struct HeaderSelection: Sendable {
    private var commitment: Bytes
    package private(set) var entries: [EvidenceFile.Entry] = []

    package init(genesis: Header) throws(ExtraDataError) { commitment = ValidatorSet.commitment(try ExtraData(decoding: genesis.extraData).validators) }

    /// Whether another set follows this block: then `add` wants its list.
    package func changesValidators(_ header: Header) throws(ExtraDataError) -> Bool { try ExtraData(decoding: header.extraData).nextCommitment != commitment }

    /// - Parameters:
    ///   - header: as stored, with seals.
    ///   - next: of a header that changes the validators: their list.
    ///   - entry: proofs under a header of interest; nil: it is of none.
    package mutating func add(_ header: Bytes, next: [Address]?, proofs: (receipts: [EvidenceFile.ReceiptProof], storage: [EvidenceFile.StorageProof])?) {
        if let next { commitment = ValidatorSet.commitment(next) }
        guard next != nil || proofs != nil else { return }
        entries.append(.init(header: header, next: next, receipts: proofs?.receipts ?? [], storage: proofs?.storage ?? []))
    }
}

extension EvidenceFile.ReceiptProof {
    /// Proofs of some receipts of a block.
    /// - Parameter receipts: all of the block, in order.
    /// - Returns: the root of them all, to be compared with the header's `receiptsRoot`, and the proofs.
    package static func prove(_ indices: [Int], in receipts: [Receipt]) throws(TrieError) -> (root: Hash32, proofs: [EvidenceFile.ReceiptProof]) {
        var table = NodeTable(), proofs: [EvidenceFile.ReceiptProof] = []
        let root = Trie.indexedRoot(receipts.map(\.encoded), into: &table)
        for index in indices { proofs.append(.init(index: UInt64(index), proof: try Trie.prove(Trie.indexKey(index), root: root, from: table))) }
        return (root, proofs)
    }
}
