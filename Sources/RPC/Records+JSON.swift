import Primitives

extension Header {
    /// As `newHeads` sends it; a block adds its size and body. `hash` is the chain's own (chain-rules.md §4), not always that of the bytes.
    package func json(hash: Hash32) -> [String: JSON] {
        var members: [String: JSON] = [
            "hash": JSON(hash), "parentHash": JSON(parentHash), "sha3Uncles": JSON(ommersHash), "miner": JSON(beneficiary),
            "stateRoot": JSON(stateRoot),
            "transactionsRoot": JSON(transactionsRoot), "receiptsRoot": JSON(receiptsRoot), "logsBloom": JSON(logsBloom.bytes),
            "difficulty": .quantity(difficulty), "number": .quantity(number), "gasLimit": .quantity(gasLimit),
            "gasUsed": .quantity(gasUsed),
            "timestamp": .quantity(timestamp), "extraData": JSON(extraData), "mixHash": JSON(mixHash),
            "nonce": JSON((0..<8).map { UInt8(truncatingIfNeeded: nonce >> (56 - 8 * UInt64($0))) }),
        ]
        if let baseFeePerGas { members["baseFeePerGas"] = .quantity(baseFeePerGas) }
        if let withdrawalsRoot { members["withdrawalsRoot"] = JSON(withdrawalsRoot) }
        if let blobGasUsed { members["blobGasUsed"] = .quantity(blobGasUsed) }
        if let excessBlobGas { members["excessBlobGas"] = .quantity(excessBlobGas) }
        if let parentBeaconBlockRoot { members["parentBeaconBlockRoot"] = JSON(parentBeaconBlockRoot) }
        if let requestsHash { members["requestsHash"] = JSON(requestsHash) }
        return members
    }
}

extension BlockRecord {
    /// - Parameter full: whole transactions instead of their hashes.
    package func json(full: Bool) -> JSON {
        var members = header.json(hash: hash)
        members["size"] = .quantity(UInt64(size))
        members["transactions"] = .array(transactions.map { full ? $0.json : JSON($0.hash) })
        members["uncles"] = []
        if header.withdrawalsRoot != nil { members["withdrawals"] = [] }
        return .object(members)
    }
}

extension TransactionRecord {
    package var json: JSON {
        let payload = transaction.payload, signature = transaction.signature
        var members: [String: JSON] = [
            "type": .quantity(UInt64(payload.kind.rawValue)), "hash": JSON(hash), "from": JSON(sender),
            "to": payload.to.map { JSON($0) } ?? .null,
            "nonce": .quantity(payload.nonce), "gas": .quantity(payload.gasLimit), "value": .quantity(payload.value),
            "input": JSON(payload.data),
            "r": .quantity(signature.r), "s": .quantity(signature.s),
            "blockHash": place.map { JSON($0.blockHash) } ?? .null, "blockNumber": place.map { .quantity($0.blockNumber) } ?? .null,
            "transactionIndex": place.map { .quantity(UInt64($0.index)) } ?? .null,
        ]
        if let place { members["blockTimestamp"] = .quantity(place.blockTimestamp) }
        let parity = UInt64(signature.yParity)
        if let chainId = payload.chainId { members["chainId"] = .quantity(chainId) }
        if payload.kind == .legacy {
            members["gasPrice"] = .quantity(payload.maxFeePerGas)
            members["v"] = .quantity(payload.chainId.map { $0 &* 2 &+ 35 &+ U256(parity) } ?? U256(27 + parity))
            return .object(members)
        }
        members["v"] = .quantity(parity)
        members["yParity"] = .quantity(parity)
        members["accessList"] = .array(payload.accessList.map(\.json))
        if payload.kind == .accessList {
            members["gasPrice"] = .quantity(payload.maxFeePerGas)
            return .object(members)
        }
        // In the pool the price is not known yet: the most it can be.
        members["gasPrice"] = .quantity(
            place == nil ? payload.maxFeePerGas : payload.effectiveGasPrice(baseFeePerGas: baseFeePerGas))
        members["maxFeePerGas"] = .quantity(payload.maxFeePerGas)
        members["maxPriorityFeePerGas"] = .quantity(payload.maxPriorityFeePerGas)
        if payload.kind == .blob {
            members["maxFeePerBlobGas"] = .quantity(payload.maxFeePerBlobGas)
            members["blobVersionedHashes"] = .array(payload.blobHashes.map { JSON($0) })
        }
        if payload.kind == .setCode { members["authorizationList"] = .array(payload.authorizations.map(\.json)) }
        return .object(members)
    }
}

