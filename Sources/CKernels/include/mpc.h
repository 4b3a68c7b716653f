#pragma once
#include <stddef.h>
#include <stdint.h>
// AES-128 (FIPS 197) in counter mode over raw blocks: block c is AES(high64 big-endian, low64 + c big-endian).
void entente_aes128_expand(const uint8_t key[16], uint8_t schedule[176]);
void entente_aes128_ctr(const uint8_t schedule[176], uint64_t high, uint64_t low, uint8_t *out, size_t blocks);
// The same without special instructions: for tests, and where there are none.
void entente_aes128_ctr_portable(const uint8_t schedule[176], uint64_t high, uint64_t low, uint8_t *out, size_t blocks);
// to[i] = to[i] * x[i] in GF(2)[t] / (t^64 + t^4 + t^3 + t + 1).
void entente_gf64_multiply(uint64_t *to, const uint64_t *x, size_t count);
void entente_gf64_multiply_portable(uint64_t *to, const uint64_t *x, size_t count);
