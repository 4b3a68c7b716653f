import ArgumentParser
import Foundation
import Primitives

/// The program. Human by default, `--json` for machines; errors are one line that says what, where and what to do.
package struct Entente: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "entente",
        abstract: "Found an alliance chain, compute together on data that never leaves its owner, and be paid for it.", version: "0.1.0",
        subcommands: [
            Demo.self, Init.self, Found.self, Up.self, Join.self, Members.self, Inbox.self, Vote.self, Money.self, Data.self, Policy.self,
            Grant.self, Ask.self, Job.self,
            RecordCommand.self, EvidenceCommand.self, StampCommand.self, Verify.self,
        ])
    package init() {}
}

struct Directory: ParsableArguments {
    @Argument(help: "Directory of the organisation or client.") var directory: String
    @Option(help: "Node to talk to, if not the organisation's own: http://host:port.") var via: String?
    @Flag(help: "Machine-readable output.") var json = false

    func desk() async throws -> Desk { try await Desk.open(directory, via: via) }
    /// One answer in both forms.
    func say(_ text: String, _ facts: JSON) { print(json ? facts.text : text) }
}

struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a directory with keys: of an organisation, or of a client without a node.")
    @Argument(help: "Directory to make.") var directory: String
    @Option(help: "Short name: lower-case letters, digits, hyphens.") var name: String
    @Flag(help: "A client: it has an account and no node.") var client = false
    @Option(help: "A client's node to talk to: http://host:port.") var via: String?
    @Option(help: "Roles asked for: manager, validator, data, compute, bank, regulator.") var roles = "manager,validator,data,compute"
    @Option(help: "Address that others reach this node at.") var host = "127.0.0.1"
    @Option(help: "Port for peers; 0 takes a free one.") var peerPort = 0
    @Option(help: "Port for JSON-RPC; 0 takes a free one.") var rpcPort = 0
    @Flag(help: "Machine-readable output.") var json = false

    func run() async throws {
        guard name.utf8.count <= 32, !name.isEmpty, name.utf8.allSatisfy({ ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 45 })
        else {
            throw ValidationError("a name has 1 to 32 of a-z, 0-9 and -; \(name) is none")
        }
        guard let roles = Member.Roles(roles) else {
            throw ValidationError("roles are manager, validator, data, compute, bank, regulator, separated by commas")
        }
        let configuration = Configuration(name: name, rpcPort: rpcPort, peerPort: peerPort, host: host, via: via)
        let made = try DataDirectory.create(directory, configuration, withNodeKey: !client)
        let account = try made.key("account").address
        if client {
            print(json ? JSON.object(["account": JSON(account)]).text : "\(name): account \(account)")
            return
        }
        let card = Card(
            name: name, account: account, nodeKey: try made.key("node").address, roles: roles,
            contact: peerPort == 0 ? "" : "\(host):\(peerPort)")
        try made.write("card.json", card.json.canonical)
        print(json ? card.json.text : "\(name): account \(account), node \(card.nodeKey); hand \(directory)/card.json to the founders")
    }
}

struct Found: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Write the genesis of an alliance from its founders' cards.")
    @Argument(help: "Genesis file to write.") var genesis: String
    @Argument(help: "Cards of the founders.") var cards: [String]
    @Option(help: "Name of the alliance.") var name: String
    @Option(help: "Inclusion time of jobs in seconds: their windows are multiples of it.") var inclusion: UInt64 = 10
    @Option(help: "Share of each job's data fee for the alliance, in hundredths of a per cent.") var levy: UInt64 = 0

    func run() async throws {
        let founders = try cards.map { path -> Card in
            guard let data = FileManager.default.contents(atPath: path), let json = try? JSON(parsing: Bytes(data)), let card = Card(json)
            else {
                throw ValidationError("\(path) is no card; entente init writes card.json")
            }
            return card
        }
        let file = try Founding.genesis(
            name: name, founders: founders, timestamp: UInt64(Date().timeIntervalSince1970), inclusion: inclusion, levyBasisPoints: levy)
        do { try Foundation.Data(file.text.utf8).write(to: URL(fileURLWithPath: genesis), options: .atomic) } catch {
            throw DirectoryError.cannotWrite(genesis, DataDirectory.reason(error))
        }
        let network = try file.check()
        print("\(name): \(founders.count) founders, chain id \(network.configuration.chainId), genesis \(network.hash)")
        let silent = founders.filter(\.contact.isEmpty).map(\.name)
        print(
            "each founder: entente up DIRECTORY --genesis \(genesis)\(silent.isEmpty ? "" : " --peer HOST:PORT of \(silent.joined(separator: ", ")), whose cards name no port")"
        )
    }
}

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the organisation's node until interrupted.")
    @Argument(help: "Directory of the organisation.") var directory: String
    @Option(help: "Genesis file; needed the first time.") var genesis: String?
    @Option(help: "host:port of a node to call; may be repeated.") var peer: [String] = []
    @Flag(help: "Sign at once although this store is new: only if no other copy of this node's key has signed at this height.")
    var acceptAmnesia = false
    @Option(help: .hidden) var tap: String?
    /// Whoever starts a node for its own ends holds the other end of its input: when that process is gone, however it went, so is the node.
    @Flag(help: .hidden) var untilInputEnds = false

    func run() async throws {
        let data = DataDirectory(directory)
        var configuration = try data.configuration()
        if !peer.isEmpty {
            configuration.peers = peer
            try data.save(configuration)
        }
        var options = NodeService.Options()
        options.acceptsAmnesia = acceptAmnesia
        if let genesis {
            guard let text = FileManager.default.contents(atPath: genesis) else { throw DirectoryError.cannotRead(genesis, "no such file") }
            options.genesis = Bytes(text)
        }
        if let tap { options.tap = try FileTap(path: tap) }
        let service = try await NodeService.open(directory, options)
        print(
            "\(configuration.name) up: chain \(service.chainId), JSON-RPC http://\(configuration.host):\(service.rpcPort), peers \(configuration.host):\(service.peerPort)"
        )
        fflush(nil)
        try await untilInterrupted(orInputEnds: untilInputEnds) { try await service.run() }
    }
}

/// Runs until SIGINT or SIGTERM, then cancels and waits: nothing is left behind.
func untilInterrupted(orInputEnds watchesInput: Bool = false, _ body: @escaping @Sendable () async throws -> Void) async throws {
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, SIG_IGN)
    let signals = [SIGINT, SIGTERM].map { DispatchSource.makeSignalSource(signal: $0, queue: .global()) }
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    for source in signals {
        source.setEventHandler { continuation.yield() }
        source.resume()
    }
    let input = watchesInput ? DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO, queue: .global()) : nil
    input?.setEventHandler {
        var byte: UInt8 = 0
        if read(STDIN_FILENO, &byte, 1) <= 0 { continuation.yield() }
    }
    input?.resume()
    // A source that nobody holds hears nothing.
    defer {
        withExtendedLifetime((signals, input)) {
            signals.forEach { $0.cancel() }; input?.cancel()
        }
    }
    try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
            try await body(); return true
        }
        group.addTask {
            for await _ in stream { break }
            return false
        }
        // Whichever ends first: the work, or the wish to stop.
        _ = try await group.next()
        group.cancelAll()
        do { while try await group.next() != nil {} } catch is CancellationError {}
    }
}
