import Ciphers
import Consensus
import Evidence
import Primitives
import Testing

private func hash(_ file: EvidenceFile, _ i: Int) throws -> Hash32 {
    let header = try Header(RLP.decode(file.headers[i].header))
    return header.hash(try ExtraData(decoding: header.extraData))
}

@Suite(.enabled(if: Authority.openssl != nil), .timeLimit(.minutes(2))) struct TokenTests {
    @Test func aTokenCoversTheChangeThatItIsOver() throws {
        let authority = try Authority(), roots = try authority.roots(), made = try World.record()
        var file = made.file
        file.headers[0].tokens = [try authority.token(try hash(file, 0))]
        let verdict = Evidence.verify(file.encoded, expectedGenesis: made.world.genesisHash, authorities: roots)
        let chain = try #require(verdict.claim?.chain)
        #expect(chain.changes.map(\.block) == [2, 4])
        #expect(chain.stamp(of: chain.changes[0])?.stamp.authority == "/CN=A clock" && chain.stamp(of: chain.changes[1]) == nil)
        #expect(
            verdict.steps.last?.details.suffix(2) == [
                "block 2: its change of validators is covered by a token", "block 4: its change of validators is not covered by a token",
            ])
        // Without roots the token is not believed, and says so.
        let alone = Evidence.verify(file.encoded, expectedGenesis: made.world.genesisHash)
        #expect(
            alone.claim?.chain.stamps == []
                && alone.steps.last?.details.first == "block 2: 1 tokens, not checked: no roots of authorities were given")
        #expect(try EvidenceFile(parsing: file.encoded) == file)
    }

    /// Failure at row 10 of a file whose second token, over block 5, is this.
    private func failure(
        _ made: (world: World, file: EvidenceFile), _ authority: Authority, _ token: Bytes, _ foreign: inout ForeignVerifier
    ) throws -> EvidenceFailure? {
        var file = made.file
        file.headers[2].tokens = [token]
        file.headers[1].tokens = [try authority.token(try hash(file, 1))]
        let verdict = Evidence.verify(file.encoded, expectedGenesis: made.world.genesisHash, authorities: try authority.roots())
        #expect(verdict.steps.last?.row == "10")
        foreign.note(file.encoded, made.world.genesisHash, roots: authority.rootFile, verdict)
        return verdict.failure
    }

    @Test func aTokenThatDoesNotHoldIsNamed() throws {
        let authority = try Authority(), other = try Authority(), made = try World.record(), right = try hash(made.file, 2)
        var foreign = ForeignVerifier()
        #expect(try failure(made, authority, try authority.token(right), &foreign) == nil)
        #expect(try failure(made, authority, try authority.token(try hash(made.file, 0)), &foreign) == .tokenInvalid(1, .foreignImprint))
        #expect(try failure(made, authority, try other.token(right), &foreign) == .tokenInvalid(1, .notSigned))
        #expect(try failure(made, authority, try authority.token(right, digest: "sha384"), &foreign) == .tokenInvalid(1, .unsupportedForm))
        #expect(try failure(made, authority, [0x30, 0], &foreign) == .tokenInvalid(1, .malformed))
        for authority in [try Authority(until: "20200101000000Z"), try Authority(purpose: "codeSigning")] {
            var file = made.file
            // An authority of openssl may itself refuse to work with such a certificate.
            guard let token = try? authority.token(right) else { continue }
            file.headers[2].tokens = [token]
            let verdict = Evidence.verify(file.encoded, expectedGenesis: made.world.genesisHash, authorities: try authority.roots())
            #expect(verdict.failure == .tokenInvalid(0, .notSigned))
        }
        try foreign.compare()
    }

    @Test func aTokenOlderThanItsBlockIsNamed() throws {
        let authority = try Authority(), made = try World.record(.init(time: 4_000_000_000))
        var file = made.file
        file.headers[2].tokens = [try authority.token(try hash(file, 2))]
        let verdict = Evidence.verify(file.encoded, expectedGenesis: made.world.genesisHash, authorities: try authority.roots())
        #expect(verdict.failure == .tokenTime(0) && verdict.steps.last?.row == "10")
        var foreign = ForeignVerifier()
        foreign.note(file.encoded, made.world.genesisHash, roots: authority.rootFile, verdict)
        try foreign.compare()
    }
}
