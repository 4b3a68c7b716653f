import Primitives

/// The object of `eth_call`, `eth_estimateGas` and `eth_createAccessList`: a transaction that nobody signed.
package struct CallRequest: Equatable, Sendable {
    package var sender: Address
    /// `gasLimit` 0: not given, as much as a block allows.
    package var payload: TransactionPayload

    package init(sender: Address = .zero, payload: TransactionPayload) {
        self.sender = sender
        self.payload = payload
    }

    package init(_ json: JSON) throws(RPCError) {
        guard case .object(let members) = json else { throw .invalidParameters("a transaction object is expected") }
        func field<T>(_ name: String, _ read: (JSON, String) throws(RPCError) -> T) throws(RPCError) -> T? {
            guard let value = members[name], value != .null else { return nil }
            return try read(value, name)
        }
        let data = try field("data", Field.data), input = try field("input", Field.data)
        if let data, let input, data != input { throw .invalidParameters("both data and input are given and differ; use input") }
        let gasPrice = try field("gasPrice", Field.quantity), maxFee = try field("maxFeePerGas", Field.quantity)
        let tip = try field("maxPriorityFeePerGas", Field.quantity)
        guard gasPrice == nil || (maxFee == nil && tip == nil) else {
            throw .invalidParameters("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
        }
        if let maxFee, let tip, tip > maxFee {
            throw .invalidParameters("maxFeePerGas (\(maxFee)) < maxPriorityFeePerGas (\(tip))")
        }
        var payload = TransactionPayload(
            kind: .dynamicFee, chainId: try field("chainId", Field.quantity), nonce: try field("nonce", Field.number) ?? 0,
            maxPriorityFeePerGas: gasPrice ?? tip ?? .zero, maxFeePerGas: gasPrice ?? maxFee ?? tip ?? .zero,
            gasLimit: try field("gas", Field.number) ?? 0, to: try field("to", Field.address),
            value: try field("value", Field.quantity) ?? .zero, data: input ?? data ?? [])
        for entry in try field("accessList", Field.list) ?? [] { payload.accessList.append(try AccessListEntry(entry)) }
        for entry in try field("authorizationList", Field.list) ?? [] { payload.authorizations.append(try Authorization(entry)) }
        for hash in try field("blobVersionedHashes", Field.list) ?? [] {
            payload.blobHashes.append(try Field.hash(hash, "blobVersionedHashes"))
        }
        payload.maxFeePerBlobGas = try field("maxFeePerBlobGas", Field.quantity) ?? .zero
        payload.kind =
            !payload.authorizations.isEmpty
            ? .setCode
            : !payload.blobHashes.isEmpty
                ? .blob
                : gasPrice == nil ? .dynamicFee : payload.accessList.isEmpty ? .legacy : .accessList
        self.init(sender: try field("from", Field.address) ?? .zero, payload: payload)
    }

    package var json: JSON {
        var members: [String: JSON] = ["from": JSON(sender), "input": JSON(payload.data), "value": .quantity(payload.value)]
        if let to = payload.to { members["to"] = JSON(to) }
        if payload.gasLimit > 0 { members["gas"] = .quantity(payload.gasLimit) }
        if payload.kind == .legacy || payload.kind == .accessList {
            members["gasPrice"] = .quantity(payload.maxFeePerGas)
        } else if !payload.maxFeePerGas.isZero {
            members["maxFeePerGas"] = .quantity(payload.maxFeePerGas)
            members["maxPriorityFeePerGas"] = .quantity(payload.maxPriorityFeePerGas)
        }
        if !payload.accessList.isEmpty { members["accessList"] = .array(payload.accessList.map(\.json)) }
        if !payload.authorizations.isEmpty { members["authorizationList"] = .array(payload.authorizations.map(\.json)) }
        return .object(members)
    }
}

/// The filter object of `eth_getLogs`, `eth_newFilter` and `eth_subscribe("logs")`.
package struct LogQuery: Equatable, Sendable {
    package enum Range: Equatable, Sendable {
        case blocks(from: BlockReference?, to: BlockReference?)
        case block(Hash32)
    }
    package var range: Range
    /// Empty: any.
    package var addresses: [Address]
    /// One entry a position; an empty one: any.
    package var topics: [[Hash32]]

    package static let maximumAddresses = 1_000, maximumTopics = 4, maximumAlternatives = 1_000

    package init(range: Range = .blocks(from: nil, to: nil), addresses: [Address] = [], topics: [[Hash32]] = []) {
        self.range = range
        self.addresses = addresses
        self.topics = topics
    }

    package init(_ json: JSON) throws(RPCError) {
        guard case .object(let all) = json else { throw .invalidParameters("a filter object is expected") }
        let members = all.filter { $0.value != .null }
        if let hash = members["blockHash"] {
            guard members["fromBlock"] == nil, members["toBlock"] == nil else {
                throw .invalidParameters("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
            }
            range = .block(try Field.hash(hash, "blockHash"))
        } else {
            var ends: [BlockReference?] = []
            for name in ["fromBlock", "toBlock"] {
                if let end = members[name] { ends.append(try BlockReference(end)) } else { ends.append(nil) }
            }
            range = .blocks(from: ends[0], to: ends[1])
        }
        addresses = []
        switch members["address"] {
        case nil: break
        case .array(let list)?:
            guard list.count <= LogQuery.maximumAddresses else {
                throw .limitExceeded("more than \(LogQuery.maximumAddresses) addresses")
            }
            for entry in list { addresses.append(try Field.address(entry, "address")) }
        case let one?: addresses = [try Field.address(one, "address")]
        }
        topics = []
        let positions = try Field.list(members["topics"] ?? [], "topics")
        guard positions.count <= LogQuery.maximumTopics else { throw .limitExceeded("more than \(LogQuery.maximumTopics) topics") }
        for position in positions {
            switch position {
            case .null: topics.append([])
            case .array(let alternatives):
                guard alternatives.count <= LogQuery.maximumAlternatives else {
                    throw .limitExceeded("more than \(LogQuery.maximumAlternatives) alternatives for a topic")
                }
                var hashes: [Hash32] = []
                // A null among alternatives accepts anything.
                if !alternatives.contains(.null) { for entry in alternatives { hashes.append(try Field.hash(entry, "topics")) } }
                topics.append(hashes)
            default: topics.append([try Field.hash(position, "topics")])
            }
        }
    }

    package func matches(_ log: Log) -> Bool {
        (addresses.isEmpty || addresses.contains(log.address)) && topics.count <= log.topics.count
            && zip(topics, log.topics).allSatisfy { $0.isEmpty || $0.contains($1) }
    }

    package var json: JSON {
        var members: [String: JSON] = [:]
        switch range {
        case .block(let hash): members["blockHash"] = JSON(hash)
        case .blocks(let from, let to):
            if let from { members["fromBlock"] = from.json }
            if let to { members["toBlock"] = to.json }
        }
        if !addresses.isEmpty { members["address"] = .array(addresses.map { JSON($0) }) }
        if !topics.isEmpty { members["topics"] = .array(topics.map { $0.isEmpty ? .null : .array($0.map { JSON($0) }) }) }
        return .object(members)
    }
}
