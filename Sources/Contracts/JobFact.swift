import Ciphers
import Primitives

/// One line of a job's bill as Market packs it: payee 160 bits, amount 88, index 4, kind 4, high to low.
package struct JobLine: Sendable, Equatable {
    package enum Kind: UInt8, Sendable, CaseIterable { case data = 1, model, program, levy, seat }

    package let payee: Address
    package let amount: U256
    /// Of the use that the line pays, or of the seat.
    package let index: UInt8
    package let kind: Kind

    package init?(_ word: U256) {
        guard let kind = Kind(rawValue: UInt8(word.l0 & 15)) else { return nil }
        self.kind = kind
        index = UInt8(word.l0 >> 4 & 15)
        amount = word.shiftedRight(8) & U256(.max, 0xff_ffff, 0, 0)
        payee = Address(last20: word.shiftedRight(96).hash)
    }
    package init(payee: Address, amount: U256, index: UInt8, kind: Kind) {
        precondition(amount.bitWidth <= 88 && index < 16)
        (self.payee, self.amount, self.index, self.kind) = (payee, amount, index, kind)
    }
    package var word: U256 { U256(payee).shiftedLeft(96) | amount.shiftedLeft(8) | U256(UInt64(index) << 4 | UInt64(kind.rawValue)) }
}

/// How a job ended, as the preimage of one word of Market's storage (job-protocol.md §10): one storage proof carries a job into
/// an evidence file.
package struct JobFact: Sendable, Equatable {
    package var job: U256
    package var state: JobState
    package var attempt: UInt64
    package var order: Hash32
    /// Zero where no attempt settled, as transcript and output.
    package var session: Hash32
    package var lines: [JobLine]
    package var transcript: Hash32
    package var output: Hash32
    /// Seconds: time of the block that ended it.
    package var timestamp: UInt64

    package init(
        job: U256, state: JobState, attempt: UInt64, order: Hash32, session: Hash32, lines: [JobLine], transcript: Hash32, output: Hash32,
        timestamp: UInt64
    ) {
        (self.job, self.state, self.attempt, self.order, self.session) = (job, state, attempt, order, session)
        (self.lines, self.transcript, self.output, self.timestamp) = (lines, transcript, output, timestamp)
    }

    /// What `fact(job)` answers.
    package var hash: Hash32 {
        keccak256(
            [
                job, U256(state.rawValue), U256(attempt), U256(order), U256(session), U256(hashList(lines.map(\.word.hash))),
                U256(transcript), U256(output),
                U256(timestamp),
            ].flatMap(\.bytes))
    }
    /// Where Market keeps it: its first declaration, and Vyper hashes slot before key.
    package static func slot(of job: U256) -> Hash32 { keccak256(U256.zero.bytes + job.bytes) }
}
