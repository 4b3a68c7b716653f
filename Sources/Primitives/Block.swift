/// A header and its transactions. Ommers and withdrawals are always empty on our networks; foreign chains may carry ommers.
public struct Block: Sendable, Equatable {
    public var header: Header
    public var transactions: [UnverifiedTransaction]

    public init(header: Header, transactions: [UnverifiedTransaction]) {
        self.header = header
        self.transactions = transactions
    }

    /// EIP-7934's figure, here from block 0.
    public static let maximumEncodedBytes = 8_388_608
    public static let maximumHeaderBytes = 16_384

    /// `[header, transactions, [], []]`
    public var encoded: Bytes { RLP.encodeList { encodeFields(into: &$0) } }
    public func encode(into list: inout RLP.Encoder) { list.appendList { encodeFields(into: &$0) } }

    private func encodeFields(into list: inout RLP.Encoder) {
        header.encode(into: &list)
        list.appendList { body in transactions.forEach { $0.encodeInBody(into: &body) } }
        list.appendList { _ in }
        if header.withdrawalsRoot != nil { list.appendList { _ in } }
    }
}

public enum BlockDecodingError: Error, Equatable, Sendable {
    case rlp(RLPError)
    case transaction(index: Int, TransactionDecodingError)
    case ommersPresent
    case withdrawalsPresent
    case tooLarge(bytes: Int)
}

extension Block {
    public init(_ item: RLP.Item) throws(BlockDecodingError) {
        do throws(RLPError) {
            let f = try item.asList
            guard f.count == 3 || f.count == 4 else { throw RLPError.countMismatch(expected: 4, found: f.count) }
            header = try Header(f[0])
            guard f.count == (header.withdrawalsRoot == nil ? 3 : 4) else { throw RLPError.countMismatch(expected: 4, found: f.count) }
        } catch { throw .rlp(error) }
        guard case .list(let f) = item, case .list(let body) = f[1] else { throw .rlp(.listExpected) }
        guard f[2] == .list([]) else { throw .ommersPresent }
        guard f.count == 3 || f[3] == .list([]) else { throw .withdrawalsPresent }
        transactions = []
        for (index, element) in body.enumerated() {
            do throws(TransactionDecodingError) { transactions.append(try UnverifiedTransaction(inBody: element)) } catch {
                throw .transaction(index: index, error)
            }
        }
    }

    public init(encoded: Bytes) throws(BlockDecodingError) {
        guard encoded.count <= Block.maximumEncodedBytes else { throw .tooLarge(bytes: encoded.count) }
        let item: RLP.Item
        do throws(RLPError) { item = try RLP.decode(encoded) } catch { throw .rlp(error) }
        try self.init(item)
    }
}
