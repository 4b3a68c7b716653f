/// What a fork changes, as data: each fork is the one before with its differences, so that the whole history of the rules
/// can be read from top to bottom. Source: the EIPs named beside each field.
///
/// `@unchecked Sendable`: the only pointer is to an opcode table that is written once, before it is shared, and never freed.
public struct Rules: @unchecked Sendable {
    public enum Fork: UInt8, Comparable, CaseIterable, Sendable {
        case frontier, homestead, tangerineWhistle, spuriousDragon, byzantium, constantinople, petersburg, istanbul
        case berlin, london, paris, shanghai, cancun, prague, osaka

        public static func < (a: Fork, b: Fork) -> Bool { a.rawValue < b.rawValue }
    }

    public private(set) var fork = Fork.frontier
    /// Gas and stack needs by opcode; `Opcode.undefined` where the fork has none.
    private(set) var opcodes = OpcodeTable.frontier

    // Transactions
    private(set) var creationGas: UInt64 = 0  // EIP-2
    private(set) var nonZeroDataByteGas: UInt64 = 68  // EIP-2028
    private(set) var floorTokenGas: UInt64 = 0  // EIP-7623: per token of data; 0: no floor
    private(set) var initcodeWordGas: UInt64 = 0  // EIP-3860
    private(set) var maximumInitcodeCount = Int.max  // EIP-3860
    private(set) var maximumTransactionGas = UInt64.max  // EIP-7825
    private(set) var refundQuotient: UInt64 = 2  // EIP-3529
    private(set) var latestKind: UInt8 = 0  // highest transaction type
    private(set) var hasBaseFee = false  // EIP-1559
    private(set) var refusesSendersWithCode = false  // EIP-3607
    private(set) var maximumBlobs = 0  // EIP-4844, 7691, 7594
    private(set) var blobFeeUpdateFraction: UInt64 = 0
    private(set) var acceptsBlobTransactions = true  // our networks: no
    private(set) var requiresReplayProtection = false  // our networks: yes, replay costs nothing where gas is free
    private(set) var warmsBeneficiary = false  // EIP-3651

    // Storage
    enum StorageMetering { case simple, net }
    private(set) var storageMetering = StorageMetering.simple  // EIP-1283, 2200
    private(set) var storageSentryGas: Int64 = 0  // EIP-2200
    private(set) var storageNoChangeGas: Int64 = 200  // EIP-1283; 800 by 2200; 100 by 2929
    private(set) var storageResetGas: Int64 = 5000  // 2900 by 2929
    private(set) var storageClearRefund: Int64 = 15000  // 4800 by 3529
    private(set) var coldSlotSurcharge: Int64 = 0  // EIP-2929, above the warm cost
    private(set) var coldAccountSurcharge: Int64 = 0

    // Machine
    private(set) var expByteGas: Int64 = 10  // EIP-160
    private(set) var retains64th = false  // EIP-150
    private(set) var chargesDestroyToNewAccount = false  // EIP-150
    private(set) var clearsEmptyAccounts = false  // EIP-161
    private(set) var firstContractNonce: UInt64 = 0  // EIP-161
    private(set) var maximumCodeCount = Int.max  // EIP-170
    private(set) var failsOnUnpaidCode = false  // EIP-2
    private(set) var refusesCodePrefix = false  // EIP-3541
    private(set) var destroyRefund: Int64 = 24000  // 0 by 3529
    private(set) var destroysOnlyCreated = false  // EIP-6780
    private(set) var hasDelegation = false  // EIP-7702

    // Precompiles
    private(set) var lastPrecompile: UInt64 = 4
    private(set) var hasP256Verify = false  // EIP-7951
    enum ModexpPricing { case eip198, eip2565, eip7883 }
    private(set) var modexpPricing = ModexpPricing.eip198
    private(set) var cheapPairing = false  // EIP-1108

    private func next(_ fork: Fork, _ change: (inout Rules) -> Void) -> Rules {
        var rules = self
        rules.fork = fork
        change(&rules)
        return rules
    }
}

extension Rules {
    public static let frontier = Rules()

