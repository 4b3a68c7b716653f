import COpenSSL
import Ciphers
import Primitives

/// A node's certificate for TLS: self-signed by a fresh P-256 key, bound to the node's secp256k1 key by libp2p's extension.
///
/// Source: libp2p "TLS Handshake" (specs/tls), reference/chain-rules.md §13. The extension holds `SignedKey ::= SEQUENCE
/// { publicKey OCTET STRING, signature OCTET STRING }`; the public key is the protobuf `08 02 12 21` ‖ 33 bytes, the signature DER
/// over `sha256("libp2p-tls-handshake:" ‖ SubjectPublicKeyInfo)`.
///
/// We deviate by accepting less: certificate keys on P-256 by name, ECDSA with SHA-256, secp256k1 node keys, nothing else. What
/// cannot be expressed cannot be attacked (explicit curve parameters, weak hashes). Made and parsed with libcrypto.
package struct NodeCertificate: Sendable {
    package let der: Bytes
    /// SEC 1 DER of the P-256 key; lives as long as the process.
    package let privateKeyDER: Bytes

    package static let extensionIdentifier = "1.3.6.1.4.1.53594.1.1"
    static let signatureDomain = Bytes("libp2p-tls-handshake:".utf8)
    /// SubjectPublicKeyInfo of an uncompressed point on the named curve P-256, up to the point.
    static let p256Prefix: Bytes = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
        0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ]
    static let keyPrefix: Bytes = [0x08, 0x02, 0x12, 0x21]

    /// A fresh certificate for `key`.
    package init(for key: PrivateKey) throws(CertificateError) {
        try self.init { subjectPublicKeyInfo in
            let digest = sha256(NodeCertificate.signatureDomain + subjectPublicKeyInfo)
            return SignedKey(publicKey: NodeCertificate.keyPrefix + key.publicKey.compressed, signature: key.signDER(digest)).der
        }
    }

    /// A certificate whose extension is `binding` of its SubjectPublicKeyInfo; other than by `init(for:)` it convinces nobody.
    package init(binding: (Bytes) -> Bytes) throws(CertificateError) {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else { throw .library }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
            EVP_PKEY_keygen(context, &key) == 1, let certificate = X509_new()
        else { throw .library }
        defer { EVP_PKEY_free(key) }
        defer { X509_free(certificate) }
        var serial: UInt64 = 0
        guard withUnsafeMutableBytes(of: &serial, { RAND_bytes($0.bindMemory(to: UInt8.self).baseAddress, 8) }) == 1,
            X509_set_version(certificate, 2) == 1,
            ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1,
            ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "19750101000000Z") == 1,
            ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "40960101000000Z") == 1,
            X509_set_pubkey(certificate, key) == 1, let subjectPublicKeyInfo = encoded({ i2d_PUBKEY(key, $0) })
        else { throw .library }
        let value = binding(subjectPublicKeyInfo)
        guard let identifier = OBJ_txt2obj(NodeCertificate.extensionIdentifier, 1) else { throw .library }
        defer { ASN1_OBJECT_free(identifier) }
        guard let octets = ASN1_OCTET_STRING_new() else { throw .library }
        defer { ASN1_OCTET_STRING_free(octets) }
        guard ASN1_OCTET_STRING_set(octets, value, Int32(value.count)) == 1,
            let added = X509_EXTENSION_create_by_OBJ(nil, identifier, 1, octets)
        else { throw .library }
        defer { X509_EXTENSION_free(added) }
        guard X509_add_ext(certificate, added, -1) == 1, X509_sign(certificate, key, EVP_sha256()) > 0,
            let der = encoded({ i2d_X509(certificate, $0) }), let secret = encoded({ i2d_PrivateKey(key, $0) })
        else { throw .library }
        self.der = der
        privateKeyDER = secret
    }

    /// The node key that a peer's certificate proves.
    ///
    /// - Cost: two signature checks, about 200 µs.
    /// - Throws: the peer is at fault, but for `.library`.
    package static func nodeKey(of der: Bytes) throws(CertificateError) -> PublicKey {
        guard der.count <= maximumBytes else { throw .tooLarge(bytes: der.count) }
        let parsed: (certificate: OpaquePointer?, count: Int) = der.withUnsafeBufferPointer { buffer in
            var at = buffer.baseAddress
            return (d2i_X509(nil, &at, buffer.count), at.map { $0 - buffer.baseAddress! } ?? 0)
        }
        guard let certificate = parsed.certificate else { throw .malformed }
        defer { X509_free(certificate) }
        guard parsed.count == der.count, X509_get_version(certificate) == 2 else { throw .malformed }
        guard let info = encoded({ i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), $0) }), info.count == p256Prefix.count + 64,
            info.starts(with: p256Prefix), X509_get_signature_nid(certificate) == NID_ecdsa_with_SHA256
        else { throw .unsupportedAlgorithm }
        guard let key = X509_get0_pubkey(certificate), X509_verify(certificate, key) == 1 else { throw .selfSignature }
        guard X509_cmp_time(X509_get0_notBefore(certificate), nil) < 0, X509_cmp_time(X509_get0_notAfter(certificate), nil) > 0
        else { throw .notValidNow }

        let signed = try SignedKey(der: try binding(in: certificate))
        guard signed.publicKey.count == 37, signed.publicKey.starts(with: keyPrefix) else { throw .unsupportedNodeKey }
        let node: PublicKey
        do throws(SignatureError) { node = try PublicKey(sec1: signed.publicKey.dropFirst(4)) } catch { throw .unsupportedNodeKey }
        guard node.verifies(der: signed.signature, digest: sha256(signatureDomain + info)) else {
            throw .forged(claimed: node.address)
        }
        return node
    }

    static let maximumBytes = 4_096

    /// The value of libp2p's extension; no other may be critical.
    private static func binding(in certificate: OpaquePointer) throws(CertificateError) -> Bytes {
        guard let wanted = OBJ_txt2obj(extensionIdentifier, 1) else { throw .library }
        defer { ASN1_OBJECT_free(wanted) }
        var found: Bytes?
        for index in 0..<X509_get_ext_count(certificate) {
            guard let present = X509_get_ext(certificate, index) else { throw .malformed }
            guard OBJ_cmp(X509_EXTENSION_get_object(present), wanted) == 0 else {
                guard X509_EXTENSION_get_critical(present) == 0 else { throw .unknownCriticalExtension }
                continue
            }
            let octets = X509_EXTENSION_get_data(present)
            guard found == nil else { throw .malformed }
            found = Bytes(UnsafeBufferPointer(start: ASN1_STRING_get0_data(octets), count: Int(ASN1_STRING_length(octets))))
        }
        guard let found else { throw .extensionMissing }
        return found
    }
}

