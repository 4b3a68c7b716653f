import Ciphers
import Primitives
import Testing

@Test func keccakGivesThePublishedDigests() {
    // keccak-256 of "", "abc" (Keccak team's test vectors); 200 bytes of 0xa3 cross a block.
    #expect(keccak256([]).description == "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
    #expect(keccak256(Array("abc".utf8)).description == "0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45")
    #expect(
        keccak256(Bytes(repeating: 0xa3, count: 200)).description == "0x3a57666b048777f2c953dc4456f45a2588e1cb6f2da760122d530ac2ce607d4a")
}

@Test func keccakInPiecesEqualsOneShot() {
    let text = (0..<700).map { UInt8(truncatingIfNeeded: $0 * 7) }
    for cut in stride(from: 0, through: 700, by: 17) {
        var hash = Keccak256()
        hash.update(text[..<cut])
        hash.update(text[cut...])
        #expect(hash.finish() == keccak256(text))
    }
}

@Test func sha256GivesThePublishedDigest() {
    #expect(sha256(Array("abc".utf8)).description == "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
}

@Test func aSignatureNamesItsSigner() throws {
    let key = try PrivateKey(Bytes(repeating: 0x46, count: 32))
    #expect(key.address.description == "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")
    let digest = keccak256([1, 2, 3]), signature = key.sign(digest)
    #expect(try Secp256k1.recover(digest, signature) == key.publicKey)
    #expect(try Secp256k1.recover(keccak256([1]), signature) != key.publicKey)
    #expect(key.sign(digest) == signature)
    #expect(!"\(key)".contains("4646"))
}

@Test func foreignFormsOfASignatureAreRefused() throws {
    let key = try PrivateKey(Bytes(repeating: 7, count: 32)), signature = key.sign(keccak256([1]))
    let flipped = Secp256k1.order &- signature.s
    #expect(throws: SignatureError.highS) { try Signature(r: signature.r, s: flipped, yParity: 1 - signature.yParity) }
    #expect(throws: SignatureError.malformed) { try Signature(r: .zero, s: signature.s, yParity: 0) }
    #expect(throws: SignatureError.malformed) { try Signature(r: Secp256k1.order, s: signature.s, yParity: 0) }
    #expect(throws: SignatureError.malformed) { try Signature(signature.bytes[..<64] + [27]) }
    #expect(throws: SignatureError.privateKeyOutOfRange) { try PrivateKey(Bytes(repeating: 0, count: 32)) }
}

@Test func theTransactionOfEIP155HasItsPublishedBytes() throws {
    // EIP-155, example.
    let key = try PrivateKey(Bytes(repeating: 0x46, count: 32))
    let payload = TransactionPayload(
        kind: .legacy, chainId: 1, nonce: 9, maxPriorityFeePerGas: 20_000_000_000, maxFeePerGas: 20_000_000_000, gasLimit: 21000,
        to: Address(hex: "0x3535353535353535353535353535353535353535"), value: 1_000_000_000_000_000_000)
    let signed = RecoveredTransaction(payload, signedBy: key)
    #expect(
        Hex.print(signed.transaction.encoded)
            == "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    )
    #expect(try RecoveredTransaction(UnverifiedTransaction(encoded: signed.transaction.encoded)) == signed)
}
