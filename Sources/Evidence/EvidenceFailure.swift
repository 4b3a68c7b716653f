import Ciphers
import Consensus
import Primitives

/// Failures of chain-rules §15, by row; `n` is a block number. The first one in the order of the table is the verdict.
package enum EvidenceFailure: Error, Equatable, Sendable {
    // 1
    case malformed(path: String)
    // 2
    case foreignGenesis(expected: Hash32, found: Hash32)
    case configurationMismatch(expected: Hash32, found: Hash32)
    case notFinal
    // 3, 4
    case follow(FollowError)
    // 5
    case receiptPath(block: UInt64, index: UInt64)
    case receiptReverted(block: UInt64, index: UInt64)
    case logAbsent(event: String)
    case accountPath(block: UInt64)
    case storagePath(block: UInt64)
    // 6a, 7a
    case leafMismatch(expected: Hash32, found: Hash32)
    case treePath(expected: Hash32, found: Hash32)
    /// Chunks count from 0; one more than the last: the original is longer or shorter than what was recorded.
    case contentMismatch(chunk: Int)
    case endorsementInvalid(Int)
    // 6b, 7b, 8b, 9b
    case factMismatch(expected: Hash32, found: Hash32)
    case notSettled(state: UInt64)
    case orderMismatch(expected: Hash32, found: Hash32)
    case sessionMismatch(field: String)
    case attestationMissing(seat: Int)
    case attestationForged(seat: Int)
    case sumMismatch(expected: U256, found: U256)
    case paymentAbsent(line: Int)
    // 10: tokens count from 0 through the file
    case tokenInvalid(Int, TimeStampError)
    case tokenTime(Int)
}

extension EvidenceFailure: CustomStringConvertible {
    /// Name as the table writes it, with values.
    package var description: String {
        switch self {
        case .malformed(let path): "malformed(\(path))"
        case .foreignGenesis(let expected, let found): "foreignGenesis: expected \(expected), the file is of \(found)"
        case .configurationMismatch(let expected, let found):
            "configurationMismatch: genesis names \(expected), the file's config hashes to \(found)"
        case .notFinal: "notFinal: blocks of a public chain are never final"
        case .follow(let error): Self.text(error)
        case .receiptPath(let n, let index): "receiptPath(\(n), \(index))"
        case .receiptReverted(let n, let index): "receiptReverted(\(n), \(index))"
        case .logAbsent(let event): "logAbsent(\(event))"
        case .accountPath(let n): "accountPath(\(n))"
        case .storagePath(let n): "storagePath(\(n))"
        case .leafMismatch(let expected, let found): "leafMismatch: expected \(expected), found \(found)"
        case .treePath(let expected, let found): "treePath: recorded root \(expected), the path leads to \(found)"
        case .contentMismatch(let chunk): "contentMismatch(\(chunk))"
        case .endorsementInvalid(let i): "endorsementInvalid(\(i))"
        case .factMismatch(let expected, let found): "factMismatch: the chain holds \(expected), the file's preimage hashes to \(found)"
        case .notSettled(let state): "notSettled: state \(state)"
        case .orderMismatch(let expected, let found): "orderMismatch: expected \(expected), the file's order hashes to \(found)"
        case .sessionMismatch(let field): "sessionMismatch(\(field))"
        case .attestationMissing(let seat): "attestationMissing(\(seat))"
        case .attestationForged(let seat): "attestationForged(\(seat))"
        case .sumMismatch(let expected, let found): "sumMismatch: expected \(expected), the lines give \(found)"
        case .paymentAbsent(let line): "paymentAbsent(\(line))"
        case .tokenInvalid(let i, let error): "tokenInvalid(\(i)): \(error)"
        case .tokenTime(let i): "tokenTime(\(i)): the token is older than its block"
        }
    }

    private static func text(_ error: FollowError) -> String {
        switch error {
        case .headerOrder(let n): "headerOrder(\(n))"
        case .headerConstant(let n, let field): "headerConstant(\(n), \(field.rawValue))"
        case .setUnknown(let n): "setUnknown(\(n))"
        case .sealCount(let n): "sealCount(\(n))"
        case .sealOrder(let n): "sealOrder(\(n))"
        case .sealForeign(let n): "sealForeign(\(n))"
        case .sealMalformed(let n): "sealMalformed(\(n))"
        case .nextSetMismatch(let n): "nextSetMismatch(\(n))"
        }
    }
}
