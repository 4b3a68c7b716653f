import COpenSSL
import Primitives

/// Time-stamp tokens (RFC 3161): an authority outside says that a hash was known to it not later than a time.
///
/// Over libcrypto's TS and PKCS #7 functions. We accept less: the imprint is SHA-256, the signer's certificate is in the token, its
/// chain ends in a root that the caller gives, keys and hashes are of security level 2 (112 bits, no SHA-1 in the chain). The chain is
/// judged at the time of the token, not now: what was good then proves the same for ever, and no clock is read. Revocation is not
/// looked at: it would need the network.
package struct TimeStamp: Sendable, Equatable {
    /// Of the authority's clock, since 1970.
    package let timeMilliseconds: UInt64
    /// Subject of the certificate that signed; text from outside.
    package let authority: String

    package static let maximumBytes = 64 << 10

    /// - Parameters:
    ///   - token: DER of a TimeStampToken.
    ///   - message: what the imprint is the SHA-256 of.
    /// - Cost: two or three signature checks, about 200 µs.
    package init(checking token: Bytes, of message: Hash32, by authorities: TimeStampAuthorities) throws(TimeStampError) {
        defer { ERR_clear_error() }
        guard token.count <= Self.maximumBytes else { throw .malformed }
        let signed = try Self.parsed(token) { d2i_PKCS7(nil, &$0, $1) }
        defer { PKCS7_free(signed) }
        guard let information = PKCS7_to_TS_TST_INFO(signed) else { throw .malformed }
        defer { TS_TST_INFO_free(information) }
        let (seconds, milliseconds) = try Self.time(information)
        try Self.checkImprint(information, sha256(message.bytes))
        timeMilliseconds = seconds * 1000 + milliseconds
        authority = try Self.signer(signed, authorities.store(at: seconds))
    }

    /// What an authority is asked: version 1, SHA-256 imprint, its certificate please.
    package static func query(_ message: Hash32) -> Bytes {
        [
            0x30, 0x39, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
            0x00, 0x04, 0x20,
        ]
            + sha256(message.bytes).bytes + [0x01, 0x01, 0xff]
    }

    /// The token in an authority's answer (TimeStampResp); nothing in it is checked yet.
    package static func token(inReply reply: Bytes) throws(TimeStampError) -> Bytes {
        defer { ERR_clear_error() }
        guard reply.count <= maximumBytes else { throw .malformed }
        let response = try parsed(reply) { d2i_TS_RESP(nil, &$0, $1) }
        defer { TS_RESP_free(response) }
        var out: UnsafeMutablePointer<UInt8>?
        guard let token = TS_RESP_get_token(response), case let count = i2d_PKCS7(token, &out), count > 0, let out else { throw .malformed }
        defer { CRYPTO_free(out, "", 0) }
        return Bytes(UnsafeBufferPointer(start: out, count: Int(count)))
    }

    /// All of `bytes`, or nothing.
    private static func parsed<T>(_ bytes: Bytes, _ decode: (inout UnsafePointer<UInt8>?, Int) -> T?) throws(TimeStampError) -> T {
        let (value, used) = bytes.withUnsafeBufferPointer { buffer in
            var at = buffer.baseAddress
            let value = decode(&at, buffer.count)
            return (value, at.map { $0 - buffer.baseAddress! } ?? 0)
        }
        guard let value, used == bytes.count else { throw .malformed }
        return value
    }

    private static func time(_ information: OpaquePointer) throws(TimeStampError) -> (seconds: UInt64, milliseconds: UInt64) {
        guard let time = TS_TST_INFO_get_time(information), let start = ASN1_TIME_set(nil, 0) else { throw .malformed }
        defer { ASN1_STRING_free(start) }
        var days: Int32 = 0, seconds: Int32 = 0
        guard ASN1_TIME_diff(&days, &seconds, start, time) == 1, days >= 0, seconds >= 0 else { throw .malformed }
        let text = UnsafeBufferPointer(start: ASN1_STRING_get0_data(time), count: Int(ASN1_STRING_length(time)))
        let fraction = text.drop { $0 != UInt8(ascii: ".") }.dropFirst().prefix { (0x30...0x39).contains($0) }.prefix(3)
        return (UInt64(days) * 86_400 + UInt64(seconds), zip(fraction, [100, 10, 1]).reduce(0) { $0 + UInt64($1.0 - 0x30) * $1.1 })
    }

    private static func checkImprint(_ information: OpaquePointer, _ expected: Hash32) throws(TimeStampError) {
        guard TS_TST_INFO_get_version(information) == 1, let imprint = TS_TST_INFO_get_msg_imprint(information),
            let algorithm = TS_MSG_IMPRINT_get_algo(imprint), OBJ_obj2nid(algorithm.pointee.algorithm) == NID_sha256
        else { throw .unsupportedForm }
        let found = TS_MSG_IMPRINT_get_msg(imprint)
        guard expected.bytes == Bytes(UnsafeBufferPointer(start: ASN1_STRING_get0_data(found), count: Int(ASN1_STRING_length(found))))
        else { throw .foreignImprint }
    }

    /// Signature over content and attributes, the certificate that these name, its purpose, its chain.
    private static func signer(_ token: UnsafeMutablePointer<PKCS7>, _ store: OpaquePointer?) throws(TimeStampError) -> String {
        guard let store else { throw .library }
        defer { X509_STORE_free(store) }
        var signer: OpaquePointer?
        guard TS_RESP_verify_signature(token, nil, store, &signer) == 1, let signer else { throw .notSigned }
        defer { X509_free(signer) }
        guard let text = X509_NAME_oneline(X509_get_subject_name(signer), nil, 0) else { throw .library }
        defer { CRYPTO_free(text, "", 0) }
        return String(cString: text)
    }
}

