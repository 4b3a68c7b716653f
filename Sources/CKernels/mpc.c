// Kernels of secret sharing: AES-128 counter streams and products in GF(2^64). No path depends on secret data in time:
// the portable ones compute the S-box and the product instead of looking them up.
#include "mpc.h"
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// ---- portable AES: eight bytes at a time in one word; the S-box as inversion x^254 in GF(2^8) and an affine map.
#define REP(b) (0x0101010101010101ull * (b))
static inline uint64_t xtime8(uint64_t a) {
    uint64_t top = (a >> 7) & REP(1);
    return ((a & REP(0x7f)) << 1) ^ (top * 0x1b);
}
static inline uint64_t mul8(uint64_t a, uint64_t b) {
    uint64_t r = 0;
    for (int i = 0; i < 8; i++) {
        r ^= a & (((b >> i) & REP(1)) * 0xff);
        a = xtime8(a);
    }
    return r;
}
static inline uint64_t rotl8(uint64_t a, int k) {
    return ((a << k) & REP((uint8_t)(0xff << k))) | ((a >> (8 - k)) & REP((uint8_t)(0xff >> (8 - k))));
}
static uint64_t sub8(uint64_t a) {
    uint64_t a2 = mul8(a, a), a3 = mul8(a2, a), a6 = mul8(a3, a3), a12 = mul8(a6, a6), a15 = mul8(a12, a3);
    uint64_t a30 = mul8(a15, a15), a60 = mul8(a30, a30), a120 = mul8(a60, a60), a240 = mul8(a120, a120);
    uint64_t i = mul8(mul8(a240, a12), a2);
    return i ^ rotl8(i, 1) ^ rotl8(i, 2) ^ rotl8(i, 3) ^ rotl8(i, 4) ^ REP(0x63);
}
void entente_aes128_expand(const uint8_t key[16], uint8_t schedule[176]) {
    uint8_t rcon = 1;
    memcpy(schedule, key, 16);
    for (int i = 16; i < 176; i += 4) {
        uint8_t w[8] = {0};
        memcpy(w, schedule + i - 4, 4);
        if (i % 16 == 0) {
            uint8_t turned[8] = {w[1], w[2], w[3], w[0]};
            uint64_t x;
            memcpy(&x, turned, 8);
            x = sub8(x);
            memcpy(w, &x, 4);
            w[0] ^= rcon;
            rcon = (uint8_t)((rcon << 1) ^ ((rcon >> 7) * 0x1b));
        }
        for (int k = 0; k < 4; k++) schedule[i + k] = schedule[i + k - 16] ^ w[k];
    }
}
static void block_portable(const uint8_t schedule[176], uint8_t s[16]) {
    for (int k = 0; k < 16; k++) s[k] ^= schedule[k];
    for (int round = 1; round <= 10; round++) {
        uint64_t half[2];
        uint8_t t[16];
        memcpy(half, s, 16);
        half[0] = sub8(half[0]);
        half[1] = sub8(half[1]);
        memcpy(t, half, 16);
        for (int c = 0; c < 4; c++) for (int r = 0; r < 4; r++) s[4 * c + r] = t[4 * ((c + r) & 3) + r];
        if (round < 10) {
            memcpy(half, s, 16);
            uint64_t twice[2] = {xtime8(half[0]), xtime8(half[1])};
            uint8_t d[16];
            memcpy(d, twice, 16);
            memcpy(t, s, 16);
            for (int c = 0; c < 16; c += 4) for (int r = 0; r < 4; r++) {
                int n = (r + 1) & 3, m = (r + 2) & 3, l = (r + 3) & 3;
                s[c + r] = d[c + r] ^ d[c + n] ^ t[c + n] ^ t[c + m] ^ t[c + l];
            }
        }
        for (int k = 0; k < 16; k++) s[k] ^= schedule[16 * round + k];
    }
}
static void counter_block(uint64_t high, uint64_t low, uint8_t out[16]) {
    for (int k = 0; k < 8; k++) {
        out[k] = (uint8_t)(high >> (56 - 8 * k));
        out[8 + k] = (uint8_t)(low >> (56 - 8 * k));
    }
}
void entente_aes128_ctr_portable(const uint8_t schedule[176], uint64_t high, uint64_t low, uint8_t *out, size_t blocks) {
    for (size_t c = 0; c < blocks; c++) {
        counter_block(high, low + c, out + 16 * c);
        block_portable(schedule, out + 16 * c);
    }
}

void entente_gf64_multiply_portable(uint64_t *to, const uint64_t *x, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t a = to[i], b = x[i], low = 0, high = 0;
        for (int k = 0; k < 64; k++) {
            uint64_t take = 0 - ((b >> k) & 1);
            low ^= (a << k) & take;
            if (k) high ^= (a >> (64 - k)) & take;
        }
        uint64_t over = high ^ (high >> 60) ^ (high >> 61) ^ (high >> 63);
        to[i] = low ^ over ^ (over << 1) ^ (over << 3) ^ (over << 4);
    }
}

