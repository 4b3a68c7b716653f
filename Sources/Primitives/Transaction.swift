/// A signed transaction as it travels: legacy, or typed by EIP-2930, 1559, 4844, 7702. Nothing here says that the signature is
/// good: `Ciphers` turns it into a `RecoveredTransaction`.
public struct UnverifiedTransaction: Sendable, Equatable {
    public var payload: TransactionPayload
    public var signature: TransactionSignature

    public init(payload: TransactionPayload, signature: TransactionSignature) {
        self.payload = payload
        self.signature = signature
    }
}

/// r, s and which of the two points: 0 or 1.
public struct TransactionSignature: Sendable, Equatable {
    public var r: U256
    public var s: U256
    public var yParity: UInt8

    public init(r: U256, s: U256, yParity: UInt8) {
        self.r = r
        self.s = s
        self.yParity = yParity
    }
}

/// What a transaction asks for. Fields that its type lacks have their neutral value.
public struct TransactionPayload: Sendable, Equatable {
    public enum Kind: UInt8, Sendable { case legacy = 0, accessList = 1, dynamicFee = 2, blob = 3, setCode = 4 }

    public var kind: Kind
    /// nil: a legacy transaction without EIP-155.
    public var chainId: U256?
    public var nonce: UInt64
    /// For legacy and 2930 the gas price, in both fields.
    public var maxPriorityFeePerGas: U256
    public var maxFeePerGas: U256
    public var gasLimit: UInt64
    /// nil: creation.
    public var to: Address?
    public var value: U256
    public var data: Bytes
    public var accessList: [AccessListEntry]
    public var maxFeePerBlobGas: U256
    public var blobHashes: [Hash32]
    public var authorizations: [Authorization]

    public init(
        kind: Kind = .dynamicFee, chainId: U256?, nonce: UInt64, maxPriorityFeePerGas: U256 = .zero, maxFeePerGas: U256 = .zero,
        gasLimit: UInt64,
        to: Address?, value: U256 = .zero, data: Bytes = [], accessList: [AccessListEntry] = [], maxFeePerBlobGas: U256 = .zero,
        blobHashes: [Hash32] = [], authorizations: [Authorization] = []
    ) {
        self.kind = kind
        self.chainId = chainId
        self.nonce = nonce
        self.maxPriorityFeePerGas = maxPriorityFeePerGas
        self.maxFeePerGas = maxFeePerGas
        self.gasLimit = gasLimit
        self.to = to
        self.value = value
        self.data = data
        self.accessList = accessList
        self.maxFeePerBlobGas = maxFeePerBlobGas
        self.blobHashes = blobHashes
        self.authorizations = authorizations
    }
}

public struct AccessListEntry: Sendable, Equatable {
    public var address: Address
    public var storageKeys: [Hash32]

    public init(address: Address, storageKeys: [Hash32]) {
        self.address = address
        self.storageKeys = storageKeys
    }
}

/// EIP-7702: an account lets its code be that of `address`. Malformed signatures are carried, execution skips them.
public struct Authorization: Sendable, Equatable {
    public var chainId: U256
    public var address: Address
    public var nonce: UInt64
    public var yParity: U256
    public var r: U256
    public var s: U256

    public init(chainId: U256, address: Address, nonce: UInt64, yParity: U256, r: U256, s: U256) {
        self.chainId = chainId
        self.address = address
        self.nonce = nonce
        self.yParity = yParity
        self.r = r
        self.s = s
    }
}

public enum TransactionDecodingError: Error, Equatable, Sendable {
    case rlp(RLPError)
    case unknownType(UInt8)
    case empty
    /// v of a legacy signature is none of 27, 28, 35 + 2·chainId, 36 + 2·chainId; yParity of a typed one is not 0 or 1.
    case signatureParity
}

// MARK: encoding

extension TransactionPayload {
    /// What the sender signs, before hashing: with EIP-155 where there is a chain id.
    public var signedBytes: Bytes {
        let list = RLP.encodeList { (list: inout RLP.Encoder) in
            encodeFields(into: &list)
            if kind == .legacy, let chainId {
                list.append(chainId)
                list.append(UInt64(0))
                list.append(UInt64(0))
            }
        }
        return kind == .legacy ? list : [kind.rawValue] + list
    }

    fileprivate func encodeFields(into list: inout RLP.Encoder) {
        if kind != .legacy { list.append(chainId ?? .zero) }
        list.append(nonce)
        if kind != .legacy, kind != .accessList { list.append(maxPriorityFeePerGas) }
        list.append(maxFeePerGas)
        list.append(gasLimit)
        list.append(to?.bytes ?? [])
        list.append(value)
        list.append(data)
        if kind == .legacy { return }
        list.appendList { outer in
            for entry in accessList {
                outer.appendList {
                    $0.append(entry.address)
                    $0.appendList { keys in entry.storageKeys.forEach { keys.append($0) } }
                }
            }
        }
        if kind == .blob {
            list.append(maxFeePerBlobGas)
            list.appendList { hashes in blobHashes.forEach { hashes.append($0) } }
        }
        if kind == .setCode { list.appendList { outer in authorizations.forEach { $0.encode(into: &outer) } } }
    }
}

