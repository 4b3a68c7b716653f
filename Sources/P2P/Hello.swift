import Primitives

/// The first frame of both sides: which chain, which rules, how far.
package struct Hello: Equatable, Sendable {
    package var chainId: UInt64
    package var genesisHash: Hash32
    package var fork: ForkID
    package var headNumber: UInt64
    package var headHash: Hash32
    /// T of the head: milliseconds since 1970.
    package var headTime: UInt64
    package var flags: Flags
    /// Program and version, at most 64 bytes.
    package var client: String

    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
        /// Has lost what it signed before; see chain-rules.md §7.
        package static let amnesiac = Flags(rawValue: 1)
        package static let archive = Flags(rawValue: 2)
    }

    static let version: UInt64 = 1
    static let maximumClientBytes = 64

    package init(
        chainId: UInt64, genesisHash: Hash32, fork: ForkID, headNumber: UInt64, headHash: Hash32, headTime: UInt64,
        flags: Flags = [], client: String
    ) {
        self.chainId = chainId
        self.genesisHash = genesisHash
        self.fork = fork
        self.headNumber = headNumber
        self.headHash = headHash
        self.headTime = headTime
        self.flags = flags
        self.client = client
    }

    package var encoded: Bytes {
        RLP.encodeList {
            $0.append(Hello.version)
            $0.append(chainId)
            $0.append(genesisHash)
            $0.appendList { pair in
                pair.append(fork.hash.bigEndianBytes)
                pair.append(fork.next)
            }
            $0.append(headNumber)
            $0.append(headHash)
            $0.append(headTime)
            $0.append(flags.rawValue)
            $0.append(client.utf8.prefix(Hello.maximumClientBytes))
        }
    }

    package init(encoded: Bytes) throws(HelloError) {
        do throws(RLPError) {
            let f = try RLP.decode(encoded).asList
            guard f.count == 9, try f[0].asUInt64 == Hello.version else {
                throw RLPError.countMismatch(expected: 9, found: f.count)
            }
            let pair = try f[3].asList(count: 2), hash = try pair[0].asBytes, name = try f[8].asBytes
            guard hash.count == 4 else { throw RLPError.lengthMismatch(expected: 4, found: hash.count) }
            guard name.count <= Hello.maximumClientBytes else {
                throw RLPError.lengthMismatch(expected: Hello.maximumClientBytes, found: name.count)
            }
            self.init(
                chainId: try f[1].asUInt64, genesisHash: try f[2].asHash,
                fork: ForkID(hash: hash.reduce(0) { $0 << 8 | UInt32($1) }, next: try pair[1].asUInt64),
                headNumber: try f[4].asUInt64, headHash: try f[5].asHash, headTime: try f[6].asUInt64,
                flags: Flags(rawValue: try f[7].asUInt64),
                client: "")
            // The name is shown in logs and consoles: printable ASCII only.
            guard name.allSatisfy({ (0x20..<0x7f).contains($0) }) else { throw RLPError.bytesExpected }
            client = String(decoding: name, as: UTF8.self)
        } catch { throw .malformed(error) }
    }
}

package enum HelloError: Error, Equatable, Sendable {
    case malformed(RLPError)
}

extension UInt32 {
    var bigEndianBytes: Bytes { (0..<4).map { UInt8(truncatingIfNeeded: self >> (24 - 8 * $0)) } }
}

/// Why a link ends, as one side tells the other. The raw value travels.
package enum DisconnectReason: UInt64, Sendable, CaseIterable {
    case wrongChain = 1, wrongFork, notAdmitted, duplicate, tooManyPeers, protocolBreach, shuttingDown
}

/// `[reason, height]`: at which head the sender judged.
package struct Disconnect: Equatable, Sendable {
    package var reason: DisconnectReason
    package var height: UInt64

    package init(_ reason: DisconnectReason, height: UInt64) {
        self.reason = reason
        self.height = height
    }

    package var encoded: Bytes {
        RLP.encodeList {
            $0.append(reason.rawValue)
            $0.append(height)
        }
    }
    package init(encoded: Bytes) throws(HelloError) {
        do throws(RLPError) {
            let f = try RLP.decode(encoded).asList(count: 2)
            guard let reason = DisconnectReason(rawValue: try f[0].asUInt64) else { throw RLPError.integer(maximumBytes: 1) }
            self.init(reason, height: try f[1].asUInt64)
        } catch { throw .malformed(error) }
    }
}
