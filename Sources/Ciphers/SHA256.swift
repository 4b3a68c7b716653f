import COpenSSL
import Primitives

/// SHA-256 (FIPS 180-4) over libcrypto.
public struct SHA256: ~Copyable {
    private var state = SHA256_CTX()

    public init() { SHA256_Init(&state) }
    public mutating func update(_ bytes: UnsafeRawBufferPointer) { SHA256_Update(&state, bytes.baseAddress, bytes.count) }
    public mutating func update(_ bytes: some Collection<UInt8>) {
        if bytes.withContiguousStorageIfAvailable({ update(UnsafeRawBufferPointer($0)) }) == nil {
            Bytes(bytes).withUnsafeBytes { update($0) }
        }
    }
    /// The hash of what came so far; more may follow.
    public func snapshot() -> Hash32 {
        var copy = state, out = Hash32.zero
        withUnsafeMutableBytes(of: &out) { _ = SHA256_Final($0.bindMemory(to: UInt8.self).baseAddress, &copy) }
        return out
    }
    public consuming func finish() -> Hash32 {
        var out = Hash32.zero
        withUnsafeMutableBytes(of: &out) { _ = SHA256_Final($0.bindMemory(to: UInt8.self).baseAddress, &state) }
        return out
    }
}

public func sha256(_ bytes: some Collection<UInt8>) -> Hash32 {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
}
