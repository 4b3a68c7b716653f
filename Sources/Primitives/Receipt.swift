/// What a contract told the world: at most four topics and free data.
public struct Log: Sendable, Hashable {
    public var address: Address
    public var topics: [Hash32]
    public var data: Bytes

    public init(address: Address, topics: [Hash32], data: Bytes) {
        self.address = address
        self.topics = topics
        self.data = data
    }

    func encode(into list: inout RLP.Encoder) {
        list.appendList {
            $0.append(address)
            $0.appendList { inner in topics.forEach { inner.append($0) } }
            $0.append(data)
        }
    }
    public init(_ item: RLP.Item) throws(RLPError) {
        let f = try item.asList(count: 3)
        address = try f[0].asAddress
        topics = []
        for topic in try f[1].asList { topics.append(try topic.asHash) }
        data = try f[2].asBytes
    }
}

/// The receipt that the receipts root commits to (EIP-658, EIP-2718).
public struct Receipt: Sendable, Equatable {
    public var type: UInt8
    public var succeeded: Bool
    /// Of this transaction and all before it in the block.
    public var cumulativeGasUsed: UInt64
    public var bloom: Bloom
    public var logs: [Log]

    public init(type: UInt8, succeeded: Bool, cumulativeGasUsed: UInt64, bloom: Bloom, logs: [Log]) {
        self.type = type
        self.succeeded = succeeded
        self.cumulativeGasUsed = cumulativeGasUsed
        self.bloom = bloom
        self.logs = logs
    }

    public var encoded: Bytes {
        let payload = RLP.encodeList {
            $0.append(succeeded ? [1] : [])
            $0.append(cumulativeGasUsed)
            $0.append(bloom.bytes)
            $0.appendList { list in logs.forEach { $0.encode(into: &list) } }
        }
        return type == 0 ? payload : [type] + payload
    }

    public init(encoded: Bytes) throws(RLPError) {
        guard let first = encoded.first else { throw .truncated(at: 0) }
        type = first < 0x80 ? first : 0
        let f = try RLP.decode(type == 0 ? encoded : Bytes(encoded.dropFirst())).asList(count: 4)
        let status = try f[0].asBytes
        guard status.isEmpty || status == [1] else { throw .integer(maximumBytes: 1) }
        succeeded = !status.isEmpty
        cumulativeGasUsed = try f[1].asUInt64
        bloom = try Bloom(rlp: f[2])
        logs = []
        for log in try f[3].asList { logs.append(try Log(log)) }
    }
}