#if defined(__x86_64__)
__attribute__((target("aes,sse4.1,ssse3")))
static void ctr_ni(const uint8_t *schedule, uint64_t high, uint64_t low, uint8_t *out, size_t blocks) {
    __m128i k[11];
    const __m128i reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int i = 0; i < 11; i++) k[i] = _mm_loadu_si128((const __m128i *)(schedule + 16 * i));
    size_t c = 0;
    for (; c + 8 <= blocks; c += 8) {
        __m128i b[8];
        for (int j = 0; j < 8; j++) b[j] = _mm_xor_si128(_mm_shuffle_epi8(_mm_set_epi64x((long long)high, (long long)(low + c + j)), reverse), k[0]);
        for (int i = 1; i < 10; i++) for (int j = 0; j < 8; j++) b[j] = _mm_aesenc_si128(b[j], k[i]);
        for (int j = 0; j < 8; j++) _mm_storeu_si128((__m128i *)(out + 16 * (c + j)), _mm_aesenclast_si128(b[j], k[10]));
    }
    for (; c < blocks; c++) {
        __m128i b = _mm_xor_si128(_mm_shuffle_epi8(_mm_set_epi64x((long long)high, (long long)(low + c)), reverse), k[0]);
        for (int i = 1; i < 10; i++) b = _mm_aesenc_si128(b, k[i]);
        _mm_storeu_si128((__m128i *)(out + 16 * c), _mm_aesenclast_si128(b, k[10]));
    }
}
__attribute__((target("vaes,avx2,aes,sse4.1,ssse3")))
static void ctr_vaes(const uint8_t *schedule, uint64_t high, uint64_t low, uint8_t *out, size_t blocks) {
    __m256i k[11];
    const __m256i reverse = _mm256_broadcastsi128_si256(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    for (int i = 0; i < 11; i++) k[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(schedule + 16 * i)));
    size_t c = 0;
    for (; c + 16 <= blocks; c += 16) {
        __m256i b[8];
        for (int j = 0; j < 8; j++) {
            long long at = (long long)(low + c + 2 * j);
            b[j] = _mm256_xor_si256(_mm256_shuffle_epi8(_mm256_set_epi64x((long long)high, at + 1, (long long)high, at), reverse), k[0]);
        }
        for (int i = 1; i < 10; i++) for (int j = 0; j < 8; j++) b[j] = _mm256_aesenc_epi128(b[j], k[i]);
        for (int j = 0; j < 8; j++) _mm256_storeu_si256((__m256i *)(out + 16 * (c + 2 * j)), _mm256_aesenclast_epi128(b[j], k[10]));
    }
    if (c < blocks) ctr_ni(schedule, high, low + c, out + 16 * c, blocks - c);
}
__attribute__((target("pclmul,sse4.1")))
static void gf64_clmul(uint64_t *to, const uint64_t *x, size_t count) {
    const __m128i poly = _mm_set_epi64x(0, 0x1b);
    for (size_t i = 0; i < count; i++) {
        __m128i p = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)to[i]), _mm_cvtsi64_si128((long long)x[i]), 0);
        __m128i q = _mm_clmulepi64_si128(p, poly, 0x01);                    // high half, folded once
        __m128i r = _mm_clmulepi64_si128(q, poly, 0x01);                    // the few bits that stuck out again
        to[i] = (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(_mm_xor_si128(p, q), r));
    }
}
#endif

void entente_aes128_ctr(const uint8_t schedule[176], uint64_t high, uint64_t low, uint8_t *out, size_t blocks) {
#if defined(__x86_64__)
    static void (*chosen)(const uint8_t *, uint64_t, uint64_t, uint8_t *, size_t);
    void (*run)(const uint8_t *, uint64_t, uint64_t, uint8_t *, size_t) = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (!run) {
        __builtin_cpu_init();
        run = !__builtin_cpu_supports("aes") ? entente_aes128_ctr_portable : __builtin_cpu_supports("vaes") && __builtin_cpu_supports("avx2") ? ctr_vaes : ctr_ni;
        __atomic_store_n(&chosen, run, __ATOMIC_RELAXED);
    }
    run(schedule, high, low, out, blocks);
#else
    entente_aes128_ctr_portable(schedule, high, low, out, blocks);
#endif
}
void entente_gf64_multiply(uint64_t *to, const uint64_t *x, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("pclmul")) {
        gf64_clmul(to, x, count);
        return;
    }
#endif
    entente_gf64_multiply_portable(to, x, count);
}