    public static let homestead = frontier.next(.homestead) {
        $0.creationGas = 32000
        $0.failsOnUnpaidCode = true
        $0.opcodes = .homestead
    }
    public static let tangerineWhistle = homestead.next(.tangerineWhistle) {
        $0.retains64th = true
        $0.chargesDestroyToNewAccount = true
        $0.opcodes = .tangerineWhistle
    }
    public static let spuriousDragon = tangerineWhistle.next(.spuriousDragon) {
        $0.expByteGas = 50
        $0.clearsEmptyAccounts = true
        $0.firstContractNonce = 1
        $0.maximumCodeCount = 24576
    }
    public static let byzantium = spuriousDragon.next(.byzantium) {
        $0.lastPrecompile = 8
        $0.opcodes = .byzantium
    }
    public static let constantinople = byzantium.next(.constantinople) {
        $0.storageMetering = .net
        $0.opcodes = .constantinople
    }
    public static let petersburg = constantinople.next(.petersburg) { $0.storageMetering = .simple }
    public static let istanbul = petersburg.next(.istanbul) {
        $0.nonZeroDataByteGas = 16
        $0.storageMetering = .net
        $0.storageSentryGas = 2300
        $0.storageNoChangeGas = 800
        $0.lastPrecompile = 9
        $0.cheapPairing = true
        $0.opcodes = .istanbul
    }
    public static let berlin = istanbul.next(.berlin) {
        $0.latestKind = 1
        $0.storageNoChangeGas = 100
        $0.storageResetGas = 2900
        $0.coldSlotSurcharge = 2000
        $0.coldAccountSurcharge = 2500
        $0.modexpPricing = .eip2565
        $0.opcodes = .berlin
    }
    public static let london = berlin.next(.london) {
        $0.latestKind = 2
        $0.hasBaseFee = true
        $0.refundQuotient = 5
        $0.refusesSendersWithCode = true
        $0.storageClearRefund = 4800
        $0.destroyRefund = 0
        $0.refusesCodePrefix = true
        $0.opcodes = .london
    }
    public static let paris = london.next(.paris) { _ in }
    public static let shanghai = paris.next(.shanghai) {
        $0.warmsBeneficiary = true
        $0.initcodeWordGas = 2
        $0.maximumInitcodeCount = 49152
        $0.opcodes = .shanghai
    }
    public static let cancun = shanghai.next(.cancun) {
        $0.latestKind = 3
        $0.maximumBlobs = 6
        $0.blobFeeUpdateFraction = 3_338_477
        $0.destroysOnlyCreated = true
        $0.lastPrecompile = 0x0a
        $0.opcodes = .cancun
    }
    public static let prague = cancun.next(.prague) {
        $0.latestKind = 4
        $0.maximumBlobs = 9
        $0.blobFeeUpdateFraction = 5_007_716
        $0.floorTokenGas = 10
        $0.hasDelegation = true
        $0.lastPrecompile = 0x11
    }
    public static let osaka = prague.next(.osaka) {
        $0.maximumTransactionGas = 1 << 24
        $0.maximumBlobs = 6
        $0.modexpPricing = .eip7883
        $0.hasP256Verify = true
        $0.opcodes = .osaka
    }

    /// Our own networks: Prague without blobs, and without transactions that another chain could replay (`chain-rules.md` §12).
    public static let alliance = prague.next(.prague) {
        $0.acceptsBlobTransactions = false
        $0.requiresReplayProtection = true
    }

    public init(fork: Fork) {
        self =
            switch fork {
            case .frontier: .frontier
            case .homestead: .homestead
            case .tangerineWhistle: .tangerineWhistle
            case .spuriousDragon: .spuriousDragon
            case .byzantium: .byzantium
            case .constantinople: .constantinople
            case .petersburg: .petersburg
            case .istanbul: .istanbul
            case .berlin: .berlin
            case .london: .london
            case .paris: .paris
            case .shanghai: .shanghai
            case .cancun: .cancun
            case .prague: .prague
            case .osaka: .osaka
            }
    }
}
