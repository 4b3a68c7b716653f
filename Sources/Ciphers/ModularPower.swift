import CGMP
import Primitives

/// base^exponent mod modulus over GMP, numbers as big-endian bytes of any length; the result has the modulus' length. 0 for a
/// modulus of 0 or 1. Variable time: for public numbers only.
public func modularPower(variableTime base: Bytes, exponent: Bytes, modulus: Bytes) -> Bytes {
    var b = mpz_t(), e = mpz_t(), m = mpz_t(), power = mpz_t()
    __gmpz_init(&power)
    load(&b, base)
    load(&e, exponent)
    load(&m, modulus)
    defer {
        __gmpz_clear(&b)
        __gmpz_clear(&e)
        __gmpz_clear(&m)
        __gmpz_clear(&power)
    }
    var output = Bytes(repeating: 0, count: modulus.count)
    if m._mp_size == 0 { return output }
    __gmpz_powm(&power, &b, &e, &m)
    var count = 0
    let width = (__gmpz_sizeinbase(&power, 2) + 7) / 8
    output.withUnsafeMutableBytes { _ = __gmpz_export($0.baseAddress! + ($0.count - width), &count, 1, 1, 1, 0, &power) }
    return output
}

private func load(_ number: inout mpz_t, _ bytes: Bytes) {
    __gmpz_init(&number)
    bytes.withUnsafeBytes { __gmpz_import(&number, $0.count, 1, 1, 1, 0, $0.baseAddress) }
}
