import Ciphers
import Primitives

/// What is signed around a job (job-protocol.md §4): EIP-712 structures of the domain `Entente Market`, version 1.
///
/// A digest binds chain and market by the domain, and job, attempt, order, inputs and seats by the structure, so no signature has
/// a meaning in two sessions. Golden digests come from eth-account, a library that shares nothing with this code.

/// A structure of EIP-712: its type with all types it refers to, and its members as words, dynamic ones already hashed.
package protocol SignedStructure {
    static var typeText: String { get }
    var members: [U256] { get }
}

extension SignedStructure {
    static var typeHash: Hash32 { keccak256(Bytes(typeText.utf8)) }
    package var hashStruct: Hash32 { keccak256(Self.typeHash.bytes + members.flatMap(\.bytes)) }
    /// What is signed and recovered.
    package func digest(in domain: MarketDomain) -> Hash32 { keccak256([0x19, 0x01] + domain.separator.bytes + hashStruct.bytes) }
}

package struct MarketDomain: Sendable, Equatable {
    package let chainId: UInt64
    package let market: Address
    package let separator: Hash32

    package init(chainId: UInt64, market: Address = ContractAddress.market) {
        self.chainId = chainId
        self.market = market
        let type = keccak256(Bytes("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)".utf8))
        let name = keccak256(Bytes("Entente Market".utf8)), version = keccak256(Bytes("1".utf8))
        separator = keccak256(type.bytes + name.bytes + version.bytes + U256(chainId).bytes + market.word.bytes)
    }
}

/// keccak of the words of a list: how EIP-712 takes an array of structures or words.
func hashList(_ hashes: [Hash32]) -> Hash32 { keccak256(hashes.flatMap(\.bytes)) }

package struct Use: SignedStructure, Sendable, Equatable {
    package var listing: UInt64
    package var terms: Hash32
    package var grant: UInt64
    package var units: UInt64
    package var budget: UInt64
    package var offerNonce: U256

    package init(listing: UInt64, terms: Hash32, grant: UInt64, units: UInt64 = 0, budget: UInt64 = 0, offerNonce: U256 = .zero) {
        (self.listing, self.terms, self.grant, self.units, self.budget, self.offerNonce) = (
            listing, terms, grant, units, budget, offerNonce
        )
    }
    package static let typeText = "Use(uint64 listing,bytes32 terms,uint64 grant,uint64 units,uint64 budget,uint256 offerNonce)"
    package var members: [U256] { [U256(listing), U256(terms), U256(grant), U256(units), U256(budget), offerNonce] }
    package var abi: ABI.Value { .tuple(members.map { .word($0) }) }
}

