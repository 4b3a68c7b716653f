import COpenSSL
import Primitives

/// HMAC-SHA256 (RFC 2104).
public func hmacSHA256(key: Bytes, _ message: Bytes) -> Bytes {
    var out = Bytes(repeating: 0, count: 32), count: UInt32 = 0
    // An empty key is a block of zeros, as is a single zero byte; libcrypto wants a pointer.
    precondition(HMAC(EVP_sha256(), key.isEmpty ? [0] : key, Int32(max(key.count, 1)), message, message.count, &out, &count) != nil)
    return out
}

/// HKDF with SHA-256 (RFC 5869).
public enum HKDF {
    public static func extract(salt: Bytes, _ input: Bytes) -> Bytes { hmacSHA256(key: salt, input) }

    /// At most 255 · 32 bytes.
    public static func expand(_ key: Bytes, info: Bytes, count: Int) -> Bytes {
        precondition(count <= 255 * 32)
        var out: Bytes = [], block: Bytes = [], index: UInt8 = 1
        while out.count < count {
            block = hmacSHA256(key: key, block + info + [index])
            out += block
            index &+= 1
        }
        return Bytes(out[0..<count])
    }
    public static func derive(_ input: Bytes, salt: Bytes = [], info: Bytes, count: Int) -> Bytes {
        expand(extract(salt: salt, input), info: info, count: count)
    }
}
