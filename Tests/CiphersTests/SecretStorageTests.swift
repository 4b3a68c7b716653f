import Ciphers
import Primitives
import Testing

@Test func aSealedKeyOpensWithItsPassphraseOnly() throws {
    let key = try PrivateKey(Bytes(repeating: 0x46, count: 32))
    let file = try SecretStorage.seal(
        key, passphrase: "correct horse", salt: Bytes(repeating: 1, count: 32), iv: Bytes(repeating: 2, count: 16), cost: 1 << 12)
    #expect(try SecretStorage.open(JSON(parsing: file.canonical), passphrase: "correct horse").address == key.address)
    #expect(throws: SecretStorageError.wrongPassphrase) { try SecretStorage.open(file, passphrase: "correct horse ") }
    #expect(!file.text.contains("4646"))
}

@Test func theVectorsOfTheSpecificationOpen() throws {
    // Web3 Secret Storage definition, version 3, test vectors (password "testpassword").
    let pbkdf2 = try JSON(
        parsing:
            #"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#
    )
    #expect(
        try SecretStorage.open(pbkdf2, passphrase: "testpassword").secretBytes
            == Hex.parse("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"))
}

@Test(arguments: [("n", JSON.integer(3)), ("n", .integer(1 << 40)), ("r", .integer(0)), ("p", .integer(1 << 20)), ("dklen", .integer(16))])
func costsBeyondTheBoundsAreRefusedUnread(_ field: String, _ value: JSON) throws {
    let key = try PrivateKey(Bytes(repeating: 0x46, count: 32))
    let file = try SecretStorage.seal(
        key, passphrase: "x", salt: Bytes(repeating: 1, count: 32), iv: Bytes(repeating: 2, count: 16), cost: 1 << 12)
    guard case .object(var top) = file, case .object(var crypto)? = top["crypto"], case .object(var parameters)? = crypto["kdfparams"]
    else { return }
    parameters[field] = value
    crypto["kdfparams"] = .object(parameters)
    top["crypto"] = .object(crypto)
    let changed = JSON.object(top)
    #expect(throws: SecretStorageError.self) { try SecretStorage.open(changed, passphrase: "x") }
}