package struct Order: SignedStructure, Sendable, Equatable {
    package var requester: Address
    package var program: Hash32
    package var plan: Hash32
    package var purpose: UInt32
    package var profile: UInt8
    package var uses: [Use]
    package var readers: [Hash32]
    package var delivery: UInt8
    package var boxBytes: UInt32
    package var publicWords: UInt16
    package var callback: Address
    package var callbackGas: UInt32
    package var seatFee: U256
    package var bond: U256
    package var maximumFee: U256
    package var seatingSeconds: UInt32
    package var keepSeconds: UInt32
    package var deadline: UInt64
    package var nonce: U256

    package init(
        requester: Address, program: Hash32, plan: Hash32, purpose: UInt32, profile: UInt8, uses: [Use], readers: [Hash32],
        delivery: UInt8 = 0,
        boxBytes: UInt32, publicWords: UInt16 = 0, callback: Address = .zero, callbackGas: UInt32 = 0, seatFee: U256, bond: U256,
        maximumFee: U256,
        seatingSeconds: UInt32, keepSeconds: UInt32, deadline: UInt64, nonce: U256
    ) {
        self.requester = requester
        self.program = program
        self.plan = plan
        self.purpose = purpose
        self.profile = profile
        self.uses = uses
        self.readers = readers
        self.delivery = delivery
        self.boxBytes = boxBytes
        self.publicWords = publicWords
        self.callback = callback
        self.callbackGas = callbackGas
        self.seatFee = seatFee
        self.bond = bond
        self.maximumFee = maximumFee
        self.seatingSeconds = seatingSeconds
        self.keepSeconds = keepSeconds
        self.deadline = deadline
        self.nonce = nonce
    }

    package static let typeText = """
        Order(address requester,bytes32 program,bytes32 plan,uint32 purpose,uint8 profile,Use[] uses,bytes32[] readers,uint8 delivery,\
        uint32 boxBytes,uint16 publicWords,address callback,uint32 callbackGas,uint128 seatFee,uint128 bond,uint128 maximumFee,\
        uint32 seatingSeconds,uint32 keepSeconds,uint64 deadline,uint256 nonce)\(Use.typeText)
        """
    package var members: [U256] {
        [
            U256(requester), U256(program), U256(plan), U256(UInt64(purpose)), U256(UInt64(profile)),
            U256(hashList(uses.map(\.hashStruct))), U256(hashList(readers)),
            U256(UInt64(delivery)), U256(UInt64(boxBytes)), U256(UInt64(publicWords)), U256(callback), U256(UInt64(callbackGas)), seatFee,
            bond, maximumFee,
            U256(UInt64(seatingSeconds)), U256(UInt64(keepSeconds)), U256(deadline), nonce,
        ]
    }
    /// As the argument of `open`.
    package var abi: ABI.Value {
        var fields = members.map { ABI.Value.word($0) }
        fields[5] = .array(uses.map(\.abi))
        fields[6] = .array(readers.map { .bytes32($0) })
        return .tuple(fields)
    }
    package static let abiTypeText = """
        (address,bytes32,bytes32,uint32,uint8,(uint64,bytes32,uint64,uint64,uint64,uint256)[],bytes32[],uint8,uint32,uint16,address,uint32,\
        uint128,uint128,uint128,uint32,uint32,uint64,uint256)
        """
    /// What `abi` gives, decoded and checked by its type.
    package init(abi value: ABI.Value) {
        let f = value.asList
        self.init(
            requester: f[0].asAddress, program: f[1].asHash, plan: f[2].asHash, purpose: UInt32(f[3].asUInt64),
            profile: UInt8(f[4].asUInt64),
            uses: f[5].asList.map {
                Use(
                    listing: $0[0].asUInt64, terms: $0[1].asHash, grant: $0[2].asUInt64, units: $0[3].asUInt64, budget: $0[4].asUInt64,
                    offerNonce: $0[5].asWord)
            },
            readers: f[6].asList.map(\.asHash), delivery: UInt8(f[7].asUInt64), boxBytes: UInt32(f[8].asUInt64),
            publicWords: UInt16(f[9].asUInt64),
            callback: f[10].asAddress, callbackGas: UInt32(f[11].asUInt64), seatFee: f[12].asWord, bond: f[13].asWord,
            maximumFee: f[14].asWord,
            seatingSeconds: UInt32(f[15].asUInt64), keepSeconds: UInt32(f[16].asUInt64), deadline: f[17].asUInt64, nonce: f[18].asWord)
    }
}

package struct Offer: SignedStructure, Sendable, Equatable {
    package var listing: UInt64
    package var terms: Hash32
    package var requester: Address
    package var program: Hash32
    package var price: U256
    package var validUntil: UInt64
    package var nonce: U256

    package init(listing: UInt64, terms: Hash32, requester: Address, program: Hash32, price: U256, validUntil: UInt64, nonce: U256) {
        (self.listing, self.terms, self.requester, self.program) = (listing, terms, requester, program)
        (self.price, self.validUntil, self.nonce) = (price, validUntil, nonce)
    }
    package static let typeText =
        "Offer(uint64 listing,bytes32 terms,address requester,bytes32 program,uint128 price,uint64 validUntil,uint256 nonce)"
    package var members: [U256] { [U256(listing), U256(terms), U256(requester), U256(program), price, U256(validUntil), nonce] }
}

/// An owner's input, bound before the session exists.
package struct Input: SignedStructure, Sendable, Equatable {
    package var job: U256
    package var attempt: UInt8
    package var listing: UInt64
    package var commitment: Hash32
    /// Address of the member's session key: fresh in every attempt.
    package var key: Address
    package var cohort: Hash32
    package var rows: UInt64

    package init(job: U256, attempt: UInt8, listing: UInt64, commitment: Hash32, key: Address, cohort: Hash32, rows: UInt64) {
        (self.job, self.attempt, self.listing, self.commitment) = (job, attempt, listing, commitment)
        (self.key, self.cohort, self.rows) = (key, cohort, rows)
    }
    package static let typeText =
        "Input(uint256 job,uint8 attempt,uint64 listing,bytes32 commitment,address key,bytes32 cohort,uint64 rows)"
    package var members: [U256] { [job, U256(UInt64(attempt)), U256(listing), U256(commitment), U256(key), U256(cohort), U256(rows)] }
    package var abi: ABI.Value { .tuple(members.map { .word($0) }) }
    package static let abiTypeText = "(uint256,uint8,uint64,bytes32,address,bytes32,uint64)"
    package init(abi f: ABI.Value) {
        self.init(
            job: f[0].asWord, attempt: UInt8(f[1].asUInt64), listing: f[2].asUInt64, commitment: f[3].asHash, key: f[4].asAddress,
            cohort: f[5].asHash, rows: f[6].asUInt64)
    }
}

