import Ciphers
import Consensus
import EVM
import Primitives
import Storage
import Trie

package enum VerificationError: Error, Equatable, Sendable {
    case ledger(LedgerError)
    /// Stored bytes of this block are not what its hash or its roots say.
    case record(number: UInt64, String)
    case seal(number: UInt64, SealError)
    case block(number: UInt64, BlockFailure)
    /// The flat columns are not the state that the head commits to.
    case flatState(found: Hash32)
}

extension LedgerView {
    /// `verify-chain`: everything again from genesis, trusting no stored result. Hashes, seals, bodies, every transaction executed
    /// on
    /// the state of its parent, receipts, roots, sets of validators; at last the flat columns against the head's root.
    ///
    /// - Parameter progress: the block just verified.
    /// - Cost: as much as the chain's execution; the flat state is hashed account by account.
    package func verify(_ progress: (UInt64) -> Void = { _ in }) throws(VerificationError) {
        func stored<T>(_ number: UInt64, _ what: String, _ read: () throws(StorageError) -> T?) throws(VerificationError) -> T {
            let found: T?
            do throws(StorageError) { found = try read() } catch { throw .ledger(.storage(error)) }
            guard let found else { throw .record(number: number, what) }
            return found
        }
        var parent = try verifiedGenesis(), hashes = [parent.hash]
        progress(0)
        for number in stride(from: UInt64(1), through: head.number, by: 1) {
            let (header, hash) = try stored(number, "header") { () throws(StorageError) in try self.header(number) }
            let body = try stored(number, "body") { () throws(StorageError) in try self.body(number) }
            let receipts = try stored(number, "receipts") { () throws(StorageError) in try self.rawReceipts(number) }
            guard let extra = try? ExtraData(decoding: header.extraData) else { throw .record(number: number, "extra data") }
            let sealed: SealedBlock
            do throws(SealError) {
                sealed = SealedBlock(try SealedHeader(header, extra, by: parent.validators, Secp256k1Recovery()), body: body)
            } catch {
                throw .seal(number: number, error)
            }
            guard sealed.hash == hash else { throw .record(number: number, "hash") }
            let base = ChainState(root: parent.header.stateRoot, reader: reader, cache: cache, isFlat: false)
            do throws(BlockFailure) {
                let run = try BlockExecution(
                    parent: parent, base: base, chainId: network.chainId,
                    recentHashes: hashes
                ).execute(sealed.unsealed)
                guard run.receipts == receipts else {
                    throw BlockFailure.invalid(
                        .receiptsRoot(
                            expected: header.receiptsRoot,
                            found: Trie.indexedRoot(receipts.map(\.encoded))))
                }
                parent = run.head
            } catch { throw .block(number: number, error) }
            hashes = hashes.suffix(LedgerView.recentCount - 1) + [hash]
            progress(number)
        }
        guard parent.hash == head.hash else { throw .record(number: head.number, "head") }
        let flat = try flatRoot()
        guard flat == head.header.stateRoot else { throw .flatState(found: flat) }
    }

    private func verifiedGenesis() throws(VerificationError) -> Head {
        do throws(GenesisFileError) {
            let file = try GenesisFile(parsing: Bytes(network.file.utf8)), checked = try file.check()
            guard let stored = try? header(0), stored.hash == checked.hash, stored.header == file.header else {
                throw GenesisFileError.malformed(key: "stored header")
            }
            let state = ChainState(root: file.header.stateRoot, reader: reader, cache: cache, isFlat: false)
            guard let head = try? LedgerView.head(file.header, checked.hash, state) else {
                throw GenesisFileError.malformed(key: "stored state")
            }
            return head
        } catch { throw .ledger(.genesis(error)) }
    }

    private func flatRoot() throws(VerificationError) -> Hash32 {
        do {
            var state: [(key: Bytes, value: Bytes)] = [], fault = false
            try reader.scan(.accounts) { address, value in
                var slots: [(key: Bytes, value: Bytes)] = []
                do {
                    try reader.scan(.slots, prefix: address) { key, value in
                        var word = RLP.Encoder()
                        word.append(value)
                        slots.append((Bytes(key[20...]), word.bytes))
                        return true
                    }
                    guard var account = try? TrieAccount(encoded: value) else { fault = true; return false }
                    fault = account.storageRoot != Trie.secureRoot(slots)
                    account.storageRoot = Trie.secureRoot(slots)
                    state.append((address, account.encoded))
                } catch { fault = true }
                return !fault
            }
            return fault ? .zero : Trie.secureRoot(state)
        } catch { throw .ledger(.damaged(record: "\(error)")) }
    }
}