/// Roots that the one who verifies trusts to tell the time.
package struct TimeStampAuthorities: Sendable {
    private let roots: [Bytes]

    /// - Parameter pem: one or more certificates.
    package init(pem: Bytes) throws(TimeStampError) {
        defer { ERR_clear_error() }
        guard let source = BIO_new_mem_buf(pem, Int32(clamping: pem.count)) else { throw .library }
        defer { BIO_free(source) }
        var roots: [Bytes] = []
        while let certificate = PEM_read_bio_X509(source, nil, nil, nil) {
            defer { X509_free(certificate) }
            var out: UnsafeMutablePointer<UInt8>?
            guard case let count = i2d_X509(certificate, &out), count > 0, let out else { throw .library }
            defer { CRYPTO_free(out, "", 0) }
            roots.append(Bytes(UnsafeBufferPointer(start: out, count: Int(count))))
        }
        guard !roots.isEmpty else { throw .noRoots }
        self.roots = roots
    }

    /// A store that its caller owns, judging at this time.
    fileprivate func store(at seconds: UInt64) -> OpaquePointer? {
        guard let store = X509_STORE_new(), let rules = X509_STORE_get0_param(store) else { return nil }
        X509_VERIFY_PARAM_set_time(rules, Int(seconds))
        X509_VERIFY_PARAM_set_auth_level(rules, 2)
        for root in roots {
            let certificate = root.withUnsafeBufferPointer { buffer in
                var at = buffer.baseAddress
                return d2i_X509(nil, &at, buffer.count)
            }
            defer { X509_free(certificate) }
            guard certificate != nil, X509_STORE_add_cert(store, certificate) == 1 else {
                X509_STORE_free(store)
                return nil
            }
        }
        return store
    }
}

package enum TimeStampError: Error, Equatable, Sendable {
    /// No DER of a token, or more than one.
    case malformed
    /// Another version than 1, or another hash than SHA-256 in the imprint.
    case unsupportedForm
    /// The token is over another message.
    case foreignImprint
    /// Signature, certificate, purpose or chain does not hold.
    case notSigned
    /// The file of roots has no certificate.
    case noRoots
    /// libcrypto has no memory.
    case library
}
