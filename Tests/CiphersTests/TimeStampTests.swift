import Ciphers
import Foundation
import Primitives
import Testing

private func vector(_ name: String) throws -> Bytes {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return Bytes(try Data(contentsOf: folder.appendingPathComponent("Vectors/timestamp/\(name)")))
}

@Test func aTokenHoldsThoughItsCertificateHasRunOutSince() throws {
    let roots = try TimeStampAuthorities(pem: try vector("root.pem")), token = try TimeStamp.token(inReply: try vector("reply.tsr"))
    let stamp = try TimeStamp(checking: token, of: keccak256([]), by: roots)
    #expect(stamp.timeMilliseconds == 1_795_550_427_000 && stamp.authority == "/CN=Short-lived clock")
    #expect(throws: TimeStampError.foreignImprint) { try TimeStamp(checking: token, of: .zero, by: roots) }
    #expect(throws: TimeStampError.malformed) { try TimeStamp(checking: token + [0], of: keccak256([]), by: roots) }
    #expect(throws: TimeStampError.malformed) { try TimeStamp(checking: try vector("reply.tsr"), of: keccak256([]), by: roots) }
    #expect(throws: TimeStampError.noRoots) { try TimeStampAuthorities(pem: []) }
    // No byte of the time can be changed.
    let time = try #require(token.indices.first { token[$0...].starts(with: Bytes("20261124200027Z".utf8)) })
    var older = token
    older[time + 13] = UInt8(ascii: "6")
    #expect(throws: TimeStampError.notSigned) { try TimeStamp(checking: older, of: keccak256([]), by: roots) }
}

@Test func noBytesOfATokenCrashTheLibrary() throws {
    let roots = try TimeStampAuthorities(pem: try vector("root.pem")), token = try TimeStamp.token(inReply: try vector("reply.tsr"))
    for at in token.indices {
        var changed = token
        changed[at] ^= UInt8(1 << (at % 8))
        // What the signature does not cover may change; time and signer never do.
        if let stamp = try? TimeStamp(checking: changed, of: keccak256([]), by: roots) {
            #expect(stamp.timeMilliseconds == 1_795_550_427_000)
        }
        #expect(throws: TimeStampError.self) { try TimeStamp(checking: Bytes(token.prefix(at)), of: keccak256([]), by: roots) }
    }
}

@Test func aQueryIsWhatOpenSSLAsks() {
    // openssl ts -query -sha256 -cert -no_nonce over the 32 bytes of keccak-256 of nothing.
    #expect(
        Hex.print(TimeStamp.query(keccak256([])), prefix: false)
            == "30390201013031300d0609608648016503040201050004201f22e1c3d29dce0921a51fc348c4d57761f490ad4891a67ab97c0455dfe2c1840101ff")
}

@Test func base64HasOneTextForEachBytes() {
    // RFC 4648 §10.
    for (text, code) in [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ] {
        #expect(Base64.print(Bytes(text.utf8)) == code && Base64.parse(code) == Bytes(text.utf8))
    }
    for wrong in ["Zh==", "Zg=", "Zg", "Zm9=", "Z===", "====", "Zm 9", "Zm9v\n", "Zg==Zg==", "Zm-_", "=Zg="] {
        #expect(Base64.parse(wrong) == nil, "\(wrong)")
    }
    #expect(Base64.parse("+/+/") == [0xfb, 0xff, 0xbf])
}
