import Primitives

/// The packed words of `Market.job`.
package struct JobWords: Sendable, Equatable {
    package let requester: Address
    package let state: JobState?
    package let attempt: UInt8
    package let until: UInt64
    package let deadline: UInt64
    package let opened: UInt64
    package let fee: U256

    /// - Parameter value: the four words.
    package init(_ value: ABI.Value) {
        let head = value[0].asWord, times = value[1].asWord
        func bits(_ word: U256, _ shift: UInt64, _ width: UInt64) -> UInt64 { word.shiftedRight(shift).l0 & (UInt64(1) << width - 1) }
        requester = Address(last20: head.hash)
        state = JobState(rawValue: bits(head, 160, 8))
        attempt = UInt8(bits(head, 168, 8))
        (until, deadline, opened) = (bits(times, 0, 48), bits(times, 48, 48), bits(times, 96, 48))
        // seatFee 88 | bond 88 in the third word, fee in the fourth: see `_job` of Market.
        fee = value[3].asWord & (U256.one.shiftedLeft(88) &- .one)
    }
}
