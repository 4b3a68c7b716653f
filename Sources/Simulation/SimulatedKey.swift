import Ciphers
import Consensus
import Primitives

/// A signature that costs nothing and that nobody in the simulation can forge, because actors hold only their own keys: it names its
/// author and a checksum of author and digest, in the form of a real one.
package struct SimulatedKey: ConsensusSigner {
    package let address: Address
    package init(_ number: UInt64) { address = Address(last20: keccak256(withUnsafeBytes(of: number) { Bytes($0) })) }

    package func sign(_ digest: Hash32) -> Signature {
        let tag = SimulatedKey.tag(address, digest)
        var bytes = Bytes(repeating: 0, count: 65)
        for i in 0..<8 { bytes[1 + i] = UInt8(truncatingIfNeeded: tag >> (8 * UInt64(i))) }
        address.withUnsafeBytes { source in for i in 0..<20 { bytes[12 + i] = source[i] } }
        bytes[63] = 1
        do throws(SignatureError) { return try Signature(bytes) } catch { preconditionFailure("\(error)") }
    }
    static func tag(_ address: Address, _ digest: Hash32) -> UInt64 {
        var hash: UInt64 = 0xcbf29ce484222325
        func mix(_ buffer: UnsafeRawBufferPointer) {
            for at in stride(from: 0, to: buffer.count - 3, by: 4) {
                hash = (hash ^ UInt64(buffer.loadUnaligned(fromByteOffset: at, as: UInt32.self))) &* 0x9e3779b97f4a7c15
                hash ^= hash >> 29
            }
        }
        address.withUnsafeBytes { mix($0) }
        digest.withUnsafeBytes { mix($0) }
        return hash
    }
}

package struct SimulatedRecovery: SignatureRecovery {
    package init() {}
    package func signer(of signature: Signature, over digest: Hash32) -> Address? {
        signature.bytes.withUnsafeBufferPointer { bytes in
            guard let address = Address(bytes[12..<32]) else { return nil }
            let tag = SimulatedKey.tag(address, digest)
            for i in 0..<8 where bytes[1 + i] != UInt8(truncatingIfNeeded: tag >> (8 * UInt64(i))) { return nil }
            return address
        }
    }
}
