import Primitives

public enum HPKEError: Error, Equatable, Sendable {
    /// Not 32 bytes, or a point of low order.
    case malformedPublicKey
    /// Shorter than an encapsulated key and a tag.
    case tooShort
    /// Not sealed to this key under this info.
    case forged
}

/// Hybrid public-key encryption (RFC 9180), base mode, one message: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-GCM.
/// A sealed message is the encapsulated key (32 bytes), ciphertext, tag (16 bytes).
///
/// The ephemeral key is *derived* from input key material that the caller gives: who has the same material seals to the same
/// bytes. The material must be secret, and never the same for two plaintexts (job-protocol.md §5 binds it to their hash).
public struct HPKE: Sendable {
    private let aead: UInt16, keyCount: Int

    /// The suite of the house: AES-256-GCM.
    public static let standard = HPKE(aead: 2, keyCount: 32)
    /// RFC 9180 appendix A.1.
    public static let aes128 = HPKE(aead: 1, keyCount: 16)
    public static let overhead = 48

    /// DeriveKeyPair of RFC 9180 §7.1.3.
    public static func deriveKeyPair(_ material: Bytes) -> (secret: Bytes, public: Bytes) {
        let secret = expand(extract([], "dkp_prk", material, kem), "sk", [], 32, kem)
        return (secret, X25519.publicKey(of: secret))
    }

    public func seal(
        _ plaintext: Bytes, to reader: Bytes, info: Bytes, associated: Bytes = [], ephemeral material: Bytes
    )
        throws(HPKEError) -> Bytes
    {
        let pair = Self.deriveKeyPair(material)
        let shared = try Self.shared(X25519.agree(secret: pair.secret, publicKey: reader), pair.public + reader)
        let (key, nonce) = schedule(shared, info)
        return pair.public + AESGCM.seal(plaintext, key: key, nonce: nonce, associated: associated)
    }
    public func open(_ sealed: Bytes, secret: Bytes, info: Bytes, associated: Bytes = []) throws(HPKEError) -> Bytes {
        guard sealed.count >= Self.overhead else { throw .tooShort }
        let encapsulated = Bytes(sealed[0..<32])
        let shared = try Self.shared(
            X25519.agree(secret: secret, publicKey: encapsulated), encapsulated + X25519.publicKey(of: secret))
        let (key, nonce) = schedule(shared, info)
        guard let plaintext = AESGCM.open(Bytes(sealed[32...]), key: key, nonce: nonce, associated: associated) else {
            throw .forged
        }
        return plaintext
    }

    private func schedule(_ shared: Bytes, _ info: Bytes) -> (key: Bytes, nonce: Bytes) {
        let suite = Bytes("HPKE".utf8) + [0, 0x20, 0, 1, UInt8(aead >> 8), UInt8(aead & 255)]
        let context = [0] + Self.extract([], "psk_id_hash", [], suite) + Self.extract([], "info_hash", info, suite)
        let secret = Self.extract(shared, "secret", [], suite)
        return (Self.expand(secret, "key", context, keyCount, suite), Self.expand(secret, "base_nonce", context, 12, suite))
    }
    private static let kem = Bytes("KEM".utf8) + [0, 0x20]
    private static func shared(_ dh: Bytes, _ context: Bytes) -> Bytes {
        expand(extract([], "eae_prk", dh, kem), "shared_secret", context, 32, kem)
    }
    private static func extract(_ salt: Bytes, _ label: String, _ input: Bytes, _ suite: Bytes) -> Bytes {
        HKDF.extract(salt: salt, Bytes("HPKE-v1".utf8) + suite + Bytes(label.utf8) + input)
    }
    private static func expand(_ key: Bytes, _ label: String, _ info: Bytes, _ count: Int, _ suite: Bytes) -> Bytes {
        HKDF.expand(
            key, info: [UInt8(count >> 8), UInt8(count & 255)] + Bytes("HPKE-v1".utf8) + suite + Bytes(label.utf8) + info,
            count: count)
    }
}