package enum CertificateError: Error, Equatable, Sendable {
    case tooLarge(bytes: Int)
    case malformed
    /// A certificate key that is not a named P-256 point, or another signature than ECDSA with SHA-256.
    case unsupportedAlgorithm
    case selfSignature
    case notValidNow
    case extensionMissing
    case unknownCriticalExtension
    /// Ed25519, RSA, a point that is not on the curve.
    case unsupportedNodeKey
    /// The node key did not sign this certificate's key.
    case forged(claimed: Address)
    /// libcrypto failed: our own fault.
    case library
}

/// What libp2p's extension holds. Lengths below 256 only: no key or signature of ours is longer.
package struct SignedKey: Equatable, Sendable {
    package var publicKey: Bytes
    package var signature: Bytes

    package init(publicKey: Bytes, signature: Bytes) {
        self.publicKey = publicKey
        self.signature = signature
    }

    package var der: Bytes {
        let body = SignedKey.element(0x04, publicKey) + SignedKey.element(0x04, signature)
        return SignedKey.element(0x30, body)
    }
    private static func element(_ tag: UInt8, _ content: Bytes) -> Bytes {
        precondition(content.count < 256)
        return [tag] + (content.count < 128 ? [UInt8(content.count)] : [0x81, UInt8(content.count)]) + content
    }

    package init(der: Bytes) throws(CertificateError) {
        var outer = der[...]
        var inner = try SignedKey.content(0x30, &outer)
        publicKey = Bytes(try SignedKey.content(0x04, &inner))
        signature = Bytes(try SignedKey.content(0x04, &inner))
        guard outer.isEmpty, inner.isEmpty else { throw .malformed }
    }
    private static func content(_ tag: UInt8, _ bytes: inout ArraySlice<UInt8>) throws(CertificateError) -> ArraySlice<UInt8> {
        guard bytes.popFirst() == tag, var count = bytes.popFirst().map(Int.init) else { throw .malformed }
        if count >= 128 {
            guard count == 0x81, let long = bytes.popFirst(), long >= 128 else { throw .malformed }
            count = Int(long)
        }
        guard count <= bytes.count else { throw .malformed }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count)
    }
}

/// The DER that one of OpenSSL's `i2d` functions writes: first for the length, then for the bytes.
private func encoded(_ write: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32) -> Bytes? {
    let count = write(nil)
    guard count > 0 else { return nil }
    return Bytes(unsafeUninitializedCapacity: Int(count)) { buffer, initialized in
        var at = buffer.baseAddress
        initialized = Int(write(&at))
    }
}
