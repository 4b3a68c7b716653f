import Ciphers
import P2P
import Primitives
import Testing

/// Test vectors 1 to 4 of libp2p's "TLS Handshake" (github.com/libp2p/specs, tls/tls.md).
private enum Published {
    static let ed25519 =
        "308201ae30820156a0030201020204499602d2300a06082a8648ce3d040302302031123010060355040a13096c69627032702e696f310a300806035504051301"
    static let secp256k1 = """
        3082018230820128a003020102020900f3b305f55622cfdf300a06082a8648ce3d04030230003020170d3735303130313030303030305a180f34303936303130313030303030305a300030\
        59301306072a8648ce3d020106082a8648ce3d0301070342000458f7e9581748ff9bdd933b655cc0e5552a1248f840658cc221dec2186b5a2fe4641b86ab7590a3422cdbb1000cf97662f2\
        7e5910d7569f22feed8829c8b52e0fa38188308185308182060a2b0601040183a25a01010101ff0471306f042508021221026b053094d1112bce799dc8026040ae6d4eb574157929f15981\
        72061f753d9b1b04463044022040712707e97794c478d93989aaa28ae1f71c03af524a8a4bd2d98424948a782302207b61b7f074b696a25fb9e0059141a811cccc4cc28042d9301b9b2a40\
        15e87470300a06082a8648ce3d04030203480030450220143ae4d86fdc8675d2480bb6912eca5e39165df7f572d836aa2f2d6acfab13f8022100831d1979a98f0c4a6fb5069ca374de92f1\
        a1205c962a6d90ad3d7554cb7d9df4
        """
    static let ecdsa = """
        308201c030820166a003020102020900eaf419a6e3edb4a6300a06082a8648ce3d04030230003020170d3735303130313030303030305a180f34303936303130313030303030305a300030\
        59301306072a8648ce3d020106082a8648ce3d030107034200048dbf1116c7c608d6d5292bd826c3feb53483a89fce434bf64538a359c8e07538ff71f6766239be6a146dcc1a5f3bb934bc\
        d4ae2ae1d4da28ac68b4a20593f06ba381c63081c33081c0060a2b0601040183a25a01010101ff0481ae3081ab045f0803125b3059301306072a8648ce3d020106082a8648ce3d03010703\
        42000484b93fa456a74bd0153919f036db7bc63c802f055bc7023395d0203de718ee0fc7b570b767cdd858aca6c7c4113ff002e78bd2138ac1a3b26dde3519e06979ad0448304602210\
        0bc84014cea5a41feabdf4c161096564b9ccf4b62fbef4fe1cd382c84e11101780221009204f086a84cb8ed8a9ddd7868dc90c792ee434adf62c66f99a08a5eba11615b300a06082a8648c\
        e3d0403020348003045022054b437be9a2edf591312d68ff24bf91367ad4143f76cf80b5658f232ade820da022100e23b48de9df9c25d4c83ddddf75d2676f0b9318ee2a6c88a736d85eab\
        94a912f
        """
    static let mismatch = """
        308201773082011da003020102020830a73c5d896a1109300a06082a8648ce3d04030230003020170d3735303130313030303030305a180f34303936303130313030303030305a30003059\
        301306072a8648ce3d020106082a8648ce3d03010703420004bbe62df9a7c1c46b7f1f21d556deec5382a36df146fb29c7f1240e60d7d5328570e3b71d99602b77a65c9b3655f62837f8d6\
        6b59f1763b8c9beba3be07778043a37f307d307b060a2b0601040183a25a01010101ff046a3068042408011220ec8094573afb9728088860864f7bcea2d4fd412fef09a8e2d24d482377c2\
        0db60440ecabae8354afa2f0af4b8d2ad871e865cb5a7c0c8d3dbdbf42de577f92461a0ebb0a28703e33581af7d2a4f2270fc37aec6261fcc95f8af08f3f4806581c730a300a06082a8648\
        ce3d040302034800304502202dfb17a6fa0f94ee0e2e6a3b9fb6e986f311dee27392058016464bd130930a61022100ba4b937a11c8d3172b81e7cd04aedb79b978c4379c2b5b24d565dd5d\
        67d3cb3c
        """
}

@Test func thePublishedSecp256k1CertificateProvesItsKey() throws {
    let key = try NodeCertificate.nodeKey(of: #require(Hex.parse(Published.secp256k1)))
    #expect(Hex.print(key.compressed, prefix: false) == "026b053094d1112bce799dc8026040ae6d4eb574157929f1598172061f753d9b1b")
}

@Test func publishedCertificatesOfOtherKeysAreRefused() throws {
    for text in [Published.ecdsa, Published.mismatch] {
        #expect(throws: CertificateError.unsupportedNodeKey) { try NodeCertificate.nodeKey(of: #require(Hex.parse(text))) }
    }
    #expect(throws: CertificateError.malformed) { try NodeCertificate.nodeKey(of: #require(Hex.parse(Published.ed25519))) }
}

@Test func theBindingOfAnotherCertificateDoesNotTransfer() throws {
    // The extension of the published certificate, copied into a certificate whose private key the thief has.
    let extensionValue = try #require(
        Hex.parse(
            "306f042508021221026b053094d1112bce799dc8026040ae6d4eb574157929f1598172061f753d9b1b"
                + "04463044022040712707e97794c478d93989aaa28ae1f71c03af524a8a4bd2d98424948a782302207b61b7f074b696a25fb9e0059141a811cccc4cc28042d9301b9b2a4015e87470"
        ))
    let stolen = try NodeCertificate { _ in extensionValue }
    let owner = try NodeCertificate.nodeKey(of: #require(Hex.parse(Published.secp256k1))).address
    #expect(throws: CertificateError.forged(claimed: owner)) { try NodeCertificate.nodeKey(of: stolen.der) }
}

@Test func aFreshCertificateProvesItsNodeAndIsNeverTheSame() throws {
    let key = try PrivateKey(Bytes(repeating: 7, count: 32))
    let first = try NodeCertificate(for: key), second = try NodeCertificate(for: key)
    #expect(try NodeCertificate.nodeKey(of: first.der) == key.publicKey)
    #expect(first.der != second.der)
    #expect(Hex.print(first.der).contains("170d3735303130313030303030305a180f34303936303130313030303030305a"), "1975 to 4096")
}

@Test func noChangedByteOfACertificateGoesUnnoticed() throws {
    let der = try #require(Hex.parse(Published.secp256k1))
    for index in der.indices {
        var changed = der
        changed[index] ^= 0x01
        #expect(throws: CertificateError.self, "byte \(index)") { try NodeCertificate.nodeKey(of: changed) }
    }
    for count in stride(from: 0, to: der.count, by: 7) {
        #expect(throws: CertificateError.self) { try NodeCertificate.nodeKey(of: Bytes(der.prefix(count))) }
    }
    #expect(throws: CertificateError.malformed) { try NodeCertificate.nodeKey(of: der + [0]) }
    #expect(throws: CertificateError.tooLarge(bytes: 5_000)) {
        try NodeCertificate.nodeKey(of: Bytes(repeating: 0x30, count: 5_000))
    }
}
