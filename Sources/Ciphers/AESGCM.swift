import COpenSSL
import Primitives

/// AES-GCM (NIST SP 800-38D), nonce of 12 bytes, tag of 16 behind the ciphertext. The key's length picks AES-128 or AES-256.
public enum AESGCM {
    public static let tagCount = 16

    public static func seal(_ plaintext: Bytes, key: Bytes, nonce: Bytes, associated: Bytes = []) -> Bytes {
        let context = begin(key, nonce, encrypt: 1)
        defer { EVP_CIPHER_CTX_free(context) }
        var out = Bytes(repeating: 0, count: plaintext.count + tagCount), count: Int32 = 0
        precondition(EVP_CipherUpdate(context, nil, &count, associated, Int32(associated.count)) == 1)
        out.withUnsafeMutableBufferPointer { out in
            precondition(EVP_CipherUpdate(context, out.baseAddress, &count, plaintext, Int32(plaintext.count)) == 1)
            precondition(EVP_CipherFinal_ex(context, out.baseAddress! + plaintext.count, &count) == 1)
            precondition(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out.baseAddress! + plaintext.count) == 1)
        }
        return out
    }
    /// Nil if the tag does not fit.
    public static func open(_ sealed: Bytes, key: Bytes, nonce: Bytes, associated: Bytes = []) -> Bytes? {
        guard sealed.count >= tagCount else { return nil }
        let context = begin(key, nonce, encrypt: 0)
        defer { EVP_CIPHER_CTX_free(context) }
        let size = sealed.count - tagCount
        var out = Bytes(repeating: 0, count: size + tagCount), count: Int32 = 0, tag = Bytes(sealed[size...])
        precondition(EVP_CipherUpdate(context, nil, &count, associated, Int32(associated.count)) == 1)
        precondition(EVP_CipherUpdate(context, &out, &count, sealed, Int32(size)) == 1)
        precondition(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, &tag) == 1)
        var none = Bytes(repeating: 0, count: 16)
        guard EVP_CipherFinal_ex(context, &none, &count) == 1 else { return nil }
        return Bytes(out[0..<size])
    }
    private static func begin(_ key: Bytes, _ nonce: Bytes, encrypt: Int32) -> OpaquePointer {
        precondition((key.count == 16 || key.count == 32) && nonce.count == 12)
        let context = EVP_CIPHER_CTX_new()!
        precondition(
            EVP_CipherInit_ex(context, key.count == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), nil, key, nonce, encrypt) == 1)
        return context
    }
}
