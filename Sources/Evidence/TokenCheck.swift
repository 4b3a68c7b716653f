import Ciphers
import Consensus
import Primitives

/// Row 10: a token says "not later than", so it must not be older than its block; who once had the keys of a former quorum cannot
/// have one for a branch forged since.
func checkTokens(
    _ file: EvidenceFile, _ chain: SealedChain, _ network: Network, _ authorities: TimeStampAuthorities?, _ details: inout [String]
) throws(EvidenceFailure) -> [Verdict.Stamp] {
    var stamps: [Verdict.Stamp] = [], i = 0
    for ((sealed, time), entry) in zip(zip(chain.headers, chain.times), file.headers) {
        let block = sealed.header.number
        guard let authorities else {
            if !entry.tokens.isEmpty {
                details.append("block \(block): \(entry.tokens.count) tokens, not checked: no roots of authorities were given")
            }
            continue
        }
        for token in entry.tokens {
            let stamp: TimeStamp
            do throws(TimeStampError) { stamp = try TimeStamp(checking: token, of: sealed.hash, by: authorities) } catch {
                throw .tokenInvalid(i, error)
            }
            guard stamp.timeMilliseconds + network.configuration.clockToleranceMilliseconds >= time else { throw .tokenTime(i) }
            stamps.append(.init(block: block, stamp: stamp))
            details.append("block \(block): known to \(stamp.authority) at \(Verdict.time(stamp.timeMilliseconds))")
            i += 1
        }
    }
    for change in chain.changes {
        details.append(
            "block \(change.block): its change of validators is \(stamps.contains { $0.block == change.block } ? "" : "not ")covered by a token"
        )
    }
    if chain.changes.isEmpty { details.append("no change of validators") }
    return stamps
}
