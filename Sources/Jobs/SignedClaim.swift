import Ciphers
import Contracts
import Primitives
import Synchronization

/// A claim and the signature of a seat's session key under it.
package struct SignedClaim: Sendable, Equatable {
    package let claim: Claim
    package let signature: Signature

    /// As contracts take it: index, content, signature with v 27 or 28.
    package var abi: ABI.Value { .tuple([.word(claim.index), .bytes32(claim.content), .bytes(signature.contractBytes)]) }

    /// kind ‖ index ‖ content ‖ signature; the session is that of the connection.
    package static let byteCount = 1 + 32 + 32 + 65
    package var encoded: Bytes { [claim.kind.rawValue] + claim.index.bytes + claim.content.bytes + signature.bytes }

    package func isSigned(by key: Address, in domain: MarketDomain) -> Bool {
        (try? Secp256k1.recover(claim.digest(in: domain), signature))?.address == key
    }

    /// What a peer sent as its claim: nil unless it has the form and the signature of `key`.
    package init?(_ bytes: some Collection<UInt8>, session: Hash32, signedBy key: Address, in domain: MarketDomain) {
        let bytes = Bytes(bytes)
        guard bytes.count == Self.byteCount, let kind = Claim.Kind(rawValue: bytes[0]), let content = Hash32(bytes[33..<65]),
            let signature = try? Signature(bytes[65...])
        else { return nil }
        self.init(claim: Claim(session: session, kind: kind, index: U256(bigEndian: bytes[1..<33]), content: content), signature: signature)
        guard isSigned(by: key, in: domain) else { return nil }
    }
    init(claim: Claim, signature: Signature) { (self.claim, self.signature) = (claim, signature) }
}

/// The one guard in front of a session key (job-protocol.md H1): a slot is signed once.
///
/// The key is made for one attempt and lives in memory only: after a restart nobody can sign for that session again, so no record
/// on disk is needed to keep a slot from being signed twice (docs/decisions/0004).
package final class SessionSigner: Sendable {
    package let domain: MarketDomain
    private let key: PrivateKey
    private let slots = Mutex<[Slot: Hash32]>([:])

    private struct Slot: Hashable {
        let session: Hash32
        let kind: UInt8
        let index: U256
    }

    package init(key: PrivateKey, domain: MarketDomain) { (self.key, self.domain) = (key, domain) }
    package var address: Address { key.address }

    /// - Throws: `alreadySigned` if this slot was signed with another content; repeating a content gives the same bytes.
    package func sign(_ claim: Claim) throws(SlotError) -> SignedClaim {
        let slot = Slot(session: claim.session, kind: claim.kind.rawValue, index: claim.index)
        let first = slots.withLock { slots in
            if let first = slots[slot] { return first }
            slots[slot] = claim.content
            return claim.content
        }
        guard first == claim.content else { throw .alreadySigned(kind: claim.kind, index: claim.index) }
        return SignedClaim(claim: claim, signature: key.sign(claim.digest(in: domain)))
    }
    /// What it signed on a slot, the same bytes again; nil: nothing yet.
    package func signed(_ session: Hash32, _ kind: Claim.Kind, _ index: U256) -> SignedClaim? {
        guard let content = slots.withLock({ $0[Slot(session: session, kind: kind.rawValue, index: index)] }) else { return nil }
        return try? sign(Claim(session: session, kind: kind, index: index, content: content))
    }
    /// Possession of the key, in `join`.
    package func sign(_ structure: some SignedStructure) -> Signature { key.sign(structure.digest(in: domain)) }
}

package enum SlotError: Error, Equatable, Sendable {
    case alreadySigned(kind: Claim.Kind, index: U256)
}
