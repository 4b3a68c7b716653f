import COpenSSL
import Primitives

/// 16 bytes of a MAC. Compares in constant time.
public struct MACTag: Sendable, Equatable {
    public static let count = 16
    let low: UInt64, high: UInt64

    public init(at pointer: UnsafeRawPointer) {
        low = pointer.loadUnaligned(as: UInt64.self)
        high = pointer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }
    public static func == (a: MACTag, b: MACTag) -> Bool { (a.low ^ b.low) | (a.high ^ b.high) == 0 }
    public var bytes: Bytes { withUnsafeBytes(of: self) { Bytes($0) } }
}

/// GMAC (NIST SP 800-38D) under AES-128: AES-GCM of nothing. One nonce serves one message under one key, ever.
///
/// One context a key, re-nonced for each message: about 0.2 µs a call, then GHASH at memory speed. Not for two threads at once.
public final class GMAC {
    private let context: OpaquePointer

    public init(key: Bytes) {
        precondition(key.count == 16)
        context = EVP_CIPHER_CTX_new()!
        precondition(EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nil, key, nil) == 1)
    }
    deinit { EVP_CIPHER_CTX_free(context) }

    /// The tag of header ‖ payload. The nonce is `high` ‖ `low`, big-endian, 12 bytes.
    public func tag(high: UInt64, low: UInt32, header: Bytes, payload: UnsafeRawBufferPointer) -> MACTag {
        var nonce = (high.bigEndian, low.bigEndian), count: Int32 = 0
        precondition(
            withUnsafeBytes(of: &nonce) { EVP_EncryptInit_ex(context, nil, nil, nil, $0.bindMemory(to: UInt8.self).baseAddress) }
                == 1)
        precondition(EVP_EncryptUpdate(context, nil, &count, header, Int32(header.count)) == 1)
        var at = 0
        while at < payload.count {
            let part = min(payload.count - at, 1 << 30)
            precondition(
                EVP_EncryptUpdate(
                    context, nil, &count, payload.baseAddress!.advanced(by: at).assumingMemoryBound(to: UInt8.self), Int32(part))
                    == 1)
            at += part
        }
        return withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { out in
            precondition(EVP_EncryptFinal_ex(context, nil, &count) == 1)
            precondition(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out.baseAddress) == 1)
            return MACTag(at: out.baseAddress!)
        }
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
public func constantTimeEqual(_ a: Bytes, _ b: Bytes) -> Bool { a.count == b.count && CRYPTO_memcmp(a, b, a.count) == 0 }
