import Ciphers
import Contracts
import Primitives

/// `entente-evidence/1` (chain-rules §15) as a value: everything a court needs to follow the validators from genesis and to find one
/// claim under a sealed header. Reading gives the shape only; `Evidence.verify` says whether it holds.
package struct EvidenceFile: Sendable, Equatable {
    package static let format = "entente-evidence/1"
    package static let maximumBytes = 64 << 20
    package static let maximumDepth = 16
    /// Of JSON, all in all.
    package static let maximumValues = 1 << 21
    /// Of one header.
    package static let maximumTokens = 16

    /// RLP of the genesis header.
    package var genesis: Bytes
    /// `config` of the genesis file, whole.
    package var config: JSON
    /// By rising number.
    package var headers: [Entry]
    package var subject: Subject
    /// Of a record: where others endorse or dispute it, in order of the chain.
    package var endorsements: [Place]

    package init(genesis: Bytes, config: JSON, headers: [Entry], subject: Subject, endorsements: [Place] = []) {
        (self.genesis, self.config, self.headers, self.subject, self.endorsements) = (genesis, config, headers, subject, endorsements)
    }

    package enum Subject: Sendable, Equatable {
        case record(RecordSection)
        case settlement(SettlementSection)
    }

    package struct Entry: Sendable, Equatable {
        /// RLP as stored, with round and seals.
        package var header: Bytes
        /// Validators of the following block, where they differ.
        package var next: [Address]?
        package var receipts: [ReceiptProof]
        package var storage: [StorageProof]
        /// RFC 3161 tokens over the SHA-256 of the block hash, DER.
        package var tokens: [Bytes]

        package init(
            header: Bytes, next: [Address]? = nil, receipts: [ReceiptProof] = [], storage: [StorageProof] = [], tokens: [Bytes] = []
        ) {
            (self.header, self.next, self.receipts, self.storage, self.tokens) = (header, next, receipts, storage, tokens)
        }
    }

    package struct ReceiptProof: Sendable, Equatable {
        /// Of the transaction in its block.
        package var index: UInt64
        /// Nodes from `receiptsRoot` to RLP(index).
        package var proof: [Bytes]
        package init(index: UInt64, proof: [Bytes]) { (self.index, self.proof) = (index, proof) }
    }

    /// As `eth_getProof` answers it (EIP-1186).
    package struct StorageProof: Sendable, Equatable {
        package struct Slot: Sendable, Equatable {
            package var key: U256
            package var value: U256
            package var proof: [Bytes]
            package init(key: U256, value: U256, proof: [Bytes]) { (self.key, self.value, self.proof) = (key, value, proof) }
        }
        package var address: Address
        package var nonce: UInt64
        package var balance: U256
        package var storageHash: Hash32
        package var codeHash: Hash32
        package var accountProof: [Bytes]
        package var slots: [Slot]

        package init(
            address: Address, nonce: UInt64, balance: U256, storageHash: Hash32, codeHash: Hash32, accountProof: [Bytes], slots: [Slot]
        ) {
            (self.address, self.nonce, self.balance, self.storageHash) = (address, nonce, balance, storageHash)
            (self.codeHash, self.accountProof, self.slots) = (codeHash, accountProof, slots)
        }
    }

    /// A receipt in the file.
    package struct Place: Sendable, Equatable, Comparable {
        package var block: UInt64
        package var index: UInt64
        package init(block: UInt64, index: UInt64) { (self.block, self.index) = (block, index) }
        package static func < (a: Place, b: Place) -> Bool { (a.block, a.index) < (b.block, b.index) }
    }
}