extension Authorization {
    fileprivate func encode(into list: inout RLP.Encoder) {
        list.appendList {
            $0.append(chainId)
            $0.append(address)
            $0.append(nonce)
            $0.append(yParity)
            $0.append(r)
            $0.append(s)
        }
    }
    /// What the authority signs, before hashing (EIP-7702: 0x05 ‖ rlp).
    public var signedBytes: Bytes {
        [0x05]
            + RLP.encodeList {
                $0.append(chainId)
                $0.append(address)
                $0.append(nonce)
            }
    }
    fileprivate init(_ item: RLP.Item) throws(RLPError) {
        let f = try item.asList(count: 6)
        self.init(
            chainId: try f[0].asU256, address: try f[1].asAddress, nonce: try f[2].asUInt64, yParity: try f[3].asU256, r: try f[4].asU256,
            s: try f[5].asU256)
    }
}

extension UnverifiedTransaction {
    /// EIP-2718 envelope: the bytes of `eth_sendRawTransaction`, of the transactions root, of the hash.
    public var encoded: Bytes {
        let list = RLP.encodeList { (list: inout RLP.Encoder) in
            payload.encodeFields(into: &list)
            if payload.kind == .legacy {
                list.append(
                    payload.chainId.map { $0 &* 2 &+ 35 &+ U256(UInt64(signature.yParity)) } ?? U256(27 + UInt64(signature.yParity)))
            } else {
                list.append(UInt64(signature.yParity))
            }
            list.append(signature.r)
            list.append(signature.s)
        }
        return payload.kind == .legacy ? list : [payload.kind.rawValue] + list
    }

    /// As an element of a block body: a legacy transaction is a list, a typed one a string.
    public func encodeInBody(into list: inout RLP.Encoder) {
        if payload.kind == .legacy { list.appendEncoded(encoded) } else { list.append(encoded) }
    }

    public init(encoded: Bytes) throws(TransactionDecodingError) {
        guard let first = encoded.first else { throw .empty }
        do throws(RLPError) {
            if first >= 0xc0 {
                self = try .init(legacy: try RLP.decode(encoded).asList(count: 9))
                return
            }
        } catch { throw .rlp(error) }
        guard first >= 1, let kind = TransactionPayload.Kind(rawValue: first) else { throw .unknownType(first) }
        do throws(RLPError) {
            self = try .init(typed: kind, RLP.decode(Bytes(encoded.dropFirst())))
        } catch { throw .rlp(error) }
        guard signature.yParity <= 1 else { throw .signatureParity }
    }

    /// An element of a block body.
    public init(inBody item: RLP.Item) throws(TransactionDecodingError) {
        switch item {
        case .bytes(let bytes):
            guard bytes.first.map({ $0 < 0xc0 }) ?? false else { throw .empty }
            try self.init(encoded: bytes)
        case .list: try self.init(encoded: RLP.encode(item))
        }
    }

    private init(legacy f: [RLP.Item]) throws(RLPError) {
        let v = try f[6].asU256, price = try f[1].asU256
        var chainId: U256?, parity: UInt8
        if v == 27 || v == 28 {
            parity = UInt8(v.l0 - 27)
        } else {
            guard v >= 35 else { throw .integer(maximumBytes: 1) }
            let (half, odd) = (v &- 35).quotientAndRemainder(dividingBy: 2)
            (chainId, parity) = (half, UInt8(odd.l0))
        }
        self.init(
            payload: TransactionPayload(
                kind: .legacy, chainId: chainId, nonce: try f[0].asUInt64, maxPriorityFeePerGas: price, maxFeePerGas: price,
                gasLimit: try f[2].asUInt64, to: try Self.recipient(f[3]), value: try f[4].asU256, data: try f[5].asBytes),
            signature: TransactionSignature(r: try f[7].asU256, s: try f[8].asU256, yParity: parity))
    }

    private init(typed kind: TransactionPayload.Kind, _ item: RLP.Item) throws(RLPError) {
        let counts: [TransactionPayload.Kind: Int] = [.accessList: 11, .dynamicFee: 12, .blob: 14, .setCode: 13]
        let f = try item.asList(count: counts[kind]!)
        var at = 0
        func next() -> RLP.Item { defer { at += 1 }; return f[at] }
        let chainId = try next().asU256, nonce = try next().asUInt64
        let first = try next().asU256
        let fee = kind == .accessList ? first : try next().asU256
        var payload = TransactionPayload(
            kind: kind, chainId: chainId, nonce: nonce, maxPriorityFeePerGas: first, maxFeePerGas: fee, gasLimit: try next().asUInt64,
            to: try Self.recipient(next()), value: try next().asU256, data: try next().asBytes)
        for entry in try next().asList {
            let pair = try entry.asList(count: 2)
            var keys: [Hash32] = []
            for key in try pair[1].asList { keys.append(try key.asHash) }
            payload.accessList.append(AccessListEntry(address: try pair[0].asAddress, storageKeys: keys))
        }
        if kind == .blob {
            payload.maxFeePerBlobGas = try next().asU256
            for hash in try next().asList { payload.blobHashes.append(try hash.asHash) }
        }
        if kind == .setCode { for entry in try next().asList { payload.authorizations.append(try Authorization(entry)) } }
        let parity = try next().asUInt64
        self.init(
            payload: payload, signature: TransactionSignature(r: try next().asU256, s: try next().asU256, yParity: UInt8(clamping: parity)))
    }

    private static func recipient(_ item: RLP.Item) throws(RLPError) -> Address? {
        let bytes = try item.asBytes
        if bytes.isEmpty { return nil }
        guard let address = Address(bytes) else { throw .lengthMismatch(expected: 20, found: bytes.count) }
        return address
    }
}