package struct Seat: SignedStructure, Sendable, Equatable {
    package var job: U256
    package var attempt: UInt8
    package var index: UInt8
    package var member: Address
    package var key: Address
    package var coin: Hash32

    package init(job: U256, attempt: UInt8, index: UInt8, member: Address, key: Address, coin: Hash32) {
        (self.job, self.attempt, self.index, self.member, self.key, self.coin) = (job, attempt, index, member, key, coin)
    }
    package static let typeText = "Seat(uint256 job,uint8 attempt,uint8 index,address member,address key,bytes32 coin)"
    package var members: [U256] { [job, U256(UInt64(attempt)), U256(UInt64(index)), U256(member), U256(key), U256(coin)] }
    package var abi: ABI.Value { .tuple(members.map { .word($0) }) }
    package static let abiTypeText = "(uint256,uint8,uint8,address,address,bytes32)"
    package init(abi f: ABI.Value) {
        self.init(
            job: f[0].asWord, attempt: UInt8(f[1].asUInt64), index: UInt8(f[2].asUInt64), member: f[3].asAddress, key: f[4].asAddress,
            coin: f[5].asHash)
    }
}

/// Binds one attempt of one job on one market of one chain, its order, inputs and committee. Its digest is *the* session.
package struct SessionStructure: SignedStructure, Sendable, Equatable {
    package var job: U256
    package var attempt: UInt8
    package var order: Hash32
    package var inputs: Hash32
    package var seats: Hash32

    /// - Parameters:
    ///   - inputs: in use order. - seats: in seat order.
    package init(job: U256, attempt: UInt8, order: Order, inputs: [Input], seats: [Seat]) {
        self.init(
            job: job, attempt: attempt, order: order.hashStruct, inputs: hashList(inputs.map(\.hashStruct)),
            seats: hashList(seats.map(\.hashStruct)))
    }
    package init(job: U256, attempt: UInt8, order: Hash32, inputs: Hash32, seats: Hash32) {
        (self.job, self.attempt, self.order, self.inputs, self.seats) = (job, attempt, order, inputs, seats)
    }
    package static let typeText = "Session(uint256 job,uint8 attempt,bytes32 order,bytes32 inputs,bytes32 seats)"
    package var members: [U256] { [job, U256(UInt64(attempt)), U256(order), U256(inputs), U256(seats)] }
}

/// The result as hashes: reader-major boxes, and parts of a public value.
package struct Output: SignedStructure, Sendable, Equatable {
    package var delivery: UInt8
    package var boxes: [Hash32]
    package var parts: [Hash32]

    package init(delivery: UInt8 = 0, boxes: [Hash32], parts: [Hash32] = []) {
        (self.delivery, self.boxes, self.parts) = (delivery, boxes, parts)
    }
    package static let typeText = "Output(uint8 delivery,bytes32[] boxes,bytes32[] parts)"
    package var members: [U256] { [U256(UInt64(delivery)), U256(hashList(boxes)), U256(hashList(parts))] }
}

/// A statement about one slot of a session. A key signs a slot once: two contents convict it.
package struct Claim: SignedStructure, Sendable, Equatable {
    package enum Kind: UInt8, Sendable, CaseIterable { case segment = 1, attest, delivery, message, box, key, coin, progress }

    package var session: Hash32
    package var kind: Kind
    package var index: U256
    package var content: Hash32

    package init(session: Hash32, kind: Kind, index: U256, content: Hash32) {
        (self.session, self.kind, self.index, self.content) = (session, kind, index, content)
    }
    package static let typeText = "Claim(bytes32 session,uint8 kind,uint256 index,bytes32 content)"
    package var members: [U256] { [U256(session), U256(UInt64(kind.rawValue)), index, U256(content)] }

    /// Content of ATTEST: `keccak256(abi.encode(transcript, hashStruct(Output)))`.
    package static func attestation(transcript: Hash32, output: Output) -> Hash32 { keccak256(transcript.bytes + output.hashStruct.bytes) }
}
