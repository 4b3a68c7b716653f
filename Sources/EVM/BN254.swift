import Primitives
enum BN254 {
    static func add(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes { throw .precompileAbsent }
    static func multiply(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes { throw .precompileAbsent }
    static func pairing(_ input: UnsafeRawBufferPointer) throws(HaltReason) -> Bytes { throw .precompileAbsent }
}
