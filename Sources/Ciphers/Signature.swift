import CSecp256k1
import COpenSSL
import Primitives

/// ECDSA over secp256k1 with recovery, as Ethereum signs: over libsecp256k1. Nonces are RFC 6979, so the same key and digest
/// always give the same bytes.

private nonisolated(unsafe) let context: OpaquePointer = {
    // One context for all threads: libsecp256k1 only reads it after randomisation.
    let context = secp256k1_context_create(UInt32(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY))!
    var seed = Bytes(repeating: 0, count: 32)
    precondition(RAND_bytes(&seed, 32) == 1, "the operating system gives no randomness")
    precondition(secp256k1_context_randomize(context, seed) == 1)
    return context
}()

public enum SignatureError: Error, Equatable, Sendable {
    /// r or s is 0 or not below the group order, v is none of those allowed, or no point belongs to it.
    case malformed
    /// s is above half the order: a second signature for the same digest.
    case highS
    case privateKeyOutOfRange
    case publicKeyMalformed
}

/// 65 bytes r ‖ s ‖ v with v in {0, 1} and low s: the only form our protocols accept. Contracts want v + 27.
public struct Signature: Sendable, Hashable {
    public let bytes: Bytes
    public static let count = 65

    /// Checks the form, not who signed.
    public init(_ bytes: some Collection<UInt8>) throws(SignatureError) {
        guard bytes.count == 65 else { throw .malformed }
        let copy = Bytes(bytes)
        guard copy[64] <= 1 else { throw .malformed }
        let r = U256(bigEndian: copy[0..<32]), s = U256(bigEndian: copy[32..<64])
        guard !r.isZero, r < Secp256k1.order, !s.isZero, s < Secp256k1.order else { throw .malformed }
        guard s <= Secp256k1.halfOrder else { throw .highS }
        self.bytes = copy
    }
    public init(r: U256, s: U256, yParity: UInt8) throws(SignatureError) { try self.init(r.bytes + s.bytes + [yParity]) }

    fileprivate init(unchecked bytes: Bytes) { self.bytes = bytes }

    public var r: U256 { U256(bigEndian: bytes[0..<32]) }
    public var s: U256 { U256(bigEndian: bytes[32..<64]) }
    public var yParity: UInt8 { bytes[64] }
    /// With v of 27 or 28, as `ecrecover` and Solidity libraries take it.
    public var contractBytes: Bytes { bytes[0..<64] + [bytes[64] + 27] }
}

public enum Secp256k1 {
    public static let order = U256(0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff)
    public static let halfOrder = U256(0xdfe92f46681b20a0, 0x5d576e7357a4501d, 0xffffffffffffffff, 0x7fffffffffffffff)

    /// Who signed `digest`, any s (the precompile and old transactions allow a high one). Cost: about 45 µs.
    public static func recover(_ digest: Hash32, r: U256, s: U256, yParity: UInt8) throws(SignatureError) -> PublicKey {
        guard yParity <= 3 else { throw .malformed }
        var signature = secp256k1_ecdsa_recoverable_signature(), key = secp256k1_pubkey()
        let compact = r.bytes + s.bytes
        guard secp256k1_ecdsa_recoverable_signature_parse_compact(context, &signature, compact, Int32(yParity)) == 1,
            secp256k1_ecdsa_recover(context, &key, &signature, digest.bytes) == 1
        else { throw .malformed }
        return PublicKey(key)
    }
    public static func recover(_ digest: Hash32, _ signature: Signature) throws(SignatureError) -> PublicKey {
        try recover(digest, r: signature.r, s: signature.s, yParity: signature.yParity)
    }
}

public struct PublicKey: Sendable, Hashable {
    /// 64 bytes x ‖ y.
    public let bytes: Bytes

    fileprivate init(_ key: secp256k1_pubkey) {
        var key = key, out = Bytes(repeating: 0, count: 65), count = 65
        secp256k1_ec_pubkey_serialize(context, &out, &count, &key, UInt32(SECP256K1_EC_UNCOMPRESSED))
        bytes = Bytes(out[1...])
    }
    /// 33 compressed or 65 plain bytes of SEC 1.
    public init(sec1 encoded: some Collection<UInt8>) throws(SignatureError) {
        var key = secp256k1_pubkey()
        let encoded = Bytes(encoded)
        guard secp256k1_ec_pubkey_parse(context, &key, encoded, encoded.count) == 1 else { throw .publicKeyMalformed }
        self.init(key)
    }
    public var compressed: Bytes { [bytes[63] & 1 == 0 ? 2 : 3] + bytes[0..<32] }
    public var address: Address { Address(last20: keccak256(bytes)) }

    /// Checks a DER signature over a digest; used by the TLS binding only. High s is brought down first.
    public func verifies(der: Bytes, digest: Hash32) -> Bool {
        var key = secp256k1_pubkey(), signature = secp256k1_ecdsa_signature(), low = secp256k1_ecdsa_signature()
        guard secp256k1_ec_pubkey_parse(context, &key, [4] + bytes, 65) == 1,
            secp256k1_ecdsa_signature_parse_der(context, &signature, der, der.count) == 1
        else { return false }
        _ = secp256k1_ecdsa_signature_normalize(context, &low, &signature)
        return secp256k1_ecdsa_verify(context, &low, digest.bytes, &key) == 1
    }
}

/// A signing key. Prints as its address; the bytes leave only by `secretBytes`.
public struct PrivateKey: Sendable, CustomStringConvertible, CustomReflectable {
    private let secret: Bytes
    public let publicKey: PublicKey
    public var address: Address { publicKey.address }

    public init(_ bytes: some Collection<UInt8>) throws(SignatureError) {
        let secret = Bytes(bytes)
        var key = secp256k1_pubkey()
        guard secret.count == 32, secp256k1_ec_seckey_verify(context, secret) == 1, secp256k1_ec_pubkey_create(context, &key, secret) == 1
        else {
            throw .privateKeyOutOfRange
        }
        self.secret = secret
        publicKey = PublicKey(key)
    }

    /// For keystores only.
    public var secretBytes: Bytes { secret }

    /// Cost: about 28 µs.
    public func sign(_ digest: Hash32) -> Signature {
        var signature = secp256k1_ecdsa_recoverable_signature(), out = Bytes(repeating: 0, count: 65), parity: Int32 = 0
        precondition(secp256k1_ecdsa_sign_recoverable(context, &signature, digest.bytes, secret, nil, nil) == 1)
        secp256k1_ecdsa_recoverable_signature_serialize_compact(context, &out, &parity, &signature)
        out[64] = UInt8(parity)
        return Signature(unchecked: out)
    }
    public func signDER(_ digest: Hash32) -> Bytes {
        var signature = secp256k1_ecdsa_signature(), out = Bytes(repeating: 0, count: 72), count = 72
        precondition(secp256k1_ecdsa_sign(context, &signature, digest.bytes, secret, nil, nil) == 1)
        secp256k1_ecdsa_signature_serialize_der(context, &out, &count, &signature)
        return Bytes(out[..<count])
    }

    public var description: String { "PrivateKey(of \(address))" }
    public var customMirror: Mirror { Mirror(self, children: ["address": address]) }
}
