import Ciphers
import Primitives

/// Whose name stands under a digest. The machine and the checks of seals ask here, so that a simulation of many thousand runs
/// may use a cheap scheme; a node uses `Secp256k1Recovery` and no other.
package protocol SignatureRecovery: Sendable {
    /// nil: no key belongs to this signature. Cost with secp256k1: about 45 µs.
    func signer(of signature: Signature, over digest: Hash32) -> Address?
}

/// A key that signs digests. Repetition must give the same bytes (RFC 6979).
package protocol ConsensusSigner: Sendable {
    var address: Address { get }
    func sign(_ digest: Hash32) -> Signature
}

package struct Secp256k1Recovery: SignatureRecovery {
    package init() {}
    package func signer(of signature: Signature, over digest: Hash32) -> Address? {
        do throws(SignatureError) { return try Secp256k1.recover(digest, signature).address } catch { return nil }
    }
}

extension PrivateKey: ConsensusSigner {}