extension AccessListEntry {
    package var json: JSON { ["address": JSON(address), "storageKeys": .array(storageKeys.map { JSON($0) })] }
    package init(_ json: JSON) throws(RPCError) {
        guard let address = json["address"]?.asAddress, let keys = json["storageKeys"]?.asArray else {
            throw .invalidParameters("accessList: entries of address and storageKeys expected")
        }
        var hashes: [Hash32] = []
        for key in keys { hashes.append(try Field.hash(key, "storageKeys")) }
        self.init(address: address, storageKeys: hashes)
    }
}

extension Authorization {
    package var json: JSON {
        [
            "chainId": .quantity(chainId), "address": JSON(address), "nonce": .quantity(nonce), "yParity": .quantity(yParity),
            "r": .quantity(r), "s": .quantity(s),
        ]
    }
    package init(_ json: JSON) throws(RPCError) {
        guard case .object(let members) = json else { throw .invalidParameters("authorizationList: objects expected") }
        func word(_ name: String) throws(RPCError) -> U256 {
            try Field.quantity(members[name] ?? .null, "authorizationList.\(name)")
        }
        self.init(
            chainId: try word("chainId"), address: try Field.address(members["address"] ?? .null, "authorizationList.address"),
            nonce: try Field.number(members["nonce"] ?? .null, "authorizationList.nonce"), yParity: try word("yParity"),
            r: try word("r"), s: try word("s"))
    }
}

extension LogRecord {
    package var json: JSON {
        [
            "address": JSON(log.address), "topics": .array(log.topics.map { JSON($0) }), "data": JSON(log.data),
            "blockHash": JSON(place.blockHash),
            "blockNumber": .quantity(place.blockNumber), "blockTimestamp": .quantity(place.blockTimestamp),
            "transactionHash": JSON(transactionHash),
            "transactionIndex": .quantity(UInt64(place.index)), "logIndex": .quantity(UInt64(index)), "removed": false,
        ]
    }
}

extension ReceiptRecord {
    package var json: JSON {
        [
            "type": .quantity(UInt64(type)), "status": .quantity(succeeded ? 1 as UInt64 : 0),
            "cumulativeGasUsed": .quantity(cumulativeGasUsed), "gasUsed": .quantity(gasUsed),
            "effectiveGasPrice": .quantity(effectiveGasPrice), "logsBloom": JSON(bloom.bytes),
            "logs": .array(logRecords.map(\.json)),
            "transactionHash": JSON(transactionHash), "transactionIndex": .quantity(UInt64(place.index)),
            "blockHash": JSON(place.blockHash),
            "blockNumber": .quantity(place.blockNumber), "from": JSON(sender), "to": to.map { JSON($0) } ?? .null,
            "contractAddress": contractAddress.map { JSON($0) } ?? .null,
        ]
    }
}

extension ProofRecord {
    package var json: JSON {
        [
            "address": JSON(address), "nonce": .quantity(nonce), "balance": .quantity(balance), "codeHash": JSON(codeHash),
            "storageHash": JSON(storageHash),
            "accountProof": .array(nodes.map { JSON($0) }),
            "storageProof": .array(
                slots.map { ["key": .string($0.key), "value": .quantity($0.value), "proof": .array($0.nodes.map { JSON($0) })] }),
        ]
    }
}

extension FeeHistory {
    package var json: JSON {
        var members: [String: JSON] = [
            "oldestBlock": .quantity(oldestBlock), "baseFeePerGas": .array(baseFeePerGas.map { .quantity($0) }),
            "gasUsedRatio": .array(gasUsedRatio.map { .number($0) }),
        ]
        if !reward.isEmpty { members["reward"] = .array(reward.map { .array($0.map { .quantity($0) }) }) }
        return .object(members)
    }
}

// MARK: reading answers

extension LogRecord {
    package init(_ json: JSON) throws(RPCError) {
        guard let address = json["address"]?.asAddress, let topics = json["topics"]?.asArray, let data = json["data"]?.asBytes,
            let hash = json["transactionHash"]?.asHash, let index = json["logIndex"]?.asQuantity
        else { throw .internalError("not a log: \(json.text)") }
        var words: [Hash32] = []
        for topic in topics { words.append(try Field.hash(topic, "topics")) }
        self.init(
            log: Log(address: address, topics: words, data: data), place: try Place(json), transactionHash: hash,
            index: Int(clamping: index))
    }
}

