import CKernels
import Ciphers
import Primitives
import Testing

private func hex(_ text: String) -> Bytes { Hex.parse(text)! }

@Test func x25519AgreesWithRFC7748() throws {
    #expect(
        try X25519.agree(
            secret: hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
            publicKey: hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"))
            == hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"))
    #expect(throws: HPKEError.malformedPublicKey) {
        try X25519.agree(secret: Bytes(repeating: 7, count: 32), publicKey: Bytes(repeating: 0, count: 32))
    }
    #expect(throws: HPKEError.malformedPublicKey) { try X25519.agree(secret: Bytes(repeating: 7, count: 32), publicKey: [1]) }
}

@Test func hkdfAgreesWithRFC5869() {
    #expect(
        HKDF.derive(
            Bytes(repeating: 0x0b, count: 22), salt: hex("000102030405060708090a0b0c"), info: hex("f0f1f2f3f4f5f6f7f8f9"), count: 42
        )
            == hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
    #expect(
        HKDF.derive(Bytes(repeating: 0x0b, count: 22), info: [], count: 42)
            == hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
}

@Test func hpkeAgreesWithRFC9180() throws {
    let info = hex("4f6465206f6e2061204772656369616e2055726e"),
        ephemeral = hex("7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234")
    let reader = HPKE.deriveKeyPair(hex("6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037"))
    #expect(reader.secret == hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"))
    #expect(reader.public == hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"))
    let text = hex("4265617574792069732074727574682c20747275746820626561757479"), count0 = hex("436f756e742d30")
    let sealed = try HPKE.aes128.seal(text, to: reader.public, info: info, associated: count0, ephemeral: ephemeral)
    #expect(
        sealed == hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
            + hex("f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"))
    #expect(try HPKE.aes128.open(sealed, secret: reader.secret, info: info, associated: count0) == text)
}

@Test func aSealedMessageOpensOnlyUntouchedAndUnderItsInfo() throws {
    let reader = HPKE.deriveKeyPair([1]), text = Bytes("fifty-eight, one hundred twenty-three".utf8)
    let sealed = try HPKE.standard.seal(text, to: reader.public, info: [9], ephemeral: [2])
    #expect(sealed.count == text.count + HPKE.overhead)
    #expect(try HPKE.standard.open(sealed, secret: reader.secret, info: [9]) == text)
    #expect(throws: HPKEError.forged) { try HPKE.standard.open(sealed, secret: reader.secret, info: [8]) }
    for at in [0, 31, 32, sealed.count - 1] {
        var touched = sealed
        touched[at] ^= 1
        #expect(throws: HPKEError.forged) { try HPKE.standard.open(touched, secret: reader.secret, info: [9]) }
    }
    #expect(throws: HPKEError.tooShort) { try HPKE.standard.open(Bytes(sealed[0..<47]), secret: reader.secret, info: [9]) }
}

@Test func gmacIsGCMOfNothing() {
    let zero = Bytes(repeating: 0, count: 16)
    let mac = GMAC(key: zero)
    // NIST GCM specification, test case 1.
    #expect(
        [].withUnsafeBytes { mac.tag(high: 0, low: 0, header: [], payload: $0) }.bytes == hex("58e2fccefa7e3061367f1d57a4e7455a"))
    let payload = Bytes((0..<100).map { UInt8($0) }), nonce = hex("0102030405060708090a0b0c")
    let tag = payload.withUnsafeBytes { mac.tag(high: 0x0102030405060708, low: 0x090a0b0c, header: [5, 6], payload: $0) }
    #expect(tag.bytes == AESGCM.seal([], key: zero, nonce: nonce, associated: [5, 6] + payload))
    #expect(tag != payload.withUnsafeBytes { mac.tag(high: 0x0102030405060708, low: 0x090a0b0d, header: [5, 6], payload: $0) })
}

@Test func aesKernelsAgreeWithFIPS197AndEachOther() {
    var schedule = Bytes(repeating: 0, count: 176), block = Bytes(repeating: 0, count: 16)
    entente_aes128_expand(Bytes(0..<16), &schedule)
    for kernel in [entente_aes128_ctr, entente_aes128_ctr_portable] {
        kernel(schedule, 0x0011223344556677, 0x8899aabbccddeeff, &block, 1)
        #expect(block == hex("69c4e0d86a7b0430d8cdb78070b4c55a"))
    }
    for blocks in [1, 7, 8, 9, 15, 16, 17, 40] {
        var fast = Bytes(repeating: 0, count: 16 * blocks), slow = fast
        entente_aes128_ctr(schedule, 77, 5, &fast, blocks)
        entente_aes128_ctr_portable(schedule, 77, 5, &slow, blocks)
        #expect(fast == slow)
    }
}

@Test func fieldProductsAgreeOnEveryPath() {
    let x: [UInt64] = [0, 1, 2, ~0, 1 << 63, 0x1234_5678_9abc_def0, ~0 - 1],
        y: [UInt64] = [5, ~0, 1 << 63, ~0, 1 << 63, 0xfeed_beef_0bad_cafe, 3]
    var fast = x, slow = x
    entente_gf64_multiply(&fast, y, x.count)
    entente_gf64_multiply_portable(&slow, y, x.count)
    #expect(fast == slow)
    #expect(fast[2] == 0x1b)  // t · t⁶³ = t⁶⁴ = t⁴ + t³ + t + 1
}
