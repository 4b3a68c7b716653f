/// A block header: the fields of Ethereum in Prague's order. Those that a fork added are nil in headers before it.
public struct Header: Sendable, Equatable {
    public var parentHash: Hash32
    public var ommersHash: Hash32 = Header.noOmmers
    public var beneficiary: Address
    public var stateRoot: Hash32
    public var transactionsRoot: Hash32
    public var receiptsRoot: Hash32
    public var logsBloom: Bloom
    public var difficulty: U256
    public var number: UInt64
    public var gasLimit: UInt64
    public var gasUsed: UInt64
    /// Seconds since 1970.
    public var timestamp: UInt64
    public var extraData: Bytes
    public var mixHash: Hash32
    /// 8 bytes, big-endian.
    public var nonce: UInt64
    public var baseFeePerGas: U256?
    public var withdrawalsRoot: Hash32?
    public var blobGasUsed: UInt64?
    public var excessBlobGas: UInt64?
    public var parentBeaconBlockRoot: Hash32?
    public var requestsHash: Hash32?

    public init(
        parentHash: Hash32, beneficiary: Address, stateRoot: Hash32, transactionsRoot: Hash32, receiptsRoot: Hash32, logsBloom: Bloom,
        difficulty: U256, number: UInt64, gasLimit: UInt64, gasUsed: UInt64, timestamp: UInt64, extraData: Bytes, mixHash: Hash32,
        nonce: UInt64,
        baseFeePerGas: U256? = nil, withdrawalsRoot: Hash32? = nil, blobGasUsed: UInt64? = nil, excessBlobGas: UInt64? = nil,
        parentBeaconBlockRoot: Hash32? = nil, requestsHash: Hash32? = nil
    ) {
        self.parentHash = parentHash
        self.beneficiary = beneficiary
        self.stateRoot = stateRoot
        self.transactionsRoot = transactionsRoot
        self.receiptsRoot = receiptsRoot
        self.logsBloom = logsBloom
        self.difficulty = difficulty
        self.number = number
        self.gasLimit = gasLimit
        self.gasUsed = gasUsed
        self.timestamp = timestamp
        self.extraData = extraData
        self.mixHash = mixHash
        self.nonce = nonce
        self.baseFeePerGas = baseFeePerGas
        self.withdrawalsRoot = withdrawalsRoot
        self.blobGasUsed = blobGasUsed
        self.excessBlobGas = excessBlobGas
        self.parentBeaconBlockRoot = parentBeaconBlockRoot
        self.requestsHash = requestsHash
    }

    /// H(RLP([])): the ommers of a block that has none.
    public static let noOmmers = Hash32(hex: "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")!
    /// Root of the empty trie, H(RLP("")).
    public static let emptyRoot = Hash32(hex: "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")!
    /// sha256(""): EIP-7685 without requests.
    public static let noRequests = Hash32(hex: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")!
}

extension Header {
    public func encode(into list: inout RLP.Encoder) {
        list.appendList { encodeFields(into: &$0) }
    }
    public var encoded: Bytes { RLP.encodeList { encodeFields(into: &$0) } }

    private func encodeFields(into list: inout RLP.Encoder) {
        list.append(parentHash)
        list.append(ommersHash)
        list.append(beneficiary)
        list.append(stateRoot)
        list.append(transactionsRoot)
        list.append(receiptsRoot)
        list.append(logsBloom.bytes)
        list.append(difficulty)
        list.append(number)
        list.append(gasLimit)
        list.append(gasUsed)
        list.append(timestamp)
        list.append(extraData)
        list.append(mixHash)
        list.append((0..<8).reversed().map { UInt8(truncatingIfNeeded: nonce >> (8 * UInt64($0))) })
        guard let baseFeePerGas else { return }
        list.append(baseFeePerGas)
        guard let withdrawalsRoot else { return }
        list.append(withdrawalsRoot)
        guard let blobGasUsed, let excessBlobGas, let parentBeaconBlockRoot else { return }
        list.append(blobGasUsed)
        list.append(excessBlobGas)
        list.append(parentBeaconBlockRoot)
        guard let requestsHash else { return }
        list.append(requestsHash)
    }

    /// A header of any fork: 15, 16, 17, 20 or 21 fields.
    public init(_ item: RLP.Item) throws(RLPError) {
        let f = try item.asList
        guard [15, 16, 17, 20, 21].contains(f.count) else { throw .countMismatch(expected: 21, found: f.count) }
        let nonce = try f[14].asBytes
        guard nonce.count == 8 else { throw .lengthMismatch(expected: 8, found: nonce.count) }
        self.init(
            parentHash: try f[0].asHash, beneficiary: try f[2].asAddress, stateRoot: try f[3].asHash, transactionsRoot: try f[4].asHash,
            receiptsRoot: try f[5].asHash, logsBloom: try Bloom(rlp: f[6]), difficulty: try f[7].asU256, number: try f[8].asUInt64,
            gasLimit: try f[9].asUInt64, gasUsed: try f[10].asUInt64, timestamp: try f[11].asUInt64, extraData: try f[12].asBytes,
            mixHash: try f[13].asHash, nonce: nonce.reduce(0) { $0 << 8 | UInt64($1) })
        ommersHash = try f[1].asHash
        if f.count > 15 { baseFeePerGas = try f[15].asU256 }
        if f.count > 16 { withdrawalsRoot = try f[16].asHash }
        if f.count > 17 { (blobGasUsed, excessBlobGas, parentBeaconBlockRoot) = (try f[17].asUInt64, try f[18].asUInt64, try f[19].asHash) }
        if f.count > 20 { requestsHash = try f[20].asHash }
    }
}

/// 2,048 bits in which the addresses and topics of logs leave three marks each (yellow paper §4.3.1).
public struct Bloom: Sendable, Hashable {
    /// 256 bytes.
    public private(set) var bytes: Bytes

    public init() { bytes = Bytes(repeating: 0, count: 256) }
    public init?(_ bytes: Bytes) {
        guard bytes.count == 256 else { return nil }
        self.bytes = bytes
    }
    init(rlp item: RLP.Item) throws(RLPError) {
        let bytes = try item.asBytes
        guard let bloom = Bloom(bytes) else { throw .lengthMismatch(expected: 256, found: bytes.count) }
        self = bloom
    }

    /// Marks what hashes (keccak-256) to `hash`.
    public mutating func insert(hash: Hash32) {
        for i in [0, 2, 4] {
            let index = (Int(hash[i]) << 8 | Int(hash[i + 1])) & 2047
            bytes[255 - index / 8] |= 1 << UInt8(index % 8)
        }
    }
    public mutating func formUnion(_ other: Bloom) {
        for i in 0..<256 { bytes[i] |= other.bytes[i] }
    }
    /// False only if nothing with this hash was inserted.
    public func mayContain(hash: Hash32) -> Bool {
        [0, 2, 4].allSatisfy { i in
            let index = (Int(hash[i]) << 8 | Int(hash[i + 1])) & 2047
            return bytes[255 - index / 8] & 1 << UInt8(index % 8) != 0
        }
    }
}
