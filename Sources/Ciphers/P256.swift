import COpenSSL
import Primitives

/// ECDSA over NIST P-256 (FIPS 186-5), checking only: over libcrypto's points.
public enum P256 {
    /// Whether r, s is a signature of `digest` by the point x, y. Any s; false for numbers out of range or a point off the curve.
    public static func verifies(_ digest: Hash32, r: U256, s: U256, x: U256, y: U256) -> Bool {
        guard let group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1) else { return false }
        defer { EC_GROUP_free(group) }
        guard let context = BN_CTX_new(), let key = EC_POINT_new(group), let sum = EC_POINT_new(group),
            let order = EC_GROUP_get0_order(group)
        else { return false }
        BN_CTX_start(context)
        defer {
            BN_CTX_end(context)
            BN_CTX_free(context)
            EC_POINT_free(key)
            EC_POINT_free(sum)
        }
        func number(_ word: U256) -> OpaquePointer? { BN_bin2bn(word.bytes, 32, BN_CTX_get(context)) }
        guard let r = number(r), let s = number(s), let x = number(x), let y = number(y), let z = number(U256(digest)) else { return false }
        guard BN_is_zero(r) == 0, BN_is_zero(s) == 0, BN_cmp(r, order) < 0, BN_cmp(s, order) < 0 else { return false }
        guard let field = EC_GROUP_get0_field(group), BN_cmp(x, field) < 0, BN_cmp(y, field) < 0 else { return false }
        // Refuses a point that is not on the curve.
        guard EC_POINT_set_affine_coordinates(group, key, x, y, context) == 1 else {
            ERR_clear_error()
            return false
        }
        // R = (z/s)·G + (r/s)·Q; its x modulo the order must be r.
        guard let u = BN_CTX_get(context), let v = BN_CTX_get(context),
            let inverse = BN_mod_inverse(BN_CTX_get(context), s, order, context),
            BN_mod_mul(u, z, inverse, order, context) == 1, BN_mod_mul(v, r, inverse, order, context) == 1,
            EC_POINT_mul(group, sum, u, key, v, context) == 1, EC_POINT_is_at_infinity(group, sum) == 0,
            EC_POINT_get_affine_coordinates(group, sum, u, nil, context) == 1, BN_nnmod(v, u, order, context) == 1
        else { return false }
        return BN_cmp(v, r) == 0
    }
}
