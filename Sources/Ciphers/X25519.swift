import COpenSSL
import Primitives

/// Diffie-Hellman over Curve25519 (RFC 7748). Keys are 32 bytes each.
public enum X25519 {
    public static func publicKey(of secret: Bytes) -> Bytes {
        precondition(secret.count == 32)
        let key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nil, secret, 32)!
        defer { EVP_PKEY_free(key) }
        var out = Bytes(repeating: 0, count: 32), count = 32
        precondition(EVP_PKEY_get_raw_public_key(key, &out, &count) == 1)
        return out
    }
    /// - Throws: `malformedPublicKey` if it is not 32 bytes or of low order, so that the secret would be all zeros.
    public static func agree(secret: Bytes, publicKey: Bytes) throws(HPKEError) -> Bytes {
        precondition(secret.count == 32)
        guard publicKey.count == 32, let peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nil, publicKey, 32) else {
            throw .malformedPublicKey
        }
        defer { EVP_PKEY_free(peer) }
        let own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nil, secret, 32)!
        defer { EVP_PKEY_free(own) }
        let context = EVP_PKEY_CTX_new(own, nil)!
        defer { EVP_PKEY_CTX_free(context) }
        var out = Bytes(repeating: 0, count: 32), count = 32
        guard EVP_PKEY_derive_init(context) == 1, EVP_PKEY_derive_set_peer(context, peer) == 1,
            EVP_PKEY_derive(context, &out, &count) == 1,
            out.reduce(0, |) != 0
        else {
            ERR_clear_error()
            throw .malformedPublicKey
        }
        return out
    }
}
