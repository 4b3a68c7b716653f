import COpenSSL
import Primitives

/// A private key at rest: Web3 Secret Storage, version 3, as every Ethereum wallet reads it. scrypt or PBKDF2 turns the
/// passphrase into a key, AES-128-CTR hides the secret, a keccak MAC tells a wrong passphrase from a right one.
public enum SecretStorage {
    /// Bounds of what a file may ask of us: scrypt with these needs at most 1 GiB.
    public static let maximumMemoryBytes = 1 << 30
    public static let maximumIterations = 10_000_000

    /// - Parameters:
    ///   - salt, iv: fresh randomness, 32 and 16 bytes.
    ///   - cost: scrypt's N, a power of two; 2¹⁸ takes about a second, 2¹² suits keys whose passphrase is itself random.
    public static func seal(
        _ key: PrivateKey, passphrase: String, salt: Bytes, iv: Bytes, cost: Int = 1 << 18
    ) throws(SecretStorageError) -> JSON {
        precondition(salt.count == 32 && iv.count == 16)
        let derived = try scrypt(passphrase, salt, n: cost, r: 8, p: 1, count: 32)
        let hidden = try counterMode(key: Bytes(derived[0..<16]), iv: iv, key.secretBytes)
        return [
            "version": 3, "address": .string(Hex.print(key.address.bytes, prefix: false)),
            "crypto": [
                "cipher": "aes-128-ctr", "ciphertext": .string(Hex.print(hidden, prefix: false)),
                "cipherparams": ["iv": .string(Hex.print(iv, prefix: false))],
                "kdf": "scrypt",
                "kdfparams": ["dklen": 32, "n": .integer(Int64(cost)), "r": 8, "p": 1, "salt": .string(Hex.print(salt, prefix: false))],
                "mac": .string(Hex.print(keccak256(derived[16..<32] + hidden).bytes, prefix: false)),
            ],
        ]
    }

    public static func open(_ file: JSON, passphrase: String) throws(SecretStorageError) -> PrivateKey {
        guard file["version"]?.asInt == 3 else { throw .unsupported(field: "version") }
        guard let crypto = file["crypto"] ?? file["Crypto"], crypto["cipher"]?.asString == "aes-128-ctr" else {
            throw .unsupported(field: "cipher")
        }
        let derived = try derive(crypto, passphrase)
        let hidden = try bytes(crypto, "ciphertext"), mac = try bytes(crypto, "mac")
        guard keccak256(derived[16..<32] + hidden).bytes == mac else { throw .wrongPassphrase }
        guard let parameters = crypto["cipherparams"] else { throw .malformed(field: "cipherparams") }
        let iv = try bytes(parameters, "iv")
        guard iv.count == 16 else { throw .malformed(field: "iv") }
        let secret = try counterMode(key: Bytes(derived[0..<16]), iv: iv, hidden)
        do { return try PrivateKey(secret) } catch { throw .notAKey }
    }

    private static func derive(_ crypto: JSON, _ passphrase: String) throws(SecretStorageError) -> Bytes {
        guard let parameters = crypto["kdfparams"] else { throw .malformed(field: "kdfparams") }
        guard let count = parameters["dklen"]?.asInt, (32...64).contains(count) else { throw .malformed(field: "dklen") }
        let salt = try bytes(parameters, "salt")
        switch crypto["kdf"]?.asString {
        case "scrypt":
            guard let n = parameters["n"]?.asInt, let r = parameters["r"]?.asInt, let p = parameters["p"]?.asInt, n > 1, n & (n - 1) == 0,
                (1...64).contains(r),
                (1...64).contains(p), n <= maximumMemoryBytes / (128 * r)
            else { throw .malformed(field: "kdfparams") }
            return try scrypt(passphrase, salt, n: n, r: r, p: p, count: count)
        case "pbkdf2":
            guard let iterations = parameters["c"]?.asInt, (1...maximumIterations).contains(iterations),
                parameters["prf"]?.asString == "hmac-sha256"
            else {
                throw .malformed(field: "kdfparams")
            }
            var out = Bytes(repeating: 0, count: count)
            let text = Array(passphrase.utf8CString)
            guard
                PKCS5_PBKDF2_HMAC(text, Int32(text.count - 1), salt, Int32(salt.count), Int32(iterations), EVP_sha256(), Int32(count), &out)
                    == 1
            else {
                throw .malformed(field: "kdfparams")
            }
            return out
        default: throw .unsupported(field: "kdf")
        }
    }

    private static func scrypt(_ passphrase: String, _ salt: Bytes, n: Int, r: Int, p: Int, count: Int) throws(SecretStorageError) -> Bytes
    {
        var out = Bytes(repeating: 0, count: count)
        let text = Array(passphrase.utf8CString)
        guard
            EVP_PBE_scrypt(
                text, text.count - 1, salt, salt.count, UInt64(n), UInt64(r), UInt64(p), UInt64(2 * maximumMemoryBytes), &out, count) == 1
        else {
            throw .malformed(field: "kdfparams")
        }
        return out
    }

    private static func counterMode(key: Bytes, iv: Bytes, _ input: Bytes) throws(SecretStorageError) -> Bytes {
        guard input.count <= 1024, let context = EVP_CIPHER_CTX_new() else { throw .malformed(field: "ciphertext") }
        defer { EVP_CIPHER_CTX_free(context) }
        var out = Bytes(repeating: 0, count: input.count), count: Int32 = 0
        guard EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), nil, key, iv) == 1,
            EVP_EncryptUpdate(context, &out, &count, input, Int32(input.count)) == 1
        else {
            throw .malformed(field: "ciphertext")
        }
        return out
    }

    private static func bytes(_ object: JSON, _ field: String) throws(SecretStorageError) -> Bytes {
        guard let bytes = object[field]?.asString.flatMap({ Hex.parse($0) }) else { throw .malformed(field: field) }
        return bytes
    }
}

public enum SecretStorageError: Error, Equatable, Sendable {
    case malformed(field: String)
    case unsupported(field: String)
    case wrongPassphrase
    /// The passphrase fits, what it opened is no private key.
    case notAKey
}

/// Bytes from the operating system's generator. For drivers: engines get their randomness handed in.
public func randomBytes(_ count: Int) -> Bytes {
    var bytes = Bytes(repeating: 0, count: count)
    precondition(RAND_bytes(&bytes, Int32(count)) == 1, "the operating system gives no randomness")
    return bytes
}
