import Consensus
import Testing

// One script a rule of chain-rules §5.3–5.6. Read them aloud.

@Test func aBlockIsPreparedCommittedAndDecided() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        C prepares X in round 0
        A prepares X in round 0
        > saves its lock on X of round 0 prepared by A B C
        > commits X in round 0
        C commits X in round 0
        D commits X in round 0
        > decides X in round 0 sealed by B C D
        """)
}

@Test func theProposerBuildsWhenTransactionsWait() throws {
    try Script(we: "A").play(
        """
        transactions wait
        batch time over
        > builds a block in round 0
        we built X
        > proposes X in round 0
        > prepares X in round 0
        B prepares X in round 0
        D prepares X in round 0
        > saves its lock on X of round 0 prepared by A B D
        > commits X in round 0
        """)
}

@Test func votesThatComeBeforeTheirBlockAreKept() throws {
    try Script(we: "B").play(
        """
        C prepares X in round 0
        D prepares X in round 0
        C commits X in round 0
        D commits X in round 0
        A commits X in round 0
        """)
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        A commits X in round 0
        C commits X in round 0
        D commits X in round 0
        X is valid
        > prepares X in round 0
        > decides X in round 0 sealed by A C D
        """)
}

@Test func onlyTheProposerOfItsRoundProposes() throws {
    try Script(we: "B").play(
        """
        C proposes X in round 0
        > blames C: notProposer
        """)
}

@Test func anInvalidFreshBlockIsNotPrepared() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is invalid
        > blames A: invalidBlock(\(try Script.hashOfX()))
        round over
        > saves that it may sign in round 1
        > changes to round 1
        """)
}

@Test func aBlockFromTheFutureIsLeftAlone() throws {
    try Script(we: "B").play(
        """
        A proposes W in round 0
        """)
}

@Test func afterATimeoutTheNextProposerStartsAfresh() throws {
    try Script(we: "B").play(
        """
        transactions wait
        round over
        > saves that it may sign in round 1
        > changes to round 1
        C changes to round 1
        D changes to round 1
        > builds a block in round 1
        we built X
        > proposes X in round 1
        > prepares X in round 1
        """)
}

@Test func aLockTravelsWithItsHolderAndIsProposedAgain() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        A prepares X in round 0
        C prepares X in round 0
        > saves its lock on X of round 0 prepared by A B C
        > commits X in round 0
        round over
        > saves that it may sign in round 1
        > changes to round 1 holding X of round 0
        C changes to round 1
        D changes to round 1
        > proposes X in round 1 again
        > prepares X in round 1
        """)
}

@Test func theHighestLockOfOthersIsProposedNotAFreshBlock() throws {
    try Script(we: "B").play(
        """
        A prepares X in round 0
        C changes to round 1 holding X of round 0 prepared by A C D
        round over
        > saves that it may sign in round 1
        > changes to round 1
        D changes to round 1
        > asks whether X is valid
        X is valid
        > proposes X in round 1 again
        > prepares X in round 1
        """)
}

@Test func aLiarWhoBringsALockAndLeavesDoesNotTakeItAlong() throws {
    try Script(we: "B").play(
        """
        C prepares X in round 0
        A changes to round 9 holding X of round 0 prepared by A C D
        C changes to round 1 holding X of round 0 prepared by A C D
        > saves that it may sign in round 1
        > changes to round 1
        D changes to round 1
        > asks whether X is valid
        X is valid
        > proposes X in round 1 again
        > prepares X in round 1
        """)
    try Script(we: "B").play(
        """
        C prepares X in round 0
        A changes to round 1 holding X of round 0 prepared by A C D
        C changes to round 1 holding X of round 0 prepared by A C D
        > saves that it may sign in round 1
        > changes to round 1
        > asks whether X is valid
        A changes to round 9
        D changes to round 1
        X is valid
        > proposes X in round 1 again
        > prepares X in round 1
        """)
}

@Test func aLockWithoutItsQuorumIsDropped() throws {
    try Script(we: "B").play(
        """
        A prepares X in round 0
        C changes to round 1 holding X of round 0 prepared by A C
        > blames C: lockInvalid
        D changes to round 1 holding X of round 0 prepared by A C C
        > blames D: lockInvalid
        """)
}

@Test func aLaterProposalNeedsAQuorumOfRoundChanges() throws {
    try Script(we: "A").play(
        """
        B proposes X in round 1 because B C
        > blames B: unjustified
        B proposes X in round 1 because B C C
        > blames B: unjustified
        B proposes X in round 1 because B C D
        > asks whether X is valid
        X is valid
        > saves that it may sign in round 1
        > prepares X in round 1
        """)
}

@Test func aPreparedBlockCannotBeReplaced() throws {
    try Script(we: "A").play(
        """
        C prepares X in round 0
        B proposes Y in round 1 because B C D changed, holding X of round 0 prepared by B C D
        > blames B: unjustified
        B proposes X in round 1 because B C D changed, holding X of round 0 prepared by B C
        > blames B: unjustified
        B proposes X in round 1 because B C D changed, holding X of round 0 prepared by B C D
        > asks whether X is valid
        X is valid
        > saves that it may sign in round 1
        > prepares X in round 1
        """)
}