extension Place {
    /// Of a log, receipt or mined transaction.
    init(_ json: JSON) throws(RPCError) {
        guard let hash = json["blockHash"]?.asHash, let number = json["blockNumber"]?.asQuantity,
            let index = json["transactionIndex"]?.asQuantity
        else {
            throw .internalError("no place in a block: \(json.text)")
        }
        self.init(
            blockHash: hash, blockNumber: number, blockTimestamp: json["blockTimestamp"]?.asQuantity ?? 0,
            index: Int(clamping: index))
    }
}

extension ReceiptRecord {
    package init(_ json: JSON) throws(RPCError) {
        guard let type = json["type"]?.asQuantity, let status = json["status"]?.asQuantity,
            let cumulative = json["cumulativeGasUsed"]?.asQuantity,
            let gasUsed = json["gasUsed"]?.asQuantity, let price = json["effectiveGasPrice"]?.asU256,
            let bloom = json["logsBloom"]?.asBytes.flatMap({ Bloom($0) }),
            let hash = json["transactionHash"]?.asHash, let sender = json["from"]?.asAddress, let items = json["logs"]?.asArray
        else {
            throw .internalError("not a receipt: \(json.text)")
        }
        var logs: [LogRecord] = []
        for item in items { logs.append(try LogRecord(item)) }
        var place = try Place(json)
        if let first = logs.first { place.blockTimestamp = first.place.blockTimestamp }
        self.init(
            type: UInt8(clamping: type), succeeded: status == 1, cumulativeGasUsed: cumulative, gasUsed: gasUsed,
            effectiveGasPrice: price, bloom: bloom,
            logs: logs.map(\.log), firstLogIndex: logs.first?.index ?? 0, transactionHash: hash, place: place, sender: sender,
            to: json["to"]?.asAddress,
            contractAddress: json["contractAddress"]?.asAddress)
    }
}

extension Header {
    /// Of a block or `newHeads` answer, with the chain's own hash.
    package static func read(_ json: JSON) throws(RPCError) -> (header: Header, hash: Hash32) {
        guard let hash = json["hash"]?.asHash, let parent = json["parentHash"]?.asHash, let ommers = json["sha3Uncles"]?.asHash,
            let miner = json["miner"]?.asAddress,
            let stateRoot = json["stateRoot"]?.asHash, let transactionsRoot = json["transactionsRoot"]?.asHash,
            let receiptsRoot = json["receiptsRoot"]?.asHash,
            let bloom = json["logsBloom"]?.asBytes.flatMap({ Bloom($0) }), let difficulty = json["difficulty"]?.asU256,
            let number = json["number"]?.asQuantity,
            let gasLimit = json["gasLimit"]?.asQuantity, let gasUsed = json["gasUsed"]?.asQuantity,
            let timestamp = json["timestamp"]?.asQuantity,
            let extraData = json["extraData"]?.asBytes, let mixHash = json["mixHash"]?.asHash, let nonce = json["nonce"]?.asBytes,
            nonce.count == 8
        else {
            throw .internalError("not a block: \(json.text.prefix(200))")
        }
        var header = Header(
            parentHash: parent, beneficiary: miner, stateRoot: stateRoot, transactionsRoot: transactionsRoot,
            receiptsRoot: receiptsRoot, logsBloom: bloom,
            difficulty: difficulty, number: number, gasLimit: gasLimit, gasUsed: gasUsed, timestamp: timestamp,
            extraData: extraData, mixHash: mixHash,
            nonce: nonce.reduce(0) { $0 << 8 | UInt64($1) })
        header.ommersHash = ommers
        header.baseFeePerGas = json["baseFeePerGas"]?.asU256
        header.withdrawalsRoot = json["withdrawalsRoot"]?.asHash
        header.blobGasUsed = json["blobGasUsed"]?.asQuantity
        header.excessBlobGas = json["excessBlobGas"]?.asQuantity
        header.parentBeaconBlockRoot = json["parentBeaconBlockRoot"]?.asHash
        header.requestsHash = json["requestsHash"]?.asHash
        return (header, hash)
    }
}
