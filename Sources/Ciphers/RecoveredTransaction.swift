import Primitives

/// A transaction whose sender is known: the signature is in range, low, and belongs to somebody. The only way here is the check.
public struct RecoveredTransaction: Sendable, Equatable {
    public let transaction: UnverifiedTransaction
    public let sender: Address
    public let hash: Hash32

    public var payload: TransactionPayload { transaction.payload }

    /// - Throws: `SignatureError`; the sender is at fault.
    public init(_ transaction: UnverifiedTransaction) throws(SignatureError) {
        let signature = try Signature(r: transaction.signature.r, s: transaction.signature.s, yParity: transaction.signature.yParity)
        self.transaction = transaction
        sender = try Secp256k1.recover(keccak256(transaction.payload.signedBytes), signature).address
        hash = keccak256(transaction.encoded)
    }

    /// Signs.
    public init(_ payload: TransactionPayload, signedBy key: PrivateKey) {
        let signature = key.sign(keccak256(payload.signedBytes))
        transaction = UnverifiedTransaction(
            payload: payload, signature: TransactionSignature(r: signature.r, s: signature.s, yParity: signature.yParity))
        sender = key.address
        hash = keccak256(transaction.encoded)
    }

    /// As if `sender` had signed: for calls, gas estimates and vectors, never for a block.
    public init(unsigned payload: TransactionPayload, sender: Address) {
        transaction = UnverifiedTransaction(payload: payload, signature: TransactionSignature(r: .zero, s: .zero, yParity: 0))
        self.sender = sender
        hash = .zero
    }
}

extension Authorization {
    /// The account that lends itself the code; nil where the signature is not one (EIP-7702 then skips the entry).
    public var authority: Address? {
        guard let parity = yParity.asUInt64, parity <= 1, s <= Secp256k1.halfOrder else { return nil }
        return (try? Secp256k1.recover(keccak256(signedBytes), r: r, s: s, yParity: UInt8(parity)))?.address
    }
}

extension Block {
    public var plainHash: Hash32 { keccak256(header.encoded) }
}

extension Bloom {
    public init(of logs: [Log]) {
        self.init()
        for log in logs {
            insert(hash: keccak256(log.address))
            for topic in log.topics { insert(hash: keccak256(topic)) }
        }
    }
}