@Test func aQuorumForAnInvalidBlockStopsTheNode() throws {
    try Script(we: "A").play(
        """
        C prepares X in round 0
        B proposes X in round 1 because B C D changed, holding X of round 0 prepared by B C D
        > asks whether X is valid
        X is invalid
        > stops: a quorum stands for an invalid block
        D commits X in round 0
        """)
}

@Test func twoOthersAheadAreFollowedOneIsNot() throws {
    try Script(we: "B").play(
        """
        C changes to round 7
        D changes to round 4294967295
        > saves that it may sign in round 7
        > changes to round 7
        """)
    try Script(we: "B").play(
        """
        D changes to round 4294967295
        """)
}

@Test func aJustifiedProposalPullsOneIntoItsRound() throws {
    try Script(we: "D").play(
        """
        C proposes X in round 2 because A B C
        > asks whether X is valid
        X is valid
        > saves that it may sign in round 2
        > prepares X in round 2
        """)
}

@Test func commitsOfAnyRoundDecide() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        round over
        > saves that it may sign in round 1
        > changes to round 1
        A commits X in round 0
        C commits X in round 0
        D commits X in round 0
        > decides X in round 0 sealed by A C D
        """)
}

@Test func commitsOfDifferentRoundsAreNotAddedUp() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        A commits X in round 0
        C commits X in round 1
        D commits X in round 2
        """)
}

@Test func aSealOverAnotherRoundDoesNotCount() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        A commits X sealing another round 0
        C commits X in round 0
        D commits X in round 0
        > blames A: invalidSignature
        A commits X in round 0
        > decides X in round 0 sealed by A C D
        """)
}

@Test func twoVotesOfOneValidatorAreEvidence() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        A proposes Y in round 0
        > has evidence against A: two proposal in round 0
        C prepares X in round 0
        C prepares X in round 0
        C prepares Y in round 0
        > has evidence against C: two prepare in round 0
        C prepares Z in round 0
        """)
}

@Test func afterACrashItStaysSilentInTheRoundItMayHaveSpokenIn() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        we crash
        > saves that it may sign in round 1
        > changes to round 1
        A proposes X in round 0
        """)
}

@Test func afterACrashTheCommitOfTheLockIsSaidAgain() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        A prepares X in round 0
        C prepares X in round 0
        > saves its lock on X of round 0 prepared by A B C
        > commits X in round 0
        we crash
        > commits X in round 0
        > saves that it may sign in round 1
        > changes to round 1 holding X of round 0
        """)
}

@Test func afterACleanStopNothingIsSkippedAndNothingContradicted() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        we stop cleanly
        > saves that it may sign in round 0
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        A prepares X in round 0
        C prepares X in round 0
        > saves its lock on X of round 0 prepared by A B C
        > commits X in round 0
        """)
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        we stop cleanly
        > saves that it may sign in round 0
        A proposes Y in round 0
        > asks whether Y is valid
        Y is valid
        we crash
        > saves that it may sign in round 1
        > changes to round 1
        """)
}

@Test func aPeerThatReconnectsHearsTheNewestOfEach() throws {
    try Script(we: "B").play(
        """
        A proposes X in round 0
        > asks whether X is valid
        X is valid
        > prepares X in round 0
        round over
        > saves that it may sign in round 1
        > changes to round 1
        C reconnects
        > tells C: prepares X in round 0
        > tells C: changes to round 1
        """)
}

@Test func theClockOfALaterRoundWaitsForAQuorum() throws {
    try Script(we: "B").play(
        """
        show timers
        transactions wait
        > waits 1000 ms for round 0
        round over
        > saves that it may sign in round 1
        > changes to round 1
        > waits 5000 ms for repeating itself
        C changes to round 1
        D changes to round 1
        > builds a block in round 1
        > waits 1000 ms for round 1
        """)
}

@Test func whoClaimedTheLastRoundAndLeftIsNotCounted() throws {
    try Script(we: "B").play(
        """
        show timers
        transactions wait
        > waits 1000 ms for round 0
        D changes to round 4294967295
        D leaves
        round over
        > saves that it may sign in round 1
        > changes to round 1
        > waits 5000 ms for repeating itself
        C changes to round 1
        D reconnects
        > tells D: changes to round 1
        > waits 1000 ms for round 1
        """)
}

@Test func nobodyWaitsLongForAProposerWhoIsNotThere() throws {
    try Script(we: "B").play(
        """
        show timers
        A leaves
        transactions wait
        > waits 100 ms for round 0
        """)
    try Script(we: "C").play(
        """
        show timers
        transactions wait
        > waits 1000 ms for round 0
        A leaves
        > waits 100 ms for round 0
        """)
}
