import Primitives

/// The backend without secrets: one component, held by everybody. Programs run on it in tests and as oracles of other
/// profiles. Its two sides are x minus a public pattern and that pattern, so derived protocols do their carries here too.
package final class ClearMachine: Machine {
    package init() {}
    package var party: Int { -1 }

    /// A matrix known to the caller.
    package func share<R: Ring>(_ column: Column, planes: Int = 1, count: Int, in ring: R.Type) -> Shared<R> {
        constant(column, planes: planes, count: count, in: R.self)
    }
    package func reveal<R: Ring>(_ x: Shared<R>) -> Column { x.component(0) }

    package func multiply<R: Ring>(_ x: Shared<R>, _ y: Shared<R>, _ map: Bilinear<R>) async throws(SessionError) -> Shared<R> {
        constant(map.apply(x.component(0), y.component(0)), planes: map.planes, count: map.count, in: R.self)
    }
    package func sides<From: Ring, To: Ring>(
        of x: Shared<From>, planes: Int, count: Int, in ring: To.Type,
        _ image: @Sendable (Int, Column) -> Column
    ) async throws(SessionError) -> (a: Shared<To>, b: Shared<To>) {
        var bytes = Bytes(repeating: 0, count: 8 * x.words)
        for i in 0..<bytes.count { bytes[i] = UInt8(truncatingIfNeeded: (i &* 0x9e37_79b9) >> 13) }
        let pattern = bytes.withUnsafeBytes { From.decode($0, planes: x.planes, count: x.count) }
        var rest = x.component(0)
        From.subtract(&rest, pattern)
        return (
            constant(image(0, rest), planes: planes, count: count, in: To.self),
            constant(image(1, pattern), planes: planes, count: count, in: To.self)
        )
    }
    package func multiplyTruncated(_ x: Words, _ y: Words, bits: Int) async throws(SessionError) -> Words {
        let z = zip(x.component(0), y.component(0)).map { UInt64(bitPattern: Int64(bitPattern: $0 &* $1) >> Int64(bits)) }
        return constant(z, planes: x.planes, count: x.count, in: Z64.self)
    }
    package func open<R: Ring>(_ x: Shared<R>) async throws(SessionError) -> Column { x.component(0) }
    package func open<R: Ring>(_ x: Shared<R>, to party: Int) async throws(SessionError) -> Column? { x.component(0) }
    package func random<R: Ring>(planes: Int, count: Int, in ring: R.Type) throws(SessionError) -> Shared<R> {
        // No secret to hide: any fixed matrix will do.
        let bytes = Bytes(repeating: 0x5a, count: R.byteCount(planes: planes, count: count))
        return constant(
            bytes.withUnsafeBytes { R.decode($0, planes: planes, count: count) }, planes: planes, count: count, in: R.self)
    }
    package func together<T: Sendable>(_ branches: [@Sendable () async throws(SessionError) -> T]) async throws(SessionError) -> [T] {
        var out: [T] = []
        for branch in branches { out.append(try await branch()) }
        return out
    }
}