/// What a record claims: somebody's leaf under a root on the chain, and, where its author opens it, the content.
package struct RecordSection: Sendable, Equatable {
    package enum Step: Sendable, Equatable {
        /// The sibling that stands on this side.
        case left(Hash32), right(Hash32)
    }
    package var id: Hash32
    package var author: Address
    package var schema: Hash32
    package var commitment: Hash32
    package var leaf: Hash32
    /// From the leaf upwards; none: a record of one leaf.
    package var path: [Step]
    package var content: Content?

    package static let maximumPath = 32

    package init(id: Hash32, author: Address, schema: Hash32, commitment: Hash32, leaf: Hash32, path: [Step] = [], content: Content?) {
        (self.id, self.author, self.schema, self.commitment, self.leaf, self.path, self.content) = (
            id, author, schema, commitment, leaf, path, content
        )
    }
    /// A record of one leaf.
    package init(author: Address, schema: Hash32, content: Content) {
        let commitment = content.commitment, leaf = Self.leaf(author, schema, commitment)
        self.init(id: Self.id(author, root: leaf), author: author, schema: schema, commitment: commitment, leaf: leaf, content: content)
    }

    package static func leaf(_ author: Address, _ schema: Hash32, _ commitment: Hash32) -> Hash32 {
        keccak256([0] + author.bytes + schema.bytes + commitment.bytes)
    }
    package static func id(_ author: Address, root: Hash32) -> Hash32 { keccak256(author.word.bytes + root.bytes) }

    package var root: Hash32 {
        path.reduce(leaf) { node, step in
            switch step {
            case .left(let sibling): keccak256([1] + sibling.bytes + node.bytes)
            case .right(let sibling): keccak256([1] + node.bytes + sibling.bytes)
            }
        }
    }

    /// What was committed to. The salt keeps a short or guessable content secret as long as its author keeps the salt.
    package struct Content: Sendable, Equatable {
        /// 32 bytes of randomness.
        package var salt: Hash32
        /// Of the content in bytes.
        package var count: UInt64
        /// keccak-256 of each chunk of 1 MiB, the last one shorter.
        package var chunks: [Hash32]

        package static let chunkBytes = 1 << 20

        package init(salt: Hash32, count: UInt64, chunks: [Hash32]) { (self.salt, self.count, self.chunks) = (salt, count, chunks) }
        package init(of content: Bytes, salt: Hash32) {
            self.init(salt: salt, count: UInt64(content.count), chunks: Self.chunks(content))
        }
        package static func chunks(_ content: Bytes) -> [Hash32] {
            stride(from: 0, to: content.count, by: chunkBytes).map { keccak256(content[$0..<min($0 + chunkBytes, content.count)]) }
        }
        /// `keccak256(salt ‖ u64 count ‖ chunk hashes)`.
        package var commitment: Hash32 {
            keccak256(salt.bytes + U256(count).bytes[24...] + chunks.flatMap(\.bytes))
        }
    }
}

/// A settled job: the preimage of its `fact`, and all that the preimage's hashes were made of.
package struct SettlementSection: Sendable, Equatable {
    package var job: U256
    package var state: UInt64
    package var attempt: UInt8
    package var orderHash: Hash32
    package var session: Hash32
    package var transcript: Hash32
    package var outputHash: Hash32
    /// Of the settling block, in seconds.
    package var timestamp: UInt64
    package var order: Order
    /// In use order.
    package var inputs: [Input]
    /// In seat order.
    package var seats: [Seat]
    /// payee 160, amount 88, index of use or seat 4, kind 4, from high to low.
    package var lines: [U256]
    package var output: Output
    /// 65 bytes, v 27 or 28, in seat order.
    package var attestations: [Bytes]

    package static let maximumLines = 32, maximumSeats = 4, maximumUses = 16
    package static let settled: UInt64 = 5

    package init(
        job: U256, state: UInt64 = settled, attempt: UInt8, orderHash: Hash32, session: Hash32, transcript: Hash32, outputHash: Hash32,
        timestamp: UInt64,
        order: Order, inputs: [Input], seats: [Seat], lines: [U256], output: Output, attestations: [Bytes]
    ) {
        (self.job, self.state, self.attempt, self.orderHash, self.session) = (job, state, attempt, orderHash, session)
        (self.transcript, self.outputHash, self.timestamp) = (transcript, outputHash, timestamp)
        (self.order, self.inputs, self.seats, self.lines, self.output, self.attestations) = (
            order, inputs, seats, lines, output, attestations
        )
    }

    /// `keccak256(abi.encode(job, state, attempt, order, session, keccak256(lines), transcript, output, timestamp))`.
    package var fact: Hash32 {
        let words = [
            job, U256(state), U256(UInt64(attempt)), U256(orderHash), U256(session), U256(keccak256(lines.flatMap(\.bytes))),
            U256(transcript), U256(outputHash), U256(timestamp),
        ]
        return keccak256(words.flatMap(\.bytes))
    }
    /// Where Market keeps the fact: slot 0, key `job`; Vyper hashes the slot first.
    package static func slot(of job: U256) -> U256 { U256(keccak256(U256.zero.bytes + job.bytes)) }

    package struct Line: Sendable, Equatable {
        package let payee: Address
        package let amount: U256
        /// Of the use or the seat.
        package let index: Int
        /// 1 data, 2 model, 3 program, 4 levy, 5 seat.
        package let kind: UInt64

        package init(_ word: U256) {
            payee = Address(last20: word.shiftedRight(96).hash)
            amount = word.shiftedRight(8) & (U256.one.shiftedLeft(88) &- .one)
            (index, kind) = (Int(word.l0 >> 4 & 15), word.l0 & 15)
        }
    }
    /// nil: a use that the order has not.
    func listing(of line: Line) -> UInt64? {
        if line.kind > 3 { return 0 }
        return order.uses.indices.contains(line.index) ? order.uses[line.index].listing : nil
    }
}
